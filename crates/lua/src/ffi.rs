//! The one thing about Lua that can break Rust's promises.

#![expect(unsafe_code, reason = "one constructor, for scripts that have a process for themselves")]

/// A state with the whole standard library: `debug` and modules in C too.
pub(crate) fn whole() -> mlua::Lua {
    // SAFETY: with `debug` or a module of the user's a script can break the state, and the process with
    // it. That process is the script's own: it holds nothing of ours but this state, and its user may run
    // any program there anyway.
    unsafe { mlua::Lua::unsafe_new() }
}
