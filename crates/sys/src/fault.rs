//! Fault injection for tests: the nth call of a kind fails, or moves one byte only.
//!
//! Compiled to nothing without the feature `faults`. State is per thread, so tests run in parallel.

/// A kind of system call that can be made to fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Call {
    /// `read`, `recv`.
    Read,
    /// `write`, `send`, `writev`.
    Write,
    /// `splice`, `sendfile`.
    Splice,
    /// `accept`.
    Accept,
}

#[cfg(feature = "faults")]
mod active {
    use super::Call;
    use std::cell::RefCell;
    use std::io;

    /// What to do to the calls of one kind.
    #[derive(Clone, Debug)]
    struct Rule {
        call: Call,
        nth: u64,
        seen: u64,
        errno: i32,
    }

    #[derive(Debug, Default)]
    struct State {
        rules: Vec<Rule>,
        bytes_max: Option<usize>,
    }

    thread_local! {
        static STATE: RefCell<State> = RefCell::default();
    }

    /// Makes the `nth` (from 1) call of this kind on this thread fail with `errno`, once.
    pub fn fail_nth(call: Call, nth: u64, errno: i32) {
        STATE.with_borrow_mut(|s| s.rules.push(Rule { call, nth, seen: 0, errno }));
    }

    /// Makes every transfer on this thread move at most `bytes`.
    pub fn limit_bytes(bytes: usize) {
        STATE.with_borrow_mut(|s| s.bytes_max = Some(bytes.max(1)));
    }

    /// Removes every fault; says how many of the failures asked for have happened.
    pub fn reset() -> usize {
        STATE.with_borrow_mut(|s| {
            let fired = s.rules.iter().filter(|r| r.seen >= r.nth).count();
            *s = State::default();
            fired
        })
    }

    pub(crate) fn check(call: Call) -> io::Result<()> {
        STATE.with_borrow_mut(|s| {
            for rule in s.rules.iter_mut().filter(|r| r.call == call) {
                rule.seen += 1;
                if rule.seen == rule.nth {
                    return Err(io::Error::from_raw_os_error(rule.errno));
                }
            }
            Ok(())
        })
    }

    pub(crate) fn clamp(len: usize) -> usize {
        STATE.with_borrow(|s| s.bytes_max.map_or(len, |max| len.min(max)))
    }
}

#[cfg(feature = "faults")]
pub use active::{fail_nth, limit_bytes, reset};

/// Fails when a test asked for it.
#[inline]
#[cfg_attr(
    not(feature = "faults"),
    allow(clippy::unnecessary_wraps, reason = "it can fail with the feature")
)]
pub fn check(call: Call) -> std::io::Result<()> {
    #[cfg(feature = "faults")]
    return active::check(call);
    #[cfg(not(feature = "faults"))]
    {
        let _ = call;
        Ok(())
    }
}

/// The length a transfer may have.
#[inline]
pub fn clamp(len: usize) -> usize {
    #[cfg(feature = "faults")]
    return active::clamp(len);
    #[cfg(not(feature = "faults"))]
    len
}
