//! Signals: ending in good order, and totals on request.

#[cfg(unix)]
pub(crate) use unix::{Signals, on_totals_request};

#[cfg(unix)]
mod unix {
    use std::convert::Infallible;
    use std::future::Future;
    use std::task::Poll;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// The signals that end the program. One that is ignored, as under nohup(1), stays ignored.
    pub(crate) struct Signals(Vec<(i32, Signal)>);

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
            Self(caught.collect())
        }

        /// Waits for one; its number.
        pub(crate) fn next(&mut self) -> impl Future<Output = i32> + '_ {
            std::future::poll_fn(|cx| {
                for (number, signal) in &mut self.0 {
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
