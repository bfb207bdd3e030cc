//! What scripts set going beside the calls that Ncat makes: tasks and timers. They belong to the
//! connection in whose coroutine they were made, or, made while loading, to the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mlua::{MultiValue, Thread};

use super::link::Bell;

/// A connection, or the process.
pub(crate) struct Owner {
    /// Wakes whoever runs it all.
    pub(crate) bell: Arc<Bell>,
    state: Mutex<Belongings>,
}

#[derive(Default)]
pub(crate) struct Belongings {
    /// Tasks that have not begun.
    new: Vec<Task>,
    /// Tasks that have not ended.
    tasks: u64,
    timers: Vec<Timer>,
    next_timer: u32,
    /// Nothing is run any more.
    is_over: bool,
}

/// A task that is to be run.
pub(crate) struct Task {
    pub(crate) thread: Thread,
    pub(crate) args: MultiValue,
    pub(crate) state: Arc<TaskState>,
}

/// What is known of a task.
pub(crate) struct TaskState {
    is_over: AtomicBool,
    owner: Arc<Owner>,
}

impl TaskState {
    /// Whether it has returned, failed or been cancelled.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// It has ended, or is to be ended: then whoever runs it sees to that.
    pub(crate) fn end(&self) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            self.owner.lock().tasks -= 1;
            self.owner.bell.ring();
        }
    }
}

struct Timer {
    id: u32,
    /// Whose `timer` is called.
    layer: usize,
    at: Duration,
    period: Option<Duration>,
    /// Its call has not returned; the next waits for that.
    is_running: bool,
}

impl Owner {
    pub(crate) fn new(bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self { bell, state: Mutex::default() })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Belongings> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a task run from now on; `None` when there are `max` already (0: no limit).
    pub(crate) fn spawn(
        self: &Arc<Self>,
        thread: Thread,
        args: MultiValue,
        max: u64,
    ) -> Option<Arc<TaskState>> {
        let mut all = self.lock();
        if max > 0 && all.tasks >= max {
            return None;
        }
        let is_over = all.is_over;
        let state = Arc::new(TaskState { is_over: is_over.into(), owner: Arc::clone(self) });
        if !is_over {
            all.tasks += 1;
            all.new.push(Task { thread, args, state: Arc::clone(&state) });
        }
        drop(all);
        self.bell.ring();
        Some(state)
    }

    /// Has the `timer` of a layer called at `at`, and then again and again; `None` when there are `max`.
    pub(crate) fn set_timer(
        &self,
        layer: usize,
        at: Duration,
        period: Option<Duration>,
        max: u64,
    ) -> Option<u32> {
        let mut all = self.lock();
        if max > 0 && all.timers.len() as u64 >= max {
            return None;
        }
        all.next_timer += 1;
        let id = all.next_timer;
        all.timers.push(Timer { id, layer, at, period, is_running: false });
        drop(all);
        self.bell.ring();
        Some(id)
    }

    /// Whether there was such a timer.
    pub(crate) fn clear_timer(&self, id: u32) -> bool {
        let mut all = self.lock();
        let before = all.timers.len();
        all.timers.retain(|timer| timer.id != id);
        all.timers.len() < before
    }
}

impl Belongings {
    /// The tasks that are to begin.
    pub(crate) fn take_tasks(&mut self) -> Vec<Task> {
        std::mem::take(&mut self.new)
    }

    /// The timers that are due, by id and layer. Those without a period are gone with it; of the
    /// others, calls that were missed are not made up for.
    pub(crate) fn take_due(&mut self, now: Duration) -> Vec<(u32, usize)> {
        let mut due = Vec::new();
        self.timers.retain_mut(|timer| {
            if timer.is_running || timer.at > now {
                return true;
            }
            due.push((timer.at, timer.id, timer.layer));
            let Some(period) = timer.period else { return false };
            timer.is_running = true;
            timer.at = timer.at.saturating_add(period);
            if timer.at <= now {
                timer.at = now.saturating_add(period);
            }
            true
        });
        due.sort_unstable();
        due.into_iter().map(|(_, id, layer)| (id, layer)).collect()
    }

    /// When the next timer is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.timers.iter().filter(|timer| !timer.is_running).map(|timer| timer.at).min()
    }

    /// A timer's call has returned.
    pub(crate) fn timer_returned(&mut self, id: u32) {
        if let Some(timer) = self.timers.iter_mut().find(|timer| timer.id == id) {
            timer.is_running = false;
        }
    }

    /// Nothing is begun any more.
    pub(crate) fn end(&mut self) -> Vec<Task> {
        self.is_over = true;
        self.timers.clear();
        self.take_tasks()
    }
}
