//! The rows of filters in Lua.

use super::{RawArgs, Row};
use crate::FilterSpec;
use crate::lua::FILTERS_MAX;

fn filters(raw: &mut RawArgs, count: usize) {
    let null = FilterSpec { what: "null".into(), ..FilterSpec::default() };
    raw.lua.filters.stack = vec![null; count];
}

pub(super) const REFUSED: &[Row] = &[
    (
        "--lua-arg before -L",
        |raw| raw.lua.stray_arg = true,
        "--lua-arg and --lua-allow=… must follow the -L they belong to. QUITTING.",
    ),
    (
        "--lua-allow without -L",
        |raw| raw.lua.filters.allow = vec![crate::Capability::Net],
        "--lua-arg and --lua-allow=… must follow the -L they belong to. QUITTING.",
    ),
    (
        "more than 32 times -L",
        |raw| filters(raw, FILTERS_MAX + 1),
        "Too many filters (-L): at most 32. QUITTING.",
    ),
    (
        "-L with --exec-handover",
        |raw| {
            filters(raw, 1);
            raw.exec.exec = vec!["a".into()];
            raw.exec.handover = true;
        },
        "Invalid option combination: --exec-handover and -L. QUITTING.",
    ),
    (
        "--lua-reload or --lua-isolate without -L",
        |raw| raw.lua.filters.isolates = true,
        "--lua-reload and --lua-isolate are for filters: they need -L. QUITTING.",
    ),
    (
        "--lua-reload without -l",
        |raw| {
            filters(raw, 1);
            raw.lua.filters.reloads = true;
        },
        "Invalid option combination: --lua-reload without -l. QUITTING.",
    ),
];
