//! Conns that follow a script, for tests on tokio's paused clock.
//!
//! A [`Script`] says what a conn gives (`recv`, then a pause, then the end or a failure) and how it
//! takes what it is sent (three bytes, then nothing for a second, then everything, or a failure).
//! Past the end of its script a conn gives nothing more, and takes everything. The [`Record`] shows
//! what was sent, what was taken and whether the end was sent.
//!
//! The conn also holds its user to the contract of [`conn::Duplex`]: receiving after the end, sending
//! after the finish or sending nothing panics.

mod play;
mod record;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, ConnInfo, Shape};

pub use record::Record;

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
    ends_in_bytes: bool,
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

    /// Answers [`conn::Duplex::linger`] so.
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

    /// Answers [`conn::Duplex::ends_in_bytes`] with yes.
    #[must_use]
    pub fn ends_in_bytes(mut self) -> Self {
        self.ends_in_bytes = true;
        self
    }

    /// Breaks its promise: says it has taken byte `at` of what it is sent, and does not.
    /// For canaries.
    #[must_use]
    pub fn lose_byte(mut self, at: usize) -> Self {
        self.loses = Some(at);
        self
    }

    /// Answers [`conn::Duplex::undelivered`] with `f` of the time since first asked and the bytes taken.
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
        let duplex = play::Scripted::new(self, record.clone());
        (Conn::from_duplex(info, shape, Box::new(duplex)), record)
    }
}
