//! The conn that follows a script.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use conn::{Duplex, Recv, Shape};
use tokio::time::{Instant, Sleep, sleep};

use super::{Give, Record, Script, Take};

pub(super) struct Scripted {
    script: Script,
    record: Record,
    give_timer: Option<Pin<Box<Sleep>>>,
    take_timer: Option<Pin<Box<Sleep>>>,
    asked: Cell<Option<Instant>>,
}

impl Scripted {
    pub(super) fn new(script: Script, record: Record) -> Self {
        Self { script, record, give_timer: None, take_timer: None, asked: Cell::new(None) }
    }
}

/// Ready when `time` has passed since the first poll with this timer.
fn poll_wait(
    cx: &mut Context<'_>,
    timer: &mut Option<Pin<Box<Sleep>>>,
    time: Duration,
) -> Poll<()> {
    ready!(timer.get_or_insert_with(|| Box::pin(sleep(time))).as_mut().poll(cx));
    *timer = None;
    Poll::Ready(())
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.record.lock().dropped = true;
    }
}

impl Duplex for Scripted {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        assert!(!self.record.lock().ended, "received from after the end");
        loop {
            match self.script.give.pop_front() {
                None => return Poll::Pending,
                Some(Give::Pending) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Give::Wait(time)) => {
                    if poll_wait(cx, &mut self.give_timer, time).is_pending() {
                        self.script.give.push_front(Give::Wait(time));
                        return Poll::Pending;
                    }
                }
                Some(Give::Pieces(mut pieces)) => {
                    if self.script.shape != Some(Shape::Message) {
                        pieces = self.cut(pieces, max);
                    }
                    self.record.lock().given += pieces.iter().map(Bytes::len).sum::<usize>();
                    out.extend(pieces);
                    return Poll::Ready(Ok(Recv::Data));
                }
                Some(Give::End) => {
                    self.record.lock().ended = true;
                    return Poll::Ready(Ok(Recv::End));
                }
                Some(Give::Fail(errno)) => {
                    self.record.lock().ended = true;
                    return Poll::Ready(Err(io::Error::from_raw_os_error(errno)));
                }
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        assert!(!self.record.lock().finished, "sent to after the finish");
        assert!(!queue.is_empty(), "sent nothing");
        let limit = loop {
            match self.script.take.pop_front() {
                None => break usize::MAX,
                Some(Take::Bytes(n)) => break n.max(1),
                Some(Take::Pending) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Take::Wait(time)) => {
                    if poll_wait(cx, &mut self.take_timer, time).is_pending() {
                        self.script.take.push_front(Take::Wait(time));
                        return Poll::Pending;
                    }
                }
                Some(Take::Never) => {
                    self.script.take.push_front(Take::Never);
                    return Poll::Pending;
                }
                Some(Take::Fail(errno)) => {
                    return Poll::Ready(Err(io::Error::from_raw_os_error(errno)));
                }
            }
        };
        let mut taken = 0;
        if self.script.shape == Some(Shape::Message) {
            let message = queue.pop_front().expect("the queue was checked");
            taken = message.len();
            self.keep(message);
        } else {
            while let Some(mut piece) = queue.pop_front() {
                let some = piece.split_to(piece.len().min(limit - taken));
                taken += some.len();
                self.keep(some);
                if !piece.is_empty() {
                    queue.push_front(piece);
                    break;
                }
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut record = self.record.lock();
        assert!(!record.finished, "finished twice");
        Poll::Ready(match self.script.finish {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => {
                record.finished = true;
                Ok(())
            }
        })
    }

    fn ends_in_bytes(&self) -> bool {
        self.script.ends_in_bytes
    }

    fn end_follows(&mut self) {
        let mut record = self.record.lock();
        assert!(record.foretold.is_none() && !record.finished, "the end is told in advance once");
        record.foretold = Some(record.taken);
    }

    fn linger(&self) -> Duration {
        self.script.linger
    }

    fn undelivered(&self) -> io::Result<Option<usize>> {
        let Some(answer) = &self.script.undelivered else { return Ok(None) };
        let asked = self.asked.get().unwrap_or_else(Instant::now);
        self.asked.set(Some(asked));
        answer(asked.elapsed(), self.record.taken())
    }
}

impl Scripted {
    /// Keeps to the longest piece asked for: gives what is allowed and puts the rest back.
    fn cut(&mut self, mut pieces: Vec<Bytes>, max: usize) -> Vec<Bytes> {
        if let Some(at) = pieces.iter().position(|piece| piece.len() > max) {
            let mut rest = pieces.split_off(at);
            pieces.push(rest[0].split_to(max));
            self.script.give.push_front(Give::Pieces(rest));
        }
        pieces
    }

    fn keep(&self, mut piece: Bytes) {
        let mut record = self.record.lock();
        let before = record.taken;
        record.taken += piece.len();
        if let Some(at) = self.script.loses.filter(|at| (before..record.taken).contains(at)) {
            let mut left = piece.to_vec();
            left.remove(at - before);
            piece = left.into();
        }
        record.sent.push(piece);
    }
}
