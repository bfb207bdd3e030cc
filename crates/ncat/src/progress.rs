//! `--progress`: how far it is, on a terminal.

#[cfg(feature = "progress")]
pub(crate) use bar::Progress;

#[cfg(feature = "progress")]
mod bar {
    use std::cell::Cell;
    use std::fmt::Write as _;
    use std::io::{IsTerminal, Write as _};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use plan::TalkSpec;
    use relay::Totals;

    /// How often the line is drawn.
    const EVERY: Duration = Duration::from_millis(100);
    /// Characters of the bar. The whole line stays below 80: one that wraps cannot be drawn over.
    const BAR: usize = 24;
    /// How much of the rate shown is that of the last interval, in percent.
    const FRESH: u64 = 10;

    /// A line on standard error, when that is a terminal and `--progress` was given.
    pub(crate) struct Progress {
        is_drawn: bool,
        totals: Arc<Totals>,
        /// Bytes of the file to be sent.
        expected: Option<u64>,
        started: Instant,
        seen: Cell<Seen>,
    }

    /// What the last drawing saw.
    #[derive(Clone, Copy)]
    struct Seen {
        at: Instant,
        position: u64,
        /// Bytes per second, smoothed.
        rate: Option<u64>,
    }

    impl Progress {
        pub(crate) fn start(spec: &TalkSpec, totals: &Arc<Totals>, expected: Option<u64>) -> Self {
            let started = Instant::now();
            Self {
                is_drawn: spec.progress && std::io::stderr().is_terminal(),
                totals: Arc::clone(totals),
                expected: expected.filter(|bytes| *bytes > 0),
                started,
                seen: Cell::new(Seen { at: started, position: 0, rate: None }),
            }
        }

        /// Draws for ever; returns never.
        pub(crate) async fn run(&self) {
            if !self.is_drawn {
                return std::future::pending().await;
            }
            loop {
                self.draw("");
                tokio::time::sleep(EVERY).await;
            }
        }

        /// Draws over the last line, and to its end what was longer there.
        fn draw(&self, end: &str) {
            let (sent, received) = self.totals.read();
            // With a file to send, its size is the end; otherwise both directions count.
            let position = if self.expected.is_some() { sent } else { sent + received };
            let now = Instant::now();
            let seen = self.seen.get().after(now, position);
            self.seen.set(seen);
            let rate = seen.rate.unwrap_or(0);
            let line = line(position, self.expected, rate, now - self.started);
            // A terminal that has gone away sees no progress.
            let _ = write!(std::io::stderr().lock(), "\r{line}\x1b[K{end}");
        }

        /// Draws the last state and leaves it on the screen.
        pub(crate) fn finish(&self) {
            if self.is_drawn {
                self.draw("\n");
            }
        }
    }

    impl Seen {
        fn after(self, now: Instant, position: u64) -> Self {
            let passed = u64::try_from((now - self.at).as_micros()).unwrap_or(u64::MAX);
            // Two looks at the same moment say nothing about speed.
            if passed < 1000 {
                return Self { position, ..self };
            }
            let moved = position.saturating_sub(self.position);
            let current = moved.saturating_mul(1_000_000) / passed;
            let smoothed = |old: u64| {
                (old * (100 - FRESH)).saturating_add(current.saturating_mul(FRESH)) / 100
            };
            Self { at: now, position, rate: Some(self.rate.map_or(current, smoothed)) }
        }
    }

    /// `[#####…---] 1.25 GiB/4.00 GiB 512.00 MiB/s ETA 3s`, or without an end `1.25 GiB 512.00 MiB/s 3s`.
    fn line(position: u64, expected: Option<u64>, rate: u64, passed: Duration) -> String {
        let mut line = String::new();
        let rate_text = size(rate);
        let Some(all) = expected else {
            let _ = write!(line, "{} {rate_text}/s {}", size(position), time(passed.as_secs()));
            return line;
        };
        // A file that grows meanwhile is no reason to draw beyond the end.
        let share = u128::from(position.min(all)) * BAR as u128 / u128::from(all);
        let done = usize::try_from(share).unwrap_or(BAR);
        let _ = write!(line, "[{}{}] ", "#".repeat(done), "-".repeat(BAR - done));
        let _ = write!(line, "{}/{} {rate_text}/s", size(position), size(all));
        if let Some(left) = all.saturating_sub(position).checked_div(rate) {
            let _ = write!(line, " ETA {}", time(left));
        }
        line
    }

    /// With a binary prefix and two decimals.
    fn size(bytes: u64) -> String {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if bytes < 1024 {
            return format!("{bytes} B");
        }
        let power = (bytes.ilog2() / 10) as usize;
        let hundredths = (u128::from(bytes) * 100) >> (10 * power);
        format!("{}.{:02} {}", hundredths / 100, hundredths % 100, UNITS[power - 1])
    }

    fn time(seconds: u64) -> String {
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match (hours, minutes) {
            (0, 0) => format!("{seconds}s"),
            (0, _) => format!("{minutes}m {seconds:02}s"),
            _ => format!("{hours}h {minutes:02}m"),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_line_says_how_far_it_is() {
            let passed = Duration::from_secs(75);
            assert_eq!(line(0, None, 0, passed), "0 B 0 B/s 1m 15s");
            assert_eq!(line(1536, None, 1 << 20, passed), "1.50 KiB 1.00 MiB/s 1m 15s");
            let half = "[############------------] 2.00 GiB/4.00 GiB 100.00 MiB/s ETA 20s";
            assert_eq!(line(2 << 30, Some(4 << 30), 100 << 20, passed), half);
            let stalled = "[------------------------] 0 B/1 B 0 B/s";
            assert_eq!(line(0, Some(1), 0, passed), stalled);
            let beyond = line(u64::MAX, Some(1), 1, passed);
            assert!(beyond.starts_with("[########################] 15.99 EiB/1 B"), "{beyond}");
            let longest = line(1023 << 50, Some(u64::MAX), 1023 << 50, Duration::MAX);
            assert!(longest.len() < 79, "{longest}");
        }

        #[test]
        fn the_rate_follows_slowly() {
            let start = Instant::now();
            let seen = Seen { at: start, position: 0, rate: None };
            let second = Duration::from_secs(1);
            let first = seen.after(start + second, 1000);
            assert_eq!(first.rate, Some(1000));
            let stalled = first.after(start + 2 * second, 1000);
            assert_eq!(stalled.rate, Some(900));
            assert_eq!(stalled.after(start + 2 * second, 1000).rate, Some(900));
        }
    }
}

/// This build draws nothing.
#[cfg(not(feature = "progress"))]
pub(crate) struct Progress;

#[cfg(not(feature = "progress"))]
impl Progress {
    pub(crate) fn start(
        _spec: &plan::TalkSpec,
        _totals: &std::sync::Arc<relay::Totals>,
        _expected: Option<u64>,
    ) -> Self {
        Self
    }

    /// Returns never.
    pub(crate) async fn run(&self) {
        std::future::pending().await
    }

    /// Nothing to finish.
    pub(crate) fn finish(&self) {}
}
