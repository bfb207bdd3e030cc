//! Rules about filters in Lua.

use super::rules::{Rule, rule};
use crate::lua::FILTERS_MAX;

/// In the order in which they are looked for, after Ncat's.
pub(super) const RULES: &[Rule] = &[
    rule(
        "--lua-arg before -L",
        |f| f.raw.lua.stray_arg,
        "--lua-arg and --lua-allow=… must follow the -L they belong to. QUITTING.",
    ),
    rule(
        "--lua-allow without -L",
        |f| !f.raw.lua.filters.allow.is_empty() && f.raw.lua.filters.stack.is_empty(),
        "--lua-arg and --lua-allow=… must follow the -L they belong to. QUITTING.",
    ),
    rule(
        "more than 32 times -L",
        |f| f.raw.lua.filters.stack.len() > FILTERS_MAX,
        "Too many filters (-L): at most 32. QUITTING.",
    ),
    rule(
        "-L with --exec-handover",
        |f| f.raw.exec.handover && !f.raw.lua.filters.stack.is_empty(),
        "Invalid option combination: --exec-handover and -L. QUITTING.\n  the command gets the socket \
         itself, so no byte passes through here\n  hint: leave out --exec-handover",
    ),
    rule(
        "--lua-reload or --lua-isolate without -L",
        |f| {
            let filters = &f.raw.lua.filters;
            (filters.reloads || filters.isolates) && filters.stack.is_empty()
        },
        "--lua-reload and --lua-isolate are for filters: they need -L. QUITTING.",
    ),
    rule(
        "--lua-reload without -l",
        |f| f.raw.lua.filters.reloads && !f.raw.listen,
        "Invalid option combination: --lua-reload without -l. QUITTING.\n  a connection keeps the filters \
         it began with\n  hint: leave out --lua-reload",
    ),
];
