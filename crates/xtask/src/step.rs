//! Running the steps of a task: say what runs, run all, tell at the end what failed.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The workspace's directory.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Where cargo builds: as told, else `target` of the workspace.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs us, started in the workspace's directory.
pub(crate) fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).current_dir(root());
    command
}

/// The same for the program under test and its tests: with the system's OpenSSL, where there is one.
/// To build our own takes minutes.
pub(crate) fn cargo_daily<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = cargo(args);
    if has_openssl() {
        command.env("OPENSSL_NO_VENDOR", "1");
    }
    command
}

/// Whether the system has OpenSSL's headers where a compiler looks for them, or says where they are.
fn has_openssl() -> bool {
    let is_named = std::env::var_os("OPENSSL_DIR").is_some();
    is_named || find_program("/usr/include/openssl/ssl.h").is_some()
}

/// Where a program of this name is. Looks beyond `PATH`: `ip` is in `/usr/sbin`, which users lack.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|dir| dir.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
        .find(|file| file.is_file())
}

/// One line on standard error.
pub(crate) fn complain(text: &str) {
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "xtask: {text}");
}

/// Runs one command to its end, with our standard streams.
pub(crate) fn run(mut command: Command) -> Result<(), String> {
    let status = command.status();
    let name = Path::new(command.get_program()).display();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// The steps of one task.
#[derive(Default)]
pub(crate) struct Steps {
    failed: Vec<String>,
    skipped: Vec<String>,
}

impl Steps {
    /// Runs a step, and goes on when it fails, so that one run tells all that is wrong.
    pub(crate) fn step(&mut self, name: &str, run: impl FnOnce() -> Result<(), String>) {
        println!("=== {name}");
        let start = Instant::now();
        match run() {
            Ok(()) => println!("=== {name}: ok, {:.1} s", start.elapsed().as_secs_f64()),
            Err(error) => {
                println!("=== {name}: FAILED: {error}");
                self.failed.push(format!("{name}: {error}"));
            }
        }
    }

    /// A step that is one command.
    pub(crate) fn command(&mut self, name: &str, command: Command) {
        self.step(name, || run(command));
    }

    /// A step that is another task, if this tree has it.
    pub(crate) fn task(&mut self, name: &str, args: &[&str]) {
        let title = [&[name], args].concat().join(" ");
        match crate::find(name) {
            Some(run) => {
                let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
                self.step(&title, || run(&args));
            }
            None => self.skip(&format!("{title}: no such task yet")),
        }
    }

    /// Notes what could not be done, to be told at the end.
    pub(crate) fn skip(&mut self, what: &str) {
        println!("=== SKIPPED: {what}");
        self.skipped.push(what.to_owned());
    }

    /// Tells what was left out and what failed.
    pub(crate) fn finish(self) -> Result<(), String> {
        self.skipped.iter().for_each(|what| println!("not done: {what}"));
        self.failed.iter().for_each(|what| println!("failed: {what}"));
        if self.failed.is_empty() { Ok(()) } else { Err("not all steps passed".into()) }
    }
}
