//! A program's pipes where the other side keeps messages: what it writes in one call is one piece.
//!
//! Its output is a pipe in packet mode, so two short writes are never read as one. The kernel cuts
//! longer writes after each 4,096 bytes; the parts are put together again as far as `size` allows. Its
//! input is an ordinary pipe: in packet mode a program that reads less than a packet would lose the
//! rest of it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use conn::{Conn, ConnInfo, Duplex, Input, Output, Plain, Port, Recv, Shape};

/// Longest packet of a pipe, in bytes, on systems with the largest pages; a shorter read loses bytes.
const PACKET_MAX: usize = 64 * 1024;
/// A packet of a whole number of these may be part of a longer write.
const PART: usize = 4096;
/// Packets taken at once, to be sent in one call.
const BATCH: usize = 32;

pub(crate) struct Packets {
    output: Port,
    /// Where the program's input goes.
    input: Conn,
    size: usize,
}

impl Packets {
    /// `output` is the reading end of a packet pipe; messages have at most `size` bytes.
    pub(crate) fn new(output: OwnedFd, input: Output, size: usize) -> io::Result<Self> {
        let plain = Plain::new(Input::Empty, input);
        let input = Conn::from_plain(ConnInfo::default(), Shape::Stream, plain);
        Ok(Self { output: Port::pipe(output, false)?, input, size })
    }

    /// What was written in one call; empty at the end.
    fn poll_message(&self, cx: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
        let mut message = BytesMut::new();
        loop {
            let read = self
                .output
                .poll_read(cx, |fd| Ok((sys::fd::read(fd, &mut message, PACKET_MAX)?, false)));
            let n = match read {
                Poll::Ready(Ok(n)) => n,
                // What there is is a message; a failure will be told again.
                _ if !message.is_empty() => 0,
                read => return read.map_ok(|_| BytesMut::new()),
            };
            let is_part = n > 0 && n % PART == 0 && message.len() + PART <= self.size;
            if !is_part || !self.is_readable() {
                return Poll::Ready(Ok(message));
            }
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
