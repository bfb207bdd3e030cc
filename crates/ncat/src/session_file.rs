//! `--ssl-session FILE`: the session of the last run with the same server.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gate::{Action, Gatekeeper};
use tls::Resumption;

use crate::talk::{Talk, words};

/// Reads what was kept, and keeps what comes. That there is nothing yet is no error, and that
/// nothing can be kept is told and does not end a session that works.
///
/// # Errors
/// A line, when the file may not be written or is there and cannot be read.
pub(crate) fn open(path: &Path, gate: &Gatekeeper, talk: &Talk) -> Result<Resumption, String> {
    let shown = path.display();
    gate.decide(Action::WriteFile(path.to_owned()))
        .map_err(|no| format!("can't open {shown} for writing: {no}"))?;
    let kept = match std::fs::read(path) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("--ssl-session {shown}: {}", words(&error))),
    };
    let (path, talk) = (path.to_owned(), talk.clone());
    let keep = move |text: &str| {
        if let Err(error) = replace(&path, text) {
            let why = words(&error);
            talk.verbose(|| format!("The session is not kept in {}: {why}.", path.display()));
        }
    };
    Ok(Resumption { kept, keep: Box::new(keep) })
}

/// All or nothing: two runs at once must not mix theirs. Whoever can read it can go on with the
/// session, so nobody else can.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside: PathBuf = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}
