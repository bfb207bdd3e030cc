//! `-d`: a pause after each read, of either direction, before its bytes go on.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Sleep, sleep};

use crate::{Conn, Duplex, Recv};

/// Wraps the *local* conn; of a broker's clients the *remote* one. The directions pause independently.
pub struct Delay {
    inner: Conn,
    pause: Duration,
    held: VecDeque<Bytes>,
    recv_pause: Option<Pin<Box<Sleep>>>,
    send_pause: Option<Pin<Box<Sleep>>>,
    send_free: bool,
    /// What goes into the conn is passed on at once.
    only_recv: bool,
}

impl Delay {
    /// Around `inner`, with `pause` after each read.
    pub fn new(inner: Conn, pause: Duration) -> Self {
        let held = VecDeque::new();
        Self {
            inner,
            pause,
            held,
            recv_pause: None,
            send_pause: None,
            send_free: false,
            only_recv: false,
        }
    }

    /// Around `inner`, with `pause` after each read of it; what goes into it does not wait.
    pub fn of_recv(inner: Conn, pause: Duration) -> Self {
        Self { only_recv: true, ..Self::new(inner, pause) }
    }
}

impl Duplex for Delay {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        if self.recv_pause.is_none() {
            match ready!(self.inner.poll_recv(cx, max, &mut self.held))? {
                Recv::End => return Poll::Ready(Ok(Recv::End)),
                Recv::Data => self.recv_pause = Some(Box::pin(sleep(self.pause))),
            }
        }
        if let Some(pause) = &mut self.recv_pause {
            ready!(pause.as_mut().poll(cx));
            self.recv_pause = None;
        }
        out.append(&mut self.held);
        Poll::Ready(Ok(Recv::Data))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        if !self.send_free && !self.only_recv {
            let pause = self.send_pause.get_or_insert_with(|| Box::pin(sleep(self.pause)));
            ready!(pause.as_mut().poll(cx));
            self.send_pause = None;
            self.send_free = true;
        }
        let sent = ready!(self.inner.poll_send(cx, queue))?;
        // One pause a read: the next one begins when this read's bytes are all through.
        self.send_free = !queue.is_empty();
        Poll::Ready(Ok(sent))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_finish(cx)
    }

    fn linger(&self) -> Duration {
        self.inner.linger()
    }

    fn is_readable(&self) -> bool {
        // What is held back is not lost when the peer ends first.
        self.recv_pause.is_some() || self.inner.is_readable()
    }

    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.recv_pause.is_some() { Poll::Pending } else { self.inner.poll_end(cx) }
    }

    fn stop_recv(&mut self) {
        self.inner.stop_recv();
    }

    fn losses(&self) -> Option<String> {
        self.inner.losses()
    }

    fn is_answering(&self) -> bool {
        self.inner.is_answering()
    }

    fn note_idle(&mut self) {
        self.inner.note_idle();
    }

    fn undelivered(&self) -> io::Result<Option<usize>> {
        self.inner.undelivered()
    }
}
