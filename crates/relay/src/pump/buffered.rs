//! Through a buffer: works for every pair of conns.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use conn::{CHUNK_MAX, Conn, Recv, Shape, datagram_read_max};

use super::{PumpError, Tally, Turn};

/// What was taken and not yet delivered; at most one read, or one batch of datagrams.
#[derive(Debug)]
pub(crate) struct Buffered {
    queue: VecDeque<Bytes>,
    datagram_size: usize,
    ended: bool,
    /// What broke the source after the queue was taken; told when the queue is delivered.
    failure: Option<io::Error>,
    /// Looks for the end behind what was taken, so that the sink can send both as one.
    joins_end: bool,
}

impl Buffered {
    pub(crate) fn new(datagram_size: usize, joins_end: bool) -> Self {
        Self {
            queue: VecDeque::new(),
            datagram_size: datagram_size.max(1),
            ended: false,
            failure: None,
            joins_end,
        }
    }

    /// Goes on where a splice stopped: `queue` was taken from the source already.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn with_queue(
        queue: VecDeque<Bytes>,
        failure: Option<io::Error>,
        joins_end: bool,
    ) -> Self {
        Self { queue, datagram_size: CHUNK_MAX, ended: false, failure, joins_end }
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        tally: &mut Tally,
        turn: Turn,
    ) -> Poll<Result<(), PumpError>> {
        loop {
            ready!(self.flush(cx, to, tally))?;
            if let Some(error) = self.failure.take() {
                return Poll::Ready(Err(PumpError::Source(error)));
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            if turn.is_over(tally) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let max = match (from.shape, to.shape) {
                (Shape::Stream, Shape::Message) => datagram_read_max(self.datagram_size),
                _ => CHUNK_MAX.min(to.chunk_max),
            };
            match ready!(from.poll_recv(cx, max, &mut self.queue)).map_err(PumpError::Source)? {
                Recv::End => self.ended = true,
                Recv::Data => {
                    // A full read is seldom the last.
                    if self.joins_end && len(&self.queue) < max {
                        self.look_ahead(cx, from, to, max);
                    }
                    tally.taken += len(&self.queue) as u64;
                    tally.steps += 1;
                    self.shape(from.shape, to.shape);
                }
            }
        }
    }

    /// Whether what was taken is the last. If there is more, it comes along.
    fn look_ahead(&mut self, cx: &mut Context<'_>, from: &mut Conn, to: &mut Conn, max: usize) {
        match from.poll_recv(cx, max, &mut self.queue) {
            Poll::Pending | Poll::Ready(Ok(Recv::Data)) => {}
            Poll::Ready(Ok(Recv::End)) => {
                self.ended = true;
                to.end_follows();
            }
            Poll::Ready(Err(error)) => self.failure = Some(error),
        }
    }

    /// Delivers what was taken.
    pub(crate) fn flush(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Conn,
        tally: &mut Tally,
    ) -> Poll<Result<(), PumpError>> {
        while !self.queue.is_empty() {
            let sent = ready!(to.poll_send(cx, &mut self.queue)).map_err(PumpError::Sink)?;
            tally.delivered += sent as u64;
            tally.steps += 1;
        }
        Poll::Ready(Ok(()))
    }

    /// Fits what was received to the sink: a stream has no empty pieces, a datagram has a limit.
    fn shape(&mut self, from: Shape, to: Shape) {
        match (from, to) {
            (Shape::Message, Shape::Stream) => self.queue.retain(|piece| !piece.is_empty()),
            (Shape::Stream, Shape::Message) => {
                let size = self.datagram_size;
                let whole = std::mem::take(&mut self.queue);
                for piece in whole {
                    let cuts = (0..piece.len()).step_by(size);
                    self.queue.extend(cuts.map(|at| piece.slice(at..piece.len().min(at + size))));
                }
            }
            _ => {}
        }
    }
}

/// Bytes in a queue.
fn len(queue: &VecDeque<Bytes>) -> usize {
    queue.iter().map(Bytes::len).sum()
}
