//! Conns that follow a script, for tests on tokio's paused clock.
//!
//! A [`Script`] says what a conn gives (`recv`, then a pause, then the end or a failure) and how it
//! takes what it is sent (three bytes, then nothing for a second, then everything, or a failure).
//! Past the end of its script a conn gives nothing more, and takes everything. The [`Record`] shows
//! what was sent, what was taken and whether the end was sent.
//!
//! The conn also holds its user to the contract of [`Duplex`]: receiving after the end, sending
//! after the finish or sending nothing panics.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, ConnInfo, Duplex, Recv, Shape};
use tokio::time::{Instant, Sleep, sleep};

/// One thing a scripted conn does with a receive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Give {
    /// These pieces at once.
    Pieces(Vec<Bytes>),
    /// Nothing, for one poll.
    Pending,
    /// Nothing for this long, counted from when it is asked.
    Wait(Duration),
    /// The end.
    End,
    /// A failure with this error number.
    Fail(i32),
}

/// One thing a scripted conn does with a send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Take {
    /// At most this many bytes (of a message conn: one message, whatever its length).
    Bytes(usize),
    /// Nothing, for one poll.
    Pending,
    /// Nothing for this long, counted from when it is asked.
    Wait(Duration),
    /// Never anything again.
    Never,
    /// A failure with this error number.
    Fail(i32),
}

type Undelivered = dyn Fn(Duration, usize) -> io::Result<Option<usize>> + Send;

/// What a conn will do. Cheap to build, and consumed by [`Script::conn`].
#[derive(Default)]
pub struct Script {
    give: VecDeque<Give>,
    take: VecDeque<Take>,
    shape: Option<Shape>,
    linger: Duration,
    finish: Option<i32>,
    loses: Option<usize>,
    undelivered: Option<Box<Undelivered>>,
}

impl Script {
    /// A conn that gives nothing, never ends, and takes everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// A conn with these steps.
    pub fn of(give: impl IntoIterator<Item = Give>, take: impl IntoIterator<Item = Take>) -> Self {
        let (give, take) = (give.into_iter().collect(), take.into_iter().collect());
        Self { give, take, ..Self::default() }
    }

    /// Keeps message boundaries.
    #[must_use]
    pub fn messages(mut self) -> Self {
        self.shape = Some(Shape::Message);
        self
    }

    /// Then gives these bytes in one piece.
    #[must_use]
    pub fn recv(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.give(Give::Pieces(vec![bytes.into().into()]))
    }

    /// Then gives these bytes in pieces of these lengths, one for each receive; the rest at last.
    #[must_use]
    pub fn recv_split(mut self, bytes: impl Into<Vec<u8>>, lengths: &[usize]) -> Self {
        let mut bytes = Bytes::from(bytes.into());
        for &length in lengths {
            let piece = bytes.split_to(length.min(bytes.len()));
            self = self.give(Give::Pieces(vec![piece]));
        }
        if bytes.is_empty() { self } else { self.give(Give::Pieces(vec![bytes])) }
    }

    /// Then has nothing ready for one poll.
    #[must_use]
    pub fn pending(self) -> Self {
        self.give(Give::Pending)
    }

    /// Then gives nothing for this long.
    #[must_use]
    pub fn wait(self, time: Duration) -> Self {
        self.give(Give::Wait(time))
    }

    /// Then ends.
    #[must_use]
    pub fn end(self) -> Self {
        self.give(Give::End)
    }

    /// Then resets the connection (`ECONNRESET`).
    #[must_use]
    pub fn reset(self) -> Self {
        self.give(Give::Fail(104))
    }

    /// Then does this with a receive.
    #[must_use]
    pub fn give(mut self, step: Give) -> Self {
        self.give.push_back(step);
        self
    }

    /// Then gives what `other` gives.
    #[must_use]
    pub fn give_all(mut self, other: Self) -> Self {
        self.give.extend(other.give);
        self
    }

    /// Then takes at most `n` bytes.
    #[must_use]
    pub fn accept(self, n: usize) -> Self {
        self.take(Take::Bytes(n))
    }

    /// Then takes nothing for this long.
    #[must_use]
    pub fn stall(self, time: Duration) -> Self {
        self.take(Take::Wait(time))
    }

    /// Then fails to be sent to, with this error number.
    #[must_use]
    pub fn fail_send(self, errno: i32) -> Self {
        self.take(Take::Fail(errno))
    }

    /// Then does this with a send.
    #[must_use]
    pub fn take(mut self, step: Take) -> Self {
        self.take.push_back(step);
        self
    }

    /// Answers [`Duplex::linger`] so.
    #[must_use]
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// Fails to be finished, with this error number.
    #[must_use]
    pub fn fail_finish(mut self, errno: i32) -> Self {
        self.finish = Some(errno);
        self
    }

    /// Breaks its promise: says it has taken byte `at` of what it is sent, and does not.
    /// For canaries.
    #[must_use]
    pub fn lose_byte(mut self, at: usize) -> Self {
        self.loses = Some(at);
        self
    }

    /// Answers [`Duplex::undelivered`] with `f` of the time since first asked and the bytes taken.
    #[must_use]
    pub fn undelivered(
        mut self,
        f: impl Fn(Duration, usize) -> io::Result<Option<usize>> + Send + 'static,
    ) -> Self {
        self.undelivered = Some(Box::new(f));
        self
    }

    /// The conn, and the record of what happens to it.
    pub fn conn(self) -> (Conn, Record) {
        let record = Record::default();
        let shape = self.shape.unwrap_or(Shape::Stream);
        let info = ConnInfo { peer: "a script".into(), ..ConnInfo::default() };
        let duplex = Scripted {
            script: self,
            record: record.clone(),
            give_timer: None,
            take_timer: None,
            asked: Cell::new(None),
        };
        (Conn::from_duplex(info, shape, Box::new(duplex)), record)
    }
}

/// What has happened to a scripted conn so far; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Record {
    events: Arc<Mutex<Events>>,
}

#[derive(Debug, Default)]
struct Events {
    sent: Vec<Bytes>,
    taken: usize,
    given: usize,
    ended: bool,
    finished: bool,
    dropped: bool,
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every byte it was sent.
    pub fn sent(&self) -> Vec<u8> {
        self.lock().sent.concat()
    }

    /// What it was sent, piece by piece; of a message conn, message by message.
    pub fn pieces(&self) -> Vec<Bytes> {
        self.lock().sent.clone()
    }

    /// Bytes it said it had taken.
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    /// Bytes that were received from it.
    pub fn given(&self) -> usize {
        self.lock().given
    }

    /// Whether its end or its failure was received.
    pub fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether the end was sent to it.
    pub fn is_finished(&self) -> bool {
        self.lock().finished
    }

    /// Whether it has been closed.
    pub fn is_dropped(&self) -> bool {
        self.lock().dropped
    }
}

struct Scripted {
    script: Script,
    record: Record,
    give_timer: Option<Pin<Box<Sleep>>>,
    take_timer: Option<Pin<Box<Sleep>>>,
    asked: Cell<Option<Instant>>,
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
