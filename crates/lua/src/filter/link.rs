//! One connection between its transport, its filters and its session.
//!
//! The driver owns the transport; the session sees a conn. Between them and the scripts stands this
//! state, behind a lock that is never held while Lua runs.

use std::collections::VecDeque;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

use bytes::Bytes;
use conn::{Conn, ConnInfo, Shape};

use super::clock::Clock;
use super::code::{Failure, Fault, Origin, Trouble};
use super::grace::Grace;
use super::owner::Owner;
use super::socket::Sockets;
use super::wire::Wire;

/// An address or a path, and a port where there is one.
pub type Target = (String, Option<u16>);

/// What is known of a connection when it begins.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `"connect"` or `"listen"`.
    pub mode: &'static str,
    /// `"relay"`, `"exec"`, `"broker"`, `"proxy"`.
    pub role: &'static str,
    /// `"tcp"`, `"udp"`, `"sctp"`, `"unix"`, `"vsock"`.
    pub proto: &'static str,
    /// Whether it is secured.
    pub tls: bool,
    /// Whom the user named, when connecting.
    pub target: Option<Target>,
    /// Whom the other side is, and who we are, where that is known from the start.
    pub remote: Target,
    /// Likewise.
    pub local: Target,
    /// Nothing is received for the user: what comes is read over.
    pub discards: bool,
    /// `-z`: it is only to be made; nothing is moved.
    pub probes: bool,
    /// The largest datagram the transport takes, in bytes; 0 = as UDP has it.
    pub message_max: usize,
}

impl Facts {
    /// The other side and ours, of a connection that is there.
    pub fn ends(info: &ConnInfo, is_path: bool) -> (Target, Target) {
        let ends = Ends::of(info, is_path);
        (ends.remote, ends.local)
    }
}

/// Who is at either end of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends {
    pub(crate) remote: Target,
    pub(crate) local: Target,
}

impl Ends {
    /// As messages have them, taken apart; a path is in one piece.
    pub(crate) fn of(info: &ConnInfo, is_path: bool) -> Self {
        let part = |name: &str| match name.rsplit_once(':') {
            Some((host, port)) if !is_path => {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                (host.to_owned(), port.parse().ok())
            }
            _ => (name.to_owned(), None),
        };
        Self { remote: part(&info.peer), local: part(&info.local) }
    }
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
    /// The transport.
    pub(crate) wire: Wire,
    pub(crate) dial: Dial,
    /// Whose call that is, and whom it named where that is somebody else than the user did.
    pub(crate) dialler: Option<u64>,
    pub(crate) elsewhere: Option<Target>,
    pub(crate) begin: Begin,
    /// Time that is not the filters' own.
    pub(crate) grace: Grace,
    /// Both ends, once they are known.
    pub(crate) ends: Ends,
    /// For the user, taken one by one.
    pub(crate) inbox: VecDeque<Bytes>,
    pub(crate) inbox_end: Option<io::Result<()>>,
    /// The session has that end.
    pub(crate) is_told_end: bool,
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
    /// Connections that this one's filters have made for themselves.
    pub(crate) sockets: Sockets,
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
        let mut wire = Wire::new(shape, conn);
        if facts.message_max > 0 {
            wire.message_max = facts.message_max;
        }
        let state = State {
            wire,
            dial: Dial::None,
            dialler: None,
            elsewhere: None,
            begin: Begin::Running,
            grace: Grace::new(Clock::real()),
            ends: Ends { remote: facts.remote.clone(), local: facts.local.clone() },
            inbox: VecDeque::new(),
            inbox_end: None,
            is_told_end: false,
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
            is_left: false,
            is_idle: false,
            exits: false,
            trouble: None,
        };
        let driver = Arc::default();
        let (bytes_in, bytes_out, top, sockets) = Default::default();
        let owner = Owner::new(Arc::clone(&driver));
        let state = Mutex::new(state);
        Self { id, facts, top, state, driver, owner, bytes_in, bytes_out, sockets }
    }

    /// What there is to know of the two ends of a connection that was made.
    pub(crate) fn learn(&self, state: &mut State, info: &ConnInfo) {
        let is_path = self.facts.proto == "unix";
        state.ends = Ends::of(info, is_path);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Most of what is asked of a connection is asked of its transport.
impl Deref for State {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl DerefMut for State {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

impl State {
    /// Bytes that wait to be sent, those of others among them.
    pub(crate) fn waiting(&self) -> usize {
        self.post_bytes + self.sending.iter().map(Bytes::len).sum::<usize>()
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
}
