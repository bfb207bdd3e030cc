//! The one thing about Lua that can break Rust's promises.

#![expect(unsafe_code, reason = "two constructors of a state that has more than safe libraries")]

/// A state with the whole standard library: `debug` and modules in C too.
pub(crate) fn whole() -> mlua::Lua {
    // SAFETY: with `debug` or a module of the user's a script can break the state, and the process with
    // it. That process is the script's own: it holds nothing of ours but this state, and its user may run
    // any program there anyway.
    unsafe { mlua::Lua::unsafe_new() }
}

/// A state for filters: `debug` is there, but only for what makes their worlds.
pub(crate) fn for_filters() -> mlua::Lua {
    use mlua::StdLib;
    let libraries = StdLib::COROUTINE
        | StdLib::TABLE
        | StdLib::MATH
        | StdLib::STRING
        | StdLib::UTF8
        | StdLib::OS
        | StdLib::DEBUG;
    // SAFETY: of `debug` only `getmetatable` and `traceback` are used, by a chunk of ours; no script gets
    // the table. There is no `package`, so no module in C.
    unsafe { mlua::Lua::unsafe_new_with(libraries, mlua::LuaOptions::default()) }
}
