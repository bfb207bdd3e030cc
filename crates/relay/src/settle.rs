//! The end of a session that has sent something: has it arrived?

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use conn::Conn;
use tokio::time::{Instant, Sleep, sleep};

use crate::ending::{AfterLocalEnd, EndedBy, OnLocalEnd, Rules};

/// How long a peer's system may leave us without an answer at the end before we give up on what it
/// was sent. One that answers that it has no room is waited for: its program is slow, not gone.
const STALL: Duration = Duration::from_secs(5);
/// How long a peer that has acknowledged everything may be silent before we close on it.
const QUIET: Duration = Duration::from_millis(250);
/// The most time given to a peer that has acknowledged everything but goes on sending.
const MAX: Duration = Duration::from_secs(2);

/// What a peer that has acknowledged everything, but not ended, is still granted.
struct Grant {
    /// Time of silence, from its last byte or acknowledgement on.
    quiet: Duration,
    /// Time in all; `None` without a limit.
    max: Option<Duration>,
}

impl Grant {
    fn new(rules: &Rules) -> Self {
        match (rules.on_local_end, rules.after_local_end) {
            // Its answers are awaited, for nothing comes once we have ended.
            (OnLocalEnd::Last, AfterLocalEnd::Quiet(quiet)) => Self { quiet, max: None },
            // What it has sent comes after our end, so there is nothing to await before.
            (OnLocalEnd::Last, _) => Self { quiet: Duration::ZERO, max: None },
            _ => Self { quiet: QUIET, max: Some(MAX) },
        }
    }
}

/// The last phase: everything is sent, has it arrived?
pub(crate) struct Settle {
    pub(crate) ended_by: EndedBy,
    grant: Grant,
    /// Everything has arrived and our end was told; the time is when the peer was last heard since.
    closing: Option<Instant>,
    unacknowledged: usize,
    moved_at: Instant,
    answered_at: Instant,
    delivered_at: Option<Instant>,
    tick: Pin<Box<Sleep>>,
    pause: Duration,
}

impl Settle {
    pub(crate) fn new(ended_by: EndedBy, rules: &Rules, now: Instant) -> Self {
        Self {
            ended_by,
            grant: Grant::new(rules),
            closing: None,
            unacknowledged: usize::MAX,
            moved_at: now,
            answered_at: now,
            delivered_at: None,
            tick: Box::pin(sleep(Duration::ZERO)),
            pause: Duration::from_millis(1),
        }
    }

    /// Watches acknowledgements. The system has no event for those, so it is asked after 1, 2, 4 …
    /// 50 ms; most sessions end at the first question. `heard_at` is when the peer, which has not
    /// ended, was last heard.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        remote: &Conn,
        heard_at: Option<Instant>,
        stall: Option<Duration>,
    ) -> Poll<Result<(), (io::Error, u64)>> {
        loop {
            let now = Instant::now();
            let left = match remote.undelivered() {
                Ok(left) => left.unwrap_or(0),
                Err(error) => return Poll::Ready(Err((error, self.left()))),
            };
            if left < self.unacknowledged {
                (self.unacknowledged, self.moved_at, self.answered_at) = (left, now, now);
            } else if remote.is_answering() {
                self.answered_at = now;
            }
            if left == 0 {
                let since = *self.delivered_at.get_or_insert(now);
                let is_over = match heard_at {
                    None => true,
                    Some(heard) => {
                        now >= heard.max(since) + self.grant.quiet
                            || self.grant.max.is_some_and(|max| now >= since + max)
                    }
                };
                if is_over {
                    return Poll::Ready(Ok(()));
                }
            } else if now >= self.answered_at + STALL
                || stall.is_some_and(|limit| now >= self.moved_at + limit)
            {
                let error =
                    io::Error::new(io::ErrorKind::TimedOut, "the peer has stopped answering");
                return Poll::Ready(Err((error, left as u64)));
            }
            if !self.ticks(cx, now) {
                return Poll::Pending;
            }
        }
    }

    /// Asks again later; false when it is not time yet.
    fn ticks(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.tick.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.tick.as_mut().reset(now + self.pause);
        self.pause = (self.pause * 2).min(Duration::from_millis(50));
        true
    }

    /// Whether our end was told already, in a connection that it ends.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Our end was told at this time.
    pub(crate) fn close(&mut self, now: Instant) {
        self.closing = Some(now);
        self.pause = Duration::from_millis(1);
        self.tick.as_mut().reset(now);
    }

    /// Waits until the connection is over in both directions and what the peer had sent before was
    /// taken from it; a peer whose system is silent for [`STALL`] is given up, it has everything.
    ///
    /// # Errors
    /// It was not ended but broken off.
    pub(crate) fn poll_closing(
        &mut self,
        cx: &mut Context<'_>,
        remote: &Conn,
        heard_at: Instant,
    ) -> Poll<io::Result<()>> {
        loop {
            let now = Instant::now();
            // In this order: what comes before the end is there when the end is.
            let is_over = remote.is_over() && !remote.is_readable();
            let since = self.closing.unwrap_or(now).max(heard_at);
            if is_over || now >= since + STALL {
                return Poll::Ready(remote.undelivered().map(drop));
            }
            if !self.ticks(cx, now) {
                return Poll::Pending;
            }
        }
    }

    fn left(&self) -> u64 {
        if self.unacknowledged == usize::MAX { 0 } else { self.unacknowledged as u64 }
    }
}
