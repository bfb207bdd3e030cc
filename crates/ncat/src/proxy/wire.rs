//! A connection while it is talked to in heads and bodies: a conn, and what was read ahead.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use conn::{Conn, Recv};
use proto::http::{Body, BodyError, HeadError, HeadReader};

/// Bytes read at a time while a dialogue goes on, so that one client's head is not another's memory.
const DIALOGUE_CHUNK: usize = 16 * 1024;

/// A conn, and what was received and not yet understood.
pub(super) struct Wire {
    pub(super) conn: Conn,
    pub(super) input: VecDeque<Bytes>,
}

/// What came of looking for a head.
pub(super) enum Head {
    /// It is complete.
    Complete(Bytes),
    /// The connection ended; whether in the middle of one.
    Ended { is_partial: bool },
    /// It is longer than it may be.
    Bad(HeadError),
    /// The connection failed.
    Failed(io::Error),
}

/// Looks for a head, over as many polls as it takes.
#[derive(Default)]
pub(super) struct HeadSearch {
    reader: HeadReader,
    buf: BytesMut,
}

impl HeadSearch {
    /// Whether anything has arrived.
    pub(super) fn has_begun(&self) -> bool {
        !self.buf.is_empty()
    }

    /// Reads until a head is complete. What follows it goes back to `wire`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, wire: &mut Wire) -> Poll<Head> {
        loop {
            while let Some(piece) = wire.input.pop_front() {
                self.buf.extend_from_slice(&piece);
                match self.reader.take(&mut self.buf) {
                    Ok(Some(head)) => {
                        if !self.buf.is_empty() {
                            wire.input.push_front(self.buf.split().freeze());
                        }
                        return Poll::Ready(Head::Complete(head));
                    }
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Head::Bad(error)),
                }
            }
            match ready!(wire.poll_fill(cx, DIALOGUE_CHUNK)) {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(Head::Ended { is_partial: self.has_begun() }),
                Err(error) => return Poll::Ready(Head::Failed(error)),
            }
        }
    }
}

impl Wire {
    pub(super) fn new(conn: Conn) -> Self {
        Self { conn, input: VecDeque::new() }
    }

    /// Receives more; false when the peer has ended its direction.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<bool>> {
        let received = ready!(self.conn.poll_recv(cx, max, &mut self.input))?;
        Poll::Ready(Ok(received == Recv::Data))
    }

    /// As [`Wire::poll_fill`], a dialogue's piece.
    pub(super) async fn fill(&mut self) -> io::Result<bool> {
        std::future::poll_fn(|cx| self.poll_fill(cx, DIALOGUE_CHUNK)).await
    }

    /// Sends all of it.
    pub(super) async fn send(&mut self, bytes: Bytes) -> io::Result<()> {
        let mut queue = VecDeque::from([bytes]);
        std::future::poll_fn(|cx| self.conn.poll_send_all(cx, &mut queue)).await
    }

    /// The next piece of a body out of what was received; `None` when more is needed or it is done.
    pub(super) fn next_piece(&mut self, body: &mut Body) -> Result<Option<Bytes>, BodyError> {
        while let Some(front) = self.input.front_mut() {
            let piece = body.take(front)?;
            let is_used_up = front.is_empty();
            if is_used_up {
                self.input.pop_front();
            }
            if piece.is_some() || !is_used_up {
                return Ok(piece);
            }
        }
        Ok(None)
    }

    /// Ends our direction, and takes what still comes until the peer has ended too or `limit` has
    /// passed: bytes that nobody read would turn our close into a reset, which destroys what was said
    /// last on its way.
    pub(super) async fn close_gently(mut self, limit: std::time::Duration) {
        let closing = async {
            if std::future::poll_fn(|cx| self.conn.poll_finish(cx)).await.is_err() {
                return;
            }
            while let Ok(true) = self.fill().await {
                self.input.clear();
            }
        };
        let _ = tokio::time::timeout(limit, closing).await;
    }

    /// The conn, with what was read ahead to be received first.
    pub(super) fn into_conn(mut self) -> Conn {
        for piece in self.input.drain(..) {
            self.conn.push_lead(piece);
        }
        self.conn
    }
}
