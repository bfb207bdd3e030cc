//! Inside the kernel: splice(2) and sendfile(2).
//!
//! Facts relied on, checked on Linux 6.18: an `O_APPEND` target and a pair of sockets give `EINVAL`
//! and leave the bytes where they were; a short splice is not an end, and neither is 0 from a socket
//! that still has bytes (behind urgent data): then a buffer does the rest.
//!
//! Where the kernel opens TLS records, a splice stops with `EINVAL` at one that is not data, and leaves it
//! there (checked on Linux 6.1): the stage whose record it is takes it out, and the splice goes on.

mod kernel;
mod pipe;
mod short;

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use conn::{Conn, Plain, Port, Recv};
use sys::fd::FdKind;

use super::{PumpError, Tally, Turn};
use crate::strategy::Strategy;
use kernel::{blame, give, is_refusal, take, widen};
use pipe::Piped;
use short::Short;

/// Bytes asked for in one call.
const PIECE: usize = 1024 * 1024;
/// Capacity asked for pipes, in bytes.
const PIPE_BYTES: usize = 1024 * 1024;

/// Refusals one after the other, without a byte moved in between, that mean that the kernel will not do
/// it: more than a peer sends records that are not data at a time.
const REFUSALS_MAX: u32 = 16;

/// Why the kernel's way ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The kernel declines this pair; `left` are the bytes that were on their way, in order.
    Refused {
        left: VecDeque<Bytes>,
        /// What broke the source after them.
        failure: Option<io::Error>,
    },
    /// One end failed.
    Failed(PumpError),
}

#[derive(Debug)]
pub(crate) struct Splice {
    kind: Kind,
    ended: bool,
    /// What a stage took out of the source when the kernel had stopped at it.
    between: VecDeque<Bytes>,
    refusals: u32,
    /// The sink is told when its end follows what it is given.
    joins_end: bool,
}

#[derive(Debug)]
enum Kind {
    /// From a regular file.
    Sendfile,
    /// From a socket to a pipe.
    Direct,
    /// From a pipe: spliced as long as the pieces are long.
    FromPipe(Short),
    /// From socket to socket: short pieces through a buffer, long ones through a pipe that is only
    /// held while they come.
    Between(Short, Option<Piped>),
    /// Through a pipe that is held.
    Through(Piped),
}

impl Splice {
    pub(crate) fn new(
        strategy: Strategy,
        from: &Conn,
        to: &Conn,
        joins_end: bool,
    ) -> io::Result<Self> {
        let kind = match strategy {
            Strategy::SplicePipe if are_plain_sockets(from, to) => {
                Kind::Between(Short::new(), None)
            }
            Strategy::SplicePipe => Kind::Through(Piped::new()?),
            Strategy::Sendfile => {
                if let Some(source) = from.source().and_then(Plain::input) {
                    sys::fd::advise_sequential(source.as_fd());
                }
                Kind::Sendfile
            }
            _ => {
                let source = from.source().and_then(Plain::input);
                widen(source);
                widen(to.sink().and_then(Plain::output));
                match source.map(Port::kind) {
                    Some(FdKind::Pipe) => Kind::FromPipe(Short::new()),
                    _ => Kind::Direct,
                }
            }
        };
        Ok(Self { kind, ended: false, between: VecDeque::new(), refusals: 0, joins_end })
    }

