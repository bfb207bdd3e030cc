//! The watchdog: whoever waits in [`Watch::late`] learns when Lua does not come back.
//!
//! A script's own running is stopped by the slice; what this sees is a call into Lua's C code that takes
//! too long, or what goes wrong in ours. The thread that waits sleeps while nothing runs, so that an idle
//! process uses no processor time, and what runs pays two stores and a load.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Slices that pass before it is told.
const SLICES: u32 = 10;

/// What runs too long.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Late {
    /// The connection; 0 when it belongs to none.
    pub id: u64,
    /// What was called.
    pub method: &'static str,
    /// For how long it runs at least.
    pub time: Duration,
}

/// When what runs began, and what it is.
#[derive(Debug)]
pub(super) struct Watch {
    start: Instant,
    /// What ran last, counted from 1; even: nothing runs.
    turn: AtomicU64,
    running: Mutex<Option<(u64, &'static str, Instant)>>,
    sleeps: AtomicBool,
    bell: Condvar,
}
