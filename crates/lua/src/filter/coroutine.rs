//! The coroutines of a connection, or of the process: what each is for, and going on with it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use mlua::thread::ThreadStatus;
use mlua::{Function, IntoLuaMulti, MultiValue, Table, Thread, Value};

use super::engine::Engine;
use super::link::{Bell, Link, Turn};
use super::native::Current;
use super::owner::{Task, TaskState};

/// What a coroutine is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// `connect` or `accept`.
    Begin,
    /// The inbound pump.
    Recv,
    /// The outbound pump.
    Send,
    /// What other connections send.
    Post,
    Task,
    /// A timer of this number.
    Timer(u32),
    Close,
}

impl Event {
    /// The method that it begins with.
    fn method(self, connects: bool) -> &'static str {
        match self {
            Self::Begin if connects => "connect",
            Self::Begin => "accept",
            Self::Recv => "recv",
            Self::Send | Self::Post => "send",
            Self::Task => "task",
            Self::Timer(_) => "timer",
            Self::Close => "close",
        }
    }
}

struct Coroutine {
    id: u64,
    event: Event,
    thread: Thread,
    /// What it begins with, until it has begun.
    args: Option<MultiValue>,
    turn: Arc<Turn>,
    waker: Waker,
    task: Option<Arc<TaskState>>,
}

/// What one turn of a coroutine came to.
pub(super) enum Turned {
    /// It waits.
    Waits,
    /// It has returned.
    Returned(Event, MultiValue),
    /// An error left it.
    Failed(Event, mlua::Error),
}

/// All of one owner. Only one runs at a time, and only in here.
pub(super) struct Coroutines {
    engine: Arc<Engine>,
    link: Option<Arc<Link>>,
    bell: Arc<Bell>,
    all: Vec<Coroutine>,
    /// One has had its share of a turn, and others wait.
    pub(super) gave_way: bool,
}

impl Coroutines {
    pub(super) fn new(engine: Arc<Engine>, link: Option<Arc<Link>>, bell: Arc<Bell>) -> Self {
        Self { engine, link, bell, all: Vec::new(), gave_way: false }
    }

    /// Begins `f` at the next turn.
    pub(super) fn start(
        &mut self,
        event: Event,
        f: Function,
        args: impl IntoLuaMulti,
    ) -> mlua::Result<()> {
        let thread = self.engine.lua.create_thread(f)?;
        let args = args.into_lua_multi(&self.engine.lua)?;
        self.add(event, thread, args, None);
        Ok(())
    }

    /// Begins a task at the next turn, unless it was cancelled before.
    pub(super) fn start_task(&mut self, task: Task) {
        if !task.state.is_over() {
            self.add(Event::Task, task.thread, task.args, Some(task.state));
        }
    }

    fn add(
        &mut self,
        event: Event,
        thread: Thread,
        args: MultiValue,
        task: Option<Arc<TaskState>>,
    ) {
        let turn = Arc::new(Turn { is_due: true.into(), driver: Arc::clone(&self.bell) });
        let waker = Waker::from(Arc::clone(&turn));
        let id = self.engine.shared.coroutines.fetch_add(1, Ordering::Relaxed);
        self.all.push(Coroutine { id, event, thread, args: Some(args), turn, waker, task });
    }

    /// Whether there is one for `event`.
    pub(super) fn has(&self, event: Event) -> bool {
        self.all.iter().any(|coroutine| coroutine.event == event)
    }

    /// Takes the next one that may go on, at place `at` or behind it, and lets it. `None`: there is none.
    /// The place to go on looking from comes with it.
    pub(super) fn turn(&mut self, mut at: usize) -> Option<(usize, Turned)> {
        loop {
            let coroutine = self.all.get(at)?;
            if coroutine.task.as_ref().is_some_and(|task| task.is_over()) {
                let cancelled = self.all.remove(at);
                self.close(vec![cancelled]);
            } else if coroutine.turn.is_due.swap(false, Ordering::Relaxed) {
                break;
            } else {
                at += 1;
            }
        }
        let event = self.all[at].event;
        match self.resume(at) {
            Ok(None) => Some((at + 1, Turned::Waits)),
            Ok(Some(values)) => {
                self.forget(at);
                Some((at, Turned::Returned(event, values)))
            }
            Err(error) => {
                self.forget(at);
                Some((at, Turned::Failed(event, error)))
            }
        }
    }

    fn forget(&mut self, at: usize) {
        let ended = self.all.remove(at);
        ended.task.inspect(|task| task.end());
    }

    /// Goes on with one; its results when it is done.
    fn resume(&mut self, at: usize) -> mlua::Result<Option<MultiValue>> {
        let coroutine = &mut self.all[at];
        let shared = &self.engine.shared;
        let (link, waker) = (self.link.clone(), coroutine.waker.clone());
        let connects = link.as_ref().is_some_and(|link| link.facts.target.is_some());
        let method = coroutine.event.method(connects);
        let mut current = Current::new(link, coroutine.id, waker, shared.limits.slice);
        current.method = method;
        shared.begin(current);
        self.engine.limit_memory()?;
        let args = coroutine.args.take().unwrap_or_default();
        let result = coroutine.thread.resume::<MultiValue>(args);
        let current = shared.current().take();
        self.gave_way |= current.is_some_and(|current| current.gave_way);
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

    /// Cancels those for which `which` is true: they never go on; what they would close is closed.
    pub(super) fn cancel(&mut self, which: impl Fn(Event) -> bool) {
        let cancelled = self.all.extract_if(.., |coroutine| which(coroutine.event)).collect();
        self.close(cancelled);
    }

    /// Their `<close>` variables have one slice for all of them: a connection that ends holds nobody up.
    fn close(&mut self, cancelled: Vec<Coroutine>) {
        let begun = cancelled.iter().filter(|coroutine| coroutine.args.is_none());
        let threads: Vec<&Thread> = begun.map(|coroutine| &coroutine.thread).collect();
        if !threads.is_empty()
            && let Ok(close) = self.engine.entry::<Function>("cancel")
        {
            let slice: Duration = self.engine.shared.limits.slice;
            let _: mlua::Result<()> = self.engine.at_once(self.link.as_ref(), slice, || {
                for thread in threads {
                    let _ = close.call::<MultiValue>(thread);
                    let _ = self.engine.flags.raw_set("tripped", Value::Nil);
                }
                Ok(())
            });
        }
        for coroutine in cancelled {
            coroutine.task.inspect(|task| task.end());
        }
    }
}
