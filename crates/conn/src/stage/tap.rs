//! `-o`, `-x`: transcripts of what passes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;

use crate::{Conn, Duplex, Recv};

/// Which way a transmission went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heading {
    /// User to wire.
    Send,
    /// Wire to user.
    Recv,
}

/// Where transmissions are recorded.
pub trait Transcript: Send + Sync {
    /// Records one transmission.
    ///
    /// # Errors
    /// When it cannot be written; the session then ends, since an incomplete transcript is a lie.
    fn record(&self, heading: Heading, data: &[u8]) -> io::Result<()>;
}

/// Wraps the *local* conn: records what comes out of it (about to be sent) and what goes into it.
pub struct Tap {
    inner: Conn,
    transcript: Arc<dyn Transcript>,
    /// Pieces at the front of the sender's queue that are recorded already.
    recorded: usize,
}

impl Tap {
    /// Around `inner`.
    pub fn new(inner: Conn, transcript: Arc<dyn Transcript>) -> Self {
        Self { inner, transcript, recorded: 0 }
    }
}

impl Duplex for Tap {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let seen = out.len();
        let got = ready!(self.inner.poll_recv(cx, max, out))?;
        for piece in out.iter().skip(seen) {
            self.transcript.record(Heading::Send, piece)?;
        }
        Poll::Ready(Ok(got))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        // Recorded once, when first offered: a write that is taken in parts is one transmission.
        for piece in queue.iter().skip(self.recorded) {
            self.transcript.record(Heading::Recv, piece)?;
        }
        self.recorded = queue.len();
        let sent = ready!(self.inner.poll_send(cx, queue))?;
        self.recorded = queue.len();
        Poll::Ready(Ok(sent))
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
