//! What can go wrong, and with what.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of the log, the journal or of something read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read, written or made durable.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Bytes are not in the format they should be in.
    #[error("{what}: {why}")]
    Format {
        /// What was read: a leaf, a note, a tile, with its place.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another process has the journal or the log open.
    #[error("{}: in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A segment of the journal is damaged where records had been acknowledged; nothing was cut.
    #[error("{}: damaged at byte {offset}, record {seq}, which had been acknowledged", segment.display())]
    Damaged {
        /// The segment.
        segment: PathBuf,
        /// Where the damage begins, in bytes.
        offset: u64,
        /// The first record concerned.
        seq: u64,
    },
    /// The journal takes no records any more; it has to be opened anew.
    #[error("the journal is closed to writing since: {why}")]
    Poisoned {
        /// The failure that closed it.
        why: String,
    },
    /// The log is older than, or another one than, a checkpoint that was kept outside.
    #[error("LOG_ROLLBACK: {why}")]
    Rollback {
        /// Which sizes and roots disagree.
        why: String,
    },
    /// A signature is missing, wrong, or by a key that is not valid there.
    #[error("signature: {0}")]
    Signature(String),
    /// What is asked for is not in the log, or not any more.
    #[error("{0}")]
    Missing(String),
    /// The request itself is against a rule of the log.
    #[error("refused: {0}")]
    Refused(String),
}

/// What most functions here return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |cause| Self::Io { path: path.to_owned(), cause }
    }

    pub(crate) fn format(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Format { what: what.into(), why: why.into() }
    }
}
