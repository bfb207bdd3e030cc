//! Conns that are descriptors and nothing else.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use sys::fd::FdKind;

use crate::pool::Scratch;
use crate::port::Port;
use crate::{Carrier, Recv, Shape, advance};

/// Pieces written in one call.
const VECTORS: usize = 64;
/// How long a program that feeds us may pause before it counts as having nothing ready.
const PAUSE: Duration = Duration::from_millis(100);

/// The largest message given to SCTP, in bytes; what is longer is several. Its boundaries mean
/// nothing to us or to a peer that reads a stream. Twice as much is a third faster, but fits the window
/// of many peers only once, and they put off acknowledging one.
const SCTP_MESSAGE_MAX: usize = 32 * 1024;

/// Where bytes come out of a plain conn.
#[derive(Debug)]
pub enum Input {
    /// The socket itself: the same descriptor as the output.
    Same,
    /// Standard input.
    Port(Port),
    /// Nothing, ever: `--recv-only`.
    Empty,
}

/// Where bytes go into a plain conn.
#[derive(Debug)]
pub enum Output {
    /// A socket or standard output.
    Port(Port),
    /// Nowhere: `--send-only` discards what it receives.
    Discard,
    /// It is closed or was never open; sends fail.
    Closed,
}

/// Descriptors, and the buffer for reading them when the kernel cannot move the bytes itself.
#[derive(Debug)]
pub struct Plain {
    input: Input,
    output: Output,
    scratch: Scratch,
    /// Standard output's number is given up together with our copy of it.
    releases_stdout: bool,
    /// What a socket's transport is; `None` for standard input and output.
    carrier: Option<Carrier>,
    /// Most bytes of one write.
    write_max: usize,
}

impl Plain {
    /// A connected socket of this transport.
    pub fn socket(port: Port, carrier: Carrier) -> Self {
        let write_max = match carrier {
            Carrier::Sctp => {
                let room = socket2::SockRef::from(&port.as_fd()).send_buffer_size();
                SCTP_MESSAGE_MAX.min(room.unwrap_or(SCTP_MESSAGE_MAX) / 2).max(1)
            }
            _ => usize::MAX,
        };
        let plain = Self::new(Input::Same, Output::Port(port));
        Self { carrier: Some(carrier), write_max, ..plain }
    }

    /// An input and an output of their own.
    pub fn new(input: Input, output: Output) -> Self {
        Self {
            input,
            output,
            scratch: Scratch::default(),
            releases_stdout: false,
            carrier: None,
            write_max: usize::MAX,
        }
    }

    /// Standard input and output: ending the output closes descriptor 1 as well.
    pub fn stdio(input: Input, output: Output) -> Self {
        Self { releases_stdout: true, ..Self::new(input, output) }
    }

    /// The descriptor bytes come from.
    pub fn input(&self) -> Option<&Port> {
        match (&self.input, &self.output) {
            (Input::Port(port), _) | (Input::Same, Output::Port(port)) => Some(port),
            _ => None,
        }
    }

    /// The descriptor bytes go to.
    pub fn output(&self) -> Option<&Port> {
        match &self.output {
            Output::Port(port) => Some(port),
            _ => None,
        }
    }

    /// What a socket's transport is; `None` for standard input and output.
    pub fn carrier(&self) -> Option<Carrier> {
        self.carrier
    }

