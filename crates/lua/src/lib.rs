//! Lua: programs on a connection (`--lua-exec`), and filters around it (`-L`).
//!
//! Lua 5.4 is part of the program. No state is made before one is asked for. A [`program`] has a process
//! of its own and the whole standard library.

mod ffi;
pub mod filter;
pub mod pattern;
pub mod program;
mod source;

pub use source::{SOURCE_MAX, Source, SourceError};
