//! One command that runs: its time, its end, its reaping.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use endpoint::exec::{Child, Children, Ended};
use relay::Outcome;
use tokio::time::{Instant, sleep, sleep_until};

use super::GRACE;
use crate::talk::{Talk, words};

/// A command, and what is needed until it is reaped.
pub(crate) struct Running<'a> {
    child: Arc<Child>,
    children: &'a Children,
    talk: &'a Talk,
    peer: &'a str,
    /// `--exec-timeout`, and when it runs out.
    limit: Option<(Duration, Instant)>,
    timed_out: bool,
}

impl<'a> Running<'a> {
    /// Takes in a command that was just started.
    pub(crate) fn new(
        child: Child,
        children: &'a Children,
        talk: &'a Talk,
        peer: &'a str,
        limit: Option<Duration>,
    ) -> Self {
        let limit = limit.map(|limit| (limit, Instant::now() + limit));
        Self { child: children.add(child), children, talk, peer, limit, timed_out: false }
    }

    /// Ready when it has exited.
    pub(crate) fn exited(&self) -> impl Future<Output = ()> + use<> {
        let child = Arc::clone(&self.child);
        async move { child.exited().await }
    }

    /// Ready when its time has run out.
    fn overtime(&self) -> impl Future<Output = ()> + use<> {
        let until = self.limit.filter(|_| !self.timed_out).map(|(_, until)| until);
        async move {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        }
    }

    fn tell_overtime(&mut self) {
        self.timed_out = true;
        let limit = self.limit.map_or(Duration::ZERO, |(limit, _)| limit);
        let first = format!("The command took longer than {} s.", limit.as_secs_f64());
        let pid = self.child.pid();
        let peer = proto::escape::terminal(self.peer.as_bytes());
        let more = format!("process {pid} is stopped (--exec-timeout); peer {peer}");
        self.talk.error(&first, &[more]);
    }

    /// Runs its session to the end. When its time runs out before that, it is stopped, and what it
    /// had said is still delivered; `None` when somebody it left behind goes on nevertheless.
    pub(crate) async fn attend(
        &mut self,
        session: impl Future<Output = Outcome>,
    ) -> Option<Outcome> {
        let mut session = std::pin::pin!(session);
        tokio::select! {
            outcome = &mut session => return Some(outcome),
            () = self.overtime() => {}
        }
        self.tell_overtime();
        let stopping = async {
            let _ = self.child.stop(GRACE).await;
            sleep(GRACE).await;
        };
        tokio::select! {
            outcome = &mut session => Some(outcome),
            () = stopping => None,
        }
    }

    /// Waits for its exit, or brings it about with `stops`, and reaps it. Says how it ended and
    /// whether its time had run out.
    pub(crate) async fn see_out(mut self, stops: bool) -> (Option<Ended>, bool) {
        let mut stops = stops || self.timed_out;
        if !stops {
            tokio::select! {
                () = self.child.exited() => {}
                () = self.overtime() => stops = true,
            }
            if stops {
                self.tell_overtime();
            }
        }
        if stops {
            let _ = self.child.stop(GRACE).await;
        }
        let pid = self.child.pid();
        let ended = match self.children.reap(&self.child) {
            Ok(ended) => {
                self.talk.exited(self.peer, pid, ended);
                Some(ended)
            }
            Err(error) => {
                self.talk.debug(|| format!("process {pid}: {}", words(&error)));
                None
            }
        };
        (ended, self.timed_out)
    }
}
