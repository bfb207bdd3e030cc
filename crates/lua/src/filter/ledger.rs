//! Memory that native objects hold for scripts: it counts as theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mlua::Lua;

/// How much there is in all, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Ledger(AtomicUsize);

impl Ledger {
    /// What all objects hold, in bytes.
    pub(super) fn total(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one object holds.
#[derive(Debug)]
pub(super) struct Charge {
    ledger: Arc<Ledger>,
    bytes: usize,
}

impl Charge {
    pub(super) fn new(ledger: &Arc<Ledger>) -> Self {
        Self { ledger: Arc::clone(ledger), bytes: 0 }
    }

    /// Now it is this much. What is over the limit of the state, 0 for none, is an error of memory; objects
    /// that nobody has any more are given back first, since Lua does not know how large they are.
    pub(super) fn set(&mut self, lua: &Lua, limit: u64, bytes: usize) -> mlua::Result<()> {
        if bytes <= self.bytes {
            self.ledger.0.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            self.bytes = bytes;
            return Ok(());
        }
        let more = bytes - self.bytes;
        let is_over = || {
            let native = self.ledger.0.load(Ordering::Relaxed);
            limit > 0 && (lua.used_memory() + native + more) as u64 > limit
        };
        if is_over() {
            lua.gc_collect()?;
            if is_over() {
                return Err(mlua::Error::MemoryError("not enough memory".into()));
            }
        }
        self.ledger.0.fetch_add(more, Ordering::Relaxed);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.ledger.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