    pub(crate) fn is_drained(&self) -> bool {
        let is_empty = match &self.kind {
            Kind::Through(piped) => piped.is_empty(),
            Kind::Between(short, piped) => {
                short.is_empty() && piped.as_ref().is_none_or(Piped::is_empty)
            }
            Kind::FromPipe(short) => short.is_empty(),
            Kind::Sendfile | Kind::Direct => true,
        };
        is_empty && self.between.is_empty()
    }

    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        tally: &mut Tally,
        turn: Turn,
    ) -> Poll<Result<(), Stop>> {
        loop {
            if self.ended && self.is_drained() {
                return push(cx, to, tally);
            }
            if turn.is_over(tally) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.joins_end && matches!(self.kind, Kind::Sendfile) {
                // A file is all there, and its end with it.
                to.end_follows();
                self.joins_end = false;
            }
            match ready!(self.step(cx, from, to, tally)) {
                Ok(()) => tally.steps += 1,
                Err(stop) => return Poll::Ready(Err(stop)),
            }
        }
    }

    /// Delivers what sits in our pipe.
    pub(crate) fn flush(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        tally: &mut Tally,
    ) -> Poll<Result<(), Stop>> {
        while !self.is_drained() {
            ready!(self.step(cx, from, to, tally))?;
            tally.steps += 1;
        }
        Poll::Ready(Ok(()))
    }

    /// One piece, a part of the way.
    fn step(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        tally: &mut Tally,
    ) -> Poll<Result<(), Stop>> {
        if !self.between.is_empty() {
            let sent = ready!(to.poll_send(cx, &mut self.between));
            return Poll::Ready(match sent {
                Ok(n) => {
                    tally.delivered += n as u64;
                    Ok(())
                }
                Err(e) => Err(Stop::Failed(PumpError::Sink(e))),
            });
        }
        let looks_ahead = self.joins_end && matches!(self.kind, Kind::FromPipe(_));
        match &mut self.kind {
            Kind::FromPipe(short) | Kind::Between(short, _) if short.is_next() => {
                let is_new = short.is_empty();
                let more = match ready!(short.step(cx, from, to, tally)) {
                    Ok(more) => more,
                    Err(e) => return Poll::Ready(Err(Stop::Failed(e))),
                };
                self.ended |=
                    !more || (looks_ahead && is_new && short.is_last(cx, from, to, tally));
                Poll::Ready(Ok(()))
            }
            Kind::Sendfile | Kind::Direct | Kind::FromPipe(_) => {
                self.step_direct(cx, from, to, tally)
            }
            Kind::Between(..) | Kind::Through(_) => self.step_piped(cx, from, to, tally),
        }
    }

    /// One call from end to end.
    fn step_direct(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        tally: &mut Tally,
    ) -> Poll<Result<(), Stop>> {
        let Some((source, sink)) = ends(from, to) else { return Poll::Ready(Err(self.refuse())) };
        let makes_records = sink.makes_records();
        let moved = if matches!(self.kind, Kind::Sendfile) {
            ready!(source.poll_move(sink, cx, |from, to| {
                give(makes_records, to, sys::splice::sendfile(from, to, PIECE))
            }))
        } else {
            let is_socket = source.kind() == FdKind::Socket && !source.opens_records();
            ready!(source.poll_move(sink, cx, |from, to| {
                let moved = take(is_socket, from, sys::splice::splice(from, to, PIECE));
                give(makes_records, to, moved)
            }))
        };
        match moved {
            Ok(0) => self.stopped(cx, from, tally, None),
            Ok(n) => {
                tally.taken += n as u64;
                tally.delivered += n as u64;
                self.refusals = 0;
                if let Kind::FromPipe(short) = &mut self.kind {
                    short.saw(n);
                }
                Poll::Ready(Ok(()))
            }
            Err(e) => match blame(e, to) {
                PumpError::Sink(e) if !is_refusal(&e) => {
                    let e = match to.lowered() {
                        Some(stage) => stage.why_not_sent(cx, e),
                        None => e,
                    };
                    Poll::Ready(Err(Stop::Failed(PumpError::Sink(e))))
                }
                PumpError::Sink(e) | PumpError::Source(e) => self.stopped(cx, from, tally, Some(e)),
            },
        }
    }

    /// One call into our pipe or out of it.
    fn step_piped(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        tally: &mut Tally,
    ) -> Poll<Result<(), Stop>> {
        let Some((source, sink)) = ends(from, to) else { return Poll::Ready(Err(self.refuse())) };
        // No descriptors for a pipe: slower is better than not at all.
        let Some(piped) = self.kind.piped() else { return Poll::Ready(Err(self.refuse())) };
        if !piped.is_empty() {
            return Poll::Ready(match ready!(piped.poll_drain(cx, sink)) {
                Ok(n) => {
                    tally.delivered += n as u64;
                    Ok(())
                }
                Err(e) if is_refusal(&e) => Err(self.refuse()),
                Err(e) => Err(Stop::Failed(PumpError::Sink(e))),
            });
        }
        match piped.poll_fill(cx, source) {
            Poll::Pending if self.kind.pause() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0)) => self.stopped(cx, from, tally, None),
            Poll::Ready(Ok(n)) => {
                self.refusals = 0;
                tally.taken += n as u64;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(e)) => self.stopped(cx, from, tally, Some(e)),
        }
    }

    /// The kernel moved nothing. That is the end, a refusal or a failure, unless there is a stage that
    /// knows more.
    fn stopped(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        tally: &mut Tally,
        stopped: Option<io::Error>,
    ) -> Poll<Result<(), Stop>> {
        let refused = stopped.as_ref().is_some_and(is_refusal);
        self.refusals += u32::from(refused);
        let Some(stage) = from.lowered().filter(|_| self.refusals <= REFUSALS_MAX) else {
            return Poll::Ready(match stopped {
                None => {
                    self.ended = true;
                    Ok(())
                }
                Some(_) if refused => Err(self.refuse()),
                Some(e) => Err(Stop::Failed(PumpError::Source(e))),
            });
        };
        Poll::Ready(match ready!(stage.poll_stopped(cx, stopped, &mut self.between)) {
            Ok(Recv::End) => {
                self.ended = true;
                Ok(())
            }
            Ok(Recv::Data) => {
                tally.taken += self.between.iter().map(|piece| piece.len() as u64).sum::<u64>();
                Ok(())
            }
            Err(e) if is_refusal(&e) => Err(self.refuse()),
            Err(e) => Err(Stop::Failed(PumpError::Source(e))),
        })
    }

    /// Takes back what sits in our pipe, so that nothing is lost or sent twice.
    fn refuse(&mut self) -> Stop {
        let mut left = std::mem::take(&mut self.between);
        let (Kind::Through(piped) | Kind::Between(_, Some(piped))) = &mut self.kind else {
            return Stop::Refused { left, failure: None };
        };
        match piped.take_back() {
            Ok((bytes, failure)) => {
                left.extend(Some(bytes).filter(|bytes| !bytes.is_empty()));
                Stop::Refused { left, failure }
            }
            Err(e) => Stop::Failed(PumpError::Source(e)),
        }
    }
}

