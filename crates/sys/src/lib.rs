//! System calls: the only crate where `unsafe` is allowed.
//!
//! One module per kind of work, one interface per system. Callers above see safe functions whose
//! errors are [`std::io::Error`]; where a system lacks a feature the function says so with
//! [`std::io::ErrorKind::Unsupported`] and the caller takes the portable path.
//!
//! Nothing here decides anything or keeps state, but for the fault injection of tests.

#![allow(unsafe_code, reason = "this crate exists to hold it; each block has a SAFETY note")]

pub mod below;
#[cfg(unix)]
pub mod child_usage;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod datagram;
pub mod fault;
#[cfg(unix)]
pub mod fd;
pub mod inherit;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod ktls;
pub mod memory;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod option;
#[cfg(all(feature = "exec", any(target_os = "linux", target_os = "android")))]
pub mod pty;
pub mod random;
pub mod resolve;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod sctp;
#[cfg(unix)]
pub mod signal;
pub mod socket;
#[cfg(all(feature = "exec", any(target_os = "linux", target_os = "android")))]
pub mod spawn;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod splice;
#[cfg(target_os = "linux")]
pub mod start;
#[cfg(unix)]
pub mod stdio;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod vsock;
