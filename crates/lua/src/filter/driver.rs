//! What runs a connection's Lua: its beginning, its pumps, its end.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use conn::Conn;
use mlua::thread::ThreadStatus;
use mlua::{Function, IntoLuaMulti, MultiValue, Table, Thread, Value};
use tokio::time::{Sleep, sleep};

use super::code::{Failure, Fault};
use super::contract::failure;
use super::duplex::Top;
use super::engine::Engine;
use super::link::{Begin, Dial, Link, Turn};
use super::native::{Current, Misuse};
use crate::source::plain;

/// What a connection that is being opened wants next.
#[derive(Debug)]
pub enum Step {
    /// Somebody must dial, and tell with [`Opening::dialled`].
    Dial,
    /// The filters are done: this is the connection.
    Ready(Box<Conn>),
    /// The filters refused, or failed.
    Failed(Failure),
}

/// A connection that the filters are opening.
#[derive(Debug)]
pub struct Opening(Option<Arc<Link>>);

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.id)
    }
}

impl Opening {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self(Some(link))
    }

    /// What is wanted next.
    pub async fn next(&mut self) -> Step {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let Some(link) = &self.0 else { return Poll::Pending };
        let mut state = link.lock();
        if let (Begin::Running, Some(fault)) = (&state.begin, &state.fault) {
            return Poll::Ready(Step::Failed(Failure::new("ERROR", fault.line.clone())));
        }
        match &state.begin {
            Begin::Refused(failure) => Poll::Ready(Step::Failed(failure.clone())),
            Begin::Ready | Begin::Dealt => {
                let info = state.conn.as_ref().map(|conn| conn.info.clone()).unwrap_or_default();
                let shape = state.shape;
                drop(state);
                let Some(link) = self.0.take() else { return Poll::Pending };
                let conn = Conn::from_duplex(info, shape, Box::new(Top(link)));
                Poll::Ready(Step::Ready(Box::new(conn)))
            }
            Begin::Running => {
                if matches!(state.dial, Dial::Wanted) {
                    state.dial = Dial::Told;
                    return Poll::Ready(Step::Dial);
                }
                state.opener = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// What came of dialling.
    pub fn dialled(&self, result: Result<Conn, Failure>) {
        let Some(link) = &self.0 else { return };
        let mut state = link.lock();
        state.dial = Dial::Done(match result {
            Ok(conn) => {
                state.shape = conn.shape;
                state.conn = Some(conn);
                Ok(())
            }
            Err(failure) => Err(failure),
        });
        state.senders.drain(..).for_each(Waker::wake);
        drop(state);
        link.driver.ring();
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(link) = &self.0 {
            link.lock().is_left = true;
            link.driver.ring();
        }
    }
}

/// What a coroutine is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Event {
    Begin,
    Recv,
    Send,
    Post,
    Task,
    Close,
}

struct Coroutine {
    id: u64,
    event: Event,
    thread: Thread,
    args: Option<MultiValue>,
    turn: Arc<Turn>,
    waker: Waker,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    New,
    Beginning,
    Running,
    Closing,
    Ended,
}

/// Runs one connection's filters; must be polled until it is ready.
pub struct Driver {
    engine: Arc<Engine>,
    link: Arc<Link>,
    phase: Phase,
    handle: Value,
    instances: Option<Table>,
    coroutines: Vec<Coroutine>,
    next: u64,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Driver({}, {:?})", self.link.id, self.phase)
    }
}

impl Driver {
    pub(super) fn new(engine: Arc<Engine>, link: Arc<Link>) -> Self {
        Self {
            engine,
            link,
            phase: Phase::New,
            handle: Value::Nil,
            instances: None,
            coroutines: Vec::new(),
            next: 1,
            deadline: None,
        }
    }

    fn limit(&mut self, time: Duration) {
        self.deadline = (!time.is_zero()).then(|| Box::pin(sleep(time)));
    }

    fn start(&mut self, event: Event, f: Function, args: impl IntoLuaMulti) -> mlua::Result<()> {
        let thread = self.engine.lua.create_thread(f)?;
        let turn = Arc::new(Turn { is_due: true.into(), driver: Arc::clone(&self.link.driver) });
        let (waker, id) = (Waker::from(Arc::clone(&turn)), self.next);
        self.next += 1;
        let args = Some(args.into_lua_multi(&self.engine.lua)?);
        self.coroutines.push(Coroutine { id, event, thread, args, turn, waker });
        Ok(())
    }

    fn top(&self) -> mlua::Result<Table> {
        match &self.instances {
            Some(instances) => instances.raw_get(instances.raw_len()),
            None => Err(mlua::Error::runtime("there are no instances")),
        }
    }

