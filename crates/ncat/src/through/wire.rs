//! The connection that dialogues are held on: what has arrived and is not used, and the deadline.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use conn::{Conn, Recv};
use tokio::time::{Instant, timeout_at};

use super::Failure;
use crate::secure::Insecure;

/// Read at a time. What belongs to the target and comes with a proxy's answer is kept.
const READ: usize = 16 * 1024;

pub(super) struct Wire {
    conn: Option<Conn>,
    /// What has arrived and not been used.
    pub(super) held: BytesMut,
    pub(super) deadline: Instant,
    pub(super) limit: Duration,
}

impl Wire {
    pub(super) fn new(conn: Conn, deadline: Instant, limit: Duration) -> Self {
        Self { conn: Some(conn), held: BytesMut::new(), deadline, limit }
    }

    /// The connection, with what was read beyond the dialogue in front of it.
    pub(super) fn into_conn(mut self) -> Conn {
        self.take()
    }

    /// As [`Wire::into_conn`], once.
    pub(super) fn take(&mut self) -> Conn {
        let mut conn = self.conn.take().expect("a wire has its conn but while it is wrapped");
        if !self.held.is_empty() {
            conn.push_lead(self.held.split().freeze());
        }
        conn
    }

    pub(super) fn peer(&self) -> String {
        self.conn.as_ref().map(|conn| conn.info.peer.clone()).unwrap_or_default()
    }

    pub(super) fn local(&self) -> String {
        self.conn.as_ref().map(|conn| conn.info.local.clone()).unwrap_or_default()
    }

    /// Puts a stage around the connection.
    pub(super) async fn wrap(
        &mut self,
        stage: impl AsyncFnOnce(Conn) -> Result<Conn, Insecure>,
    ) -> Result<(), Failure> {
        let Some(mut conn) = self.conn.take() else { return Ok(()) };
        if !self.held.is_empty() {
            conn.push_lead(self.held.split().freeze());
        }
        self.conn = Some(stage(conn).await.map_err(Failure::Insecure)?);
        Ok(())
    }

    pub(super) async fn send(&mut self, bytes: Vec<u8>, doing: &str) -> Result<(), Failure> {
        let mut queue = VecDeque::from([Bytes::from(bytes)]);
        let Some(conn) = &mut self.conn else { return Ok(()) };
        let sent = timeout_at(self.deadline, poll_fn(|cx| conn.poll_send_all(cx, &mut queue)));
        match sent.await {
            Ok(sent) => sent.map_err(|error| Failure::Io { doing: doing.into(), error }),
            Err(_) => Err(Failure::Timeout { doing: doing.into(), limit: self.limit }),
        }
    }

    /// Waits for more; false when the proxy has hung up.
    pub(super) async fn receive(&mut self, doing: &str) -> Result<bool, Failure> {
        let Some(conn) = &mut self.conn else { return Ok(false) };
        let mut pieces = VecDeque::new();
        let received =
            timeout_at(self.deadline, poll_fn(|cx| conn.poll_recv(cx, READ, &mut pieces)));
        match received.await {
            Ok(Ok(received)) => {
                pieces.iter().for_each(|piece| self.held.extend_from_slice(piece));
                Ok(received == Recv::Data)
            }
            Ok(Err(error)) => Err(Failure::Io { doing: doing.into(), error }),
            Err(_) => Err(Failure::Timeout { doing: doing.into(), limit: self.limit }),
        }
    }
}
