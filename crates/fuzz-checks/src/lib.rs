//! What the fuzzers run.
//!
//! One function for each parser: it takes any bytes and panics when a promise is broken. The targets
//! in `fuzz/` only call these; the test beside them replays `fuzz/seeds` on a stable compiler.

#![forbid(unsafe_code)]

mod access;
mod codecs;
mod http;
mod proxies;

pub use access::access;
pub use codecs::{chat, crlf, hexdump, telnet};
pub use http::{http_chunks, http_head};
pub use ncat_cli::flags::fuzz_options as options;
pub use proxies::{auth, proxy_protocol, socks};

/// A target: its name, which is that of its directory of seeds, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("access", access),
    ("auth", auth),
    ("chat", chat),
    ("crlf", crlf),
    ("hexdump", hexdump),
    ("http_chunks", http_chunks),
    ("http_head", http_head),
    ("options", options),
    ("proxy_protocol", proxy_protocol),
    ("socks", socks),
    ("telnet", telnet),
];
