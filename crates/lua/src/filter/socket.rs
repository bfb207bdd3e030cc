//! Sockets that filters make for themselves. Each belongs to the connection it was made in, and ends with
//! it.
//!
//! Nobody drives them: whoever waits for one polls it, and all who wait are woken together.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, Shape};
use mlua::{
    AnyUserData, IntoLuaMulti, Lua, LuaString, MultiValue, Table, UserData, UserDataRef, Value,
};
use tokio::time::Instant;

use super::code::Failure;
use super::grants::Held;
use super::holder::Holder;
use super::link::Ends;
use super::native::{Answer, DONE, Shared, WOULD_WAIT, answer, failed, misuse};
use super::network::Order;
use super::order;
use super::wire::Wire;
use super::work::{self, Work};

/// Everybody who waits for the same thing.
#[derive(Debug, Default)]
struct Crowd(Mutex<Vec<Waker>>);

impl Crowd {
    fn lock(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, waker: &Waker) {
        let mut all = self.lock();
        if !all.iter().any(|other| other.will_wake(waker)) {
            all.push(waker.clone());
        }
    }
}

impl Wake for Crowd {
    fn wake(self: Arc<Self>) {
        let all = std::mem::take(&mut *self.lock());
        all.into_iter().for_each(Waker::wake);
    }
}

/// A connection of a filter's own.
pub(crate) struct Outgoing {
    wire: Mutex<Wire>,
    ends: Mutex<Ends>,
    /// Whom it was connected with, by the name that was given.
    host: Mutex<Option<String>>,
    readers: Arc<Crowd>,
    writers: Arc<Crowd>,
}

/// What a script knows it by.
pub(crate) struct Socket(pub(crate) Arc<Outgoing>);

impl UserData for Socket {}

impl Outgoing {
    fn new() -> Self {
        let wire = Mutex::new(Wire::new(Shape::Stream, None));
        let (ends, host, readers, writers) = Default::default();
        Self { wire, ends, host, readers, writers }
    }

    pub(crate) fn host(&self) -> Option<String> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ends(&self) -> Ends {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A connection was made; an earlier one is over.
    fn open(&self, conn: Conn, host: Option<String>) {
        let is_path = host.is_none();
        *self.host.lock().unwrap_or_else(PoisonError::into_inner) = host;
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = Ends::of(&conn.info, is_path);
        let mut wire = self.lock();
        let patience = wire.patience;
        *wire = Wire::new(conn.shape, Some(conn));
        wire.patience = patience;
    }

    /// Has `work` done for one of those who wait to send.
    pub(crate) fn with_crowd<T>(
        &self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Wire, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.writers.join(cx.waker());
        let waker = Waker::from(Arc::clone(&self.writers));
        let done = work(&mut self.lock(), &mut Context::from_waker(&waker));
        // Who waited for a piece that has gone now is woken by it.
        if done.is_ready() {
            self.writers.lock().retain(|other| !other.will_wake(cx.waker()));
        }
        done
    }

    fn poll_take(
        &self,
        cx: &Context<'_>,
        coroutine: u64,
        max: usize,
    ) -> Poll<Result<Bytes, Failure>> {
        self.readers.join(cx.waker());
        let waker = Waker::from(Arc::clone(&self.readers));
        self.lock().poll_take(&mut Context::from_waker(&waker), coroutine, max)
    }

    /// Ends it. What the transport takes at once is still sent, and its end told.
    fn close(&self) {
        let mut wire = self.lock();
        wire.wants_finish = true;
        let _ = wire.poll_flush(&mut Context::from_waker(Waker::noop()));
        wire.close();
    }
}

/// The sockets of one connection.
#[derive(Default)]
pub(crate) struct Sockets(Mutex<Vec<Weak<Outgoing>>>);

impl Sockets {
    fn all(&self) -> Vec<Arc<Outgoing>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|socket| socket.strong_count() > 0);
        all.iter().filter_map(Weak::upgrade).collect()
    }

    fn add(&self, socket: &Arc<Outgoing>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(socket));
    }

    /// How many may not be forgotten: closed ones that a script still has count no more.
    fn count(&self) -> usize {
        self.all().iter().filter(|socket| !socket.lock().is_closed).count()
    }

    pub(crate) fn are_open(&self) -> bool {
        self.all().iter().any(|socket| socket.lock().is_there())
    }

    pub(crate) fn close(&self) {
        self.all().iter().for_each(|socket| socket.close());
    }

    /// Bytes that the systems at the other ends have not acknowledged.
    pub(crate) fn undelivered(&self) -> io::Result<usize> {
        let left = |socket: &Arc<Outgoing>| {
            let wire = socket.lock();
            wire.conn.as_ref().map_or(Ok(None), Conn::undelivered)
        };
        self.all().iter().map(left).try_fold(0, |sum, one| Ok(sum + one?.unwrap_or(0)))
    }

    /// Whether one of those systems answers.
    pub(crate) fn are_answering(&self) -> bool {
        let answers = |wire: &Wire| wire.conn.as_ref().is_some_and(Conn::is_answering);
        self.all().iter().any(|socket| answers(&socket.lock()))
    }

    /// When bytes last moved on one of them.
    pub(crate) fn active(&self) -> Option<Instant> {
        self.all().iter().map(|socket| socket.lock().active).max()
    }
}