    /// Makes the instances, and calls `init` from the wire up.
    fn create(&mut self) -> mlua::Result<()> {
        let facts = self.facts()?;
        let engine = Arc::clone(&self.engine);
        let slice = engine.shared.limits.slice;
        let (handle, instances) =
            engine.at_once(Some(&self.link), slice, || engine.instances(&self.link, facts))?;
        (self.handle, self.instances) = (handle, Some(instances.clone()));
        for instance in instances.sequence_values::<Table>() {
            let instance = instance?;
            let init: Option<Function> = instance.raw_get("init")?;
            if let Some(init) = init {
                engine.at_once(Some(&self.link), slice, || init.call::<()>(&instance))?;
            }
        }
        Ok(())
    }

    fn facts(&self) -> mlua::Result<Table> {
        let (facts, lua) = (&self.link.facts, &self.engine.lua);
        let table = lua.create_table()?;
        table.raw_set("id", self.link.id)?;
        table.raw_set("mode", facts.mode)?;
        table.raw_set("role", facts.role)?;
        table.raw_set("proto", facts.proto)?;
        table.raw_set("datagram", self.link.lock().shape == conn::Shape::Message)?;
        table.raw_set("tls", facts.tls)?;
        if let Some((host, port)) = &facts.target {
            table.raw_set("target_host", &host[..])?;
            table.raw_set("target_port", *port)?;
        }
        for (name, (addr, port)) in [("remote", &facts.remote), ("local", &facts.local)] {
            table.raw_set(format!("{name}_addr"), &addr[..])?;
            table.raw_set(format!("{name}_port"), *port)?;
        }
        let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        table.raw_set("started", started.map_or(0.0, |time| time.as_secs_f64()))?;
        Ok(table)
    }

    fn begin(&mut self) -> mlua::Result<()> {
        self.create()?;
        let top = self.top()?;
        self.limit(self.engine.shared.limits.handshake);
        match self.link.facts.target.clone() {
            Some((host, port)) => {
                let connect: Function = top.get("connect")?;
                self.start(Event::Begin, connect, (top, host, port))
            }
            None => {
                let accept: Function = top.get("accept")?;
                self.start(Event::Begin, accept, top)
            }
        }
    }

    /// Judges what `connect` or `accept` gave.
    fn begun(&mut self, values: &MultiValue) -> mlua::Result<()> {
        self.deadline = None;
        let connects = self.link.facts.target.is_some();
        let begin = match values.front() {
            Some(Value::Boolean(true)) => Begin::Ready,
            Some(Value::Boolean(false)) if !connects => Begin::Dealt,
            None | Some(Value::Nil | Value::Boolean(false)) => Begin::Refused(failure(values)),
            Some(_) => {
                let (method, wanted) =
                    if connects { ("connect", "true") } else { ("accept", "true, false") };
                let got = super::native::kind(values);
                let name = self.top_name();
                let text =
                    format!(": {method} returned a {got}, expected {wanted} or nil and an error");
                self.fail(self.link.fault(&name, &text));
                return Ok(());
            }
        };
        let is_ready = matches!(begin, Begin::Ready);
        let mut state = self.link.lock();
        if let Begin::Refused(failure) = &begin {
            let error = state.error_of(failure);
            state.end_inbox(Err(error));
        }
        if matches!(begin, Begin::Dealt) {
            state.end_inbox(Ok(()));
        }
        state.begin = begin;
        state.wake_session();
        drop(state);
        if is_ready { self.run() } else { self.close() }
    }

    /// Takes the connection into the registry and starts the pumps.
    fn run(&mut self) -> mlua::Result<()> {
        self.phase = Phase::Running;
        let (engine, top) = (Arc::clone(&self.engine), self.top()?);
        let register: Function = engine.entry("register")?;
        register.call::<()>((self.handle.clone(), self.link.id, self.instances.clone()))?;
        if !self.link.facts.discards {
            let max = 65_536;
            self.start(Event::Recv, engine.entry("inbound")?, (&self.handle.clone(), &top, max))?;
        }
        self.start(Event::Send, engine.entry("outbound")?, (&self.handle.clone(), &top))?;
        self.start(Event::Post, engine.entry("posted")?, self.handle.clone())
    }

