//! What scripts' blocking calls end in. Each function tries once; `false` as its first result means that
//! it would wait, and then the coroutine is woken when trying again is worth it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use mlua::{Lua, LuaString, MultiValue, Table, UserData, UserDataRef, Value};

use super::clock::Clock;
use super::code::{Failure, Origin, Trouble};
use super::link::Link;
use super::network::Network;
use super::owner::Owner;
use super::socket::Sockets;

/// Calls that are served at once before others have their turn.
const CALLS_MAX: u32 = 64;
/// Bytes that are moved at once before others have their turn.
const MOVED_MAX: usize = 1 << 20;

/// What a script knows a connection by.
pub(crate) struct Handle(pub(crate) Arc<Link>);

impl UserData for Handle {}

/// Whose turn it is.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) link: Option<Arc<Link>>,
    pub(crate) coroutine: u64,
    pub(crate) waker: Waker,
    pub(crate) since: Instant,
    pub(crate) slice: Duration,
    /// What is run, as messages have it.
    pub(crate) method: &'static str,
    /// Calls that need not wait, and the bytes they moved, in this turn.
    calls: u32,
    moved: usize,
    /// It has had its share.
    pub(crate) gave_way: bool,
}

impl Current {
    pub(crate) fn new(
        link: Option<Arc<Link>>,
        coroutine: u64,
        waker: Waker,
        slice: Duration,
    ) -> Self {
        let (calls, moved, gave_way) = Default::default();
        let (since, method) = (Instant::now(), "init");
        Self { link, coroutine, waker, since, slice, method, calls, moved, gave_way }
    }
}

/// Where scripts' words go: level, name, connection (0: none), text.
pub type Log = Box<dyn Fn(&str, &str, u64, &str) + Send + Sync>;

/// What native functions share with the engine; not the state itself, which owns them.
pub(crate) struct Shared {
    pub(crate) current: Mutex<Option<Current>>,
    pub(crate) limits: plan::lua::FilterLimits,
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    /// The number of the next coroutine; 0 is what runs outside any.
    pub(crate) coroutines: AtomicU64,
    /// What belongs to no connection.
    pub(crate) process: Arc<Owner>,
    /// What a state and its native objects may hold, in bytes; 0: nobody knows.
    pub(crate) memory: usize,
    /// What of it the objects hold, as the state was last told.
    pub(crate) held: AtomicUsize,
    pub(crate) gate: gate::Gatekeeper,
    pub(crate) files: super::files::Files,
    pub(crate) ledger: Arc<super::ledger::Ledger>,
    /// Whoever makes connections; there once the run has begun.
    pub(crate) network: OnceLock<Arc<dyn Network>>,
    /// A filter of the stack may dial whom it likes.
    pub(crate) dials_anybody: AtomicBool,
    /// Sockets that belong to no connection.
    pub(crate) sockets: Sockets,
    /// Where the watchdog sleeps.
    pub(crate) kennel: super::watch::Kennel,
}

impl Shared {
    /// What says nothing to anybody and opens what it likes.
    pub(crate) fn new(limits: plan::lua::FilterLimits) -> Self {
        let memory = match usize::try_from(limits.memory).unwrap_or(usize::MAX) {
            0 => sys::memory::available().unwrap_or(0),
            memory => memory,
        };
        Self {
            current: Mutex::new(None),
            limits,
            log: Box::new(|_, _, _, _| {}),
            clock: Clock::real(),
            coroutines: AtomicU64::new(1),
            process: Owner::new(Arc::default()),
            memory,
            held: AtomicUsize::new(0),
            gate: gate::Gatekeeper::open(),
            files: super::files::Files::default(),
            ledger: Arc::default(),
            network: OnceLock::new(),
            dials_anybody: AtomicBool::new(false),
            sockets: Sockets::default(),
            kennel: super::watch::Kennel::default(),
        }
    }

