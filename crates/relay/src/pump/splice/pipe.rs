//! The pipe between two splices, and what sits in it.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use conn::Port;

use super::PIPE_BYTES;
use super::kernel::{is_refusal, take};

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

/// Bytes on their way through a pipe of our own.
#[derive(Debug)]
pub(super) struct Piped {
    pipe: Pipe,
    /// Bytes in the pipe.
    held: usize,
    /// What broke the source after the bytes that are held.
    failure: Option<io::Error>,
}

impl Piped {
    /// With an empty pipe. Fails when there are no descriptors for one.
    pub(super) fn new() -> io::Result<Self> {
        let pipe = match PIPES.with_borrow_mut(Vec::pop) {
            Some(pipe) => pipe,
            None => {
                let (read, write, capacity) = sys::splice::pipe(PIPE_BYTES)?;
                Pipe { read, write, capacity }
            }
        };
        Ok(Self { pipe, held: 0, failure: None })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Leaves the pipe for the next who needs one, if it is empty.
    pub(super) fn give_back(self) {
        if !self.is_empty() {
            return;
        }
        PIPES.with_borrow_mut(|pipes| {
            if pipes.len() < PIPES_KEPT {
                pipes.push(self.pipe);
            }
        });
    }

    /// Fills the pipe, which is empty, from `source`: how many bytes, 0 where it ended.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        source: &Port,
    ) -> Poll<io::Result<usize>> {
        let has_urgent = !source.opens_records();
        source.poll_read(cx, |from| self.fill(from, has_urgent)).map_ok(|n| {
            self.held = n;
            n
        })
    }

    /// Empties the pipe into `sink`, or a part of it: how many bytes.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        sink: &Port,
    ) -> Poll<io::Result<usize>> {
        let read = self.pipe.read.as_fd();
        sink.poll_write(cx, |to| sys::splice::splice(read, to, self.held)).map_ok(|n| {
            self.held -= n;
            n
        })
    }

    /// A non-blocking splice gives one piece at a time, and one way out for many pieces is cheaper: takes
    /// what there is. Says also whether the source had no more.
    fn fill(&mut self, from: BorrowedFd<'_>, has_urgent: bool) -> io::Result<(usize, bool)> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let Pipe { write, capacity, .. } = &self.pipe;
        let mut held = 0;
        while held < *capacity {
            let moved = sys::splice::splice(from, write.as_fd(), capacity - held);
            match take(has_urgent, from, moved) {
                Ok(0) => break,
                Ok(n) => held += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && held > 0 => {
                    return Ok((held, true));
                }
                // Our pipe is empty, so only the socket can be in the way.
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let is_refused = has_urgent && sys::socket::has_data(from);
                    return Err(if is_refused { io::ErrorKind::Unsupported.into() } else { e });
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // It is told when what came before is delivered: the system may tell it only once.
                Err(e) if held > 0 => {
                    self.failure = Some(e);
                    break;
                }
                Err(e) => return Err(e),
            }
        }
        Ok((held, false))
    }

    /// Takes back what the kernel declined to move on: it may be read. And what broke the source after it.
    pub(super) fn take_back(&mut self) -> io::Result<(Bytes, Option<io::Error>)> {
        let mut left = BytesMut::with_capacity(self.held);
        while self.held > 0 {
            match sys::fd::read(self.pipe.read.as_fd(), &mut left, self.held) {
                Ok(0) => break,
                Ok(n) => self.held -= n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok((left.freeze(), self.failure.take().filter(|e| !is_refusal(e))))
    }
}
