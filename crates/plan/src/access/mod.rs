//! Who may connect: `--allow`, `--deny` and their files.
//!
//! [`AccessSpec`] is what the command line said. [`AccessRules::load`] reads the files, resolves the
//! names and refuses what is unclear; both come in as functions, so that nothing here does I/O.
//! [`AccessRules::check`] then answers for one peer, in logarithmic time.
//!
//! # Rules
//! - With an allow option, only peers it names may connect; without one, all may.
//! - Deny wins over allow.
//! - A peer without an IP address (Unix sockets) matches no rule: any allow option refuses it, deny
//!   does not concern it.
//! - An empty list (`--allow ""`, an empty file) names nobody; it is still an allow option.
//!
//! # Specs
//! | Form | Example |
//! |---|---|
//! | address | `192.0.2.7`, `2001:db8::7`, `fe80::1%eth0` (the scope is ignored) |
//! | network | `192.0.2.0/24`, `2001:db8::/32` |
//! | octets | `192.0.2.*`, `10.0-3.0.1,5,9-`, each octet `*`, `N`, `A-B`, `A-`, `-B`, `-` or a list of them |
//! | name | `gw.example`, `gw.example/24`: every address it has when the program starts |
//!
//! On the command line commas separate specs. An item without a dot or a colon that is a number or a
//! range continues the last octet of the octet form or IPv4 address before it: `10.0.0.1,2,7-9` is five
//! addresses. In files blanks and line ends separate specs, commas are only for octet lists, in any
//! octet, and `#` begins a comment that goes to the end of the line.
//!
//! # Where this differs from Ncat
//! Numbers are strict: `2`, `127.1`, `0x7f000001` and `010.0.0.1` are refused, and the hint says what
//! to write. `::/0` is all of IPv6 and nothing of IPv4; `::ffff:0:0/96` is all of IPv4. Octet forms
//! match IPv4-mapped peers too. Files may have comments, and the command line octet lists.

mod error;
mod items;
mod octets;
mod ranges;
mod rules;
mod spec;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use error::{AccessError, SpecError};
pub use octets::Octets;
pub use rules::{AccessRules, Place, Rule, Verdict};
pub use spec::{SPEC_BYTES_MAX, Spec};

/// What the command line said about access, unread and unresolved.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccessSpec {
    /// `--allow` values; `None` when neither `--allow` nor `--allowfile` was given.
    pub allow: Option<Vec<String>>,
    /// `--deny` values.
    pub deny: Vec<String>,
    /// `--allowfile` paths.
    pub allow_files: Vec<PathBuf>,
    /// `--denyfile` paths.
    pub deny_files: Vec<PathBuf>,
}
