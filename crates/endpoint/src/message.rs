//! Datagram sockets: batches in, batches out.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use conn::Port;
use socket2::{SockAddr, Socket};
use sys::datagram::{self, BATCH, Datagram, RecvBatch, SEGMENTS_MAX};

use crate::options::Setup;

/// Receive buffer asked for, in bytes: bursts wait here while we write.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;
/// Bytes one segmented send may carry, headers aside.
const SEND_MAX: usize = 65_507;

/// A datagram socket of our own.
#[derive(Debug)]
pub(crate) struct MessageSocket {
    port: Port,
    /// The kernel cuts trains of equal datagrams for us; cleared when it once declines.
    segments: AtomicBool,
}

impl MessageSocket {
    /// With the options of `setup` set already.
    pub(crate) fn new(socket: Socket, is_udp: bool, setup: &Setup) -> io::Result<Self> {
        setup.report(&socket);
        if is_udp {
            if !setup.has_receive_buffer() {
                sys::socket::grow_receive_buffer(&socket, RECEIVE_BUFFER);
            }
            datagram::enable_gro(socket.as_fd());
        }
        Ok(Self { port: Port::datagram_socket(socket.into())?, segments: AtomicBool::new(is_udp) })
    }

    /// Pins the socket to one peer: the system then drops what others send, and reports when the
    /// peer's system says that nobody listens.
    pub(crate) fn connect(&self, peer: &SockAddr) -> io::Result<()> {
        socket2::SockRef::from(&self.port.as_fd()).connect(peer)
    }

    /// Receives what waits.
    pub(crate) fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        batch: &mut RecvBatch,
        out: &mut Vec<Datagram>,
    ) -> Poll<io::Result<usize>> {
        self.port.poll_read(cx, |fd| {
            let n = batch.recv(fd, out)?;
            Ok((n, false))
        })
    }

    /// Waits until datagrams are taken, then sends from the front of `queue`.
    pub(crate) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        self.port.poll_write(cx, |_| self.send(None, queue))
    }

    /// Sends as many as one call takes and removes them; returns their bytes.
    pub(crate) fn send(
        &self,
        to: Option<&SockAddr>,
        queue: &mut VecDeque<Bytes>,
    ) -> io::Result<usize> {
        let train = if self.segments.load(Ordering::Relaxed) { train(queue) } else { 1 };
        let mut slices = [IoSlice::new(&[]); SEGMENTS_MAX];
        if train > 1 {
            let segment = queue[0].len();
            for (slice, piece) in slices.iter_mut().zip(queue.iter().take(train)) {
                *slice = IoSlice::new(piece);
            }
            let size = u16::try_from(segment).unwrap_or(u16::MAX);
            match datagram::send_segments(self.port.as_fd(), to, &slices[..train], size) {
                Ok(_) => return Ok(queue.drain(..train).map(|piece| piece.len()).sum()),
                Err(e)
                    if matches!(e.raw_os_error(), Some(EINVAL | EIO | EOPNOTSUPP | EMSGSIZE)) =>
                {
                    self.segments.store(false, Ordering::Relaxed);
                }
                Err(e) => return Err(e),
            }
        }
        let count = queue.len().min(BATCH);
        for (slice, piece) in slices.iter_mut().zip(queue.iter().take(count)) {
            *slice = IoSlice::new(piece);
        }
        let sent = datagram::send_many(self.port.as_fd(), to, &slices[..count])?;
        Ok(queue.drain(..sent).map(|piece| piece.len()).sum())
    }
}

const EIO: i32 = 5;
const EINVAL: i32 = 22;
const EMSGSIZE: i32 = 90;
const EOPNOTSUPP: i32 = 95;

/// How many datagrams at the front have the same length (the last may be shorter).
fn train(queue: &VecDeque<Bytes>) -> usize {
    let Some(first) = queue.front().map(Bytes::len).filter(|len| *len > 0) else { return 1 };
    let mut count = 0;
    let mut bytes = 0;
    for piece in queue.iter().take(SEGMENTS_MAX) {
        if piece.is_empty() || piece.len() > first || bytes + piece.len() > SEND_MAX {
            break;
        }
        count += 1;
        bytes += piece.len();
        if piece.len() < first {
            break;
        }
    }
    count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lens(lens: &[usize]) -> VecDeque<Bytes> {
        lens.iter().map(|len| Bytes::from(vec![0; *len])).collect()
    }

    #[test]
    fn trains_are_equal_datagrams_with_one_short_end() {
        assert_eq!(train(&lens(&[100, 100, 40, 100])), 3);
        assert_eq!(train(&lens(&[100, 200])), 1);
        assert_eq!(train(&lens(&[0, 0])), 1);
        assert_eq!(train(&lens(&[100, 0])), 1);
        assert_eq!(train(&lens(&[8192; 20])), 7);
        assert_eq!(train(&lens(&[65_507, 65_507])), 1);
    }
}
