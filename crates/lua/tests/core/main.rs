//! Filters around connections in memory, on a clock that is moved by hand.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocking;
mod instances;
mod life;
mod reader;
mod registry;
mod results;
mod support;
mod waiting;
