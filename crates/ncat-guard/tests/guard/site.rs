//! An installation in a temporary directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub(crate) struct Place {
    dir: tempfile::TempDir,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The command must have ended so.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Standard output must have this in it.
    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Self {
        assert!(self.out.contains(part), "{part:?} in {self:?}");
        self
    }

    /// Standard error must have this in it.
    #[track_caller]
    pub(crate) fn complains(self, part: &str) -> Self {
        assert!(self.err.contains(part), "{part:?} in {self:?}");
        self
    }

    /// The one document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Place {
    /// Nothing in it yet.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// After `init`.
    pub(crate) fn ready() -> Self {
        let place = Self::empty();
        place.run(&["init", "--state", place.path("state").to_str().unwrap()]).code(0);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Where the log's files are.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path("state/log").join(name)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, &[])
    }

    /// As another user: through what sudo tells root.
    pub(crate) fn run_as(&self, uid: &str, args: &[&str]) -> Ended {
        self.run_with(args, &[("SUDO_UID", uid)])
    }

    pub(crate) fn run_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ncat-guard"));
        command.env_clear().envs(environment.iter().copied());
        command.arg("--config").arg(self.path("etc/config.yaml")).args(args);
        let output = command.output().unwrap();
        Ended {
            code: output.status.code().expect("no signal"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Adds to the configuration in a file of its own.
    pub(crate) fn configure(&self, yaml: &str) {
        self.write("etc/conf.d/50-test.yaml", yaml);
    }

    /// Types of all events, in the order of the log.
    pub(crate) fn events(&self) -> Vec<String> {
        let ended = self.run(&["--json", "audit", "tail", "-n", "1000"]).code(0);
        let kind = |line: &str| {
            let event: Value = serde_json::from_str(line).unwrap();
            event["leaf"]["type"].as_str().unwrap().to_owned()
        };
        ended.out.lines().map(kind).collect()
    }
}

/// Whether we can be two people, which takes root.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: approving what another asked for takes root, who can be two people");
    }
    root
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
