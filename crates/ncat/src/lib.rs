//! The drop-in `ncat`: options, messages, exit codes.

#![forbid(unsafe_code)]

pub mod flags;
