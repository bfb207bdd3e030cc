//! `cargo xtask`: what is done to this workspace, in Rust instead of shell.
//!
//! One module and one line of [`TASKS`] for each task.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "a tool for developers, which talks")]

mod generate;

use std::process::ExitCode;

/// Does a task; gets the arguments after its name.
type Run = fn(&[String]) -> Result<(), String>;
/// A task's name, what it does, and its function.
type Task = (&'static str, &'static str, Run);

const TASKS: &[Task] =
    &[("gen", "write what the option table decides; --check: compare only", generate::run)];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        eprintln!("usage: cargo xtask TASK [ARG]...\n");
        TASKS.iter().for_each(|(name, about, _)| eprintln!("  {name:8} {about}"));
        return ExitCode::from(2);
    };
    let Some((_, _, run)) = TASKS.iter().find(|task| task.0 == name) else {
        eprintln!("no task {name:?}; cargo xtask lists them");
        return ExitCode::from(2);
    };
    match run(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
