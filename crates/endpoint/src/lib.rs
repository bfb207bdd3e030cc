//! Opens endpoints, each with a permit: standard input and output, TCP, UDP and Unix sockets; and
//! the [`hub`] that shares one conn among many.
//!
//! Nothing here spawns: what must run beside a session is returned as a future for the caller.

#![forbid(unsafe_code)]

mod error;
#[cfg(all(feature = "exec", any(target_os = "linux", target_os = "android")))]
pub mod exec;
pub mod hub;
pub mod listen;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod message;
mod race;
pub mod resolve;
pub mod stdio;
mod stream;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod udp;
#[cfg(unix)]
pub mod unix;

pub use error::{Attempt, OpenError};
pub use race::{Connected, Source, connect_tcp};
