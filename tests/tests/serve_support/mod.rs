//! Runs programs for the `serve_*` tests: ours and the peers, with their output gathered by threads.
//!
//! Nothing sleeps to be in step with a program: a test waits for text, bytes, a bound port or the end,
//! each with one deadline. Whatever a test leaves running is killed through its handle.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(unreachable_pub, reason = "a module shared by test files")]

mod output;
mod ports;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

pub use output::Output;
#[allow(unused_imports, reason = "each test file uses a part of this")]
pub use ports::{bound_port, poll_until};

/// The longest any wait of a test may take; far above what a busy machine needs.
pub const DEADLINE: Duration = Duration::from_secs(40);

/// A program about to be run.
pub struct Program {
    command: Command,
    name: String,
    input: Input,
}

enum Input {
    None,
    Pipe,
    Bytes(Vec<u8>),
    File(File),
}

/// Our binary: `NCAT_BIN`, or the one beside this test in the target directory.
pub fn ncat_path() -> PathBuf {
    if let Some(path) = std::env::var_os("NCAT_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("ncat");
    assert!(path.exists(), "{} is missing: run `cargo build -p ncat` first", path.display());
    path
}

/// Our binary with these arguments.
pub fn ncat<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Program {
    Program::new(&ncat_path(), args)
}

/// A peer program, when it is installed; a loud skip when not.
pub fn peer<S: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = S>) -> Option<Program> {
    let path = Path::new("/usr/bin").join(name);
    if path.exists() {
        return Some(Program::new(&path, args));
    }
    skip(&format!("{} is not installed", path.display()));
    None
}

/// Says that a part of a test cannot run here; fails where everything must (`NCAT_REQUIRE_PEERS=1`).
pub fn skip(why: &str) {
    let required = std::env::var_os("NCAT_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "NCAT_REQUIRE_PEERS=1, but {why}");
    let test = thread::current().name().unwrap_or("?").to_string();
    // Past the harness, which would hide it when the test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

/// Whether we may make namespaces and mounts.
pub fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t0")
}

impl Program {
    /// The program at `path`.
    pub fn new<S: AsRef<OsStr>>(path: &Path, args: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(path);
        command.args(args).env_remove("TMPDIR");
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Self { command, name, input: Input::None }
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// An environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Standard input stays open until [`Running::end_input`].
    pub fn piped(mut self) -> Self {
        self.input = Input::Pipe;
        self
    }

    /// Standard input is a pipe with these bytes, then its end.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Bytes(bytes.into());
        self
    }

    /// Standard input is a file.
    pub fn input_file(mut self, path: &Path) -> Self {
        self.input = Input::File(File::open(path).unwrap());
        self
    }

    /// The same program under `wrapper`, which ends by running its last arguments.
    pub fn under<S: AsRef<OsStr>>(self, wrapper: impl IntoIterator<Item = S>) -> Self {
        let mut words = wrapper.into_iter().map(|word| word.as_ref().to_os_string());
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg(self.command.get_program()).args(self.command.get_args());
        Self { command, name: self.name, input: self.input }
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let stdin = match &self.input {
            Input::None => Stdio::null(),
            Input::Pipe | Input::Bytes(_) => Stdio::piped(),
            Input::File(file) => file.try_clone().unwrap().into(),
        };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let out = Output::gather(child.stdout.take().unwrap());
        let err = Output::gather(child.stderr.take().unwrap());
        let mut stdin = child.stdin.take();
        if let Input::Bytes(bytes) = self.input {
            let mut pipe = stdin.take().unwrap();
            // A program that ends early leaves its input; that is for the test to judge.
            thread::spawn(move || pipe.write_all(&bytes));
        }
        let line: Vec<OsString> = self.command.get_args().map(OsStr::to_os_string).collect();
        let name = format!("{} {}", self.name, line.join(OsStr::new(" ")).to_string_lossy());
        Running { child, stdin, out, err, name }
    }

    /// Starts it and waits for its end.
    pub fn run(self) -> Ended {
        self.start().wait()
    }
}

/// A program that runs; killed when dropped.
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    /// What it wrote to standard output so far.
    pub out: Output,
    /// What it wrote to standard error so far.
    pub err: Output,
    name: String,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; 128 + n when signal n killed it.
    pub code: i32,
    /// All of standard output.
    pub out: Vec<u8>,
    /// All of standard error.
    pub err: String,
}

impl Ended {
    /// Asserts the exit code, showing what the program said.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stderr:\n{}", self.err);
        self
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

impl Running {
    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes to standard input; on a thread of its own if it may block.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Takes standard input, for a thread that feeds it.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().unwrap()
    }

    /// Ends standard input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Waits until standard error contains `text`; returns all of it so far.
    #[track_caller]
    pub fn said(&self, text: &str) -> String {
        self.err.wait_for(&self.name, text)
    }

    /// Waits until standard output contains `text`.
    #[track_caller]
    pub fn printed(&self, text: &str) {
        self.out.wait_for(&format!("{} (stderr: {})", self.name, self.err.text()), text);
    }

    /// The port named by `-v` when it listens.
    #[track_caller]
    pub fn port(&self) -> u16 {
        self.said("Listening on ");
        let err = poll_until("the line's end", || {
            let err = self.err.text();
            let tail = err.split("Listening on ").nth(1)?.to_string();
            tail.split_once('\n').map(|(line, _)| line.to_string())
        });
        err.rsplit_once(':').unwrap().1.trim().parse().unwrap()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Ends its input, if it is still open, and waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        self.stdin = None;
        self.ended()
    }

    /// Waits for its end with its input open.
    #[track_caller]
    pub fn ended(mut self) -> Ended {
        let what = format!("the end of {}", self.name);
        let status = poll_until(&what, || self.child.try_wait().unwrap());
        let (out, err) = (self.out.all(), self.err.all());
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
        Ended { code, out, err: String::from_utf8_lossy(&err).into_owned() }
    }

    /// Stops it with SIGTERM and waits.
    #[track_caller]
    pub fn stop(self) -> Ended {
        self.signal("TERM");
        self.ended()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let _ = writeln!(
                std::io::stderr(),
                "--- {}\n{}\n--- {} bytes on standard output",
                self.name,
                self.err.text(),
                self.out.len()
            );
        }
    }
}

/// Runs `work` on a thread; its result, or a failed test at the deadline.
pub fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (done, result) = channel();
    thread::spawn(move || done.send(work()));
    result
}

/// Bytes that do not repeat in step with any buffer.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Asserts equality of long byte strings without printing them.
#[track_caller]
pub fn assert_same(got: &[u8], wanted: &[u8], what: &str) {
    if got == wanted {
        return;
    }
    let at = got.iter().zip(wanted).position(|(a, b)| a != b);
    let at = at.unwrap_or_else(|| got.len().min(wanted.len()));
    panic!("{what}: {} bytes instead of {}, first difference at {at}", got.len(), wanted.len());
}

/// Time since `began`, asserted to be within bounds.
#[track_caller]
pub fn assert_took(began: Instant, least: Duration, most: Duration) {
    let took = began.elapsed();
    assert!(took >= least && took <= most, "took {took:?}, not {least:?} to {most:?}");
}

/// A directory for one test's files and sockets.
pub fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("serve").tempdir_in("/tmp").unwrap()
}
