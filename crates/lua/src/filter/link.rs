//! One connection between its transport, its filters and its session.
//!
//! The driver owns the transport; the session sees a conn. Between them and the scripts stands this
//! state, behind a lock that is never held while Lua runs.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use conn::{Conn, Recv, Shape};

use super::code::{Failure, Fault, Origin, Trouble};
use super::owner::Owner;

/// What is known of a connection when it begins.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `"connect"` or `"listen"`.
    pub mode: &'static str,
    /// `"relay"`, `"exec"`, `"broker"`.
    pub role: &'static str,
    /// `"tcp"`, `"udp"`, `"sctp"`, `"unix"`, `"vsock"`.
    pub proto: &'static str,
    /// Whether it is secured.
    pub tls: bool,
    /// Whom the user named, when connecting.
    pub target: Option<(String, Option<u16>)>,
    /// Whom the other side is, and who we are: address and port.
    pub remote: (String, Option<u16>),
    /// Likewise.
    pub local: (String, Option<u16>),
    /// Nothing is received for the user: what comes is read over.
    pub discards: bool,
}

/// How far dialling has come.
#[derive(Debug)]
pub(crate) enum Dial {
    /// There is a connection, or there will be none.
    None,
    /// The filters want it.
    Wanted,
    /// Whoever dials has been told.
    Told,
    Done(Result<(), Failure>),
}

/// How far the beginning has come.
#[derive(Debug)]
pub(crate) enum Begin {
    Running,
    Ready,
    /// `accept` gave false: the filter has dealt with the client.
    Dealt,
    Refused(Failure),
}

pub(crate) struct State {
    pub(crate) conn: Option<Conn>,
    pub(crate) shape: Shape,
    pub(crate) dial: Dial,
    pub(crate) begin: Begin,
    /// Received, not yet asked for; whoever waits for more; the end.
    pub(crate) received: VecDeque<Bytes>,
    pub(crate) reader: Option<u64>,
    pub(crate) read_end: Option<Result<(), Failure>>,
    /// To be sent; pieces ever put here and ever sent; whoever waits.
    pub(crate) sending: VecDeque<Bytes>,
    pub(crate) queued: u64,
    pub(crate) sent: u64,
    pub(crate) senders: Vec<Waker>,
    pub(crate) send_end: Option<Failure>,
    pub(crate) wants_finish: bool,
    pub(crate) finished: bool,
    /// For the user, taken one by one.
    pub(crate) inbox: VecDeque<Bytes>,
    pub(crate) inbox_end: Option<io::Result<()>>,
    pub(crate) deliverer: Option<Waker>,
    pub(crate) taker: Option<Waker>,
    /// From the user: a piece, whether one is on its way through the filters, the end.
    pub(crate) outbox: Option<Bytes>,
    pub(crate) in_send: bool,
    pub(crate) outbox_end: bool,
    pub(crate) shut: bool,
    pub(crate) outbound: Option<Waker>,
    pub(crate) giver: Option<Waker>,
    /// From other connections: how many bytes, and whoever waits for them.
    pub(crate) posts: VecDeque<(mlua::Table, mlua::LuaString, usize)>,
    pub(crate) posted: Option<Waker>,
    pub(crate) post_bytes: usize,
    /// One of them is on its way.
    pub(crate) is_posting: bool,
    pub(crate) opener: Option<Waker>,
    pub(crate) fault: Option<Fault>,
    /// A send that failed, for the session.
    pub(crate) failed: Option<io::Error>,
    /// A script wants the end.
    pub(crate) is_stopped: bool,
    /// The error the transport had, as the system has it.
    pub(crate) cause: Option<io::Error>,
    /// The session has gone; before that, nothing moved for the time of `-i`.
    pub(crate) is_left: bool,
    pub(crate) is_idle: bool,
    /// The program ends.
    pub(crate) exits: bool,
    /// Why the session was told of a failure.
    pub(crate) trouble: Option<Trouble>,
}

pub(crate) struct Link {
    pub(crate) id: u64,
    pub(crate) facts: Facts,
    pub(crate) state: Mutex<State>,
    /// The filter next to the user.
    pub(crate) top: Origin,
    /// Wakes the driver.
    pub(crate) driver: Arc<Bell>,
    /// Tasks and timers.
    pub(crate) owner: Arc<Owner>,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
}

/// Somebody to be woken, who may change.
#[derive(Debug, Default)]
pub(crate) struct Bell(Mutex<Option<Waker>>);

