//! Through proxies: real ones, scripted ones that misbehave, chains; and the PROXY protocol.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test plays the peer, and fails where it stands"
)]

mod chains;
mod dialogues;
mod header;
mod hostile;
mod names;
mod peers;
mod programs;
mod scripted;
mod secrets;
