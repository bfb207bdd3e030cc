//! A transport as scripts see it: what was received and nobody has asked for yet, what is to be sent, and
//! the end of both.
//!
//! The root of a stack is one, and so is every socket that a filter opens for itself.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, Recv, Shape};
use mlua::BorrowedBytes;
use tokio::time::Instant;

use super::code::Failure;

/// Longest read, in bytes.
const READ_MAX: usize = 64 * 1024;
/// The largest datagram, in bytes, where the transport has no smaller one.
pub(crate) const DATAGRAM_MAX: usize = 65_507;
/// Datagrams that were too large and nobody has asked about, as many as are remembered.
const TOO_BIG_MAX: usize = 64;

pub(crate) struct Wire {
    /// `None` before there is one, after the end, and while it is [lent](Wire::lend).
    pub(crate) conn: Option<Conn>,
    pub(crate) shape: Shape,
    /// Received, not yet asked for; whoever waits for more, and how to wake it; the end.
    pub(crate) received: VecDeque<Bytes>,
    pub(crate) reader: Option<u64>,
    read_waker: Option<Waker>,
    pub(crate) read_end: Option<Result<(), Failure>>,
    /// To be sent; pieces ever put here and ever sent; whoever waits.
    pub(crate) sending: VecDeque<Bytes>,
    pub(crate) queued: u64,
    pub(crate) sent: u64,
    pub(crate) senders: Vec<Waker>,
    pub(crate) send_end: Option<Failure>,
    pub(crate) wants_finish: bool,
    pub(crate) finished: bool,
    /// Datagrams that the transport did not take for their size.
    too_big: VecDeque<u64>,
    /// The error the transport had, as the system has it.
    pub(crate) cause: Option<io::Error>,
    /// Somebody else has the connection: a handshake, or whoever moves all that comes.
    is_lent: bool,
    /// The largest datagram, in bytes.
    pub(crate) message_max: usize,
    /// Limit for each call that waits.
    pub(crate) patience: Option<Duration>,
    /// It was closed, and will not be opened again.
    pub(crate) is_closed: bool,
    /// When bytes last moved.
    pub(crate) active: Instant,
}

impl Wire {
    pub(crate) fn new(shape: Shape, conn: Option<Conn>) -> Self {
        Self {
            conn,
            shape,
            received: VecDeque::new(),
            reader: None,
            read_waker: None,
            read_end: None,
            sending: VecDeque::new(),
            queued: 0,
            sent: 0,
            senders: Vec::new(),
            send_end: None,
            wants_finish: false,
            finished: false,
            too_big: VecDeque::new(),
            cause: None,
            is_lent: false,
            message_max: DATAGRAM_MAX,
            patience: None,
            is_closed: false,
            active: Instant::now(),
        }
    }

