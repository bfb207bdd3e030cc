//! Lua: programs on a connection, filters around it. In a build without it the options are
//! known, and refused.

use plan::lua::Instead;

use super::super::item::{Given, Group, Item, Update};
use super::super::lua_limit;
use super::super::usage::UsageError;

/// The option as the build has it.
const fn brought(item: Item) -> Item {
    if cfg!(all(feature = "lua", feature = "exec")) {
        return item;
    }
    Item { update: Update::Absent(|_| {}), ..item }
}

/// Likewise, of filters, which need no commands.
const fn filtered(item: Item) -> Item {
    if cfg!(feature = "lua") {
        return item;
    }
    Item { update: Update::Absent(|_| {}), ..item }
}

fn wrong(given: &Given<'_>, words: &'static str) -> UsageError {
    let value = given.value.to_string_lossy().into_owned();
    UsageError::Word { option: given.written.to_owned(), value, words }
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
    filtered(Item::with_value("script", |raw, given| {
        let spec = plan::FilterSpec::parse(given.text()?);
        raw.lua.filters.stack.push(spec.map_err(|_| wrong(given, FORM))?);
        Ok(())
    }))
    .short('L')
    .long("lua-filter")
    .doc(Group::Data, "Pass the data through a Lua filter")
    .more(
        "NAME, NAME:KEY=VALUE,..., or a file. Given again, up to 32 times, the first is next to the wire \
         and the last next to the user. In a value \\, \\: and \\\\ stand for themselves; KEY@=FILE reads \
         the value from a file; NAME:help tells what there is. A name is looked for in --lua-path, \
         NCAT_LUA_PATH, ~/.config/ncat/filters and share/ncat/filters, and then among the filters that are \
         part of ncat, which --lua-list shows. \
         Filters see what -o and -x do not: the wire's side, above TLS. One that fails ends its connection \
         and no other.",
    )
    .ours("the_first_filter_is_next_to_the_wire"),
    filtered(Item::with_value("key=value", |raw, given| {
        let text = given.text()?.to_owned();
        match raw.lua.filters.stack.last_mut() {
            None => raw.lua.stray_arg = true,
            Some(spec) => spec.add(&text).map_err(|_| wrong(given, "KEY=VALUE, as in out=x"))?,
        }
        Ok(())
    }))
    .long("lua-arg")
    .doc(Group::Data, "An argument for the -L before it, as it stands")
    .ours("arguments_reach_the_filter_they_were_given_to"),
    filtered(Item::with_value("list", |raw, given| {
        let filters = &mut raw.lua.filters;
        let granted = plan::Capability::list(given.text()?).map_err(|_| wrong(given, GRANTS))?;
        match filters.stack.last_mut() {
            None => filters.allow.extend(granted),
            Some(spec) => spec.allow.extend(granted),
        }
        Ok(())
    }))
    .long("lua-allow")
    .doc(Group::Data, "What the -L before it may do")
    .more(
        "A list with commas of net (connect to others than the one you named, look names up), read or \
         read=DIRECTORY, write or write=DIRECTORY (files, below the directory if there is one), env (the \
         environment) and unsafe (the whole of Lua's io, os and debug). Before any -L it is for all. A \
         file that you name in an argument which its filter declares as a path is allowed by that.",
    )
    .ours("filters_may_do_what_they_are_allowed_to"),
    filtered(Item::flag(|raw| raw.lua.filters.instead = Some(Instead::List)))
        .long("lua-list")
        .doc(Group::Data, "Show every filter that can be found")
        .more("Its name, what it is for, and where it is; nothing else is done.")
        .ours("every_filter_that_can_be_found_is_listed"),
    filtered(Item::flag(|raw| raw.lua.filters.instead = Some(Instead::Check)))
        .long("lua-check")
        .doc(Group::Data, "Run the tests of the filters given with -L")
        .more(
            "Loads the filters, and runs the tests that they bring along, in memory: no network, no files, a \
             clock of their own. Exits with 0 when all passed, otherwise with 2.",
        )
        .ours("filters_bring_tests_along"),
    filtered(Item::with_value("directory", |raw, given| {
        raw.lua.filters.path.insert(0, given.path());
        Ok(())
    }))
    .long("lua-path")
    .doc(Group::Data, "Look for filters there first")
    .ours("filters_are_found_where_they_should_be"),
    filtered(Item::with_value("list", |raw, given| {
        lua_limit::add(&mut raw.lua.filters.limits, given.text()?).ok_or_else(|| wrong(given, LIMITS))
    }))
    .long("lua-limit")
    .doc(Group::Data, "What filters may use; 0 is no limit")
    .more(
        "A list with commas of memory=SIZE (of all filters together, 256M), slice=TIME (running without \
         waiting, 1s), load=TIME (5s), chunk=SIZE (of a piece, 16M), buffer=SIZE (of a reader, codec or \
         buffer, 16M), queue=SIZE (waiting for a connection from others, 1M), tasks=NUMBER and \
         timers=NUMBER (of a connection, 64), sockets=NUMBER (of a connection's filters, 32), \
         handshake=TIME (30s), close=TIME (5s). When Lua does not come back for ten slices a line says \
         so; with hard=1 ncat then ends with status 1.",
    )
    .ours("limits_of_filters_hold_and_can_be_changed"),
    filtered(Item::flag(|raw| raw.lua.filters.isolates = true))
        .long("lua-isolate")
        .doc(Group::Data, "Give each connection a Lua of its own")
        .more(
            "Global variables, ncat.shared and connections are then those of one connection, and memory is \
             for each (32M unless --lua-limit says otherwise). A filter that connects clients with each \
             other, as chat does, is refused.",
        )
        .ours("with_lua_isolate_connections_share_nothing"),
    filtered(Item::flag(|raw| raw.lua.filters.reloads = true))
        .long("lua-reload")
        .doc(Group::Data, "With -l, load filters anew when their files change")
        .more(
            "Their files are looked at once a second, and on SIGHUP, which then does not end ncat. Clients \
             that come from then on get the new filter; those that are there keep theirs. One that cannot be \
             loaded leaves the old one in use, and a line says why.",
        )
        .ours("with_lua_reload_new_clients_get_the_new_filter"),
];

const GRANTS: &str = "a list of net, read, read=DIRECTORY, write, write=DIRECTORY, env or unsafe";
const FORM: &str = "NAME or NAME:KEY=VALUE,..., as in xor:key=secret";
const LIMITS: &str = "a list of memory, slice, load, chunk, buffer, queue, tasks, timers, sockets, handshake, close or hard with =VALUE";
