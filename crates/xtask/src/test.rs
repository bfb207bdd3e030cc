//! `cargo xtask test`: everything that must hold before a change goes in.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;

use crate::peers;
use crate::step::{Steps, cargo, cargo_daily, target_dir};

/// Runs all steps, then says how many tests passed and failed, if they were really counted.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    match args {
        [] => {}
        [arg] if arg == "--guest" => return guest(),
        [arg] if arg == "--vendored" => return vendored(),
        [arg, ..] => return Err(format!("test takes --guest or --vendored, not {arg:?}")),
    }
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    let mut steps = Steps::default();

    let missing = peers::provide();
    for peer in &missing {
        steps.skip(&peer.loss());
    }
    if in_ci && !missing.is_empty() {
        steps.step("peers", || Err("in CI every peer must be there".into()));
    }

    steps.command("fmt", cargo(["fmt", "--all", "--check"]));
    steps.command(
        "clippy",
        cargo_daily(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    );
    let mut docs = cargo_daily(["doc", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    steps.command("docs", docs);

    // The fuzz targets' seeds are replayed by the tests of crates/fuzz-checks.
    let mut tests = cargo_daily(["test", "--workspace", "--no-fail-fast"]);
    tests.env("NCAT_BIG", "1");
    if in_ci {
        tests.env("NCAT_REQUIRE_PEERS", "1");
    }
    let mut counted = Counted::default();
    steps.step("tests", || {
        counted = count(tests)?;
        counted.ended_well()
    });
    counted.skips.iter().for_each(|skip| steps.skip(skip));

    steps.task("gen", &["--check"]);
    steps.task("tidy", &[]);
    let result = steps.finish();
    match counted.tally {
        tally if tally.is_complete() => {
            println!("{} passed, {} failed", tally.passed, tally.failed)
        }
        _ => println!("the tests could not be counted"),
    }
    result
}

/// Only the tests that need another kernel (SCTP, vsock, TLS); here a missing tool is a failure.
fn guest() -> Result<(), String> {
    let mut steps = Steps::default();
    steps.command("build", cargo_daily(["build", "-p", "ncat"]));
    let mut tests = cargo_daily(["test", "-p", "integration", "--test", "guest"]);
    tests.env("NCAT_REQUIRE_GUEST", "1");
    steps.command("guest", tests);
    steps.finish()
}

/// The program as it is shipped, with an OpenSSL of its own, and what of it has to do with TLS. The
/// test's own peer keeps the system's OpenSSL, so that two versions talk to each other.
fn vendored() -> Result<(), String> {
    let mut steps = Steps::default();
    steps.command("release build", cargo(["build", "--release", "-p", "ncat"]));
    let mut tests =
        cargo_daily([&["test", "--no-fail-fast", "-p", "integration"], WITH_TLS].concat());
    let program = Path::new("release").join(format!("ncat{}", std::env::consts::EXE_SUFFIX));
    tests.env("NCAT_BIN", target_dir().join(program));
    let mut counted = Counted::default();
    steps.step("TLS tests of the release build", || {
        counted = count(tests)?;
        counted.ended_well()
    });
    counted.skips.iter().for_each(|skip| steps.skip(skip));
    steps.finish()
}

/// Test programs with TLS in them.
const WITH_TLS: &[&str] = &["--test", "tls", "--test", "dtls", "--test", "ending"];

/// One run of all tests.
#[derive(Default)]
struct Counted {
    tally: Tally,
    /// What tests said they skipped.
    skips: BTreeSet<String>,
    status: ExitStatus,
}

impl Counted {
    fn ended_well(&self) -> Result<(), String> {
        if !self.status.success() {
            return Err(format!("cargo test: {}", self.status));
        }
        if self.tally.is_complete() { Ok(()) } else { Err("a test program told no result".into()) }
    }

    fn note_skip(&mut self, line: &str) {
        if let Some((_, what)) = line.split_once("SKIPPED") {
            self.skips.insert(what.trim_start_matches([':', ' ']).to_owned());
        }
    }
}

/// What the test programs said about themselves.
#[derive(Debug, Default, Eq, PartialEq)]
struct Tally {
    /// `running N tests` lines.
    begun: usize,
    /// `test result:` lines; fewer when a test program died.
    ended: usize,
    passed: u64,
    failed: u64,
}

impl Tally {
    fn take(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["running", _, "test" | "tests"] => self.begun += 1,
            ["test", "result:", _, passed, "passed;", failed, "failed;", ..] => {
                self.ended += 1;
                self.passed += passed.parse().unwrap_or(0);
                self.failed += failed.parse().unwrap_or(0);
            }
            _ => {}
        }
    }

    fn is_complete(&self) -> bool {
        self.ended > 0 && self.begun == self.ended
    }
}

/// Runs the tests, shows what they print, and collects results and `SKIPPED` lines.
#[expect(clippy::disallowed_methods, reason = "no session: cargo, whose output is counted")]
fn count(mut command: Command) -> Result<Counted, String> {
    let fail = |error: std::io::Error| format!("cargo: {error}");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(fail)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let counted = Mutex::new(Counted::default());
    let lock = || counted.lock().expect("nothing panics under this lock");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if let Some(from) = stderr {
                pass_on(from, std::io::stderr(), |line| lock().note_skip(line));
            }
        });
        if let Some(from) = stdout {
            pass_on(from, std::io::stdout(), |line| {
                lock().note_skip(line);
                lock().tally.take(line);
            });
        }
    });
    let status = child.wait().map_err(fail)?;
    let counted = counted.into_inner().expect("nothing panics under this lock");
    Ok(Counted { status, ..counted })
}

/// Copies line by line, showing each to `see`.
fn pass_on(from: impl Read, mut to: impl Write, mut see: impl FnMut(&str)) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        see(String::from_utf8_lossy(&line).trim_end());
        // Who stopped reading our output still wants the tests to run on.
        let _ = to.write_all(&line);
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted() {
        let mut tally = Tally::default();
        for line in [
            "running 2 tests",
            "test a ... ok",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "running 1 test",
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ] {
            tally.take(line);
        }
        assert_eq!(tally, Tally { begun: 2, ended: 2, passed: 2, failed: 1 });
        assert!(tally.is_complete());
        tally.take("running 7 tests");
        assert!(!tally.is_complete(), "a program that died was not counted");
        assert!(!Tally::default().is_complete());
    }
}
