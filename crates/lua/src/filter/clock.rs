//! Time, as filters have it.
//!
//! Every sleep, timer, timeout and limit of an event asks the one [`Clock`] of its engine. The real one is
//! the runtime's. [`Clock::still`] stands still until [`Clock::advance`] moves it to the next moment that
//! somebody waits for: who runs filters on it polls until nothing moves, advances, and polls again, and an
//! hour takes no time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Where an engine has its time from. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Real { began: Instant },
    Still(Arc<Mutex<Still>>),
}

#[derive(Debug, Default)]
struct Still {
    now: Duration,
    /// Who waits, by when it is due and in which order it came.
    alarms: BTreeMap<(Duration, u64), Option<Waker>>,
    next: u64,
}

/// Far enough: what would be due later never is. A hundred years.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

fn lock(still: &Mutex<Still>) -> MutexGuard<'_, Still> {
    still.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clock {
    /// The runtime's time.
    pub fn real() -> Self {
        Self(Kind::Real { began: Instant::now() })
    }

    /// A time that moves by [`Clock::advance`] alone, beginning at zero.
    pub fn still() -> Self {
        Self(Kind::Still(Arc::default()))
    }

    /// Since the clock was made.
    pub fn now(&self) -> Duration {
        match &self.0 {
            Kind::Real { began } => began.elapsed(),
            Kind::Still(still) => lock(still).now,
        }
    }

    /// The time of day, since 1970; a still clock began then.
    pub fn time(&self) -> Duration {
        match &self.0 {
            Kind::Real { .. } => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default(),
            Kind::Still(_) => self.now(),
        }
    }

    /// The next moment that somebody waits for on a still clock.
    pub fn next(&self) -> Option<Duration> {
        let Kind::Still(still) = &self.0 else { return None };
        lock(still).alarms.first_key_value().map(|((at, _), _)| *at)
    }

    /// Moves a still clock to the next moment that somebody waits for, and wakes who does. `None` when
    /// nobody waits, and for a clock that moves by itself.
    pub fn advance(&self) -> Option<Duration> {
        let Kind::Still(still) = &self.0 else { return None };
        let mut still = lock(still);
        let now = still.alarms.first_key_value().map(|((at, _), _)| *at)?.max(still.now);
        still.now = now;
        let due = still.alarms.range_mut(..=(now, u64::MAX));
        let wakers: Vec<Waker> = due.filter_map(|(_, waker)| waker.take()).collect();
        // Whoever was woken is asked again before the clock moves on: its alarm has rung.
        still.alarms.retain(|(at, _), _| *at > now);
        drop(still);
        wakers.into_iter().for_each(Waker::wake);
        Some(now)
    }

    /// An alarm that rings at `at`, in this clock's time.
    pub(crate) fn at(&self, at: Duration) -> Alarm {
        let at = at.min(NEVER);
        Alarm {
            at,
            has_rung: false,
            kind: match &self.0 {
                Kind::Real { began } => AlarmKind::Real(Box::pin(sleep_until(*began + at))),
                Kind::Still(still) => {
                    let mut of = lock(still);
                    of.next += 1;
                    AlarmKind::Still(Arc::clone(still), of.next)
                }
            },
        }
    }

    /// An alarm that rings after `time`.
    pub(crate) fn after(&self, time: Duration) -> Alarm {
        self.at(self.now().saturating_add(time))
    }
}

/// Rings once, and then has rung.
#[derive(Debug)]
pub(crate) struct Alarm {
    /// When, in the clock's time.
    pub(crate) at: Duration,
    has_rung: bool,
    kind: AlarmKind,
}

#[derive(Debug)]
enum AlarmKind {
    Real(Pin<Box<Sleep>>),
    Still(Arc<Mutex<Still>>, u64),
}

impl Alarm {
    /// Ready once it has rung.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.kind {
            _ if self.has_rung => return Poll::Ready(()),
            AlarmKind::Real(sleep) => ready!(sleep.as_mut().poll(cx)),
            AlarmKind::Still(still, number) => {
                let mut still = lock(still);
                if still.now < self.at {
                    still.alarms.insert((self.at, *number), Some(cx.waker().clone()));
                    return Poll::Pending;
                }
            }
        }
        self.has_rung = true;
        Poll::Ready(())
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let AlarmKind::Still(still, number) = &self.kind {
            lock(still).alarms.remove(&(self.at, *number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_still_clock_moves_from_alarm_to_alarm() {
        let clock = Clock::still();
        let second = Duration::from_secs(1);
        assert_eq!((clock.now(), clock.advance()), (Duration::ZERO, None));
        let mut cx = Context::from_waker(Waker::noop());
        let (mut two, mut one) = (clock.after(2 * second), clock.after(second));
        let mut gone = clock.after(second / 2);
        assert!(two.poll(&mut cx).is_pending() && one.poll(&mut cx).is_pending());
        assert!(gone.poll(&mut cx).is_pending());
        drop(gone);
        assert_eq!(clock.advance(), Some(second));
        assert!(one.poll(&mut cx).is_ready() && two.poll(&mut cx).is_pending());
        assert_eq!((clock.advance(), clock.advance()), (Some(2 * second), None));
        assert!(two.poll(&mut cx).is_ready() && clock.time() == 2 * second);
        assert!(clock.after(Duration::ZERO).poll(&mut cx).is_ready());
        assert!(clock.after(Duration::MAX).poll(&mut cx).is_pending());
    }
}
