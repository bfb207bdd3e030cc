//! `-t`: refuses telnet options and strips commands from what is received.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::{Conn, Duplex, Paced, Recv};

/// Wraps the *remote* conn, above any encryption: replies take the way of all other bytes.
#[derive(Debug)]
pub struct Telnet {
    inner: Conn,
    codec: proto::telnet::Telnet,
    raw: VecDeque<Bytes>,
    replies: VecDeque<Bytes>,
    /// Bytes at the front of the sender's queue that are escaped already.
    escaped: usize,
    ended: bool,
    /// No more replies are made: our direction has ended, or cannot be used.
    finished: bool,
    /// Why a reply could not be sent.
    failure: Option<io::Error>,
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
            escaped: 0,
            ended: false,
            finished: false,
            failure: None,
        }
    }

    /// Sends what replies it can; never while user data is under way, or one could come between
    /// the two bytes of an escaped pair. A peer that cannot be answered is still heard: the replies
    /// are dropped, and the next data that is sent finds out why.
    fn poll_replies(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.escaped > 0 || self.finished {
            return Poll::Ready(());
        }
        if let Err(error) = ready!(self.inner.poll_send_all(cx, &mut self.replies)) {
            self.replies.clear();
            self.finished = true;
            // After a broken pipe all that the peer sent is here; after a reset it need not be, and
            // the system tells of it only once: the end that is then received is none.
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.failure = Some(error);
            }
        }
        Poll::Ready(())
    }

    /// Doubles every 255 in what has been added to the sender's queue.
    fn escape(&mut self, queue: &mut VecDeque<Bytes>) {
        let mut done = self.escaped;
        for piece in queue.iter_mut() {
            if done >= piece.len() {
                done -= piece.len();
                continue;
            }
            if piece.contains(&0xff) {
                let mut doubled = BytesMut::with_capacity(piece.len() + 16);
                proto::telnet::Telnet::send(piece, &mut doubled);
                *piece = doubled.freeze();
            }
            self.escaped += piece.len();
        }
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
            let _ = self.poll_replies(cx);
            if self.ended {
                return Poll::Ready(self.failure.take().map_or(Ok(Recv::End), Err));
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
                let _ = self.poll_replies(cx);
                return Poll::Ready(Ok(Recv::Data));
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_replies(cx));
        self.escape(queue);
        let sent = ready!(self.inner.poll_send(cx, queue))?;
        self.escaped -= sent;
        Poll::Ready(Ok(sent))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replies(cx));
        self.finished = true;
        self.inner.poll_finish(cx)
    }

    fn linger(&self) -> Duration {
        self.inner.linger()
    }

    fn is_readable(&self) -> bool {
        self.inner.is_readable()
    }

    fn losses(&self) -> Option<String> {
        self.inner.losses()
    }

    fn is_answering(&self) -> bool {
        self.inner.is_answering()
    }

    fn paced(&self) -> Paced {
        self.inner.paced()
    }

    fn note_idle(&mut self) {
        self.inner.note_idle();
    }

    fn wire_active(&self) -> Option<tokio::time::Instant> {
        self.inner.wire_active()
    }

    fn is_over(&self) -> bool {
        self.inner.is_over()
    }

    fn undelivered(&self) -> io::Result<Option<usize>> {
        self.inner.undelivered()
    }
}
