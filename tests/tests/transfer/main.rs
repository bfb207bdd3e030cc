//! 20 MB each way, byte for byte, against ourselves and other people's programs.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod peers;
mod stdio;
