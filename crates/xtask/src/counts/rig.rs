//! One run of the program under callgrind.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use super::workloads::Workload;

/// A workload under valgrind takes a second or two.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program, counted.
pub(super) struct Rig<'a> {
    program: &'a Path,
    /// Empty, and removed afterwards.
    pub(super) dir: std::path::PathBuf,
}

/// A program that runs under callgrind.
pub(super) struct Counted {
    pub(super) child: Child,
    errors: Option<BufReader<ChildStderr>>,
}

/// The instructions of one workload.
pub(super) fn count(program: &Path, workload: &Workload) -> io::Result<u64> {
    let dir = std::env::temp_dir().join(format!("counts-{}-{}", std::process::id(), workload.name));
    std::fs::create_dir_all(&dir)?;
    let counted = (workload.run)(&Rig { program, dir: dir.clone() });
    std::fs::remove_dir_all(&dir)?;
    counted
}

impl Rig<'_> {
    /// Starts the program; its standard streams are pipes.
    pub(super) fn start(&self, args: &[&str]) -> io::Result<Counted> {
        self.start_with(args, Stdio::piped(), Stdio::piped())
    }

    pub(super) fn start_with(
        &self,
        args: &[&str],
        stdin: Stdio,
        stdout: Stdio,
    ) -> io::Result<Counted> {
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(self.program)
            .args(args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .current_dir(&self.dir)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::piped());
        #[expect(clippy::disallowed_methods, reason = "a tool for developers, not the product")]
        let mut child = command.spawn()?;
        let errors = child.stderr.take().map(BufReader::new);
        Ok(Counted { child, errors })
    }
}

impl Counted {
    /// The port of a listener, as it prints it with `-v`.
    pub(super) fn port(&mut self) -> io::Result<u16> {
        let errors = self.errors.as_mut().ok_or_else(|| io::Error::other("no standard error"))?;
        let mut line = String::new();
        while errors.read_line(&mut line)? > 0 {
            let port = line.trim_end().rsplit(':').next().and_then(|port| port.parse().ok());
            if let (true, Some(port)) = (line.starts_with("Ncat: Listening on"), port) {
                return Ok(port);
            }
            line.clear();
        }
        Err(io::Error::other("it ended before it listened"))
    }

    /// Asks a listener to end.
    pub(super) fn terminate(&self) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("no process"))?;
        Ok(rustix::process::kill_process(pid, rustix::process::Signal::TERM)?)
    }

    /// Waits for the end, and tells the count.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        drop(self.child.stdin.take());
        let errors = self.errors.take();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            errors.map(|mut errors| errors.read_to_string(&mut text)).transpose().map(|_| text)
        });
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                return Err(io::Error::other("it did not end"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = reader.join().map_err(|_| io::Error::other("no standard error"))??;
        text.lines()
            .find_map(|line| line.split_once("Collected : "))
            .and_then(|(_, count)| count.trim().parse().ok())
            .ok_or_else(|| io::Error::other(format!("callgrind told no count:\n{text}")))
    }
}
