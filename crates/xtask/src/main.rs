//! `cargo xtask`: what is done to this workspace, in Rust instead of shell.
fn main() {}
