//! The end of a session that has sent something: has it arrived?

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use conn::Conn;
use tokio::time::{Instant, Sleep, sleep};

use crate::ending::EndedBy;

/// How long a peer's system may leave us without an answer at the end before we give up on what it
/// was sent. One that answers that it has no room is waited for: its program is slow, not gone.
const STALL: Duration = Duration::from_secs(5);
/// How long a peer that has acknowledged everything may be silent before we close on it.
const QUIET: Duration = Duration::from_millis(250);
/// The most time given to a peer that has acknowledged everything but goes on sending.
const MAX: Duration = Duration::from_secs(2);

/// The last phase: everything is sent, has it arrived?
pub(crate) struct Settle {
    pub(crate) ended_by: EndedBy,
    unacknowledged: usize,
    moved_at: Instant,
    answered_at: Instant,
    delivered_at: Option<Instant>,
    tick: Pin<Box<Sleep>>,
    pause: Duration,
}

impl Settle {
    pub(crate) fn new(ended_by: EndedBy, now: Instant) -> Self {
        Self {
            ended_by,
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
                    Some(heard) => now >= heard.max(since) + QUIET || now >= since + MAX,
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
            if self.tick.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.tick.as_mut().reset(now + self.pause);
            self.pause = (self.pause * 2).min(Duration::from_millis(50));
        }
    }

    fn left(&self) -> u64 {
        if self.unacknowledged == usize::MAX { 0 } else { self.unacknowledged as u64 }
    }
}
