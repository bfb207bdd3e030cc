//! Memory that native objects hold for scripts counts towards the limit of the Lua state.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mlua::Lua;

use super::native::Shared;

/// The memory of one object.
pub(super) struct Held {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Held {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), bytes: 0 }
    }

    /// The object holds `bytes` from now on.
    ///
    /// # Errors
    /// There is not so much left; then nothing has changed.
    pub(super) fn set(&mut self, lua: &Lua, bytes: usize) -> mlua::Result<()> {
        let limit = self.shared.memory;
        let more = bytes.saturating_sub(self.bytes);
        if more > 0 && limit > 0 {
            let all = |lua: &Lua| {
                let held = self.shared.held.load(Ordering::Relaxed);
                lua.used_memory().saturating_add(held).saturating_add(more)
            };
            if all(lua) > limit {
                // Objects that nobody has any more may hold most of it.
                lua.gc_collect()?;
                if all(lua) > limit {
                    return Err(mlua::Error::MemoryError("not enough memory".into()));
                }
            }
        }
        self.count(bytes);
        self.shared.limit_memory(lua)
    }

    fn count(&mut self, bytes: usize) {
        let held = &self.shared.held;
        held.fetch_add(bytes, Ordering::Relaxed);
        held.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
        self.shared.is_held_changed.store(true, Ordering::Relaxed);
    }
}

impl Drop for Held {
    /// The state's limit follows at the next turn.
    fn drop(&mut self) {
        self.count(0);
    }
}

impl Shared {
    /// Leaves the state what its objects do not hold, where that has changed.
    pub(super) fn limit_memory(&self, lua: &Lua) -> mlua::Result<()> {
        if self.is_held_changed.swap(false, Ordering::Relaxed) {
            let limit = self.memory;
            if limit > 0 {
                let held = self.held.load(Ordering::Relaxed);
                lua.set_memory_limit(limit.saturating_sub(held).max(1))?;
            }
        }
        Ok(())
    }
}