/// Makes a socket that is not connected yet.
fn create(lua: &Lua, shared: &Shared) -> mlua::Result<Result<Socket, Failure>> {
    let link = shared.current().as_ref().and_then(|current| current.link.clone());
    let sockets = link.as_ref().map_or(&shared.sockets, |link| &link.sockets);
    let max = shared.limits.sockets as usize;
    if max > 0 && sockets.count() >= max {
        // Those that nobody has any more do not count.
        lua.gc_collect()?;
        if sockets.count() >= max {
            return Ok(Err(Failure::new("LIMIT", format!("{max} sockets are open"))));
        }
    }
    let socket = Arc::new(Outgoing::new());
    sockets.add(&socket);
    Ok(Ok(Socket(socket)))
}

/// Connects a socket, as work to wait for.
fn dial(shared: &Shared, socket: Arc<Outgoing>, order: Order) -> Work {
    let pending = shared.network.get().map(|network| network.connect(order.clone()));
    socket.lock().is_closed = false;
    let host = Some(order.host).filter(|_| !order.transport.is_unix());
    Work::new(async move {
        let Some(pending) = pending else {
            return work::done(Err(Failure::new("ERROR", "there is no network")));
        };
        work::done(pending.await.and_then(|conn| {
            if socket.lock().is_closed {
                return Err(Failure::new("CLOSED", ""));
            }
            socket.open(conn, host);
            Ok(())
        }))
    })
}

/// Looks a name up, as work to wait for.
fn resolve(shared: &Shared, host: String) -> Work {
    let pending = shared.network.get().map(|network| network.resolve(host));
    Work::new(async move {
        let Some(pending) = pending else {
            return work::done(Err(Failure::new("ERROR", "there is no network")));
        };
        match pending.await {
            Err(failure) => work::failure_of(failure),
            Ok(found) => Box::new(move |lua: &Lua| {
                let found = found.iter().map(ToString::to_string);
                lua.create_sequence_from(found)?.into_lua_multi(lua)
            }),
        }
    })
}

fn recv(lua: &Lua, shared: &Shared, socket: &Outgoing, max: &Value) -> mlua::Result<Answer> {
    let max = match max.as_integer().map(usize::try_from) {
        Some(Ok(max)) => max,
        _ => usize::MAX,
    };
    let (coroutine, waker) = shared.turn()?;
    if !shared.has_share() {
        return Ok(answer(
            socket
                .lock()
                .claim(coroutine)
                .map_or_else(|failure| Poll::Ready(Err(failure)), |()| Poll::Pending),
        ));
    }
    Ok(match socket.poll_take(&Context::from_waker(&waker), coroutine, max) {
        Poll::Pending => WOULD_WAIT,
        Poll::Ready(Err(failure)) => failed(&failure),
        Poll::Ready(Ok(piece)) => {
            shared.spend(piece.len());
            (Value::String(lua.create_string(&piece)?), None, None)
        }
    })
}

/// Puts a piece on its way; a number to ask for it with, or nothing more to ask.
fn send(socket: &Outgoing, data: &Value) -> mlua::Result<Result<Option<u64>, Failure>> {
    let Value::String(data) = data else { return Err(misuse("send", data)) };
    Ok(socket.lock().put(data.as_bytes()))
}

fn sent(shared: &Shared, socket: &Outgoing, ticket: u64) -> mlua::Result<Answer> {
    let (_, waker) = shared.turn()?;
    let mut cx = Context::from_waker(&waker);
    let own = waker.clone();
    let sent = socket.with_crowd(&mut cx, |wire, cx| {
        let _ = wire.poll_flush(cx);
        // A piece that somebody else sends on wakes us alone.
        wire.poll_sent(&mut Context::from_waker(&own), ticket)
    });
    shared.spend(0);
    let gives_way = matches!(sent, Poll::Ready(Ok(()))) && !shared.has_share();
    Ok(if gives_way { WOULD_WAIT } else { answer(sent) })
}