    /// Something runs from now on.
    pub(crate) fn begin(&self, current: Current) {
        *self.current() = Some(current);
        self.kennel.wake();
    }

    pub(crate) fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose turn it is, and how to wake it.
    pub(crate) fn turn(&self) -> mlua::Result<(u64, Waker)> {
        let current = self.current();
        let current = current.as_ref().ok_or_else(|| lost("there is no event"))?;
        Ok((current.coroutine, current.waker.clone()))
    }

    /// Whose tasks and timers are made now.
    pub(crate) fn owner(&self) -> Arc<Owner> {
        let current = self.current();
        let link = current.as_ref().and_then(|current| current.link.as_ref());
        Arc::clone(link.map_or(&self.process, |link| &link.owner))
    }

    /// Notes a call that did not have to wait.
    pub(crate) fn spend(&self, bytes: usize) {
        if let Some(current) = self.current().as_mut() {
            current.calls += 1;
            current.moved += bytes;
        }
    }

    /// Whether the coroutine has something left of its turn; if not it is woken at once, and others run
    /// before it.
    pub(crate) fn has_share(&self) -> bool {
        let mut current = self.current();
        let Some(current) = current.as_mut().filter(|current| current.coroutine != 0) else {
            return true;
        };
        if current.calls < CALLS_MAX && current.moved < MOVED_MAX {
            return true;
        }
        current.gave_way = true;
        current.waker.wake_by_ref();
        false
    }

    /// How to wake whoever's turn it is.
    pub(crate) fn waker(&self) -> mlua::Result<Waker> {
        Ok(self.turn()?.1)
    }

    /// Outside a coroutine nobody would ever go on with a call that waits; Lua's words for the same.
    pub(crate) fn may_wait(&self) -> mlua::Result<()> {
        if self.turn()?.0 == 0 {
            return Err(lost("attempt to yield from outside a coroutine"));
        }
        Ok(())
    }

    pub(crate) fn chunk_max(&self) -> usize {
        match usize::try_from(self.limits.chunk) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(max) => max,
        }
    }
}

pub(crate) fn lost(text: &str) -> mlua::Error {
    mlua::Error::runtime(text)
}

