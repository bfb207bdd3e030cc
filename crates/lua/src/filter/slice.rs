//! How long a script may run without waiting, and what happens then.

use std::sync::Arc;
use std::time::Duration;

use mlua::Table;

use super::native::Shared;
use super::patterns::Slice;

/// Ends what has run too long.
#[derive(Clone)]
pub(super) struct Tripwire {
    pub(super) shared: Arc<Shared>,
    pub(super) flags: Table,
}

impl Tripwire {
    /// How long what runs has run; whether that is too long.
    fn slice(&self) -> (Duration, bool) {
        let current = self.shared.current();
        let Some(current) = current.as_ref() else { return (Duration::ZERO, false) };
        let is_late = !current.slice.is_zero() && current.since.elapsed() > current.slice;
        (current.slice, is_late)
    }
}

/// Bytes of work for which the clock is looked at: Lua itself looks only after so many instructions.
const WORK: usize = 64 << 10;

impl Tripwire {
    /// Called when a native function has done this much.
    pub(super) fn check(&self, bytes: usize) -> mlua::Result<()> {
        if bytes >= WORK && self.is_late() { Err(self.trip()) } else { Ok(()) }
    }
}

impl Slice for Tripwire {
    fn is_late(&self) -> bool {
        self.slice().1
    }

    /// From now on nothing is caught until the event is left.
    fn trip(&self) -> mlua::Error {
        let seconds = self.slice().0.as_secs_f64();
        let text = format!("ran for more than {seconds} s without waiting");
        match self.flags.raw_set("tripped", &text[..]) {
            Ok(()) => mlua::Error::runtime(text),
            Err(error) => error,
        }
    }
}
