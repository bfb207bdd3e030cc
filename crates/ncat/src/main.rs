//! The `ncat` executable.
fn main() {}