/// One result, or a code and a detail.
pub(crate) type Answer = (Value, Option<&'static str>, Option<String>);

pub(crate) const WOULD_WAIT: Answer = (Value::Boolean(false), None, None);
pub(crate) const DONE: Answer = (Value::Boolean(true), None, None);

pub(crate) fn failed(failure: &Failure) -> Answer {
    let detail = (!failure.detail.is_empty()).then(|| failure.detail.clone());
    (Value::Nil, Some(failure.code), detail)
}

/// True, a failure, or that it would wait.
pub(crate) fn answer(done: Poll<Result<(), Failure>>) -> Answer {
    match done {
        Poll::Pending => WOULD_WAIT,
        Poll::Ready(Ok(())) => DONE,
        Poll::Ready(Err(failure)) => failed(&failure),
    }
}

/// `method` was given something that is no string.
pub(crate) fn misuse(method: &str, given: &Value) -> mlua::Error {
    let what = kind(&MultiValue::from_iter([given.clone()]));
    mlua::Error::external(Misuse(format!("{method} was given a {what}, expected a string")))
}

type On<'a> = UserDataRef<Handle>;

fn recv(lua: &Lua, shared: &Shared, link: &Link, max: Value) -> mlua::Result<Answer> {
    let max = match max.as_integer().map(usize::try_from) {
        Some(Ok(max)) => max,
        _ => usize::MAX,
    };
    let (coroutine, waker) = shared.turn()?;
    let mut state = link.lock();
    if !shared.has_share() {
        // Whoever comes later is still the second.
        return Ok(match state.claim(coroutine) {
            Ok(()) => WOULD_WAIT,
            Err(failure) => failed(&failure),
        });
    }
    let piece = match state.poll_take(&mut Context::from_waker(&waker), coroutine, max) {
        Poll::Pending => return Ok(WOULD_WAIT),
        Poll::Ready(Err(failure)) => return Ok(failed(&failure)),
        Poll::Ready(Ok(piece)) => piece,
    };
    drop(state);
    shared.spend(piece.len());
    link.bytes_in.fetch_add(piece.len() as u64, Ordering::Relaxed);
    Ok((Value::String(lua.create_string(&piece)?), None, None))
}

fn send(shared: &Shared, link: &Arc<Link>, data: &Value) -> mlua::Result<Answer> {
    let Value::String(data) = data else { return Err(misuse("send", data)) };
    let data = data.as_bytes();
    let len = data.len();
    let (is_own, waker) = {
        let current = shared.current();
        let current = current.as_ref().ok_or_else(|| lost("there is no event"))?;
        let is_own = current.link.as_ref().is_some_and(|own| own.id == link.id);
        (is_own, current.waker.clone())
    };
    let mut state = link.lock();
    let queue = shared.limits.queue;
    let is_queued = !is_own && queue > 0 && state.send_end.is_none();
    if is_queued && (state.waiting() + data.len()) as u64 > queue {
        return Ok((Value::Nil, Some("FULL"), None));
    }
    let ticket = match state.put(data) {
        Ok(Some(ticket)) => ticket,
        Ok(None) => return Ok(DONE),
        Err(failure) => return Ok(failed(&failure)),
    };
    link.bytes_out.fetch_add(len as u64, Ordering::Relaxed);
    if !is_own {
        drop(state);
        link.driver.ring();
        return Ok(DONE);
    }
    let mut cx = Context::from_waker(&waker);
    let _ = state.poll_flush(&mut cx);
    let sent = state.poll_sent(&mut cx, ticket);
    drop(state);
    shared.spend(len);
    let gives_way = matches!(sent, Poll::Ready(Ok(()))) && !shared.has_share();
    if sent.is_pending() || gives_way {
        // The driver goes on with it; the ticket is what the coroutine asks with.
        link.driver.ring();
        return Ok((Value::Boolean(false), None, Some(ticket.to_string())));
    }
    Ok(answer(sent))
}

fn sent(shared: &Shared, link: &Link, ticket: u64) -> mlua::Result<Answer> {
    let (_, waker) = shared.turn()?;
    Ok(answer(link.lock().poll_sent(&mut Context::from_waker(&waker), ticket)))
}

fn shutdown(shared: &Shared, link: &Link) -> mlua::Result<Answer> {
    let (_, waker) = shared.turn()?;
    let mut state = link.lock();
    state.wants_finish = true;
    let mut cx = Context::from_waker(&waker);
    let _ = state.poll_flush(&mut cx);
    let finished = state.poll_finished(&mut cx);
    drop(state);
    if finished.is_pending() {
        link.driver.ring();
    }
    Ok(answer(finished))
}

fn close(shared: &Shared, link: &Link) -> mlua::Result<Answer> {
    let (_, waker) = shared.turn()?;
    let mut state = link.lock();
    if state.poll_flush(&mut Context::from_waker(&waker)).is_pending() {
        state.senders.push(waker);
        drop(state);
        link.driver.ring();
        return Ok(WOULD_WAIT);
    }
    state.conn = None;
    Ok(DONE)
}

/// A value that the contract does not allow, given to the root.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl std::fmt::Display for Misuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// Adds the functions of this module to `native`.
pub(crate) fn add(lua: &Lua, native: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    macro_rules! function {
        ($name:literal, $shared:ident, $lua:ident, $args:tt : $types:ty, $body:expr) => {{
            let $shared = Arc::clone(shared);
            native.raw_set($name, lua.create_function(move |$lua, $args: $types| $body)?)?;
        }};
    }
    function!("recv", s, lua, (h, max): (On<'_>, Value), recv(lua, &s, &h.0, max));
    function!("send", s, _lua, (h, data): (On<'_>, Value), {
        let (done, code, detail) = send(&s, &h.0, &data)?;
        // A ticket travels in the place of the code.
        Ok(match (&done, detail) {
            (Value::Boolean(false), Some(ticket)) => (done, Some(ticket), None),
            (_, detail) => (done, code.map(str::to_owned), detail),
        })
    });
    function!("sent", s, _lua, (h, ticket): (On<'_>, u64), sent(&s, &h.0, ticket));
    function!("shutdown", s, _lua, h: On<'_>, shutdown(&s, &h.0));
    function!("close", s, _lua, h: On<'_>, close(&s, &h.0));
    function!("post", s, _lua, (h, instance, data): (On<'_>, Table, LuaString), {
        let len = data.as_bytes().len();
        let mut state = h.0.lock();
        let is_full = s.limits.queue > 0 && (state.waiting() + len) as u64 > s.limits.queue;
        if !is_full {
            state.post_bytes += len;
            state.posts.push_back((instance, data, len));
            drop(state);
            h.0.driver.ring();
        }
        Ok(!is_full)
    });
    function!("next_post", s, _lua, h: On<'_>, {
        let mut state = h.0.lock();
        let _ = &s;
        state.is_posting = true;
        Ok(match state.posts.pop_front() {
            Some((instance, data, len)) => {
                state.post_bytes -= len;
                (Value::Table(instance), Value::String(data))
            }
            None => {
                state.is_posting = false;
                state.posted.take().into_iter().for_each(Waker::wake);
                (Value::Nil, Value::Nil)
            }
        })
    });
    function!("post_ended", s, _lua, h: On<'_>, {
        let (_, waker) = s.turn()?;
        let mut state = h.0.lock();
        let waits = state.is_posting || !state.posts.is_empty();
        if waits {
            state.posted = Some(waker);
        }
        Ok(!waits)
    });
    function!("stop", s, _lua, (h, detail): (On<'_>, Option<String>), {
        let _ = &s;
        let mut state = h.0.lock();
        state.is_stopped = true;
        if let Some(detail) = detail {
            let origin = Origin { method: "close", ..h.0.top.clone() };
            state.trouble.get_or_insert(Trouble { code: "ERROR", message: detail, origin });
        }
        drop(state);
        h.0.driver.ring();
        Ok(true)
    });
    function!("moved", s, _lua, (h, which): (On<'_>, String), {
        let _ = &s;
        let count = if which == "bytes_in" { &h.0.bytes_in } else { &h.0.bytes_out };
        Ok(count.load(Ordering::Relaxed))
    });
    function!("log", s, _lua, (level, name, text): (LuaString, LuaString, LuaString), {
        let id = s.current().as_ref().and_then(|c| c.link.as_ref().map(|link| link.id));
        let text = text.as_bytes();
        (s.log)(
            &level.to_string_lossy(),
            &name.to_string_lossy(),
            id.unwrap_or(0),
            &String::from_utf8_lossy(&text),
        );
        Ok(())
    });
    function!("now", s, _lua, (): (), Ok(s.clock.now().as_secs_f64()));
    function!("time", s, _lua, (): (), Ok(s.clock.time().as_secs_f64()));
    function!("note", s, _lua, (h, method, text): (On<'_>, String, LuaString), {
        let text = format!("{method}: {}", text.to_string_lossy());
        (s.log)("debug", "filter", h.0.id, &text);
        Ok(())
    });
    native.raw_set("version", env!("CARGO_PKG_VERSION"))?;
    super::waiting::add(lua, native, shared)?;
    super::buffer::add(lua, native, shared)?;
    super::contract::add(lua, native, shared)?;
    super::dial::add(lua, native, shared)?;
    super::socket::add(lua, native, shared)
}

/// A value's type, as messages have it.
pub(crate) fn kind(values: &MultiValue) -> &'static str {
    values.front().map_or("nil", |value| match value {
        Value::Integer(_) => "number",
        value => value.type_name(),
    })
}
