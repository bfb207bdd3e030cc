//! Senders that are held back, in the order in which they came.

use std::collections::BTreeMap;
use std::task::{Context, Waker};

/// Woken one at a time: whoever has had its turn wakes the next, so that a place that becomes free
/// costs one wake-up and not one for everybody who waits.
#[derive(Default)]
pub(super) struct Turns {
    next_ticket: u64,
    /// By ticket: who waits. Without a waker it has been woken and is on its way.
    waiting: BTreeMap<u64, (u64, Option<Waker>)>,
    tickets: BTreeMap<u64, u64>,
}

impl Turns {
    /// Has client `id` wait; it keeps its place when it waits already.
    pub(super) fn wait(&mut self, id: u64, cx: &Context<'_>) {
        let ticket = *self.tickets.entry(id).or_insert_with(|| {
            self.next_ticket += 1;
            self.next_ticket
        });
        self.waiting.insert(ticket, (id, Some(cx.waker().clone())));
    }

    /// Client `id` waits no longer.
    pub(super) fn leave(&mut self, id: u64) {
        if let Some(ticket) = self.tickets.remove(&id) {
            self.waiting.remove(&ticket);
        }
    }

    pub(super) fn is_waiting(&self, id: u64) -> bool {
        self.tickets.contains_key(&id)
    }

    /// Wakes the first who has not been woken yet.
    pub(super) fn wake_next(&mut self) {
        if let Some(waker) = self.waiting.values_mut().find_map(|(_, waker)| waker.take()) {
            waker.wake();
        }
    }

    /// Wakes client `id`, whatever its place.
    pub(super) fn wake(&mut self, id: u64) {
        let entry = self.tickets.get(&id).and_then(|ticket| self.waiting.get_mut(ticket));
        if let Some(waker) = entry.and_then(|(_, waker)| waker.take()) {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicU32);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn one_at_a_time_first_come_first_served() {
        let counts: Vec<Arc<Counted>> = (0..3).map(|_| Arc::default()).collect();
        let wakers: Vec<Waker> = counts.iter().map(|c| Waker::from(Arc::clone(c))).collect();
        let seen = || counts.iter().map(|c| c.0.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let mut turns = Turns::default();
        for (id, waker) in wakers.iter().enumerate() {
            turns.wait(id as u64, &Context::from_waker(waker));
        }
        // Asking again does not lose the place, nor make a second one.
        turns.wait(0, &Context::from_waker(&wakers[0]));
        turns.wake_next();
        assert_eq!(seen(), [1, 0, 0]);
        // It is on its way; the next wake is for the next.
        turns.wake_next();
        assert_eq!(seen(), [1, 1, 0]);
        turns.leave(2);
        turns.wake_next();
        assert_eq!(seen(), [1, 1, 0]);
        turns.wait(1, &Context::from_waker(&wakers[1]));
        turns.wake(1);
        assert_eq!(seen(), [1, 2, 0]);
        assert!(turns.is_waiting(1) && !turns.is_waiting(2));
    }
}