    /// Whether what is sent here is discarded.
    pub fn is_discarding(&self) -> bool {
        matches!(self.output, Output::Discard)
    }

    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        shape: Shape,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let port = match (&self.input, &self.output) {
            (Input::Port(port), _) | (Input::Same, Output::Port(port)) => port,
            _ => return Poll::Ready(Ok(Recv::End)),
        };
        let (mut buf, size) = self.scratch.take(max);
        let size = if shape == Shape::Message { MESSAGE_MAX } else { size };
        let polled = port.poll_read(cx, |fd| {
            let n = match port.kind() {
                FdKind::Socket => sys::fd::recv(fd, &mut buf, size)?,
                _ => sys::fd::read(fd, &mut buf, size)?,
            };
            Ok((n, n < size && n > 0 && shape == Shape::Stream))
        });
        match polled {
            Poll::Pending => {
                self.scratch.give_back(buf);
                Poll::Pending
            }
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            Poll::Ready(Ok(0)) if shape == Shape::Stream => Poll::Ready(Ok(Recv::End)),
            Poll::Ready(Ok(n)) => {
                out.push_back(buf.split().freeze());
                self.scratch.keep(buf, n == size);
                Poll::Ready(Ok(Recv::Data))
            }
        }
    }

    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
        shape: Shape,
    ) -> Poll<io::Result<usize>> {
        let port = match &self.output {
            Output::Port(port) => port,
            Output::Discard => return Poll::Ready(Ok(discard(queue))),
            Output::Closed => return Poll::Ready(Err(bad_descriptor())),
        };
        let pieces = if shape == Shape::Message { 1 } else { VECTORS };
        let sent = ready!(port.poll_write(cx, |fd| {
            let mut vectors = [IoSlice::new(&[]); VECTORS];
            let count = fill(&mut vectors, queue, pieces, port.write_max().min(self.write_max));
            match port.kind() {
                FdKind::Socket => sys::fd::send(fd, &vectors[..count]),
                _ => sys::fd::write(fd, &vectors[..count]),
            }
        }))?;
        if shape == Shape::Message {
            queue.pop_front();
        } else if sent == 0 && queue.iter().any(|piece| !piece.is_empty()) {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        } else {
            advance(queue, sent);
        }
        Poll::Ready(Ok(sent))
    }

    /// Makes the next close a reset.
    pub(crate) fn reset_on_close(&self) {
        if let (Output::Port(port), Some(_)) = (&self.output, self.carrier) {
            // Refused, it is an end like any other, which is all that could be had.
            let _ = socket2::SockRef::from(&port.as_fd()).set_linger(Some(Duration::ZERO));
        }
    }

    /// See [`crate::Conn::hold_back`].
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn hold_back(&self, holds: bool) {
        if let (Output::Port(port), Some(Carrier::Tcp)) = (&self.output, self.carrier) {
            // Refused, two packets are sent in the place of one.
            let _ = socket2::SockRef::from(&port.as_fd()).set_tcp_cork(holds);
        }
    }

    pub(crate) fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A connection that began with data (TCP Fast Open) may not have been answered yet, and to end
        // our direction now would cancel it, data and all (Linux: shutdown(2) in SYN_SENT).
        if let Output::Port(port) = &self.output
            && self.carrier == Some(Carrier::Tcp)
            && sys::socket::is_connecting(port.as_fd())
        {
            ready!(port.poll_write(cx, |fd| match sys::socket::is_connecting(fd) {
                true => Err(io::ErrorKind::WouldBlock.into()),
                false => Ok(()),
            }))?;
        }
        Poll::Ready(self.finish())
    }

    fn finish(&mut self) -> io::Result<()> {
        match (&self.input, &self.output) {
            (Input::Same, Output::Port(port)) => {
                match socket2::SockRef::from(&port.as_fd()).shutdown(std::net::Shutdown::Write) {
                    // The peer has reset the connection or was never there: there is no one to tell.
                    Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(()),
                    result => result,
                }
            }
            (_, Output::Port(_)) => {
                // Closed, not shut down: whoever shares a socket with us may have more to say.
                self.output = Output::Closed;
                if self.releases_stdout {
                    sys::stdio::release(false)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.input().is_some_and(|port| !port.is_pollable() || sys::fd::is_readable(port.as_fd()))
    }

    /// The socket, and the buffer for what is read from it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn tcp_mut(&mut self) -> Option<(&mut Port, &mut Scratch)> {
        match (&self.input, &mut self.output) {
            (Input::Same, Output::Port(port)) if self.carrier == Some(Carrier::Tcp) => {
                Some((port, &mut self.scratch))
            }
            _ => None,
        }
    }

    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.input().map_or(Poll::Ready(()), |port| port.poll_end(cx))
    }

    pub(crate) fn linger(&self) -> Duration {
        match self.input() {
            // A person who has typed nothing is not about to; a program may be.
            Some(port) if port.kind() == FdKind::Terminal => Duration::ZERO,
            Some(_) => PAUSE,
            None => Duration::ZERO,
        }
    }

    pub(crate) fn is_answering(&self) -> bool {
        let Some(port) = self.output() else { return false };
        match self.carrier {
            Some(Carrier::Tcp) => sys::socket::is_answering(port.as_fd()),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Some(Carrier::Sctp) => sys::sctp::is_answering(port.as_fd()),
            _ => false,
        }
    }

    /// Only SCTP ends without saying so to who receives.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn is_over(&self) -> bool {
        self.carrier == Some(Carrier::Sctp)
            && self.output().is_some_and(|port| sys::sctp::is_over(port.as_fd()))
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn is_over(&self) -> bool {
        false
    }

    pub(crate) fn undelivered(&self) -> io::Result<Option<usize>> {
        let Some((socket, ask)) = self.acknowledging() else { return Ok(None) };
        match sys::socket::take_error(socket) {
            Some(error) => Err(error),
            None => Ok(ask(socket)),
        }
    }

    pub(crate) fn unacknowledged(&self) -> Option<usize> {
        let (socket, ask) = self.acknowledging()?;
        ask(socket)
    }

    /// The socket whose system acknowledges, and how it is asked.
    fn acknowledging(&self) -> Option<(BorrowedFd<'_>, Ask)> {
        let (Some(carrier), Output::Port(port)) = (self.carrier, &self.output) else {
            return None;
        };
        match carrier {
            Carrier::Tcp => Some((port.as_fd(), sys::socket::unacknowledged)),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Carrier::Sctp => Some((port.as_fd(), sys::sctp::unacknowledged)),
            _ => None,
        }
    }
}

/// Asks how much is not acknowledged.
type Ask = fn(BorrowedFd<'_>) -> Option<usize>;

/// Larger than any datagram.
const MESSAGE_MAX: usize = 65_536;

fn discard(queue: &mut VecDeque<Bytes>) -> usize {
    queue.drain(..).map(|piece| piece.len()).sum()
}

fn bad_descriptor() -> io::Error {
    io::Error::from_raw_os_error(9) // EBADF, 9 on every Unix
}

/// Borrows up to `pieces` pieces of the queue, no more than `bytes_max` in all (but at least one).
fn fill<'a>(
    vectors: &mut [IoSlice<'a>; VECTORS],
    queue: &'a VecDeque<Bytes>,
    pieces: usize,
    bytes_max: usize,
) -> usize {
    let mut count = 0;
    let mut room = bytes_max;
    for piece in queue.iter().take(pieces) {
        let take = piece.len().min(room);
        vectors[count] = IoSlice::new(&piece[..take]);
        count += 1;
        room -= take;
        if room == 0 {
            break;
        }
    }
    count
}
