//! Commands run for a connection.

use super::super::item::{Group, Item};

#[cfg(not(feature = "exec"))]
const COMMAND: &str = "command";

/// The options of this theme.
#[cfg(feature = "exec")]
pub(super) const ITEMS: &[Item] = &[
    Item::with_value("command", |raw, given| {
        raw.exec.exec.push(given.value.to_owned());
        Ok(())
    })
    .short('e')
    .long("exec")
    .doc(Group::Programs, "Executes the given command")
    .better("x", "y"),
    Item::with_value("command", |raw, given| {
        raw.exec.sh_exec.push(given.value.to_owned());
        Ok(())
    })
    .short('c')
    .long("sh-exec")
    .doc(Group::Programs, "Executes the given command via /bin/sh")
    .better("x", "y"),
];
