//! Signals: ending in good order, and totals on request.

#[cfg(unix)]
pub(crate) use unix::{Signals, on_totals_request};

#[cfg(unix)]
mod unix {
    use std::convert::Infallible;
    use std::future::Future;
    use std::task::{Context, Poll};

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// The signals that end the program. One that is ignored, as under nohup(1), stays ignored.
    pub(crate) struct Signals {
        caught: Vec<(i32, Signal)>,
        /// What SIGHUP asks for instead.
        renewal: Option<Renewal>,
    }

    struct Renewal {
        signal: Signal,
        renew: Box<dyn Fn() + Send>,
        /// SIGHUP also says that the terminal has gone; then it ends the program as ever.
        ends_with_terminal: bool,
    }

    impl Renewal {
        /// Renews at each signal; true when the terminal is gone.
        fn is_hung_up(&mut self, cx: &mut Context<'_>) -> bool {
            while self.signal.poll_recv(cx).is_ready() {
                if self.ends_with_terminal && !has_terminal() {
                    return true;
                }
                (self.renew)();
            }
            false
        }
    }

    fn has_terminal() -> bool {
        std::fs::File::open("/dev/tty").is_ok()
    }

    impl Signals {
        pub(crate) fn new() -> Self {
            let kinds = [
                SignalKind::interrupt(),
                SignalKind::terminate(),
                SignalKind::hangup(),
                SignalKind::quit(),
            ];
            let caught = kinds
                .into_iter()
                .filter(|kind| !sys::signal::is_ignored(kind.as_raw_value()))
                .filter_map(|kind| Some((kind.as_raw_value(), signal(kind).ok()?)));
            Self { caught: caught.collect(), renewal: None }
        }

        /// As [`Signals::new`], and SIGHUP calls `renew`, when there is one, while a signal is waited
        /// for.
        pub(crate) fn with_renewal(renew: Option<Box<dyn Fn() + Send>>) -> Self {
            let hangup = SignalKind::hangup();
            let is_ignored = sys::signal::is_ignored(hangup.as_raw_value());
            let mut signals = Self::new();
            if let Some((renew, signal)) = renew.zip(signal(hangup).ok()) {
                signals.caught.retain(|(number, _)| *number != hangup.as_raw_value());
                let ends_with_terminal = !is_ignored && has_terminal();
                signals.renewal = Some(Renewal { signal, renew, ends_with_terminal });
            }
            signals
        }

        /// Waits for one; its number.
        pub(crate) fn next(&mut self) -> impl Future<Output = i32> + '_ {
            std::future::poll_fn(|cx| {
                if self.renewal.as_mut().is_some_and(|renewal| renewal.is_hung_up(cx)) {
                    return Poll::Ready(SignalKind::hangup().as_raw_value());
                }
                for (number, signal) in &mut self.caught {
                    if signal.poll_recv(cx).is_ready() {
                        return Poll::Ready(*number);
                    }
                }
                Poll::Pending
            })
        }
    }

    /// Calls `report` at each SIGUSR1 from now on, while the future is polled.
    pub(crate) fn on_totals_request(report: impl Fn()) -> impl Future<Output = Infallible> {
        let requests = signal(SignalKind::user_defined1());
        async move {
            if let Ok(mut requests) = requests {
                while requests.recv().await.is_some() {
                    report();
                }
            }
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn new() -> Self {
        Self
    }

    /// This system has no such request.
    pub(crate) fn with_renewal(_renew: Option<Box<dyn Fn() + Send>>) -> Self {
        Self
    }

    /// Ctrl-C.
    pub(crate) async fn next(&mut self) -> i32 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        2
    }
}

/// This system has no such request.
#[cfg(not(unix))]
pub(crate) async fn on_totals_request(_report: impl Fn()) -> std::convert::Infallible {
    std::future::pending().await
}
