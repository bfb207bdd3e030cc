//! What runs a connection's Lua: its beginning, its pumps, whatever else its scripts have set going.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mlua::{Function, MultiValue, Table, Value};

use super::clock::Alarm;
use super::code::{Failure, Origin, Trouble};
use super::contract::failure;
use super::coroutine::{Coroutines, Event, Turned};
use super::engine::Engine;
use super::link::{Begin, Link};

/// Passes over all that is due before other connections have their turn.
const PASSES: u32 = 16;
/// What a filter is asked to give at most, in bytes.
const RECV_MAX: usize = 65_536;

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
    pub(super) coroutines: Coroutines,
    /// When beginning or ending takes too long.
    pub(super) deadline: Option<Alarm>,
    /// When the next timer is due.
    timer: Option<Alarm>,
    /// The outbound pump has done its work, or failed.
    has_sent_all: bool,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Driver({}, {:?})", self.link.id, self.phase)
    }
}

impl Driver {
    pub(super) fn new(engine: Arc<Engine>, link: Arc<Link>) -> Self {
        let bell = Arc::clone(&link.driver);
        let coroutines = Coroutines::new(Arc::clone(&engine), Some(Arc::clone(&link)), bell);
        Self {
            engine,
            link,
            phase: Phase::New,
            handle: Value::Nil,
            instances: None,
            coroutines,
            deadline: None,
            timer: None,
            has_sent_all: false,
        }
    }

    pub(super) fn limit(&mut self, time: Duration) {
        self.deadline = (!time.is_zero()).then(|| self.engine.shared.clock.after(time));
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

    /// What every instance knows of its connection.
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
        table.raw_set("started", self.engine.shared.clock.time().as_secs_f64())?;
        Ok(table)
    }

