//! What runs a connection's Lua: its beginning, its pumps, its end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use mlua::thread::ThreadStatus;
use mlua::{Function, IntoLuaMulti, MultiValue, Table, Value};
use tokio::time::{Sleep, sleep};

use super::code::Failure;
use super::contract::failure;
use super::coroutine::{Coroutine, Event};
use super::engine::Engine;
use super::link::{Begin, Link, Turn};
use super::native::Current;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    New,
    Beginning,
    Running,
    Closing,
    Ended,
}

/// Runs one connection's filters; must be polled until it is ready.
pub struct Driver {
    pub(super) engine: Arc<Engine>,
    pub(super) link: Arc<Link>,
    pub(super) phase: Phase,
    pub(super) handle: Value,
    pub(super) instances: Option<Table>,
    pub(super) coroutines: Vec<Coroutine>,
    next: u64,
    pub(super) deadline: Option<Pin<Box<Sleep>>>,
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

    pub(super) fn limit(&mut self, time: Duration) {
        self.deadline = (!time.is_zero()).then(|| Box::pin(sleep(time)));
    }

    pub(super) fn start(
        &mut self,
        event: Event,
        f: Function,
        args: impl IntoLuaMulti,
    ) -> mlua::Result<()> {
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
        if let Some((host, port)) = &facts.target {
            table.raw_set("target_host", &host[..])?;
            table.raw_set("target_port", *port)?;
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
        let is_left_alone = self.link.facts.probes;
        if is_ready && !is_left_alone { self.run() } else { self.close() }
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
            let grace = self.link.lock().grace.take();
            if let (Phase::Beginning, Some(more)) = (self.phase, grace) {
                self.limit(more);
                return true;
            }
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