impl Kind {
    /// The pipe of a way that has one. None also when there are no descriptors for it.
    fn piped(&mut self) -> Option<&mut Piped> {
        match self {
            Self::Through(piped) | Self::Between(_, Some(piped)) => Some(piped),
            Self::Between(_, none) => Some(none.insert(Piped::new().ok()?)),
            _ => None,
        }
    }

    /// Nothing is there for now: whoever has something may have the pipe. True where the next piece is
    /// asked for with a buffer; who asks in vain gives the buffer of the last short piece back.
    fn pause(&mut self) -> bool {
        let Self::Between(short, piped) = self else { return false };
        short.saw(0);
        if let Some(piped) = piped.take() {
            piped.give_back();
        }
        true
    }
}

impl Drop for Splice {
    fn drop(&mut self) {
        self.kind.pause();
    }
}

fn are_plain_sockets(from: &Conn, to: &Conn) -> bool {
    let is_socket = |port: Option<&Port>| port.is_some_and(|port| port.kind() == FdKind::Socket);
    is_socket(from.plain().and_then(Plain::input)) && is_socket(to.plain().and_then(Plain::output))
}

/// What the kernel may move bytes between.
fn ends<'c>(from: &'c Conn, to: &'c Conn) -> Option<(&'c Port, &'c Port)> {
    Some((from.source().and_then(Plain::input)?, to.sink().and_then(Plain::output)?))
}

/// Has the kernel send what it keeps for more to come, where a stage's work is the kernel's: a sendfile
/// that came to the end of the file leaves a record open.
fn push(cx: &mut Context<'_>, to: &mut Conn, tally: &Tally) -> Poll<Result<(), Stop>> {
    let Some(stage) = to.lowered() else { return Poll::Ready(Ok(())) };
    match ready!(stage.poll_push(cx, tally.delivered > 0)) {
        Ok(()) => Poll::Ready(Ok(())),
        Err(e) => {
            let why = stage.why_not_sent(cx, e);
            Poll::Ready(Err(Stop::Failed(PumpError::Sink(why))))
        }
    }
}
