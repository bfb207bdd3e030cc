//! Who may connect: `--allow`, `--deny` and their files.

use std::path::PathBuf;

/// What the command line said about access, unread and unresolved.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccessSpec {
    /// `--allow` values; `None` when neither `--allow` nor `--allowfile` was given.
    pub allow: Option<Vec<String>>,
    /// `--deny` values.
    pub deny: Vec<String>,
    /// `--allowfile` paths.
    pub allow_files: Vec<PathBuf>,
    /// `--denyfile` paths.
    pub deny_files: Vec<PathBuf>,
}
