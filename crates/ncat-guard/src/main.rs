//! The `ncat-guard` executable: everything is in the library, so that it can be tested.

fn main() -> std::process::ExitCode {
    ncat_guard::main(std::env::args_os())
}
