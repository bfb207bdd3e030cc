//! What the fuzzers run.
//!
//! One function for each parser: it takes any bytes and panics when a promise is broken. The targets
//! in `fuzz/` only call these; the test beside them replays `fuzz/seeds` on a stable compiler.

#![forbid(unsafe_code)]

mod access;
mod codecs;

pub use access::access;
pub use codecs::{crlf, hexdump, telnet};

/// A target: its name, which is that of its directory of seeds, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target whose seeds are replayed by the tests here.
pub const TARGETS: &[Target] =
    &[("access", access), ("crlf", crlf), ("hexdump", hexdump), ("telnet", telnet)];
