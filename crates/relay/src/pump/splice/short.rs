//! Short pieces, which are cheaper through a buffer than through the kernel's ways.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use conn::{Conn, Recv};

use super::super::{PumpError, Tally};

/// A piece that is shorter than this, in bytes, is a message, not a part of a bulk transfer: read and
/// sent. A socket that was given a page of somebody's pipe is slower to let go of it than of a copy of
/// a few bytes (64-byte ping-pong, 99.9th percentile: 86 µs spliced, 67 µs sent).
const SHORT: usize = 16 * 1024;

/// What is read and sent as long as pieces are short.
#[derive(Debug)]
pub(super) struct Short {
    /// The last piece was short, or there was none yet.
    is_short: bool,
    queue: VecDeque<Bytes>,
}

impl Short {
    pub(super) fn new() -> Self {
        Self { is_short: true, queue: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether the next step is a copy.
    pub(super) fn is_next(&self) -> bool {
        self.is_short || !self.queue.is_empty()
    }

    /// A piece of `n` bytes went by; 0 when nothing is there for now.
    pub(super) fn saw(&mut self, n: usize) {
        self.is_short = n < SHORT;
    }

    /// Delivers what is queued or, when nothing is, takes one short piece. False at the source's end.
    pub(super) fn step(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        tally: &mut Tally,
    ) -> Poll<Result<bool, PumpError>> {
        if !self.queue.is_empty() {
            let sent = ready!(to.poll_send(cx, &mut self.queue)).map_err(PumpError::Sink)?;
            tally.delivered += sent as u64;
            return Poll::Ready(Ok(true));
        }
        match ready!(from.poll_recv(cx, SHORT, &mut self.queue)).map_err(PumpError::Source)? {
            Recv::End => Poll::Ready(Ok(false)),
            Recv::Data => {
                let n = self.queue.iter().map(Bytes::len).sum();
                tally.taken += n as u64;
                self.saw(n);
                Poll::Ready(Ok(true))
            }
        }
    }

    /// Whether the short piece that was taken out of a pipe is the last, and then tells the sink. If there
    /// is more, it comes along. What is wrong with a pipe is still so when it is read next; a socket would
    /// tell it only once.
    pub(super) fn is_last(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        tally: &mut Tally,
    ) -> bool {
        if !self.is_short {
            return false;
        }
        let before = self.queue.len();
        let is_last =
            matches!(from.poll_recv(cx, SHORT, &mut self.queue), Poll::Ready(Ok(Recv::End)));
        let more = self.queue.iter().skip(before).map(|piece| piece.len() as u64).sum::<u64>();
        tally.taken += more;
        if is_last {
            to.end_follows();
        }
        is_last
    }
}
