//! Real programs, run so that nothing can hang: input is fed and output collected on threads, every
//! wait has a deadline, and what still runs when the test is over is killed by its handle.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// Where a program's input comes from.
#[derive(Debug, Default)]
pub enum Input {
    /// `/dev/null`.
    #[default]
    Null,
    /// A pipe, held open until [`Process::end_input`].
    Held,
    /// A pipe that gives these bytes and ends.
    Bytes(Vec<u8>),
    /// Any descriptor: a file, a socket, a terminal.
    Fd(OwnedFd),
}

/// A program about to be started. Output and errors are collected unless sent elsewhere.
#[derive(Debug)]
pub struct Program {
    command: Command,
    name: String,
    input: Input,
    output: Option<Stdio>,
}

/// Our `ncat` with these arguments.
pub fn ncat<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Program {
    Program::new(ncat_path()).args(args)
}

/// Our `ncat` behind a shell: `line` is run with `sh -c`, where `"$NCAT"` is the program. For closed
/// descriptors and limits, which only a shell sets easily.
pub fn shell(line: &str) -> Program {
    Program::new("sh").args(["-c", line]).env("NCAT", ncat_path())
}

/// The program under test: `NCAT_BIN`, or the one in the directory this test was built into, which
/// is built now if it is not there.
///
/// # Panics
/// When it cannot be built.
pub fn ncat_path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = std::env::var_os("NCAT_BIN") {
            return std::path::absolute(path).expect("a path");
        }
        let test = std::env::current_exe().expect("a test knows its own path");
        // target/PROFILE/deps/test-HASH
        let profile = test.parent().and_then(Path::parent).expect("tests are built into deps");
        let path = profile.join(format!("ncat{}", std::env::consts::EXE_SUFFIX));
        if !path.exists() {
            build(profile);
        }
        path
    })
}

fn build(profile: &Path) {
    let target = profile.parent().expect("a profile is a directory in the target directory");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "-p", "ncat", "--target-dir"]).arg(target);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    if profile.ends_with("release") {
        command.arg("--release");
    }
    assert!(command.status().expect("cargo runs").success(), "ncat cannot be built");
}

impl Program {
    /// Any program.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let name = Path::new(program).file_name().unwrap_or(program);
        let name = name.to_string_lossy().into_owned();
        Self { command: Command::new(program), name, input: Input::Null, output: None }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        let args: Vec<OsString> = args.into_iter().map(|a| a.as_ref().to_owned()).collect();
        for arg in &args {
            self.name.push(' ');
            self.name.push_str(&arg.to_string_lossy());
        }
        self.command.args(args);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The same program and arguments behind `wrapper`, which ends by running its last arguments.
    ///
    /// # Panics
    /// When the wrapper has no words.
    #[must_use]
    pub fn under<S: AsRef<OsStr>>(mut self, wrapper: impl IntoIterator<Item = S>) -> Self {
        let mut words = wrapper.into_iter();
        let mut command = Command::new(words.next().expect("a wrapper is a program"));
        command.args(words).arg(self.command.get_program()).args(self.command.get_args());
        let set = self.command.get_envs();
        command.envs(set.filter_map(|(name, value)| Some((name, value?))));
        self.command = command;
        self
    }

    /// Where input comes from; `/dev/null` otherwise.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// A pipe with these bytes as input.
    #[must_use]
    pub fn bytes(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input(Input::Bytes(bytes.into()))
    }

    /// A pipe as input, held open.
    #[must_use]
    pub fn held(self) -> Self {
        self.input(Input::Held)
    }

    /// Sends output there instead of collecting it.
    #[must_use]
    pub fn output(mut self, output: impl Into<Stdio>) -> Self {
        self.output = Some(output.into());
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(self) -> Process {
        let Self { mut command, name, input, output } = self;
        let (stdin, bytes) = match input {
            Input::Null => (Stdio::null(), None),
            Input::Held => (Stdio::piped(), None),
            Input::Bytes(bytes) => (Stdio::piped(), Some(bytes)),
            Input::Fd(fd) => (fd.into(), None),
        };
        command.stdin(stdin).stderr(Stdio::piped());
        command.stdout(output.unwrap_or_else(Stdio::piped));
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{name}: {e}"));
        // The command holds our copies of what was handed over; others wait for their end.
        drop(command);
        let mut stdin = child.stdin.take();
        let feeder = bytes.map(|bytes| {
            let mut pipe = stdin.take().expect("it is piped");
            // A program that ends early leaves the rest untaken, which is its business.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)))
        });
        let stdout = child.stdout.take().map(Collector::start);
        let stderr = Collector::start(child.stderr.take().expect("it is piped"));
        Process { child, name, stdin, feeder, stdout, stderr }
    }

    /// Starts it and waits for its end.
    pub fn run(self) -> Finished {
        self.start().finish()
    }
}

/// A running program.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    stdin: Option<ChildStdin>,
    feeder: Option<JoinHandle<()>>,
    stdout: Option<Collector>,
    stderr: Collector,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// Its output, when it was collected.
    pub stdout: Vec<u8>,
    /// Its messages.
    pub stderr: String,
}

impl Finished {
    /// The exit code; `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The first line of its messages.
    pub fn first_line(&self) -> &str {
        self.stderr.lines().next().unwrap_or_default()
    }

    /// Fails unless it ended with `code`, showing what it said.
    ///
    /// # Panics
    /// When it ended otherwise.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{}; it said:\n{}", self.status, self.stderr);
        self
    }
}

