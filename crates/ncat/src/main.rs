//! The `ncat` executable: everything is in the library, so that it can be tested.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]

/// Started as C programs are: Rust's own way here takes a tenth of a millisecond longer, much of the
/// start of a small program (docs/decisions/0012-tls-in-the-default-build.md). The arguments are where
/// glibc puts them for everybody.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the name that the C library calls; there is no other of this name")]
#[unsafe(no_mangle)]
extern "C" fn main() -> std::ffi::c_int {
    sys::start::prepare();
    ncat_cli::main(std::env::args_os()).code().into()
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn main() -> std::process::ExitCode {
    ncat_cli::main(std::env::args_os()).code().into()
}
