//! Inside the kernel: splice(2) and sendfile(2).
//!
//! Facts relied on, checked on Linux 6.18: an `O_APPEND` target and a pair of sockets give `EINVAL`
//! and leave the bytes where they were; a short splice is not an end, and neither is 0 from a socket
//! that still has bytes (behind urgent data): then a buffer does the rest.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use conn::{Conn, Recv};
use sys::fd::FdKind;

use super::{PumpError, Tally, Turn};
use crate::strategy::Strategy;

/// Bytes asked for in one call.
const PIECE: usize = 1024 * 1024;
/// Capacity asked for the pipe between two splices, in bytes.
const PIPE_BYTES: usize = 1024 * 1024;
/// A piece from a pipe that is shorter than this, in bytes, is a message, not a part of a bulk
/// transfer: read and sent. A socket that was given a page of somebody's pipe is slower to let go of
/// it than of a copy of a few bytes (64-byte ping-pong, 99.9th percentile: 86 µs spliced, 67 µs sent).
const SHORT: usize = 16 * 1024;

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
}

#[derive(Debug)]
enum Kind {
    Sendfile,
    Direct,
    /// From a pipe: spliced as long as the pieces are long.
    FromPipe {
        is_short: bool,
        queue: VecDeque<Bytes>,
    },
    /// From socket to socket: short pieces through a buffer, long ones through a pipe that is only
    /// held while they come.
    Between {
        is_short: bool,
        queue: VecDeque<Bytes>,
        pipe: Option<Pipe>,
        held: usize,
        failure: Option<io::Error>,
    },
    Through {
        read: OwnedFd,
        write: OwnedFd,
        capacity: usize,
        held: usize,
        /// What broke the socket after the bytes that are held.
        failure: Option<io::Error>,
    },
}

/// A pipe of our own, empty between two uses.
#[derive(Debug)]
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
}

/// Pipes kept per thread for whoever has long pieces next; each is two descriptors and, in the kernel,
/// a ring of some kilobytes, which thousands of idle tunnels do not have.
const PIPES_KEPT: usize = 8;

