//! The proxy server, asked by scripts of the test's own and by other people's programs.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test plays client and server, and fails where it stands"
)]

mod auth;
mod bad;
mod forward;
mod limits;
mod peers;
mod proxy;
mod rules;
mod socks;
mod tunnel;
mod web;