impl Bell {
    pub(crate) fn ring(&self) {
        let waker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn set(&self, cx: &Context<'_>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// Wakes one coroutine: notes that it may go on, and wakes the driver.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) is_due: AtomicBool,
    pub(crate) driver: Arc<Bell>,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.is_due.store(true, Ordering::Relaxed);
        self.driver.ring();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.id)
    }
}

impl Link {
    pub(crate) fn new(id: u64, facts: Facts, shape: Shape, conn: Option<Conn>) -> Self {
        let state = State {
            conn,
            shape,
            dial: Dial::None,
            begin: Begin::Running,
            received: VecDeque::new(),
            reader: None,
            read_end: None,
            sending: VecDeque::new(),
            queued: 0,
            sent: 0,
            senders: Vec::new(),
            send_end: None,
            wants_finish: false,
            finished: false,
            inbox: VecDeque::new(),
            inbox_end: None,
            deliverer: None,
            taker: None,
            outbox: None,
            in_send: false,
            outbox_end: false,
            shut: false,
            outbound: None,
            giver: None,
            posts: VecDeque::new(),
            posted: None,
            post_bytes: 0,
            is_posting: false,
            opener: None,
            fault: None,
            failed: None,
            is_stopped: false,
            cause: None,
            is_left: false,
            is_idle: false,
            exits: false,
            trouble: None,
        };
        let driver = Arc::default();
        let (bytes_in, bytes_out, top) = Default::default();
        let owner = Owner::new(Arc::clone(&driver));
        Self { id, facts, top, state: Mutex::new(state), driver, owner, bytes_in, bytes_out }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Receives what there is; ready when something waits or nothing more comes.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<()> {
        if !self.received.is_empty() || self.read_end.is_some() {
            return Poll::Ready(());
        }
        let Some(conn) = &mut self.conn else {
            self.read_end = Some(Err(Failure::new("CLOSED", "there is no connection")));
            return Poll::Ready(());
        };
        match conn.poll_recv(cx, max, &mut self.received) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(Recv::Data)) => {}
            Poll::Ready(Ok(Recv::End)) => self.read_end = Some(Ok(())),
            Poll::Ready(Err(error)) => {
                self.read_end = Some(Err(Failure::from(&error)));
                self.cause = Some(error);
            }
        }
        Poll::Ready(())
    }

    /// Sends what waits, and then, where that is wanted, the end.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.sending.is_empty() && self.send_end.is_none() {
            let Some(conn) = &mut self.conn else { return Poll::Ready(()) };
            let before = self.sending.len();
            match conn.poll_send(cx, &mut self.sending) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(_)) => {
                    self.sent += (before - self.sending.len()) as u64;
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
        self.send_end = Some(Failure::from(&error));
        self.cause = Some(error);
        self.sending.clear();
        self.senders.drain(..).for_each(Waker::wake);
    }

    /// The session learns that nothing more is received, and why.
    pub(crate) fn end_inbox(&mut self, end: io::Result<()>) {
        if self.inbox_end.is_none() {
            self.inbox_end = Some(end);
        }
        self.wake_session();
    }

    /// A filter has failed the connection; the session learns of it.
    pub(crate) fn fail(&mut self, fault: Fault) {
        let Fault { line, code, origin, .. } = fault.clone();
        self.trouble.get_or_insert(Trouble { code, message: line, origin });
        let fault = self.fault.get_or_insert(fault).clone();
        self.inbox_end = Some(Err(io::Error::other(fault)));
        self.wake_session();
    }

    /// A failure that a filter passed on, for the session.
    pub(crate) fn fail_as(&mut self, failure: &Failure, origin: Origin) -> io::Error {
        let is_wire =
            self.cause.as_ref().is_some_and(|cause| Failure::from(cause).code == failure.code);
        let origin = if is_wire { Origin::wire(origin.method) } else { origin };
        self.trouble.get_or_insert_with(|| Trouble::of(failure, origin));
        self.error_of(failure)
    }

    pub(crate) fn wake_session(&mut self) {
        let wakers = [self.taker.take(), self.giver.take(), self.opener.take()];
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// A failure that a script passed on, as an error of the session: the system's own where it is that.
    pub(crate) fn error_of(&mut self, failure: &Failure) -> io::Error {
        match self.cause.take() {
            Some(cause) if Failure::from(&cause).code == failure.code => cause,
            _ => io::Error::other(failure.to_string()),
        }
    }
}
