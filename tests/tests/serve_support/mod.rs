//! What the `serve_*` tests share beyond the test kit: words for waiting, and wrappers.

#![allow(dead_code, unused_imports, reason = "each test file uses a part of this")]
#![allow(unreachable_pub, reason = "a module shared by test files")]

pub mod lab;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
pub use testkit::PATIENCE;
pub use testkit::eventually;
pub use testkit::peer::Peer;
pub use testkit::process::{Finished, Input, Process, Program, ncat, ncat_path};

/// Short words for what these tests do all the time.
pub trait Watch {
    /// Waits until it has said `text`; all it has said.
    fn said(&self, text: &str) -> String;
    /// Waits until it has said `text` this many times; more is a failure.
    fn said_times(&self, text: &str, times: usize);
    /// Waits until its output contains `text`.
    fn printed(&self, text: &str);
    /// Its output so far.
    fn output(&self) -> String;
    /// The port it says it listens on.
    fn port(&self) -> u16;
    /// Its input, for a thread that feeds it; ends with what is returned.
    fn take_stdin(&mut self) -> File;
    /// Ends its input and waits for its end.
    fn wait(self) -> Finished;
    /// Stops it with SIGTERM and waits for its end.
    fn stop(self) -> Finished;
}

impl Watch for Process {
    #[track_caller]
    fn said(&self, text: &str) -> String {
        let wanted = text.trim_end_matches('\n');
        let is_whole = wanted.len() < text.len();
        self.wait_message(wanted);
        let all = self.messages();
        assert!(!is_whole || all.contains(text), "no {text:?} in:\n{all}");
        all
    }

    #[track_caller]
    fn said_times(&self, text: &str, times: usize) {
        let count = eventually(&format!("{times} times {text:?}"), || {
            let count = self.messages().matches(text).count();
            (count >= times).then_some(count)
        });
        assert_eq!(count, times, "{text:?} in:\n{}", self.messages());
    }

    #[track_caller]
    fn printed(&self, text: &str) {
        self.wait_output(text.len());
        eventually(&format!("{text:?}; it said:\n{}", self.messages()), || {
            self.output().contains(text).then_some(())
        });
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&self.wait_output(0)).into_owned()
    }

    #[track_caller]
    fn port(&self) -> u16 {
        self.listening().port()
    }

    fn take_stdin(&mut self) -> File {
        let copy = self.stdin().unwrap().as_fd().try_clone_to_owned().unwrap();
        self.end_input();
        copy.into()
    }

    #[track_caller]
    fn wait(mut self) -> Finished {
        self.end_input();
        self.finish()
    }

    #[track_caller]
    fn stop(self) -> Finished {
        self.signal(Signal::TERM);
        self.finish()
    }
}

/// What a program that has ended told.
pub trait Told {
    /// Its output as text.
    fn text(&self) -> String;
}

impl Told for Finished {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// A file as input.
pub fn file(path: &Path) -> Input {
    Input::Fd(File::open(path).unwrap().into())
}

/// A peer program with these arguments, when it is installed.
pub fn peer<S: AsRef<OsStr>>(which: Peer, args: impl IntoIterator<Item = S>) -> Option<Program> {
    Some(which.find()?.args(args))
}

/// The UDP port a program has bound, whatever it says about it.
pub fn udp_port(process: &Process) -> u16 {
    eventually("a bound UDP port", || testkit::procfs::udp_ports(process.pid()).first().copied())
}

/// Bytes that do not repeat in step with any buffer.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    testkit::data::bytes(seed, len)
}

/// Asserts equality of long byte strings without printing them.
#[track_caller]
pub fn assert_same(got: &[u8], wanted: &[u8], what: &str) {
    testkit::data::assert_same(what, got, wanted);
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
    rustix::process::geteuid().is_root()
}

/// Runs `work` on a thread; its result arrives there.
pub fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (done, result) = channel();
    thread::spawn(move || done.send(work()));
    result
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
