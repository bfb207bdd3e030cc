//! One word for being careful.

use super::super::item::{Group, Item};

/// The options of this theme.
pub(super) static ITEMS: &[Item] = &[Item::flag(|raw| raw.safe = true)
    .long("safe")
    .doc(Group::Listening, "Refuse what lets strangers in")
    .more(
        "A listener that names no address listens on this machine's own only. A server is verified, as \
         with --ssl-verify, or by --ssl-pin. A command needs --allow, --allowfile or --ssl-allow when \
         listening, and --ssl when connecting. What does not meet this is refused, with exit code 2.",
    )
    .ours("safe_listens_on_this_machine_only")];