    /// Tells whoever wants to know, and says good-bye.
    fn close(&mut self) -> mlua::Result<()> {
        self.phase = Phase::Closing;
        self.cancel();
        let engine = Arc::clone(&self.engine);
        let unregister: Function = engine.entry("unregister")?;
        unregister.call::<()>(self.link.id)?;
        let state = self.link.lock();
        let failed = match (&state.fault, &state.read_end, &state.send_end) {
            (Some(fault), _, _) => Some(("ERROR", fault.line.clone())),
            (None, Some(Err(failure)), _) | (None, _, Some(failure)) => {
                Some((failure.code, failure.to_string()))
            }
            _ => None,
        };
        let is_refused = matches!(state.begin, Begin::Refused(_));
        let reason = match (&failed, &state.read_end) {
            _ if is_refused => "rejected",
            (Some(_), _) => "error",
            (None, Some(Ok(()))) => "eof",
            (None, _) => "done",
        };
        let shuts = !state.shut && !is_refused && failed.is_none() && state.conn.is_some();
        drop(state);
        let info = match failed {
            None => Value::Nil,
            Some((code, message)) => {
                let info = engine.lua.create_table()?;
                info.raw_set("code", code)?;
                info.raw_set("message", message)?;
                Value::Table(info)
            }
        };
        let Some(instances) = self.instances.clone() else {
            self.end();
            return Ok(());
        };
        self.limit(engine.shared.limits.close);
        let args = (self.handle.clone(), instances, info, reason, shuts);
        self.start(Event::Close, engine.entry("closing")?, args)
    }

    /// Coroutines that wait never go on; what they would close is closed.
    fn cancel(&mut self) {
        let close: mlua::Result<Function> = self.engine.entry("cancel");
        for coroutine in self.coroutines.drain(..) {
            if coroutine.args.is_none()
                && let Ok(close) = &close
            {
                let slice = self.engine.shared.limits.slice;
                let closed = self.engine.at_once(Some(&self.link), slice, || {
                    close.call::<MultiValue>(coroutine.thread.clone())
                });
                let _ = closed;
                let _ = self.engine.flags.raw_set("tripped", Value::Nil);
            }
        }
    }

    fn end(&mut self) {
        self.phase = Phase::Ended;
        self.coroutines.clear();
        self.deadline = None;
        let mut state = self.link.lock();
        state.conn = None;
        state.posts.clear();
        state.spawned.clear();
        state.shut = true;
        state.end_inbox(Ok(()));
        drop(state);
        (self.handle, self.instances) = (Value::Nil, None);
        let mut live = self.engine.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.remove(&self.link.id);
        self.engine.ended.notify_waiters();
    }

    fn top_name(&self) -> String {
        self.engine.prototypes.last().map_or_else(String::new, |top| top.name.clone())
    }

    /// The connection has failed; the session is told.
    fn fail(&self, fault: Fault) {
        let mut state = self.link.lock();
        let fault = state.fault.get_or_insert(fault).clone();
        state.inbox.clear();
        state.inbox_end = Some(Err(std::io::Error::other(fault)));
        state.wake_session();
    }

    /// What a Lua error that left an event means, in one line.
    fn blame(&self, event: Event, error: &mlua::Error) -> Fault {
        let mut cause = error;
        while let mlua::Error::CallbackError { cause: inner, .. } = cause {
            cause = inner;
        }
        let tripped: Option<String> = self.engine.flags.raw_get("tripped").unwrap_or(None);
        let _ = self.engine.flags.raw_set("tripped", Value::Nil);
        let text = plain(error);
        let (first, traceback) = text.split_once("\nstack traceback:").unwrap_or((&text, ""));
        let misuse = match cause {
            mlua::Error::ExternalError(error) => error.downcast_ref::<Misuse>(),
            _ => None,
        };
        let connects = self.link.facts.target.is_some();
        let method = match event {
            Event::Begin if connects => "connect",
            Event::Begin => "accept",
            Event::Recv => "recv",
            Event::Send if self.link.lock().outbox_end && !self.link.lock().in_send => "shutdown",
            Event::Send | Event::Post => "send",
            Event::Task => "task",
            Event::Close => "close",
        };
        let blamed = self.engine.blamed(first);
        let name = blamed.map_or_else(|| self.top_name(), |(name, _)| name.to_owned());
        let limit = self.engine.shared.limits.memory >> 20;
        let said = match (misuse, tripped, cause) {
            (Some(misuse), _, _) => format!(": {misuse}"),
            (_, Some(tripped), _) => format!(", {method}: {tripped}"),
            (_, _, mlua::Error::MemoryError(_)) => {
                format!(", {method}: not enough memory (limit {limit} MiB)")
            }
            _ => format!(", {method}: {}", blamed.map_or(first, |(_, rest)| rest).trim()),
        };
        Fault { traceback: traceback.trim().to_owned(), ..self.link.fault(&name, &said) }
    }