impl Process {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its input, which is held open.
    ///
    /// # Panics
    /// When its input is not held or it does not take the bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("its input is held");
        stdin.write_all(bytes).expect("it takes its input");
    }

    /// Its input, while it is held.
    pub fn stdin(&self) -> Option<&ChildStdin> {
        self.stdin.as_ref()
    }

    /// Ends its input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.expect("a process number");
        rustix::process::kill_process(pid, signal).expect("it still runs");
    }

    /// Waits until its messages hold `needle`; the line that does.
    ///
    /// # Panics
    /// When it ends, or [`PATIENCE`] does, before that.
    #[track_caller]
    pub fn wait_message(&self, needle: &str) -> String {
        let found = self.stderr.wait(|bytes, ended| {
            let text = String::from_utf8_lossy(bytes);
            // Only whole lines: the rest of this one may be on its way.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let line = whole.lines().find(|line| line.contains(needle));
            line.map(|line| Some(line.to_owned())).or(ended.then_some(None))
        });
        found.flatten().unwrap_or_else(|| {
            panic!("{} never said {needle:?}, but:\n{}", self.name, self.messages())
        })
    }

    /// What it has said so far.
    pub fn messages(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().bytes).into_owned()
    }

    /// Waits for `Listening on A:P`; needs `-v`. A wildcard is given back as the loopback address.
    ///
    /// # Panics
    /// When it does not say so.
    #[track_caller]
    pub fn listening(&self) -> SocketAddr {
        let line = self.wait_message("Listening on ");
        let at = line.rsplit("Listening on ").next().unwrap_or_default();
        // The reference prints IPv6 addresses without brackets.
        let port = at.rsplit(':').next().unwrap_or_default();
        let port: u16 = port.parse().unwrap_or_else(|_| panic!("no port in {line:?}"));
        let host = &at[..at.len() - port.to_string().len() - 1];
        match host.trim_matches(['[', ']']) {
            "::" => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port)),
            "0.0.0.0" => SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port)),
            host => SocketAddr::new(host.parse().expect("an address"), port),
        }
    }

    /// Waits until at least `n` bytes of output were collected; all of them.
    ///
    /// # Panics
    /// When it ends, or [`PATIENCE`] does, before that.
    #[track_caller]
    pub fn wait_output(&self, n: usize) -> Vec<u8> {
        let stdout = self.stdout.as_ref().expect("its output is collected");
        let found = stdout.wait(|bytes, ended| {
            (bytes.len() >= n || ended).then(|| (bytes.len() >= n).then(|| bytes.to_vec()))
        });
        found.flatten().unwrap_or_else(|| {
            panic!("{} gave less than {n} bytes and said:\n{}", self.name, self.messages())
        })
    }

    /// Waits until its output has ended, be it that it goes on itself.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`].
    #[track_caller]
    pub fn wait_output_end(&self) -> Vec<u8> {
        let stdout = self.stdout.as_ref().expect("its output is collected");
        stdout.wait(|bytes, ended| ended.then(|| bytes.to_vec())).expect("its output ends")
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When the system cannot say.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Whether it still runs after `time`: proves an absence, and is never used to be in step.
    pub fn runs_for(&mut self, time: Duration) -> bool {
        self.wait_until(Instant::now() + time).is_none()
    }

    fn wait_until(&mut self, until: Instant) -> Option<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return Some(status);
            }
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for its end; input that is still held stays so until then.
    ///
    /// # Panics
    /// When it has not ended within [`PATIENCE`]; it is killed then.
    #[track_caller]
    pub fn finish(self) -> Finished {
        self.finish_within(PATIENCE)
    }

    /// As [`Process::finish`], with a time of its own.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn finish_within(mut self, time: Duration) -> Finished {
        let Some(status) = self.wait_until(Instant::now() + time) else {
            let said = self.messages();
            panic!("{} has not ended after {time:?} and said:\n{said}", self.name);
        };
        self.stdin = None;
        if let Some(feeder) = self.feeder.take() {
            drop(feeder.join());
        }
        let all = |bytes: &[u8], ended: bool| ended.then(|| bytes.to_vec());
        // A grandchild may hold the pipes open; then what there is must do.
        let stdout = self.stdout.as_ref().map(|c| c.wait(all)).map(Option::unwrap_or_default);
        let stderr = self.stderr.wait(all).unwrap_or_default();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Finished { status, stdout: stdout.unwrap_or_default(), stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects what a pipe gives, on a thread.
#[derive(Debug)]
struct Collector {
    shared: Arc<(Mutex<Collected>, Condvar)>,
}

#[derive(Debug, Default)]
struct Collected {
    bytes: Vec<u8>,
    ended: bool,
}

impl Collector {
    fn start(mut pipe: impl Read + Send + 'static) -> Self {
        let shared: Arc<(Mutex<Collected>, Condvar)> = Arc::default();
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buf = vec![0; 256 * 1024];
            loop {
                let got = pipe.read(&mut buf).unwrap_or(0);
                let mut collected = of_thread.0.lock().unwrap_or_else(PoisonError::into_inner);
                collected.bytes.extend_from_slice(&buf[..got]);
                collected.ended = got == 0;
                of_thread.1.notify_all();
                if got == 0 {
                    return;
                }
            }
        });
        Self { shared }
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `look` gives something; `None` after [`PATIENCE`].
    fn wait<T>(&self, look: impl Fn(&[u8], bool) -> Option<T>) -> Option<T> {
        let until = Instant::now() + PATIENCE;
        let mut collected = self.lock();
        loop {
            if let Some(found) = look(&collected.bytes, collected.ended) {
                return Some(found);
            }
            let left = until.checked_duration_since(Instant::now())?;
            let waited = self.shared.1.wait_timeout(collected, left);
            collected = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
