//! Codecs without I/O: bytes in, bytes out.
//!
//! Each module knows one format and nothing about sockets, files or clocks, so it can be tested with
//! every split of its input, fuzzed, and used by client, listener and scanner alike. What arrives in
//! pieces may be given in pieces: the result is the same for every split. Nothing is kept but a few
//! bytes of state, and no input panics.
//!
//! Directions as everywhere: *recv* is wire to user, *send* is user to wire.

#![forbid(unsafe_code)]

pub mod auth;
pub mod base64;
pub mod chat;
pub mod crlf;
pub mod escape;
pub mod hexdump;
pub mod http;
pub mod proxy_protocol;
pub mod secret;
pub mod socks;
pub mod target;
pub mod telnet;

#[cfg(test)]
mod split;
