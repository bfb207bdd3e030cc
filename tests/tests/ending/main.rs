//! The end-of-stream contract: one test per cell of `docs/guide/end-of-stream.md`.
#![cfg(target_os = "linux")]

mod cells;
mod datagrams;
mod guide;
mod names;
mod stage;
