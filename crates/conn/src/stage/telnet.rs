//! `-t`: refuses telnet options and strips commands from what is received.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::{Conn, Duplex, Recv};

/// Wraps the *remote* conn, above any encryption: replies take the way of all other bytes.
#[derive(Debug)]
pub struct Telnet {
    inner: Conn,
    codec: proto::telnet::Telnet,
    raw: VecDeque<Bytes>,
    replies: VecDeque<Bytes>,
    /// User data, already escaped, that the inner conn has not taken yet.
    escaped: VecDeque<Bytes>,
    ended: bool,
    finished: bool,
}

/// Replies held for a peer that asks without reading, in bytes; more are not made.
const REPLIES_MAX: usize = 16 * 1024;

impl Telnet {
    /// Around `inner`.
    pub fn new(inner: Conn) -> Self {
        let codec = proto::telnet::Telnet::default();
        Self {
            inner,
            codec,
            raw: VecDeque::new(),
            replies: VecDeque::new(),
            escaped: VecDeque::new(),
            ended: false,
            finished: false,
        }
    }

    /// Sends what replies it can. Never between the parts of an escaped pair: user data that was
    /// begun goes first.
    fn poll_replies(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.inner.poll_send_all(cx, &mut self.escaped))?;
        self.inner.poll_send_all(cx, &mut self.replies)
    }
}

impl Duplex for Telnet {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        loop {
            if !self.finished
                && let Poll::Ready(Err(e)) = self.poll_replies(cx)
            {
                return Poll::Ready(Err(e));
            }
            if self.ended {
                return Poll::Ready(Ok(Recv::End));
            }
            if ready!(self.inner.poll_recv(cx, max, &mut self.raw))? == Recv::End {
                self.ended = true;
                continue;
            }
            let mut got = false;
            for piece in self.raw.drain(..) {
                let (mut data, mut reply) = (BytesMut::with_capacity(piece.len()), BytesMut::new());
                self.codec.recv(&piece, &mut data, &mut reply);
                let held: usize = self.replies.iter().map(Bytes::len).sum();
                if !reply.is_empty() && held < REPLIES_MAX && !self.finished {
                    self.replies.push_back(reply.freeze());
                }
                if !data.is_empty() {
                    got = true;
                    out.push_back(data.freeze());
                }
            }
            if got {
                if !self.finished
                    && let Poll::Ready(Err(e)) = self.poll_replies(cx)
                {
                    return Poll::Ready(Err(e));
                }
                return Poll::Ready(Ok(Recv::Data));
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_replies(cx))?;
        let Some(piece) = queue.pop_front() else { return Poll::Ready(Ok(0)) };
        if piece.contains(&0xff) {
            let mut doubled = BytesMut::with_capacity(piece.len() + 16);
            proto::telnet::Telnet::send(&piece, &mut doubled);
            self.escaped.push_back(doubled.freeze());
        } else {
            self.escaped.push_back(piece.clone());
        }
        // Taken now; delivered before anything else is, at the latest by `poll_finish`.
        match self.inner.poll_send_all(cx, &mut self.escaped) {
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            _ => Poll::Ready(Ok(piece.len())),
        }
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replies(cx))?;
        self.finished = true;
        self.inner.poll_finish(cx)
    }

    fn linger(&self) -> Duration {
        self.inner.linger()
    }

    fn losses(&self) -> Option<String> {
        self.inner.losses()
    }

    fn undelivered(&self) -> io::Result<Option<usize>> {
        self.inner.undelivered()
    }
}
