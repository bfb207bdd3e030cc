//! The watchdog: whoever waits in [`Watch::late`], on a thread of its own, learns when Lua does not come
//! back.
//!
//! A script's own running is stopped by the slice; what this sees is C code that Lua does not look at the
//! clock in. The thread sleeps for good while nothing runs, so that an idle process uses no processor time;
//! what runs pays a load for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::native::Shared;

/// Slices that pass before it is told.
const SLICES: u32 = 10;

/// What wakes the thread that watches.
#[derive(Debug, Default)]
pub(crate) struct Kennel {
    sleeps: AtomicBool,
    lock: Mutex<()>,
    bell: Condvar,
}

impl Kennel {
    /// Something runs. Called after that can be seen in `current`.
    pub(crate) fn wake(&self) {
        if self.sleeps.load(Ordering::Relaxed) {
            let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.sleeps.store(false, Ordering::Relaxed);
            self.bell.notify_all();
        }
    }
}

/// Sees what runs too long, each time once.
pub struct Watch {
    shared: Arc<Shared>,
    filter: String,
    told: Option<Instant>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch({})", self.filter)
    }
}

impl Watch {
    /// `None` where there is no slice to measure with. `filter` is who is named.
    pub(super) fn new(shared: Arc<Shared>, filter: String) -> Option<Self> {
        (!shared.limits.slice.is_zero()).then_some(Self { shared, filter, told: None })
    }

    /// Blocks until something runs for ten slices; a line that says so, without its end.
    pub fn late(&mut self) -> String {
        let limit = self.shared.limits.slice * SLICES;
        loop {
            let current = self.shared.current();
            let seen = current.as_ref().map(|current| {
                let id = current.link.as_ref().map_or(0, |link| link.id);
                (current.since, id, current.method)
            });
            drop(current);
            let Some((since, id, method)) = seen else {
                self.rest(limit);
                continue;
            };
            match limit.checked_sub(since.elapsed()) {
                Some(left) => std::thread::sleep(left.max(Duration::from_millis(1))),
                None if self.told == Some(since) => std::thread::sleep(limit),
                None => {
                    self.told = Some(since);
                    let (filter, seconds) = (&self.filter, limit.as_secs_f64());
                    return format!(
                        "Lua filter \"{filter}\" (connection {id}), {method}: has not come back for \
                         {seconds} s"
                    );
                }
            }
        }
    }

    /// Waits until something runs. First a while without being woken: on a busy connection nothing runs
    /// most of the time, and yet not for long.
    fn rest(&self, while_: Duration) {
        std::thread::sleep(while_ / 2);
        let kennel = &self.shared.kennel;
        let mut held = kennel.lock.lock().unwrap_or_else(PoisonError::into_inner);
        kennel.sleeps.store(true, Ordering::Relaxed);
        // What began before this look is seen; what begins after it rings.
        while self.shared.current().is_none() && kennel.sleeps.load(Ordering::Relaxed) {
            held = kennel.bell.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        kennel.sleeps.store(false, Ordering::Relaxed);
    }
}
