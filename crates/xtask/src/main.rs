//! `cargo xtask`: what is done to this workspace, in Rust instead of shell.
#![expect(clippy::print_stderr, reason = "a developer's tool talks on stderr")]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod bench;

/// The bench reads /proc and compares with splice; elsewhere it says so.
#[cfg(not(target_os = "linux"))]
mod bench {
    pub(crate) fn main(_args: &[String]) -> std::process::ExitCode {
        eprintln!("bench: only on Linux");
        std::process::ExitCode::from(2)
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = match args.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("", args.as_slice()),
    };
    match task {
        "bench" => bench::main(rest),
        _ => {
            eprintln!("usage: cargo xtask bench [--quick] [--urgent] [WORKLOAD...]");
            ExitCode::from(2)
        }
    }
}
