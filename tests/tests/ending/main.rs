//! The end-of-stream contract: one test per cell of `docs/guide/end-of-stream.md`.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test plays the peer, and fails where it stands"
)]

mod cells;
mod datagrams;
mod guide;
mod names;
mod peer;
mod stage;
