//! What the fuzzers run.
//!
//! One function for each parser: it takes any bytes and panics when a promise is broken. The targets
//! in `fuzz/` only call these; the test beside them replays `fuzz/seeds` on a stable compiler.

#![forbid(unsafe_code)]

mod access;
mod audit;
#[cfg(unix)]
mod certificate;
mod codecs;
mod command;
mod dtls;
mod http;
mod proxies;
mod starttls;

pub use access::access;
pub use audit::{journal, leaf, note, proof, tile};
#[cfg(unix)]
pub use certificate::certificate;
pub use codecs::{chat, crlf, hexdump, telnet};
pub use command::command;
pub use dtls::dtls;
pub use http::{http_chunks, http_head};
pub use ncat_cli::flags::fuzz_options as options;
pub use proxies::{auth, proxy_protocol, socks};
pub use starttls::starttls;

/// A target: its name, which is that of its directory of seeds, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("access", access),
    #[cfg(unix)]
    ("certificate", certificate),
    ("auth", auth),
    ("chat", chat),
    ("command", command),
    ("crlf", crlf),
    ("dtls", dtls),
    ("hexdump", hexdump),
    ("http_chunks", http_chunks),
    ("http_head", http_head),
    ("options", options),
    ("starttls", starttls),
    ("proxy_protocol", proxy_protocol),
    ("socks", socks),
    ("journal", journal),
    ("leaf", leaf),
    ("note", note),
    ("proof", proof),
    ("telnet", telnet),
    ("tile", tile),
];
