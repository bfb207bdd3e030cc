//! A program's pipes where the other side keeps messages: what it writes in one call is one piece.
//!
//! Its output is a pipe in packet mode, so two short writes are never read as one. The kernel cuts
//! longer writes after each 4,096 bytes; the parts are put together again as far as `size` allows. Its
//! input is an ordinary pipe: in packet mode a program that reads less than a packet would lose the
//! rest of it.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use conn::{Conn, ConnInfo, Duplex, Input, Output, Plain, Port, Recv, Shape};
use tokio::time::{Sleep, sleep};

/// Longest packet of a pipe, in bytes, on systems with the largest pages; a shorter read loses bytes.
const PACKET_MAX: usize = 64 * 1024;
/// A packet of a whole number of these may be part of a longer write.
const PART: usize = 4096;
/// Packets taken at once, to be sent in one call.
const BATCH: usize = 32;

/// Capacity asked for, in bytes: a writer that does not have to wait for room is not cut in two.
const PIPE_BYTES: usize = 1024 * 1024;
/// How long the rest of a longer write may be on its way: its writer had to wait for room, and then
/// for a processor.
const REST: Duration = Duration::from_millis(20);

pub(crate) struct Packets {
    output: Port,
    /// Where the program's input goes.
    input: Conn,
    size: usize,
    /// The parts there are of a longer write.
    parts: BytesMut,
    /// Set while the rest of it is waited for.
    rest: Option<Pin<Box<Sleep>>>,
}

impl Packets {
    /// `output` is the reading end of a packet pipe; messages have at most `size` bytes.
    pub(crate) fn new(output: OwnedFd, input: Output, size: usize) -> io::Result<Self> {
        let plain = Plain::new(Input::Empty, input);
        let input = Conn::from_plain(ConnInfo::default(), Shape::Stream, plain);
        sys::splice::grow_pipe(&output, PIPE_BYTES);
        let output = Port::pipe(output, false)?;
        Ok(Self { output, input, size, parts: BytesMut::new(), rest: None })
    }

    /// What was written in one call; empty at the end.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
        loop {
            let parts = &mut self.parts;
            let read =
                self.output.poll_read(cx, |fd| Ok((sys::fd::read(fd, parts, PACKET_MAX)?, false)));
            match read {
                Poll::Ready(Ok(n)) => {
                    self.rest = None;
                    let may_go_on = n > 0 && n % PART == 0 && self.parts.len() + PART <= self.size;
                    if may_go_on {
                        continue;
                    }
                }
                Poll::Ready(Err(error)) if self.parts.is_empty() => return Poll::Ready(Err(error)),
                // What there is is a message; the failure will be told again.
                Poll::Ready(Err(_)) => {}
                Poll::Pending if self.parts.is_empty() => return Poll::Pending,
                Poll::Pending => {
                    let rest = self.rest.get_or_insert_with(|| Box::pin(sleep(REST)));
                    ready!(rest.as_mut().poll(cx));
                    self.rest = None;
                }
            }
            return Poll::Ready(Ok(std::mem::take(&mut self.parts)));
        }
    }
}

impl Duplex for Packets {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        _max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let first = ready!(self.poll_message(cx))?;
        if first.is_empty() {
            return Poll::Ready(Ok(Recv::End));
        }
        out.push_back(first.freeze());
        // The end, which stays, and failures are for the next call.
        while out.len() < BATCH && self.is_readable() {
            match self.poll_message(cx) {
                Poll::Ready(Ok(message)) if !message.is_empty() => out.push_back(message.freeze()),
                _ => break,
            }
        }
        Poll::Ready(Ok(Recv::Data))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let Some(first) = queue.pop_front() else { return Poll::Ready(Ok(0)) };
        let mut one = VecDeque::from([first]);
        let sent = self.input.poll_send(cx, &mut one);
        if let Some(left) = one.pop_front() {
            queue.push_front(left);
        }
        sent
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.poll_finish(cx)
    }

    fn is_readable(&self) -> bool {
        sys::fd::is_readable(self.output.as_fd())
    }
}
