//! `--fastopen` when connecting: the system holds the connection back until there is data, and so the
//! time for connecting (`-w`) goes on while the session has begun.

use conn::Conn;
use endpoint::OpenError;
use endpoint::options::{Opening, start_connecting};
use plan::{Connect, StageSpec};
use tokio::time::{Instant, sleep_until};

use crate::run::Context;

/// A connection that may not have been answered yet.
pub(crate) struct Held {
    opening: Option<Opening>,
    target: String,
    started: Instant,
}

impl Held {
    /// Looks at a connection just opened. It begins now, unless data is here to go with its first
    /// segment: the peer may have to speak first.
    pub(crate) fn new(context: &Context, spec: &Connect, remote: &Conn, started: Instant) -> Self {
        let plan = &context.plan;
        let mut held = Self { opening: None, target: crate::connect::target(spec), started };
        if plan.sockets.fastopen {
            let pauses = plan.stages.iter().any(|stage| matches!(stage, StageSpec::Delay(_)));
            if pauses || !has_input() {
                // A failure is one of the connection: the session receives it.
                let _ = start_connecting(remote);
            }
            held.opening = Opening::watch(remote);
        }
        held
    }

    /// Waits for the end of the time for connecting; ready only when nobody has answered by then.
    pub(crate) async fn gives_up(self, context: &Context) -> OpenError {
        if let Some(opening) = self.opening {
            let limit = context.plan.limits.connect_timeout;
            sleep_until(self.started + limit).await;
            if opening.is_unanswered() {
                let attempts = opening.attempts(limit);
                return OpenError::Timeout { target: self.target, attempts, after: limit };
            }
        }
        std::future::pending().await
    }
}

#[cfg(unix)]
fn has_input() -> bool {
    sys::stdio::has_input()
}

#[cfg(not(unix))]
fn has_input() -> bool {
    false
}
