//! The `ncat` executable: everything is in the library, so that it can be tested.

use std::process::ExitCode;

fn main() -> ExitCode {
    ncat_cli::main(std::env::args_os())
}
