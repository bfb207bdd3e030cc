//! What the fuzzers run.
//!
//! One function for each parser: it takes any bytes and panics when a promise is broken. The targets
//! in `fuzz/` only call these; the test beside them replays `fuzz/seeds` on a stable compiler.

#![forbid(unsafe_code)]

mod access;
mod audit;
mod codecs;

pub use access::access;
pub use audit::{journal, leaf, note, proof, tile};
pub use codecs::{chat, crlf, hexdump, telnet};
pub use ncat_cli::flags::fuzz_options as options;

/// A target: its name, which is that of its directory of seeds, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("access", access),
    ("chat", chat),
    ("crlf", crlf),
    ("hexdump", hexdump),
    ("journal", journal),
    ("leaf", leaf),
    ("note", note),
    ("options", options),
    ("proof", proof),
    ("telnet", telnet),
    ("tile", tile),
];
