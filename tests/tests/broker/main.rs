//! `--broker` and `--chat`: what one client says goes to all others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

#[path = "../serve_support/mod.rs"]
mod serve_support;

mod chat;
mod compat;
mod datagrams;
mod ends;
mod files;
mod hostile;
mod options;
mod relay;
mod room;
