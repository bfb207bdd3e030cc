//! The drop-in `ncat`: options, messages, exit codes, and the order in which things are opened.
//!
//! [`main`] goes from arguments to an exit code: options ([`flags`]), plan, then one of the modes.
//! Everything below this crate is told what to do by the plan and says nothing by itself.

#![forbid(unsafe_code)]

mod broker;
mod clients;
mod connect;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod datagrams;
mod door;
#[cfg(all(feature = "exec", any(target_os = "linux", target_os = "android")))]
mod exec;
#[cfg(not(all(feature = "exec", any(target_os = "linux", target_os = "android"))))]
#[path = "exec_absent.rs"]
mod exec;
mod exit;
mod fastopen;
pub mod flags;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod handed;
mod header;
mod listen;
mod local;
mod logs;
mod probe;
mod progress;
mod proxy;
mod readiness;
mod run;
#[cfg(feature = "tls")]
mod secure;
#[cfg(not(feature = "tls"))]
#[path = "secure_absent.rs"]
mod secure;
mod signals;
mod talk;
mod task;
mod through;
mod transports;

pub use exit::Exit;
pub use run::main;
