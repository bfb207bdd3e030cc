//! `--progress`: how far it is, on a terminal.

#[cfg(feature = "progress")]
pub(crate) use bar::Progress;

#[cfg(feature = "progress")]
mod bar {
    use std::io::IsTerminal;
    use std::sync::Arc;
    use std::time::Duration;

    use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
    use plan::TalkSpec;
    use relay::Totals;

    /// How often the line is drawn.
    const EVERY: Duration = Duration::from_millis(100);

    /// A line on standard error, when that is a terminal and `--progress` was given.
    pub(crate) struct Progress {
        bar: Option<ProgressBar>,
        totals: Arc<Totals>,
        expected: Option<u64>,
    }

    impl Progress {
        pub(crate) fn start(spec: &TalkSpec, totals: &Arc<Totals>, expected: Option<u64>) -> Self {
            let wanted = spec.progress && std::io::stderr().is_terminal();
            let bar = wanted.then(|| bar(expected.filter(|bytes| *bytes > 0)));
            Self { bar, totals: Arc::clone(totals), expected }
        }

        /// Draws for ever; returns never.
        pub(crate) async fn run(&self) {
            let Some(bar) = &self.bar else { return std::future::pending().await };
            loop {
                self.draw(bar);
                tokio::time::sleep(EVERY).await;
            }
        }

        fn draw(&self, bar: &ProgressBar) {
            let (sent, received) = self.totals.read();
            // With a file to send, its size is the end; otherwise both directions count.
            let position =
                if self.expected.is_some_and(|n| n > 0) { sent } else { sent + received };
            bar.set_position(position);
        }

        /// Draws the last state and leaves it on the screen.
        pub(crate) fn finish(&self) {
            if let Some(bar) = &self.bar {
                self.draw(bar);
                bar.abandon();
            }
        }
    }

    fn bar(expected: Option<u64>) -> ProgressBar {
        let target = ProgressDrawTarget::stderr();
        let (bar, template) = match expected {
            Some(bytes) => (
                ProgressBar::with_draw_target(Some(bytes), target),
                "{bar:24} {bytes}/{total_bytes} {binary_bytes_per_sec} ETA {eta}",
            ),
            None => (
                ProgressBar::with_draw_target(None, target),
                "{spinner} {bytes} {binary_bytes_per_sec} {elapsed}",
            ),
        };
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
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
