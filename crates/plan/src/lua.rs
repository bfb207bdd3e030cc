//! Lua: `--lua-exec` and `-L`.

use std::ffi::OsString;
use std::path::PathBuf;

/// The descriptor in which a program of `--lua-exec` finds its script.
pub const SCRIPT_DESCRIPTOR: u32 = 3;

/// What the options about Lua said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawLua {
    /// `--lua-exec`, each time it was given.
    pub exec: Vec<PathBuf>,
    /// `--lua-exec-internal`: be the program that runs this script.
    pub internal: Option<PathBuf>,
}

impl RawLua {
    /// The words with which we are started again to run the script: its name, and where its text is.
    pub(crate) fn words(&self) -> Option<Vec<OsString>> {
        let script = self.exec.first()?;
        Some(vec![
            "ncat".into(),
            "--lua-exec-internal".into(),
            script.into(),
            SCRIPT_DESCRIPTOR.to_string().into(),
        ])
    }
}
