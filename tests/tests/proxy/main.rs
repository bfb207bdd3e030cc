//! Through proxies: real ones, scripted ones that misbehave, chains; and the PROXY protocol.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test plays the peer, and fails where it stands"
)]

#[path = "../serve_support/mod.rs"]
mod serve_support;

mod big;
mod chains;
mod dialogues;
mod header;
mod hostile;
mod names;
mod netlab;
mod peers;
mod programs;
mod scripted;
mod secrets;
mod statuses;
