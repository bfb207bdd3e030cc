//! `-C`: line feeds from the user become CRLF on their way to the wire.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::{Conn, Duplex, Recv};

/// Wraps the *local* conn: what comes out of it is converted, what goes into it is not.
#[derive(Debug)]
pub struct Crlf {
    inner: Conn,
    codec: proto::crlf::Crlf,
    raw: VecDeque<Bytes>,
}

impl Crlf {
    /// Around `inner`.
    pub fn new(inner: Conn) -> Self {
        Self { inner, codec: proto::crlf::Crlf::default(), raw: VecDeque::new() }
    }
}

impl Duplex for Crlf {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let got = ready!(self.inner.poll_recv(cx, max, &mut self.raw))?;
        for piece in self.raw.drain(..) {
            let mut converted = BytesMut::with_capacity(piece.len() + piece.len() / 16 + 16);
            self.codec.send(&piece, &mut converted);
            out.push_back(converted.freeze());
        }
        Poll::Ready(Ok(got))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_send(cx, queue)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_finish(cx)
    }

    fn linger(&self) -> Duration {
        self.inner.linger()
    }

    fn is_readable(&self) -> bool {
        self.inner.is_readable()
    }

    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_end(cx)
    }

    fn stop_recv(&mut self) {
        self.inner.stop_recv();
    }

    fn losses(&self) -> Option<String> {
        self.inner.losses()
    }
}
