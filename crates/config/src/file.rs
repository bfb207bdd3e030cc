//! Files that are believed: who owns them and who may write them is looked at first.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::yaml::BYTES_MAX;

/// Secrets are at most this long, in bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Why a file is not believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Distrust {
    /// It belongs to this user, who is neither root nor us.
    Owner(u32),
    /// Group or others may write it: these mode bits.
    Writable(u32),
    /// Group or others may read a secret: these mode bits.
    Readable(u32),
    /// Not an ordinary file.
    Kind,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(uid) => {
                write!(f, "belongs to user {uid}; must be root's or this user's")
            }
            Self::Writable(mode) => {
                write!(f, "has mode {mode:04o}: others may write it; chmod go-w")
            }
            Self::Readable(mode) => {
                write!(f, "has mode {mode:04o}: others may read the secret; chmod go=")
            }
            Self::Kind => f.write_str("is not an ordinary file"),
        }
    }
}

/// Whether an open file is root's or this user's own and nobody else may write it. `secret`: nor read it.
///
/// # Errors
/// Why not.
#[cfg(unix)]
pub fn trusted(file: &File, secret: bool) -> io::Result<Result<(), Distrust>> {
    use std::os::unix::fs::MetadataExt as _;
    let about = file.metadata()?;
    let mode = about.mode() & 0o7777;
    let us = rustix::process::geteuid().as_raw();
    Ok(match about.uid() {
        _ if !about.is_file() => Err(Distrust::Kind),
        uid if uid != 0 && uid != us => Err(Distrust::Owner(uid)),
        _ if mode & 0o022 != 0 => Err(Distrust::Writable(mode)),
        _ if secret && mode & 0o044 != 0 => Err(Distrust::Readable(mode)),
        _ => Ok(()),
    })
}

/// Other systems have no modes to look at.
#[cfg(not(unix))]
pub fn trusted(file: &File, _secret: bool) -> io::Result<Result<(), Distrust>> {
    let plain = file.metadata()?.is_file();
    Ok(if plain { Ok(()) } else { Err(Distrust::Kind) })
}

/// Why a file of the configuration could not be read.
pub(crate) enum Failure {
    Absent,
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("not there"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Absent,
            _ => Self::Other(error.to_string()),
        }
    }
}

/// A file of the configuration, whole.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    text(path, BYTES_MAX as u64, false)
}

fn text(path: &Path, bytes_max: u64, secret: bool) -> Result<String, Failure> {
    let file = File::open(path)?;
    if let Err(distrust) = trusted(&file, secret)? {
        return Err(Failure::Other(distrust.to_string()));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(Failure::Other(format!("longer than {bytes_max} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Failure::Other("not UTF-8".into()))
}

/// The secret in a file, less the line end after it.
///
/// # Errors
/// Why not, in words; never any of the secret.
pub fn secret(path: &Path) -> Result<String, String> {
    let text = text(path, SECRET_BYTES_MAX, true).map_err(|failure| failure.to_string())?;
    let secret = text.trim_end_matches(['\r', '\n']);
    match secret.is_empty() {
        true => Err("is empty".into()),
        false => Ok(secret.to_owned()),
    }
}
