//! Any asynchronous byte stream as a conn: sockets where descriptors cannot be had, and tests.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::pool::Scratch;
use crate::{Duplex, Recv, advance};

/// A reader and a writer joined into one duplex.
#[derive(Debug)]
pub struct StreamDuplex<R, W> {
    reader: R,
    writer: W,
    scratch: Scratch,
    linger: Duration,
}

impl<R, W> StreamDuplex<R, W> {
    /// Joins them. `linger` is how long the reader may pause before it counts as having nothing ready.
    pub fn new(reader: R, writer: W, linger: Duration) -> Self {
        Self { reader, writer, scratch: Scratch::default(), linger }
    }
}

impl<R, W> Duplex for StreamDuplex<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin,
{
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let (mut buf, size) = self.scratch.take(max);
        buf.resize(size, 0);
        let mut read = ReadBuf::new(&mut buf);
        let polled = Pin::new(&mut self.reader).poll_read(cx, &mut read);
        let n = read.filled().len();
        buf.truncate(n);
        if polled.is_pending() {
            self.scratch.give_back(buf);
            return Poll::Pending;
        }
        ready!(polled)?;
        if n == 0 {
            return Poll::Ready(Ok(Recv::End));
        }
        out.push_back(buf.split().freeze());
        self.scratch.keep(buf, n == size);
        Poll::Ready(Ok(Recv::Data))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let piece = queue.front().cloned().unwrap_or_default();
        let n = ready!(Pin::new(&mut self.writer).poll_write(cx, &piece))?;
        if n == 0 && !piece.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        advance(queue, n);
        Poll::Ready(Ok(n))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A writer may hold back what it has taken, and may end without giving it out.
        ready!(Pin::new(&mut self.writer).poll_flush(cx))?;
        Pin::new(&mut self.writer).poll_shutdown(cx)
    }

    fn linger(&self) -> Duration {
        self.linger
    }
}
