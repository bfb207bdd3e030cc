//! Transcript files: `-o`, `-x`.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use conn::stage::{Heading, Transcript};
use gate::{Action, Gatekeeper};
use plan::LogSpec;

/// The files of one run, opened once and shared by all sessions.
#[derive(Default)]
pub(crate) struct Logs {
    transcript: Option<Arc<dyn Transcript>>,
}

/// Why a transcript cannot be written.
#[derive(Debug)]
pub(crate) struct LogError {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

impl Logs {
    /// Opens every file the plan names. Called when nothing can refuse the command line any more.
    pub(crate) fn open(gate: &Gatekeeper, specs: &[LogSpec]) -> Result<Self, LogError> {
        let mut files = Vec::new();
        for spec in specs {
            let fail = |reason: String| LogError { path: spec.path.clone(), reason };
            gate.decide(Action::WriteFile(spec.path.clone())).map_err(|no| fail(no.to_string()))?;
            let file = open(&spec.path, spec.append).map_err(|e| fail(crate::talk::words(&e)))?;
            files.push(Log { file, path: spec.path.clone(), hex: spec.hex });
        }
        if files.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self { transcript: Some(Arc::new(Files(Mutex::new(files)))) })
    }

    pub(crate) fn transcript(&self) -> Option<Arc<dyn Transcript>> {
        self.transcript.clone()
    }
}

fn open(path: &Path, append: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true);
    if append {
        options.append(true)
    } else {
        options.write(true).truncate(true)
    };
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o664);
    options.open(path)
}

struct Log {
    file: File,
    path: PathBuf,
    hex: bool,
}

struct Files(Mutex<Vec<Log>>);

impl Transcript for Files {
    fn record(&self, _heading: Heading, data: &[u8]) -> io::Result<()> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for log in files.iter_mut() {
            let written = if log.hex {
                let mut text = Vec::with_capacity(data.len() * 5);
                proto::hexdump::write(data, &mut text);
                log.file.write_all(&text)
            } else {
                log.file.write_all(data)
            };
            written.map_err(|error| {
                let reason = crate::talk::words(&error);
                io::Error::new(error.kind(), Unwritable { path: log.path.clone(), reason })
            })?;
        }
        Ok(())
    }
}

/// What a session fails with when its transcript cannot be written.
#[derive(Debug)]
struct Unwritable {
    path: PathBuf,
    reason: String,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for Unwritable {}

/// Whether a session's failure is that of its transcript, which passes through either direction.
pub(crate) fn is_unwritable(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Unwritable>())
}
