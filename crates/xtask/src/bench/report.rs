//! What a bench run found, as data; `table` and `json` write it down.

use super::stats::Summary;

/// The row every ratio is about.
pub(crate) const OURS: &str = "ours";

/// One column of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    /// Also show min, max and the ratio ours/peer, not only the median.
    pub(crate) full: bool,
}

/// A metric shown with its spread and the ratio.
pub(crate) const fn full(name: &'static str) -> Metric {
    Metric { name, full: true }
}

/// A metric shown by its median alone.
pub(crate) const fn brief(name: &'static str) -> Metric {
    Metric { name, full: false }
}

/// How a peer fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Ran,
    Missing,
    Hung(String),
    Failed(String),
}

/// Why one run gave no figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Hung(String),
    Failed(String),
}

impl Fault {
    pub(crate) fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

/// One peer in one section; `samples[m]` are the runs of metric `m`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) peer: String,
    pub(crate) state: State,
    pub(crate) samples: Vec<Vec<f64>>,
}

impl Row {
    pub(crate) fn new(peer: &str, present: bool, metrics: usize) -> Self {
        let state = if present { State::Ran } else { State::Missing };
        Self { peer: peer.to_owned(), state, samples: vec![Vec::new(); metrics] }
    }

    /// Adds one run, or the reason why there will be no more.
    pub(crate) fn record(&mut self, run: Result<Vec<f64>, Fault>) {
        match run {
            Ok(values) => {
                assert_eq!(values.len(), self.samples.len(), "a run gives every metric");
                for (samples, value) in self.samples.iter_mut().zip(values) {
                    samples.push(value);
                }
            }
            Err(Fault::Hung(why)) => self.state = State::Hung(why),
            Err(Fault::Failed(why)) => self.state = State::Failed(why),
        }
    }

    pub(crate) fn summary(&self, metric: usize) -> Option<Summary> {
        if self.state != State::Ran {
            return None;
        }
        Summary::of(self.samples.get(metric)?)
    }
}

/// One target and whether it was met; `pass` is None where it could not be judged.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) target: String,
    pub(crate) measured: Option<f64>,
    pub(crate) pass: Option<bool>,
}

/// One workload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    /// What exactly was run, for a reader who wants to repeat it.
    pub(crate) how: String,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) rows: Vec<Row>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) notes: Vec<String>,
}

impl Section {
    pub(crate) fn median(&self, peer: &str, metric: usize) -> Option<f64> {
        Some(self.rows.iter().find(|row| row.peer == peer)?.summary(metric)?.median)
    }

    /// ours / peer, by medians.
    pub(crate) fn ratio(&self, metric: usize, peer: &str) -> Option<f64> {
        let theirs = self.median(peer, metric)?;
        (theirs > 0.0).then_some(self.median(OURS, metric)? / theirs)
    }

    /// Target: ours is at least `factor` times the peer.
    pub(crate) fn at_least(&mut self, metric: usize, factor: f64, peer: &str) {
        let ratio = self.ratio(metric, peer);
        let target = format!("{} ≥ {factor} × {peer}", self.metrics[metric].name);
        self.judge(target, ratio, |ratio| ratio >= factor);
    }

    /// Target: ours is at most `factor` times the peer.
    pub(crate) fn at_most(&mut self, metric: usize, factor: f64, peer: &str) {
        let ratio = self.ratio(metric, peer);
        let target = format!("{} ≤ {factor} × {peer}", self.metrics[metric].name);
        self.judge(target, ratio, |ratio| ratio <= factor);
    }

    pub(crate) fn judge(
        &mut self,
        target: String,
        measured: Option<f64>,
        met: impl Fn(f64) -> bool,
    ) {
        // Without our own figure the target is missed; without a peer's it cannot be judged.
        let ours_ran = self.rows.iter().any(|row| row.peer == OURS && row.state == State::Ran);
        let pass = match measured {
            Some(value) => Some(met(value)),
            None if ours_ran => None,
            None => Some(false),
        };
        self.verdicts.push(Verdict { target, measured, pass });
    }
}

/// Everything of one bench run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Name and value, in order: kernel, processor, the versions of the peers.
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) sections: Vec<Section>,
}

impl Report {
    pub(crate) fn any_failed(&self) -> bool {
        self.sections.iter().flat_map(|s| &s.verdicts).any(|v| v.pass == Some(false))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample_section() -> Section {
        let mut ours = Row::new(OURS, true, 2);
        ours.record(Ok(vec![3.0, 0.5]));
        ours.record(Ok(vec![2.0, 0.4]));
        let mut slow = Row::new("slow", true, 2);
        slow.record(Ok(vec![1.0, 2.0]));
        let mut stuck = Row::new("stuck", true, 2);
        stuck.record(Err(Fault::Hung("after 5 s".into())));
        let mut section = Section {
            id: "file",
            title: "file to socket".into(),
            how: "X < file".into(),
            metrics: vec![full("GB/s"), brief("CPU s/GB")],
            rows: vec![ours, slow, stuck, Row::new("absent", false, 2)],
            ..Section::default()
        };
        section.at_least(0, 2.0, "slow");
        section.at_least(0, 3.0, "slow");
        section.at_most(1, 0.5, "slow");
        section.at_least(0, 1.0, "absent");
        section
    }

    #[test]
    fn verdicts_compare_medians() {
        let section = sample_section();
        assert_eq!(section.ratio(0, "slow"), Some(2.5));
        assert_eq!(section.ratio(0, "stuck"), None);
        let passes: Vec<_> = section.verdicts.iter().map(|v| v.pass).collect();
        assert_eq!(passes, [Some(true), Some(false), Some(true), None]);
    }

    #[test]
    fn a_missing_own_figure_is_a_miss() {
        let mut section = sample_section();
        section.rows[0].state = State::Failed("exit 1".into());
        section.at_least(0, 1.0, "slow");
        assert_eq!(section.verdicts.last().unwrap().pass, Some(false));
    }
}
