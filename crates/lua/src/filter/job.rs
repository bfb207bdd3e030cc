//! Work that may block, off the thread of the scripts; the coroutine that asked for it waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the result of one piece of work will be.
#[derive(Debug)]
pub(super) struct Slot<R>(Arc<Mutex<(Option<R>, Option<Waker>)>>);

impl<R> Clone for Slot<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> Slot<R> {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((None, None))))
    }

    /// One that has its result.
    pub(super) fn done(result: R) -> Self {
        let slot = Self::new();
        slot.fill(result);
        slot
    }

    fn fill(&self, result: R) {
        let mut inner = lock(&self.0);
        inner.0 = Some(result);
        let waker = inner.1.take();
        drop(inner);
        waker.into_iter().for_each(Waker::wake);
    }

    /// The result, once; otherwise `waker` is woken when it is there.
    pub(super) fn take(&self, waker: &Waker) -> Option<R> {
        let mut inner = lock(&self.0);
        let result = inner.0.take();
        if result.is_none() {
            inner.1 = Some(waker.clone());
        }
        result
    }
}

type Work<S, R> = (Box<dyn FnOnce(&mut S) -> R + Send>, Slot<R>);

struct Queue<S, R> {
    state: Option<S>,
    waiting: VecDeque<Work<S, R>>,
}

/// A state that work is done on, in the order in which it was asked for, by one thread at a time.
pub(super) struct Bench<S, R>(Arc<Mutex<Queue<S, R>>>);

impl<S: Send + 'static, R: Send + 'static> Bench<S, R> {
    pub(super) fn new(state: S) -> Self {
        Self(Arc::new(Mutex::new(Queue { state: Some(state), waiting: VecDeque::new() })))
    }

    /// Asks for work. There must be a runtime.
    pub(super) fn add(&self, work: impl FnOnce(&mut S) -> R + Send + 'static) -> Slot<R> {
        let slot = Slot::new();
        let mut queue = lock(&self.0);
        queue.waiting.push_back((Box::new(work), slot.clone()));
        // Whoever has the state goes on until nothing waits.
        let state = queue.state.take();
        drop(queue);
        if let Some(state) = state {
            let queue = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || work_off(&queue, state));
        }
        slot
    }
}

fn work_off<S, R>(queue: &Mutex<Queue<S, R>>, mut state: S) {
    loop {
        let mut inner = lock(queue);
        let Some((work, slot)) = inner.waiting.pop_front() else {
            inner.state = Some(state);
            return;
        };
        drop(inner);
        slot.fill(work(&mut state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_in_order() {
        let bench = Bench::new(Vec::new());
        let slots: Vec<_> = (0..100)
            .map(|n| {
                bench.add(move |all: &mut Vec<i32>| {
                    all.push(n);
                    all.len()
                })
            })
            .collect();
        for (at, slot) in slots.iter().enumerate() {
            let len = std::future::poll_fn(|cx| match slot.take(cx.waker()) {
                Some(len) => std::task::Poll::Ready(len),
                None => std::task::Poll::Pending,
            });
            assert_eq!(len.await, at + 1);
        }
    }
}
