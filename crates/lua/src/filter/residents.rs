//! What scripts set going while they were loaded: it belongs to the process, and runs for as long.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::code::Origin;
use super::coroutine::{Coroutines, Turned};
use super::engine::Engine;

/// Runs the tasks of the process; for as long as there is an engine, once.
pub struct Residents {
    engine: Arc<Engine>,
    coroutines: Coroutines,
}

impl std::fmt::Debug for Residents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Residents")
    }
}

impl Residents {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        let bell = Arc::clone(&engine.shared.process.bell);
        Self { coroutines: Coroutines::new(Arc::clone(&engine), None, bell), engine }
    }

    /// A fault costs the task it is in, and is told.
    fn tell(&self, error: &mlua::Error) {
        let said = self.engine.said(error, Origin { method: "task", ..Origin::default() });
        let text = said.text.trim_start_matches([',', ':', ' ']);
        (self.engine.shared.log)("error", said.origin.name(), 0, text);
    }
}

impl Future for Residents {
    type Output = Infallible;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Infallible> {
        let this = self.get_mut();
        let process = Arc::clone(&this.engine.shared.process);
        process.bell.set(cx);
        this.coroutines.gave_way = false;
        let tasks = process.lock().take_tasks();
        let mut ran = !tasks.is_empty();
        tasks.into_iter().for_each(|task| this.coroutines.start_task(task));
        let mut at = 0;
        while let Some((next, turned)) = this.coroutines.turn(at) {
            (ran, at) = (true, next);
            if let Turned::Failed(_, error) = turned {
                this.tell(&error);
            }
        }
        if ran {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
