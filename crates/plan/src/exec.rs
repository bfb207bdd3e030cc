//! A command to run for each connection: `-e`, `-c` and what goes with them.

mod words;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

pub use words::split;

use crate::RawLua;

/// The shell of `-c`.
pub const SHELL: &str = "/bin/sh";

/// What the options about commands said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawExec {
    /// `-e`, each time it was given.
    pub exec: Vec<OsString>,
    /// `-c`, each time it was given.
    pub sh_exec: Vec<OsString>,
    /// `--exec-exit`.
    pub exit: bool,
    /// `--exec-timeout`.
    pub timeout: Option<Duration>,
    /// `--exec-limit`.
    pub limits: ExecLimits,
    /// `--pty`.
    pub pty: bool,
    /// `--exec-handover`.
    pub handover: bool,
}

impl RawExec {
    /// How often a command was given.
    pub fn commands(&self) -> usize {
        self.exec.len() + self.sh_exec.len()
    }

    /// An option about the command that was given.
    pub fn modifier(&self) -> Option<&'static str> {
        let given = [
            (self.exit, "--exec-exit"),
            (self.timeout.is_some(), "--exec-timeout"),
            (self.limits != ExecLimits::default(), "--exec-limit"),
            (self.pty, "--pty"),
            (self.handover, "--exec-handover"),
        ];
        given.into_iter().find_map(|(given, name)| given.then_some(name))
    }

    /// The command's words; `None` without one, or when it is empty.
    fn args(&self) -> Option<Vec<OsString>> {
        if let Some(line) = self.sh_exec.first() {
            return Some(vec!["sh".into(), "-c".into(), line.clone()]);
        }
        let args = split(self.exec.first()?);
        args.first().is_some_and(|name| !name.is_empty()).then_some(args)
    }

    /// Whether a command was given that names no program.
    pub(crate) fn is_empty_command(&self) -> bool {
        self.commands() > 0 && self.args().is_none()
    }

    /// The command as part of a plan.
    pub(crate) fn spec(&self, lua: &RawLua) -> Option<ExecSpec> {
        let script = lua.exec.first().cloned();
        let args = lua.words().or_else(|| self.args())?;
        let path = match &script {
            Some(script) => script.into(),
            None if self.sh_exec.is_empty() => args[0].clone(),
            None => SHELL.into(),
        };
        Some(ExecSpec {
            path,
            args,
            script,
            exit: self.exit,
            timeout: self.timeout,
            limits: self.limits,
            pty: self.pty,
            handover: self.handover,
        })
    }
}

/// A command that is joined with each connection in the place of standard input and output.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecSpec {
    /// The program. No search: a path with or without `/` starts at the current directory.
    pub path: OsString,
    /// Its arguments, its name first.
    pub args: Vec<OsString>,
    /// The program is a Lua script, run by ourselves.
    pub script: Option<PathBuf>,
    /// Its exit status becomes ours.
    pub exit: bool,
    /// It is stopped after this time.
    pub timeout: Option<Duration>,
    /// What it may use.
    pub limits: ExecLimits,
    /// It gets a terminal of its own.
    pub pty: bool,
    /// It gets the socket itself.
    pub handover: bool,
}

/// What a command may use; `None` is no limit of ours.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ExecLimits {
    /// Bytes of address space.
    pub memory: Option<u64>,
    /// Processor time.
    pub cpu: Option<Duration>,
    /// Open descriptors.
    pub files: Option<u64>,
}

/// A command for people: words as they were, those with blanks in quotes.
pub fn shown(args: &[OsString]) -> String {
    let word = |arg: &OsString| {
        let text = OsStr::to_string_lossy(arg);
        let is_plain = !text.is_empty() && !text.contains([' ', '\t', '\n', '"', '\\', '\'']);
        if is_plain { text.into_owned() } else { format!("{text:?}") }
    };
    args.iter().map(word).collect::<Vec<_>>().join(" ")
}
