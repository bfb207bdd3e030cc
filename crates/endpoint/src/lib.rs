//! Opens endpoints, each with a permit: standard input and output, TCP, SCTP, UDP, Unix and vsock
//! sockets; and the [`hub`] that shares one conn among many.
//!
//! Nothing here spawns: what must run beside a session is returned as a future for the caller.

#![forbid(unsafe_code)]

pub mod bound;
mod error;
#[cfg(all(feature = "exec", any(target_os = "linux", target_os = "android")))]
pub mod exec;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod handed;
pub mod hub;
pub mod listen;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod message;
#[cfg(unix)]
pub mod notify;
pub mod options;
mod race;
pub mod resolve;
mod route;
pub mod stdio;
mod stream;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod udp;
#[cfg(unix)]
pub mod unix;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod vsock;

pub use error::{Attempt, OpenError};
pub use race::{Connected, Source, connect_stream};
pub use route::Route;