fn shutdown(shared: &Shared, socket: &Outgoing) -> mlua::Result<Answer> {
    let (_, waker) = shared.turn()?;
    let mut cx = Context::from_waker(&waker);
    let own = waker.clone();
    Ok(answer(socket.with_crowd(&mut cx, |wire, cx| {
        wire.wants_finish = true;
        let _ = wire.poll_flush(cx);
        wire.poll_finished(&mut Context::from_waker(&own))
    })))
}

/// Adds the functions of this module.
pub(super) fn add(lua: &Lua, native: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    type On = UserDataRef<Socket>;
    macro_rules! function {
        ($name:literal, |$shared:ident, $lua:ident, $args:tt : $types:ty| $body:expr) => {{
            let $shared = Arc::clone(shared);
            native.raw_set($name, lua.create_function(move |$lua, $args: $types| $body)?)?;
        }};
    }
    function!("may_dial", |_s, _lua, grants: UserDataRef<Held>| Ok(grants.0.has("net")));
    function!("socket", |s, lua, (): ()| {
        Ok(match create(lua, &s)? {
            Ok(socket) => (Value::UserData(lua.create_userdata(socket)?), None, None),
            Err(failure) => failed(&failure),
        })
    });
    function!("dial", |s, lua, (socket, host, port, options): (On, Value, Value, Table)| {
        let order = order::read(&host, &port, &options, socket.0.lock().patience)?;
        let job = order.map(|order| dial(&s, Arc::clone(&socket.0), order));
        one_of(lua, job)
    });
    function!("resolve", |s, lua, host: LuaString| {
        one_of(lua, Ok(resolve(&s, host.to_string_lossy())))
    });
    function!("socket_recv", |s, lua, (socket, max): (On, Value)| recv(lua, &s, &socket.0, &max));
    function!("socket_send", |_s, _lua, (socket, data): (On, Value)| {
        Ok(match send(&socket.0, &data)? {
            Ok(Some(ticket)) => (Value::Integer(ticket.cast_signed()), None, None),
            Ok(None) => DONE,
            Err(failure) => failed(&failure),
        })
    });
    function!("socket_sent", |s, _lua, (socket, ticket): (On, u64)| sent(&s, &socket.0, ticket));
    function!("socket_shutdown", |s, _lua, socket: On| shutdown(&s, &socket.0));
    function!("socket_close", |_s, _lua, socket: On| {
        socket.0.close();
        Ok(true)
    });
    function!("is_connected", |_s, _lua, socket: On| Ok(socket.0.lock().is_there()));
    function!("unread", |_s, _lua, (socket, data): (On, LuaString)| {
        socket.0.lock().received.push_front(Bytes::copy_from_slice(&data.as_bytes()));
        Ok(())
    });
    of_both(lua, native)?;
    work::add(lua, native, shared)?;
    super::tls::add(lua, native, shared)?;
    super::relaying::add(lua, native, shared)
}

/// A job, or nil and why there is none.
pub(super) fn one_of(lua: &Lua, job: Result<Work, Failure>) -> mlua::Result<MultiValue> {
    match job {
        Ok(job) => lua.create_userdata(job)?.into_lua_multi(lua),
        Err(failure) => failed(&failure).into_lua_multi(lua),
    }
}

/// What roots and sockets have in common.
fn of_both(lua: &Lua, native: &Table) -> mlua::Result<()> {
    let ends = lua.create_function(|_, of: AnyUserData| {
        let Ends { local, remote } = Holder::of(&of)?.ends();
        Ok((true, local.0, local.1, remote.0, remote.1))
    })?;
    native.raw_set("get_info", ends)?;
    let set_timeout = lua.create_function(|_, (of, limit): (AnyUserData, f64)| {
        // As NSE has it: milliseconds, and -1 is none.
        let limit = (limit >= 0.0).then(|| Duration::try_from_secs_f64(limit / 1000.0).ok());
        Holder::of(&of)?.with(|wire| wire.patience = limit.flatten());
        Ok(true)
    })?;
    native.raw_set("set_timeout", set_timeout)?;
    let patience = lua.create_function(|_, of: AnyUserData| {
        let patience = Holder::of(&of)?.with(|wire| wire.patience);
        Ok(patience.map(|patience| patience.as_secs_f64()))
    })?;
    native.raw_set("patience", patience)?;
    let give_up = lua.create_function(|_, of: AnyUserData| {
        Holder::of(&of)?.with(Wire::stop_waiting);
        Ok(())
    })?;
    native.raw_set("give_up", give_up)
}
