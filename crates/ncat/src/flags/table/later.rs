//! Options of capabilities this build does not have. They are understood, so that a command line
//! that is wrong in any build is told so, and then answered with a line of their own.

use super::super::item::{Group, Item};

/// The options of this theme.
pub(super) const ITEMS: &[Item] = &[
    Item::later(5, Some("filename"))
        .long("lua-exec")
        .doc(Group::Programs, "Executes the given Lua script"),
    Item::later(5, Some("filename"))
        .long("lua-exec-internal")
        .doc(Group::Programs, "Runs a Lua script on standard input and output")
        .hidden(),
    Item::later(5, Some("script"))
        .short('L')
        .long("lua-filter")
        .doc(Group::Programs, "Pass the data through a Lua filter")
        .ours(""),
    Item::later(3, Some("protocol"))
        .long("starttls")
        .doc(Group::Tls, "Begin TLS as this protocol has it")
        .ours(""),
];
