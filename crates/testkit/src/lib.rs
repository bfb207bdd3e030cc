//! What tests share: real processes that cannot hang, real peers, scripted ones, and test data.
//!
//! Nothing here sleeps to be in step with something else. What can be waited for is waited for (a
//! line, a byte, an exit); what can only be looked at is looked at until a deadline.

#![expect(
    clippy::disallowed_methods,
    reason = "tests play the peers: they open sockets and start programs of their own"
)]

#[cfg(unix)]
pub mod big;
pub mod data;
#[cfg(unix)]
pub mod peer;
#[cfg(unix)]
pub mod process;
#[cfg(target_os = "linux")]
pub mod procfs;
#[cfg(unix)]
pub mod script;
pub mod scripted;

use std::time::{Duration, Instant};

/// How long anything a test waits for may take. Far above what it does take, since other tests
/// share the machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks at `look` until it gives something.
///
/// # Panics
/// When it has not within [`PATIENCE`]; `what` says what was waited for.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
