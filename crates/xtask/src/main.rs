//! `cargo xtask`: what is done to this workspace, in Rust instead of shell.
//!
//! One module and one line of [`TASKS`] for each task.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers, which talks"
)]

#[cfg(target_os = "linux")]
mod bench;
mod ci;
#[cfg(target_os = "linux")]
mod counts;
mod fuzz;
mod generate;
mod peers;
#[cfg(target_os = "linux")]
mod plots;
mod step;
mod test;
mod tidy;

use std::process::ExitCode;

/// Does a task; gets the arguments after its name.
type Run = fn(&[String]) -> Result<(), String>;
/// A task's name, what it does, and its function.
type Task = (&'static str, &'static str, Run);

const TASKS: &[Task] = &[
    ("bench", "[--quick] [WORKLOAD...]: measure against the peers; targets are checked", measure),
    ("counts", "instructions of small workloads against the stored ones; --update: store", count),
    ("ci", "test, licences, feature sets; --cross: other systems too", ci::run),
    ("fuzz", "[SECONDS [TARGET...]]: replay the seeds, then fuzz each target", fuzz::run),
    ("gen", "write what the option table decides; --check: compare only", generate::run),
    ("plots", "docs/benchmarks.md and its plots, from the last bench run", plot),
    (
        "test",
        "install the peers when root, then check and test everything; --guest: SCTP and vsock only",
        test::run,
    ),
    ("tidy", "the house rules; --update: rewrite the list of dependencies", tidy::run),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        println!("usage: cargo xtask TASK [ARG]...\n");
        TASKS.iter().for_each(|(name, about, _)| println!("  {name:8} {about}"));
        return ExitCode::from(2);
    };
    match find(name).map(|run| run(rest)) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            step::complain(&error);
            ExitCode::FAILURE
        }
        None => {
            step::complain(&format!("no task {name:?}; cargo xtask lists them"));
            ExitCode::from(2)
        }
    }
}

#[cfg(target_os = "linux")]
fn measure(args: &[String]) -> Result<(), String> {
    bench::run(args)
}

/// The bench reads /proc and compares with splice.
#[cfg(not(target_os = "linux"))]
fn measure(_args: &[String]) -> Result<(), String> {
    Err("the bench runs on Linux only".into())
}

#[cfg(target_os = "linux")]
fn plot(args: &[String]) -> Result<(), String> {
    plots::run(args)
}

/// There is no run to draw.
#[cfg(not(target_os = "linux"))]
fn plot(_args: &[String]) -> Result<(), String> {
    Err("the bench runs on Linux only".into())
}

#[cfg(target_os = "linux")]
fn count(args: &[String]) -> Result<(), String> {
    counts::run(args)
}

/// Callgrind counts on Linux.
#[cfg(not(target_os = "linux"))]
fn count(_args: &[String]) -> Result<(), String> {
    Err("the counts are made on Linux only".into())
}

/// A task's function; `None` when this tree has no such task.
fn find(name: &str) -> Option<Run> {
    TASKS.iter().find(|task| task.0 == name).map(|task| task.2)
}
