//! Joins two conns and moves the bytes.
//!
//! A [`Session`] has a *local* side (the user) and a *remote* side (the wire). Each direction is a
//! pump with the strategy its two ends allow; what the end of one direction means for
//! the other is decided in [`ending`], which knows no I/O. The session is one future, so both
//! directions run on one task and neither needs a lock.

#![forbid(unsafe_code)]

pub mod ending;
mod outcome;
mod program;
mod pump;
mod session;
mod settle;
mod strategy;

pub use ending::{AfterLocalEnd, EndedBy, OnLocalEnd, OnRemoteEnd, Rules};
pub use outcome::{Outcome, SessionError, Side, Totals};
pub use session::Session;
pub use strategy::{Choice, Strategy, choose};