    fn begin(&mut self) -> mlua::Result<()> {
        self.create()?;
        let top = self.top()?;
        self.limit(self.engine.shared.limits.handshake);
        match self.link.facts.target.clone() {
            Some((host, port)) => {
                let connect = self.engine.entry("connect")?;
                self.coroutines.start(Event::Begin, connect, (top, host, port))
            }
            None => {
                let accept = self.engine.entry("accept")?;
                self.coroutines.start(Event::Begin, accept, top)
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
                let text =
                    format!(": {method} returned a {got}, expected {wanted} or nil and an error");
                self.fail(self.link.fault(self.top_origin(method), &text));
                return Ok(());
            }
        };
        let is_ready = matches!(begin, Begin::Ready);
        let mut state = self.link.lock();
        if let Begin::Refused(failure) = &begin {
            // A client that is turned away is no failure; a connection that does not come about is.
            if connects {
                state.trouble = Some(Trouble::of(failure, self.top_origin("connect")));
            }
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

    /// Takes the connection into the registry and starts receiving; sending begins when there is
    /// something to send.
    fn run(&mut self) -> mlua::Result<()> {
        self.phase = Phase::Running;
        let (engine, top) = (Arc::clone(&self.engine), self.top()?);
        let register: Function = engine.entry("register")?;
        register.call::<()>((self.handle.clone(), self.link.id, self.instances.clone()))?;
        if !self.link.facts.discards {
            let inbound = engine.entry("inbound")?;
            self.coroutines.start(Event::Recv, inbound, (&self.handle, top, RECV_MAX))?;
        }
        Ok(())
    }

    /// Starts what is wanted now and was not before: the pumps of what is sent, tasks, timers.
    fn start_wanted(&mut self, cx: &mut Context<'_>) -> mlua::Result<()> {
        if !matches!(self.phase, Phase::Running | Phase::Closing) {
            return Ok(());
        }
        let state = self.link.lock();
        let sends = (state.outbox.is_some() || state.outbox_end) && !self.has_sent_all;
        let posts = !state.posts.is_empty();
        drop(state);
        if sends && self.phase == Phase::Running && !self.coroutines.has(Event::Send) {
            let outbound = self.engine.entry("outbound")?;
            let top = self.top()?;
            self.coroutines.start(Event::Send, outbound, (&self.handle, top))?;
        }
        if posts && !self.coroutines.has(Event::Post) {
            let posted = self.engine.entry("posted")?;
            self.coroutines.start(Event::Post, posted, &self.handle)?;
        }
        let tasks = self.link.owner.lock().take_tasks();
        tasks.into_iter().for_each(|task| self.coroutines.start_task(task));
        self.ring_timers(cx)
    }

    /// Calls the timers that are due, and sees to it that we are woken for the next one.
    fn ring_timers(&mut self, cx: &mut Context<'_>) -> mlua::Result<()> {
        let clock = &self.engine.shared.clock;
        loop {
            let due = self.link.owner.lock().take_due(clock.now());
            for (id, layer) in due {
                let Some(instances) = &self.instances else { continue };
                let instance: Table = instances.raw_get(layer)?;
                let timed = self.engine.entry("timed")?;
                self.coroutines.start(Event::Timer(id), timed, (instance, id))?;
            }
            let next = self.link.owner.lock().next_due();
            if next != self.timer.as_ref().map(|alarm| alarm.at) {
                self.timer = next.map(|at| clock.at(at));
            }
            let Some(alarm) = &mut self.timer else { return Ok(()) };
            if alarm.poll(cx).is_pending() {
                return Ok(());
            }
            self.timer = None;
        }
    }

    /// Runs whatever may go on; whether anything did.
    fn turn(&mut self) -> bool {
        let (mut ran, mut at) = (false, 0);
        while let Some((next, turned)) = self.coroutines.turn(at) {
            (ran, at) = (true, next);
            let (event, done) = match turned {
                Turned::Waits => continue,
                Turned::Failed(event, error) => (event, Err(error)),
                Turned::Returned(event, values) => {
                    let begun = event == Event::Begin;
                    (event, if begun { self.begun(&values) } else { Ok(()) })
                }
            };
            match event {
                Event::Timer(id) => self.link.owner.lock().timer_returned(id),
                Event::Send => self.has_sent_all = true,
                Event::Post => {
                    let mut state = self.link.lock();
                    state.is_posting = false;
                    state.posted.take().into_iter().for_each(Waker::wake);
                }
                _ => {}
            }
            if let Err(error) = done {
                self.fail(self.blame(event, &error));
            }
            if event == Event::Close {
                self.end();
                break;
            }
        }
        ran
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
                    Some(Err(failure)) => {
                        state.trouble = Some(Trouble::of(&failure, Origin::wire("recv")));
                        Err(state.error_of(&failure))
                    }
                    _ => Ok(()),
                };
                state.end_inbox(end);
                break;
            }
            state.received.clear();
        }
    }

    fn too_late(&mut self, cx: &mut Context<'_>) -> bool {
        let late = self.deadline.as_mut().is_some_and(|alarm| alarm.poll(cx).is_ready());
        if late {
            let grace = self.link.lock().grace.take();
            if let (Phase::Beginning, Some(more)) = (self.phase, grace) {
                self.limit(more);
                return true;
            }
            self.deadline = None;
            if self.phase == Phase::Closing {
                self.note("close: TIMEOUT");
                self.end();
            } else {
                let failure = Failure::new("TIMEOUT", "TIMEOUT");
                let method = if self.link.facts.target.is_some() { "connect" } else { "accept" };
                let mut state = self.link.lock();
                state.trouble = Some(Trouble::of(&failure, self.top_origin(method)));
                state.end_inbox(Err(std::io::Error::other("the filters took too long to begin")));
                state.begin = Begin::Refused(failure);
                state.wake_session();
            }
        }
        late
    }

    /// Whether there is a reason to end.
    fn is_over(&self) -> bool {
        if !matches!(self.phase, Phase::Beginning | Phase::Running) {
            return false;
        }
        let mut state = self.link.lock();
        if state.is_stopped || state.exits {
            let end = match &state.trouble {
                Some(trouble) => Err(std::io::Error::other(trouble.message.clone())),
                None => Ok(()),
            };
            state.end_inbox(end);
        }
        let refused = matches!(state.begin, Begin::Refused(_));
        state.fault.is_some() || state.is_left || state.is_stopped || state.exits || refused
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
        if let Err(error) = self.start_wanted(cx) {
            self.fail(self.blame(Event::Task, &error));
        }
        let ran = self.turn();
        if self.is_over() {
            if self.close().is_err() {
                self.end();
            }
            return true;
        }
        self.too_late(cx) || ran
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let driver = self.get_mut();
        driver.link.driver.set(cx);
        driver.coroutines.gave_way = false;
        for _ in 0..PASSES {
            let ran = driver.step(cx);
            if driver.phase == Phase::Ended {
                return Poll::Ready(());
            }
            if !ran {
                return Poll::Pending;
            }
            if driver.coroutines.gave_way {
                break;
            }
        }
        cx.waker().wake_by_ref();
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
