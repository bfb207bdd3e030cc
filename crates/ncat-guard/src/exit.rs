//! How a command ends.

use std::fmt::Display;
use std::process::ExitCode;

/// Exit codes; the table is in docs/guide/guard.md.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    /// Done, and what was expected holds.
    Done = 0,
    /// Done, and what was expected does not hold.
    Unmet = 1,
    /// Usage or configuration.
    Usage = 2,
    /// Denied by policy.
    Denied = 3,
    /// The record could not be made; nothing was done.
    Unrecorded = 6,
    /// Verification failed.
    Tampered = 8,
    /// Something asked for was not checked.
    Incomplete = 9,
    /// A mistake of this program.
    Internal = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What failed, with its subject.
    pub(crate) what: String,
    /// More lines: causes, what to try.
    pub(crate) lines: Vec<String>,
}

pub(crate) type Done<T = Exit> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), lines: Vec::new() }
    }

    /// Usage or configuration.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// With one more line.
    pub(crate) fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// With a line that says what to try.
    pub(crate) fn hint(self, hint: impl Display) -> Self {
        self.line(format!("hint: {hint}"))
    }

    /// A file of ours, and what the system said.
    pub(crate) fn file(path: &std::path::Path, error: impl Display) -> Self {
        Self::usage(format!("{}: {error}", path.display()))
    }
}

impl From<audit::Error> for Failure {
    fn from(error: audit::Error) -> Self {
        use audit::Error;
        let exit = match error {
            Error::Damaged { .. }
            | Error::Format { .. }
            | Error::Rollback { .. }
            | Error::Signature(_) => Exit::Tampered,
            Error::Missing(_) => Exit::Usage,
            _ => Exit::Unrecorded,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(Exit::Unrecorded, format!("database: {error}"))
    }
}