    /// Runs whatever may go on; whether anything did.
    fn turn(&mut self) -> bool {
        let mut ran = false;
        let spawned = std::mem::take(&mut self.link.lock().spawned);
        for task in spawned {
            if self.coroutines.len() >= 64 + 3 {
                self.fail(self.link.fault(&self.top_name(), ", task: more than 64 tasks"));
            } else if let Err(error) = self.start(Event::Task, task, ()) {
                self.fail(self.blame(Event::Task, &error));
            }
        }
        let mut at = 0;
        while at < self.coroutines.len() {
            if !self.coroutines[at].turn.is_due.swap(false, Ordering::Relaxed) {
                at += 1;
                continue;
            }
            ran = true;
            let event = self.coroutines[at].event;
            match self.resume(at) {
                Ok(None) => at += 1,
                Ok(Some(values)) => {
                    self.coroutines.remove(at);
                    let done = match event {
                        Event::Begin => self.begun(&values),
                        Event::Close => {
                            self.end();
                            Ok(())
                        }
                        _ => Ok(()),
                    };
                    if let Err(error) = done {
                        self.fail(self.blame(event, &error));
                    }
                }
                Err(error) => {
                    self.coroutines.remove(at);
                    self.fail(self.blame(event, &error));
                    if event == Event::Close {
                        self.end();
                    }
                }
            }
            if self.phase == Phase::Ended {
                break;
            }
        }
        ran
    }

    /// Goes on with one; its results when it is done.
    fn resume(&mut self, at: usize) -> mlua::Result<Option<MultiValue>> {
        let coroutine = &mut self.coroutines[at];
        *self.engine.shared.current() = Some(Current {
            link: Some(Arc::clone(&self.link)),
            coroutine: coroutine.id,
            waker: coroutine.waker.clone(),
            since: Instant::now(),
            slice: self.engine.shared.limits.slice,
        });
        let args = coroutine.args.take().unwrap_or_default();
        let result = coroutine.thread.resume::<MultiValue>(args);
        *self.engine.shared.current() = None;
        let values = result?;
        if coroutine.thread.status() != ThreadStatus::Resumable {
            return Ok(Some(values));
        }
        let pending: Table = self.engine.entry("pending")?;
        if values.front().and_then(Value::as_table) != Some(&pending) {
            return Err(mlua::Error::runtime("attempt to yield from outside a coroutine"));
        }
        Ok(None)
    }

    /// What is received for nobody is read over.
    fn read_over(&self, cx: &mut Context<'_>) {
        let mut state = self.link.lock();
        while self.phase == Phase::Running && state.inbox_end.is_none() {
            if state.poll_receive(cx, conn::CHUNK_MAX).is_pending() {
                break;
            }
            if state.received.is_empty() {
                let end = match state.read_end.clone() {
                    Some(Err(failure)) => Err(state.error_of(&failure)),
                    _ => Ok(()),
                };
                state.end_inbox(end);
                break;
            }
            state.received.clear();
        }
    }

    fn too_late(&mut self, cx: &mut Context<'_>) -> bool {
        let late = self.deadline.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
        if late {
            self.deadline = None;
            if self.phase == Phase::Closing {
                self.end();
            } else {
                let failure = Failure::new("TIMEOUT", "TIMEOUT");
                let mut state = self.link.lock();
                state.end_inbox(Err(std::io::Error::other("the filters took too long to begin")));
                state.begin = Begin::Refused(failure);
                state.wake_session();
            }
        }
        late
    }

    fn step(&mut self, cx: &mut Context<'_>) -> bool {
        if self.phase == Phase::New {
            self.phase = Phase::Beginning;
            if let Err(error) = self.begin() {
                self.fail(self.blame(Event::Begin, &error));
            }
        }
        let _ = self.link.lock().poll_flush(cx);
        if self.link.facts.discards {
            self.read_over(cx);
        }
        let ran = self.turn();
        if matches!(self.phase, Phase::Beginning | Phase::Running) {
            let mut state = self.link.lock();
            if let Some(fault) = state.fault.clone()
                && state.inbox_end.is_none()
            {
                state.inbox.clear();
                state.inbox_end = Some(Err(std::io::Error::other(fault)));
                state.wake_session();
            }
            if state.is_stopped {
                state.end_inbox(Ok(()));
            }
            let refused = matches!(state.begin, Begin::Refused(_));
            let is_over = state.fault.is_some() || state.is_left || state.is_stopped || refused;
            drop(state);
            if is_over {
                if self.close().is_err() {
                    self.end();
                }
                return true;
            }
        }
        ran || self.too_late(cx)
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let driver = self.get_mut();
        driver.link.driver.set(cx);
        while driver.step(cx) {
            if driver.phase == Phase::Ended {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.phase != Phase::Ended {
            self.end();
        }
    }
}