thread_local! {
    static PIPES: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

impl Pipe {
    fn take() -> io::Result<Self> {
        if let Some(pipe) = PIPES.with_borrow_mut(Vec::pop) {
            return Ok(pipe);
        }
        let (read, write, capacity) = sys::splice::pipe(PIPE_BYTES)?;
        Ok(Self { read, write, capacity })
    }

    /// For the next; it must be empty.
    fn give_back(self) {
        PIPES.with_borrow_mut(|pipes| {
            if pipes.len() < PIPES_KEPT {
                pipes.push(self);
            }
        });
    }
}

impl Splice {
    pub(crate) fn new(strategy: Strategy, from: &Conn, to: &Conn) -> io::Result<Self> {
        let is_socket =
            |port: Option<&conn::Port>| port.is_some_and(|port| port.kind() == FdKind::Socket);
        let are_sockets = is_socket(from.plain().and_then(conn::Plain::input))
            && is_socket(to.plain().and_then(conn::Plain::output));
        let kind = match strategy {
            Strategy::SplicePipe if are_sockets => Kind::Between {
                is_short: true,
                queue: VecDeque::new(),
                pipe: None,
                held: 0,
                failure: None,
            },
            Strategy::Sendfile => {
                if let Some(source) = from.plain().and_then(conn::Plain::input) {
                    sys::fd::advise_sequential(source.as_fd());
                }
                Kind::Sendfile
            }
            Strategy::SplicePipe => {
                let (read, write, capacity) = sys::splice::pipe(PIPE_BYTES)?;
                Kind::Through { read, write, capacity, held: 0, failure: None }
            }
            _ => {
                widen(from.plain().and_then(conn::Plain::input));
                widen(to.plain().and_then(conn::Plain::output));
                let source = from.plain().and_then(conn::Plain::input);
                match source.map(conn::Port::kind) {
                    Some(FdKind::Pipe) => Kind::FromPipe { is_short: true, queue: VecDeque::new() },
                    _ => Kind::Direct,
                }
            }
        };
        Ok(Self { kind, ended: false })
    }

    pub(crate) fn is_drained(&self) -> bool {
        match &self.kind {
            Kind::Through { held, .. } => *held == 0,
            Kind::Between { held, queue, .. } => *held == 0 && queue.is_empty(),
            Kind::FromPipe { queue, .. } => queue.is_empty(),
            Kind::Sendfile | Kind::Direct => true,
        }
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
                return Poll::Ready(Ok(()));
            }
            if turn.is_over(tally) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
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

    /// One call into the kernel.
    fn step(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        tally: &mut Tally,
    ) -> Poll<Result<(), Stop>> {
        if let Kind::Between { is_short: false, queue, .. } = &self.kind
            && queue.is_empty()
        {
            return self.step_between(cx, from, to, tally);
        }
        if let Kind::FromPipe { is_short, queue } | Kind::Between { is_short, queue, .. } =
            &mut self.kind
            && (*is_short || !queue.is_empty())
        {
            return Poll::Ready(match ready!(copy(cx, from, to, queue, tally)) {
                Ok(Copied::Taken(n)) => {
                    *is_short = n < SHORT;
                    Ok(())
                }
                Ok(Copied::Delivered) => Ok(()),
                Ok(Copied::End) => {
                    self.ended = true;
                    Ok(())
                }
                Err(e) => Err(Stop::Failed(e)),
            });
        }
        let (Some(source), Some(sink)) =
            (from.plain().and_then(conn::Plain::input), to.plain().and_then(conn::Plain::output))
        else {
            return Poll::Ready(Err(self.refuse()));
        };
        let moved = match &mut self.kind {
            Kind::Sendfile => ready!(
                source.poll_move(sink, cx, |from, to| { sys::splice::sendfile(from, to, PIECE) })
            ),
            Kind::Direct | Kind::FromPipe { .. } => {
                let is_socket = source.kind() == FdKind::Socket;
                ready!(source.poll_move(sink, cx, |from, to| {
                    take(is_socket, from, sys::splice::splice(from, to, PIECE))
                }))
            }
            // Both of its ways are above.
            Kind::Between { .. } => return Poll::Ready(Err(self.refuse())),
            Kind::Through { read, write, capacity, held, failure } => {
                if *held == 0 {
                    let filled = ready!(source.poll_read(cx, |from| fill(
                        from,
                        write.as_fd(),
                        *capacity,
                        failure
                    )));
                    return Poll::Ready(match filled {
                        Ok(0) => {
                            self.ended = true;
                            Ok(())
                        }
                        Ok(n) => {
                            *held = n;
                            tally.taken += n as u64;
                            Ok(())
                        }
                        Err(e) if is_refusal(&e) => Err(self.refuse()),
                        Err(e) => Err(Stop::Failed(PumpError::Source(e))),
                    });
                }
                let drained = ready!(
                    sink.poll_write(cx, |to| { sys::splice::splice(read.as_fd(), to, *held) })
                );
                return Poll::Ready(match drained {
                    Ok(n) => {
                        *held -= n;
                        tally.delivered += n as u64;
                        Ok(())
                    }
                    Err(e) if is_refusal(&e) => Err(self.refuse()),
                    Err(e) => Err(Stop::Failed(PumpError::Sink(e))),
                });
            }
        };
        Poll::Ready(match moved {
            Ok(0) => {
                self.ended = true;
                Ok(())
            }
            Ok(n) => {
                tally.taken += n as u64;
                tally.delivered += n as u64;
                if let Kind::FromPipe { is_short, .. } = &mut self.kind {
                    *is_short = n < SHORT;
                }
                Ok(())
            }
            Err(e) if is_refusal(&e) => Err(self.refuse()),
            Err(e) => Err(Stop::Failed(blame(e, to))),
        })
    }

    /// One call into the kernel for a long piece from socket to socket.
    fn step_between(
        &mut self,
        cx: &mut Context<'_>,
        from: &Conn,
        to: &Conn,
        tally: &mut Tally,
    ) -> Poll<Result<(), Stop>> {
        let (Some(source), Some(sink)) =
            (from.plain().and_then(conn::Plain::input), to.plain().and_then(conn::Plain::output))
        else {
            return Poll::Ready(Err(self.refuse()));
        };
        let Kind::Between { is_short, pipe, held, failure, .. } = &mut self.kind else {
            return Poll::Ready(Err(self.refuse()));
        };
        if *held > 0 {
            let Some(Pipe { read, .. }) = pipe else { return Poll::Ready(Err(self.refuse())) };
            let drained =
                ready!(sink.poll_write(cx, |to| sys::splice::splice(read.as_fd(), to, *held)));
            return Poll::Ready(match drained {
                Ok(n) => {
                    *held -= n;
                    tally.delivered += n as u64;
                    Ok(())
                }
                Err(e) if is_refusal(&e) => Err(self.refuse()),
                Err(e) => Err(Stop::Failed(PumpError::Sink(e))),
            });
        }
        let Pipe { write, capacity, .. } = match pipe {
            Some(pipe) => pipe,
            None => match Pipe::take() {
                Ok(taken) => pipe.insert(taken),
                // No descriptors for a pipe: slower is better than not at all.
                Err(_) => return Poll::Ready(Err(self.refuse())),
            },
        };
        let filled = source.poll_read(cx, |from| fill(from, write.as_fd(), *capacity, failure));
        match filled {
            Poll::Pending => {
                // Nothing for now: whoever has something may have the pipe.
                *is_short = true;
                if let Some(pipe) = pipe.take() {
                    pipe.give_back();
                }
                // The buffer of the last short piece is given back by who asks with it in vain.
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Ok(0)) => {
                self.ended = true;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Ok(n)) => {
                *held = n;
                tally.taken += n as u64;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(e)) if is_refusal(&e) => Poll::Ready(Err(self.refuse())),
            Poll::Ready(Err(e)) => Poll::Ready(Err(Stop::Failed(PumpError::Source(e)))),
        }
    }

    /// Takes back what sits in our pipe, so that nothing is lost or sent twice.
    fn refuse(&mut self) -> Stop {
        let mut left = VecDeque::new();
        let mut then = None;
        let piped = match &mut self.kind {
            Kind::Through { read, held, failure, .. }
            | Kind::Between { pipe: Some(Pipe { read, .. }), held, failure, .. } => {
                Some((read, held, failure))
            }
            _ => None,
        };
        if let Some((read, held, failure)) = piped {
            then = failure.take();
            let mut buf = BytesMut::with_capacity(*held);
            while *held > 0 {
                match sys::fd::read(read.as_fd(), &mut buf, *held) {
                    Ok(0) => break,
                    Ok(n) => *held -= n,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Stop::Failed(PumpError::Source(e)),
                }
            }
            if !buf.is_empty() {
                left.push_back(buf.freeze());
            }
        }
        Stop::Refused { left, failure: then }
    }
}

impl Drop for Splice {
    fn drop(&mut self) {
        if let Kind::Between { pipe, held: 0, .. } = &mut self.kind
            && let Some(pipe) = pipe.take()
        {
            pipe.give_back();
        }
    }
}

/// What one step through a buffer did.
enum Copied {
    Taken(usize),
    Delivered,
    End,
}

/// Delivers what is queued or, when nothing is, takes one short piece.
fn copy(
    cx: &mut Context<'_>,
    from: &mut Conn,
    to: &mut Conn,
    queue: &mut VecDeque<Bytes>,
    tally: &mut Tally,
) -> Poll<Result<Copied, PumpError>> {
    if !queue.is_empty() {
        tally.delivered += ready!(to.poll_send(cx, queue)).map_err(PumpError::Sink)? as u64;
        return Poll::Ready(Ok(Copied::Delivered));
    }
    match ready!(from.poll_recv(cx, SHORT, queue)).map_err(PumpError::Source)? {
        Recv::End => Poll::Ready(Ok(Copied::End)),
        Recv::Data => {
            let n = queue.iter().map(Bytes::len).sum();
            tally.taken += n as u64;
            Poll::Ready(Ok(Copied::Taken(n)))
        }
    }
}

/// Fills our pipe, which is empty, with what the socket has: a non-blocking splice gives one piece at
/// a time, and one way out for many pieces is cheaper. Says whether the socket had no more.
fn fill(
    from: BorrowedFd<'_>,
    pipe: BorrowedFd<'_>,
    capacity: usize,
    failure: &mut Option<io::Error>,
) -> io::Result<(usize, bool)> {
    if let Some(error) = failure.take() {
        return Err(error);
    }
    let mut held = 0;
    while held < capacity {
        match take(true, from, sys::splice::splice(from, pipe, capacity - held)) {
            Ok(0) => break,
            Ok(n) => held += n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && held > 0 => return Ok((held, true)),
            // Our pipe is empty, so only the socket can be in the way.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && sys::socket::has_data(from) => {
                return Err(io::ErrorKind::Unsupported.into());
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            // The kernel declines: it will again, when what came before is delivered.
            Err(e) if held > 0 && is_refusal(&e) => break,
            // The system tells of a broken connection only once.
            Err(e) if held > 0 => {
                *failure = Some(e);
                break;
            }
            Err(e) => return Err(e),
        }
    }
    Ok((held, false))
}

/// A splice from a socket stops at the mark of urgent data, and says 0 there once the peer has ended:
/// that is the end only when nothing waits behind it.
fn take(is_socket: bool, from: BorrowedFd<'_>, spliced: io::Result<usize>) -> io::Result<usize> {
    match spliced {
        Ok(0) if is_socket && sys::socket::has_data(from) => Err(io::ErrorKind::Unsupported.into()),
        result => result,
    }
}

/// Gives a pipe room for larger pieces; whoever is at its other end only waits less.
fn widen(port: Option<&conn::Port>) {
    if let Some(pipe) = port.filter(|port| port.kind() == FdKind::Pipe) {
        sys::splice::grow_pipe(pipe.as_fd(), PIPE_BYTES);
    }
}

/// The answers that mean "not this pair", as opposed to "this failed".
fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || matches!(error.raw_os_error(), Some(EINVAL | ENOSYS | EOPNOTSUPP | EPERM))
}

const EPERM: i32 = 1;
const EINVAL: i32 = 22;
const ENOSYS: i32 = 38;
const EOPNOTSUPP: i32 = 95;

/// One call touches both ends and its error names neither; what it is tells whose it was.
fn blame(error: io::Error, to: &Conn) -> PumpError {
    let is_sink_socket =
        to.plain().and_then(conn::Plain::output).is_some_and(|port| port.kind() == FdKind::Socket);
    let at_sink = match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::StorageFull => true,
        io::ErrorKind::IsADirectory => false,
        _ if error.raw_os_error() == Some(EIO) => false,
        // What is left is the socket's.
        _ => is_sink_socket,
    };
    if at_sink { PumpError::Sink(error) } else { PumpError::Source(error) }
}

const EIO: i32 = 5;
