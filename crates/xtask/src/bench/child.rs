//! Children of the bench: started, timed to the moment they end, and never left behind.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use sys::child_usage::ChildUsage;

use super::report::Fault;

/// How a child ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) at: Instant,
    pub(crate) status: ExitStatus,
    pub(crate) usage: ChildUsage,
}

impl Finished {
    /// User and system time together, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        (self.usage.user + self.usage.system).as_secs_f64()
    }

    pub(crate) fn resident_mib_max(&self) -> f64 {
        self.usage.resident_kib_max as f64 / 1024.0
    }
}

/// A running child; dropping it kills and reaps it.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// Signals go through this: unlike a number it can never name somebody else's process.
    pidfd: OwnedFd,
    done: Receiver<io::Result<Finished>>,
    finished: Option<Finished>,
    stderr: File,
}

/// Where a child's stdin and stdout go.
#[derive(Debug)]
pub(crate) struct Stdio2 {
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
}

impl Stdio2 {
    pub(crate) fn new(stdin: impl Into<Stdio>, stdout: impl Into<Stdio>) -> Self {
        Self { stdin: stdin.into(), stdout: stdout.into() }
    }

    pub(crate) fn null() -> Self {
        Self::new(Stdio::null(), Stdio::null())
    }
}

impl Child {
    /// Starts `program args`; `stderr_dir` holds its messages until it ends.
    pub(crate) fn start(
        program: &Path,
        args: &[String],
        stdio: Stdio2,
        stderr_dir: &Path,
    ) -> io::Result<Self> {
        let name = format!("{} {}", program.display(), args.join(" "));
        let stderr = scratch_file(stderr_dir)?;
        let mut command = Command::new(program);
        command.args(args).stdin(stdio.stdin).stdout(stdio.stdout).stderr(stderr.try_clone()?);
        #[expect(clippy::disallowed_methods, reason = "the bench starts tools, not endpoints")]
        let pid = command.spawn().map_err(|e| io::Error::other(format!("{name}: {e}")))?.id();
        // Closes our copies of the child's pipe ends, which would hide its end of stream.
        drop(command);
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a child has a pid");
        let pidfd = pidfd_open(number, PidfdFlags::empty())?;
        let (send, done) = channel();
        std::thread::spawn(move || {
            let outcome = sys::child_usage::wait_with_usage(pid).map(|(status, usage)| Finished {
                at: Instant::now(),
                status,
                usage,
            });
            // Nobody listens any more when the bench gave up on this child.
            let _ = send.send(outcome);
        });
        Ok(Self { name, pid, pidfd, done, finished: None, stderr })
    }

    /// Waits until it ends by itself, whatever its exit status.
    pub(crate) fn wait(&mut self, deadline: Instant) -> Result<Finished, Fault> {
        if let Some(finished) = self.finished {
            return Ok(finished);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match self.done.recv_timeout(left) {
            Ok(outcome) => {
                let finished = outcome?;
                self.finished = Some(finished);
                Ok(finished)
            }
            Err(RecvTimeoutError::Timeout) => {
                Err(Fault::Hung(format!("{} never ended", self.name)))
            }
            Err(RecvTimeoutError::Disconnected) => Err(Fault::failed("the waiting thread died")),
        }
    }

    /// As `wait`, but a non-zero exit is a fault too.
    pub(crate) fn success(&mut self, deadline: Instant) -> Result<Finished, Fault> {
        let finished = self.wait(deadline)?;
        if finished.status.success() {
            return Ok(finished);
        }
        Err(Fault::Failed(self.complaint()))
    }

    /// How it ended and what it said, for a fault.
    pub(crate) fn complaint(&mut self) -> String {
        let ended = self.finished.map_or("still running".to_owned(), |f| f.status.to_string());
        format!("{}: {ended}: {}", self.name, self.said())
    }

    /// The first 200 bytes of its stderr.
    pub(crate) fn said(&self) -> String {
        let mut said = Vec::new();
        let _ = (&self.stderr).rewind();
        let _ = (&self.stderr).take(200).read_to_end(&mut said);
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.wait(Instant::now()).is_ok()
    }

    /// Kills it and says what it used until then.
    pub(crate) fn kill(&mut self) -> Result<Finished, Fault> {
        // It may have ended already.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        self.wait(Instant::now() + Duration::from_secs(10))
    }

    /// Asks it to end, and kills it when it has not after `limit`.
    pub(crate) fn end(&mut self, limit: Duration) {
        if self.finished.is_none() {
            let _ = pidfd_send_signal(&self.pidfd, Signal::TERM);
            if self.wait(Instant::now() + limit).is_err() {
                let _ = self.kill();
            }
        }
    }

    /// Kills the child after `limit` unless the returned guard is dropped before, so that a
    /// blocking read from its pipe ends too.
    pub(crate) fn watchdog(&self, limit: Duration) -> io::Result<Watchdog> {
        let pidfd = self.pidfd.try_clone()?;
        let (guard, cancelled) = channel::<()>();
        std::thread::spawn(move || {
            if cancelled.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                let _ = pidfd_send_signal(&pidfd, Signal::KILL);
            }
        });
        Ok(Watchdog { _guard: guard })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.finished.is_none() {
            let _ = self.kill();
        }
    }
}

/// Runs `start` with the calling thread bound to one processor, which children inherit. Where a
/// burst must not be lost to a neighbour's time slice, each end gets a processor of its own. On a
/// machine with one processor nothing is bound.
pub(crate) fn on_processor<T>(processor: usize, start: impl FnOnce() -> T) -> io::Result<T> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let before = sched_getaffinity(None)?;
    let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&cpu| before.is_set(cpu)).collect();
    if allowed.len() < 2 {
        return Ok(start());
    }
    let mut one = CpuSet::new();
    one.set(allowed[processor % allowed.len()]);
    sched_setaffinity(None, &one)?;
    let started = start();
    sched_setaffinity(None, &before)?;
    Ok(started)
}

/// See [`Child::watchdog`].
#[derive(Debug)]
pub(crate) struct Watchdog {
    _guard: std::sync::mpsc::Sender<()>,
}

/// A file without a name: gone with its last descriptor, even when the bench is killed.
pub(crate) fn scratch_file(dir: &Path) -> io::Result<File> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = dir.join(format!("ncat-bench-{}-{number}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        let args = ["-c".to_owned(), script.to_owned()];
        Child::start(Path::new("/bin/sh"), &args, Stdio2::null(), &std::env::temp_dir()).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn an_exit_status_and_its_message_are_reported() {
        let mut child = shell("echo broken >&2; exit 3");
        let Err(Fault::Failed(why)) = child.success(soon()) else { panic!("must fail") };
        assert!(why.contains("exit status: 3") && why.ends_with("broken"), "{why}");
    }

    #[test]
    fn a_hanging_child_is_a_fault_and_is_killed() {
        let mut child = shell("exec sleep 1000");
        let early = child.wait(Instant::now() + Duration::from_millis(20));
        assert!(matches!(early, Err(Fault::Hung(_))));
        assert!(!child.kill().unwrap().status.success());
    }

    #[test]
    fn the_watchdog_kills() {
        let mut child = shell("exec sleep 1000");
        let _dog = child.watchdog(Duration::from_millis(20)).unwrap();
        assert!(!child.wait(soon()).unwrap().status.success());
    }
}
