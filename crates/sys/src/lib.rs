//! System calls that no safe crate offers, and nothing else.
#![expect(unsafe_code, reason = "the one crate that may")]

#[cfg(unix)]
mod child_usage;

#[cfg(unix)]
pub use child_usage::{ChildUsage, wait_with_usage};
