//! Lua: programs on a connection, filters around it. In a build without it the options are those of a
//! later part.

use super::super::item::{Group, Item, Update};

/// The option as the build has it.
const fn brought(item: Item) -> Item {
    if cfg!(all(feature = "lua", feature = "exec")) {
        return item;
    }
    Item { part: Some(5), update: Update::Later(|_| {}), ..item }
}

/// The options of this theme.
pub(super) const ITEMS: &[Item] = &[
    brought(Item::with_value("filename", |raw, given| {
        raw.lua.exec.push(given.path());
        Ok(())
    }))
    .long("lua-exec")
    .doc(Group::Programs, "Executes the given Lua script")
    .more(
        "As -e with a program in Lua 5.4, which is part of ncat: the whole standard library, what is \
         received is its standard input, what it writes is sent. The script is read and checked once, \
         before anything is opened. Each connection has a process of its own. What io.write has kept \
         goes out before the program reads or starts another. os.exit ends it with a status for \
         --exec-exit; an error is shown with a traceback, and its status is 2.",
    )
    .better(
        "as -e, and a question asked with io.write is sent before the answer is read",
        "lua_programs_serve_in_every_mode",
    ),
    brought(Item::with_value("filename", |raw, given| {
        raw.lua.internal = Some(given.path());
        Ok(())
    }))
    .long("lua-exec-internal")
    .doc(Group::Programs, "Runs a Lua script on standard input and output")
    .hidden()
    .same("lua_exec_internal_runs_a_script_on_standard_input_and_output"),
];