    /// Receives what there is; ready when something waits or nothing more comes.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<()> {
        if !self.received.is_empty() || self.read_end.is_some() {
            return Poll::Ready(());
        }
        if self.is_lent {
            return Poll::Pending;
        }
        let Some(conn) = &mut self.conn else {
            self.read_end = Some(Err(Failure::new("CLOSED", "there is no connection")));
            return Poll::Ready(());
        };
        // Where one end ends both directions (SCTP) nobody says so again; what came before it is here.
        let is_over = self.finished && conn.is_over();
        match conn.poll_recv(cx, max, &mut self.received) {
            Poll::Pending if is_over => self.read_end = Some(Ok(())),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(Recv::Data)) => self.active = Instant::now(),
            Poll::Ready(Ok(Recv::End)) => self.read_end = Some(Ok(())),
            Poll::Ready(Err(error)) => {
                self.read_end = Some(Err(Failure::from(&error)));
                self.cause = Some(error);
            }
        }
        Poll::Ready(())
    }

    /// Notes who is to receive next, without asking for anything.
    pub(crate) fn claim(&mut self, coroutine: u64) -> Result<(), Failure> {
        if self.reader.is_some_and(|reader| reader != coroutine) {
            return Err(Failure::new("BUSY", ""));
        }
        self.reader = Some(coroutine);
        Ok(())
    }

    /// The next piece, of a stream at most `max` bytes; for one coroutine at a time.
    pub(crate) fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        coroutine: u64,
        max: usize,
    ) -> Poll<Result<Bytes, Failure>> {
        if self.reader.is_some_and(|reader| reader != coroutine) {
            return Poll::Ready(Err(Failure::new("BUSY", "")));
        }
        if self.poll_receive(cx, READ_MAX).is_pending() {
            self.reader = Some(coroutine);
            self.read_waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.stop_waiting();
        let max = max.clamp(1, READ_MAX);
        let piece = match self.received.front_mut() {
            Some(front) if self.shape == Shape::Stream && front.len() > max => {
                Some(front.split_to(max))
            }
            _ => self.received.pop_front(),
        };
        Poll::Ready(piece.ok_or_else(|| match &self.read_end {
            Some(Err(failure)) => failure.clone(),
            _ => Failure::new("EOF", ""),
        }))
    }

    /// Nobody waits for more any longer.
    pub(crate) fn stop_waiting(&mut self) {
        (self.reader, self.read_waker) = (None, None);
    }

    /// Puts a piece behind what is to be sent; the number by which to ask for it, or none where there is
    /// nothing to do.
    pub(crate) fn put(&mut self, data: BorrowedBytes) -> Result<Option<u64>, Failure> {
        if let Some(failure) = &self.send_end {
            return Err(failure.clone());
        }
        if self.wants_finish || !self.is_there() {
            return Err(Failure::new("CLOSED", ""));
        }
        match self.shape {
            Shape::Message if data.len() > self.message_max => {
                let (len, max) = (data.len(), self.message_max);
                let detail =
                    format!("{len} bytes are too many for a datagram, which has {max} at most");
                return Err(Failure::new("TOOBIG", detail));
            }
            Shape::Stream if data.is_empty() => return Ok(None),
            _ => {}
        }
        self.sending.push_back(super::contract::piece(data));
        self.queued += 1;
        Ok(Some(self.queued))
    }

    /// Whether that piece has been accepted by the transport; asked after a flush.
    pub(crate) fn poll_sent(
        &mut self,
        cx: &mut Context<'_>,
        ticket: u64,
    ) -> Poll<Result<(), Failure>> {
        if self.sent >= ticket {
            let before = self.too_big.len();
            self.too_big.retain(|refused| *refused != ticket);
            let is_refused = self.too_big.len() < before;
            return Poll::Ready(if is_refused { Err(Failure::new("TOOBIG", "")) } else { Ok(()) });
        }
        if let Some(failure) = &self.send_end {
            return Poll::Ready(Err(failure.clone()));
        }
        self.senders.push(cx.waker().clone());
        Poll::Pending
    }

    /// Ends our direction once everything is sent; asked after a flush, again and again.
    pub(crate) fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if let Some(failure) = &self.send_end {
            return Poll::Ready(Err(failure.clone()));
        }
        if self.finished || !self.is_there() {
            return Poll::Ready(Ok(()));
        }
        self.senders.push(cx.waker().clone());
        Poll::Pending
    }

    /// Sends what waits, and then, where that is wanted, the end.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.sending.is_empty() && self.send_end.is_none() {
            let Some(conn) = &mut self.conn else { return Poll::Ready(()) };
            let before = self.sending.len();
            let result = conn.poll_send(cx, &mut self.sending);
            self.sent += (before - self.sending.len()) as u64;
            match result {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(_)) => {
                    self.active = Instant::now();
                    self.senders.drain(..).for_each(Waker::wake);
                }
                Poll::Ready(Err(error)) => self.fail_send(error),
            }
        }
        if self.wants_finish && !self.finished && self.send_end.is_none() {
            let Some(conn) = &mut self.conn else { return Poll::Ready(()) };
            match conn.poll_finish(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => self.finished = true,
                Poll::Ready(Err(error)) => self.fail_send(error),
            }
            self.senders.drain(..).for_each(Waker::wake);
        }
        Poll::Ready(())
    }

    fn fail_send(&mut self, error: io::Error) {
        let failure = Failure::from(&error);
        if self.shape == Shape::Message && failure.code == "TOOBIG" {
            // One datagram's fault; the others go their way.
            self.sending.pop_front();
            self.sent += 1;
            self.too_big.push_back(self.sent);
            if self.too_big.len() > TOO_BIG_MAX {
                self.too_big.pop_front();
            }
        } else {
            self.send_end = Some(failure);
            self.cause = Some(error);
            self.sending.clear();
        }
        self.senders.drain(..).for_each(Waker::wake);
    }

    /// A failure that a script passed on, as an error of the session: the system's own where it is that.
    pub(crate) fn error_of(&mut self, failure: &Failure) -> io::Error {
        match self.cause.take() {
            Some(cause) if Failure::from(&cause).code == failure.code => cause,
            _ => io::Error::other(failure.to_string()),
        }
    }

    /// Whether there is a connection, be it that somebody else has it for the moment.
    pub(crate) fn is_there(&self) -> bool {
        self.conn.is_some() || self.is_lent
    }

    /// Gives the connection away for a time; whoever wants to receive or send waits until it is
    /// [back](Wire::give_back). What was received goes with it.
    pub(crate) fn lend(&mut self) -> Result<Conn, Failure> {
        if self.is_lent {
            return Err(Failure::new("BUSY", ""));
        }
        let Some(mut conn) = self.conn.take() else { return Err(Failure::new("CLOSED", "")) };
        self.received.drain(..).for_each(|piece| conn.push_lead(piece));
        self.is_lent = true;
        Ok(conn)
    }

    /// Takes it back, or learns that there is none any more.
    pub(crate) fn give_back(&mut self, conn: Option<Conn>) {
        if !self.is_lent {
            return;
        }
        self.is_lent = false;
        self.active = Instant::now();
        self.conn = conn;
        self.wake_all();
    }

    /// Lets go of the connection, whoever waits for it.
    pub(crate) fn close(&mut self) {
        self.conn = None;
        (self.is_lent, self.is_closed) = (false, true);
        self.read_end.get_or_insert_with(|| Err(Failure::new("CLOSED", "")));
        self.wake_all();
    }

    /// Whoever waits for more looks again.
    pub(crate) fn wake_reader(&mut self) {
        self.read_waker.take().into_iter().for_each(Waker::wake);
    }

    fn wake_all(&mut self) {
        self.senders.drain(..).chain(self.read_waker.take()).for_each(Waker::wake);
    }
}
