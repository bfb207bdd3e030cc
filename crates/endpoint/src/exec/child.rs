//! Running programs: their end, and how they are brought to it.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sys::spawn::{self, Ended, Spawned};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Between two looks at whether a group has lost its last member; the system has no event for it.
const GROUP_PAUSE: Duration = Duration::from_millis(10);
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

/// A program that was started. Until it is reaped its number is its own.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    /// `None` where the kernel has none; then SIGCHLD has us look.
    pidfd: Option<AsyncFd<OwnedFd>>,
    reaped: Mutex<Option<Ended>>,
}

impl Child {
    #[expect(
        deprecated,
        reason = "the replacement is unsafe for descriptors that may change; ours is owned"
    )]
    pub(crate) fn new(spawned: Spawned) -> Self {
        let pidfd = match spawned.pidfd {
            Some(fd) => AsyncFd::try_with_interest(fd, Interest::READABLE).ok(),
            None => None,
        };
        Self { pid: spawned.pid, pidfd, reaped: Mutex::new(None) }
    }

    /// Its process number, and its group's.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    fn reaped(&self) -> MutexGuard<'_, Option<Ended>> {
        self.reaped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it has exited; it stays to be reaped.
    pub async fn exited(&self) {
        if let Some(pidfd) = &self.pidfd {
            // Readable from the exit on.
            let _ = pidfd.readable().await;
            return;
        }
        let Ok(mut signals) = signal(SignalKind::child()) else { return };
        while self.reaped().is_none() && !spawn::has_ended(self.pid) {
            signals.recv().await;
        }
    }

    /// Reaps it; call only when it has exited, otherwise this waits and everything with it.
    ///
    /// # Errors
    /// Somebody else has reaped it.
    pub fn reap(&self) -> io::Result<Ended> {
        let mut reaped = self.reaped();
        match *reaped {
            Some(ended) => Ok(ended),
            None => Ok(*reaped.insert(spawn::wait(self.pid)?)),
        }
    }

    /// Sends a signal to its group, unless it was reaped: then the number may be another's.
    fn signal(&self, number: i32) {
        if self.reaped().is_none() {
            spawn::signal_group(self.pid, number);
        }
    }

    /// Ends it and its group: SIGTERM, then, after `grace`, SIGKILL for whoever is left.
    ///
    /// # Errors
    /// As [`Child::reap`].
    pub async fn stop(&self, grace: Duration) -> io::Result<Ended> {
        self.signal(SIGTERM);
        self.see_off(Instant::now() + grace).await
    }

    /// Waits for it and its group, which have been told to end; who has not `until` then is killed.
    async fn see_off(&self, until: Instant) -> io::Result<Ended> {
        if timeout_at(until, self.exited()).await.is_err() {
            self.signal(SIGKILL);
            self.exited().await;
        }
        let ended = self.reap();
        // Whoever is left keeps the group's number from being used again.
        while spawn::signal_group(self.pid, 0) {
            if Instant::now() >= until {
                spawn::signal_group(self.pid, SIGKILL);
                break;
            }
            sleep_until(until.min(Instant::now() + GROUP_PAUSE)).await;
        }
        ended
    }
}

/// The programs of a run that have not been reaped.
#[derive(Debug, Default)]
pub struct Children(Mutex<HashMap<i32, Arc<Child>>>);

impl Children {
    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Arc<Child>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a program in.
    pub fn add(&self, child: Child) -> Arc<Child> {
        let child = Arc::new(child);
        self.lock().insert(child.pid, Arc::clone(&child));
        child
    }

    /// Reaps a program that has exited, which is then none of ours.
    ///
    /// # Errors
    /// As [`Child::reap`].
    pub fn reap(&self, child: &Child) -> io::Result<Ended> {
        self.lock().remove(&child.pid);
        child.reap()
    }

    /// Ends them all, as [`Child::stop`] does one.
    pub async fn stop(&self, grace: Duration) {
        let all: Vec<_> = self.lock().drain().map(|(_, child)| child).collect();
        for child in &all {
            child.signal(SIGTERM);
        }
        let until = Instant::now() + grace;
        for child in &all {
            // Told once: to many programs a second SIGTERM means now, without cleaning up.
            let _ = child.see_off(until).await;
        }
        // Nothing may be left to be woken by a group that has gone meanwhile.
        sleep(Duration::ZERO).await;
    }
}
