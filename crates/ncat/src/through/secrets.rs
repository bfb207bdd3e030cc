//! User names and passwords from where the plan says they are.

use plan::ProxyAuth;
use proto::secret::Credentials;

use super::Failure;
use crate::talk::words;

/// The largest file that is taken for one with passwords, in bytes.
const FILE_MAX: u64 = 64 * 1024;

/// The credentials for one proxy.
pub(crate) fn credentials(auth: &ProxyAuth) -> Result<Option<Credentials>, Failure> {
    match auth {
        ProxyAuth::None => Ok(None),
        ProxyAuth::Given(secret) => Ok(Some(Credentials::new(secret.reveal().as_bytes()))),
        ProxyAuth::File(path, line) => {
            let text = read(path)?;
            let mut lines = text.split(|byte| *byte == b'\n');
            let line = lines.nth(*line).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            Ok((!line.is_empty()).then(|| Credentials::new(line)))
        }
    }
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let fail = |reason: String| Failure::File { path: path.display().to_string(), reason };
    let file = std::fs::File::open(path).map_err(|error| fail(words(&error)))?;
    let mut text = Vec::new();
    let read = file.take(FILE_MAX + 1).read_to_end(&mut text);
    read.map_err(|error| fail(words(&error)))?;
    if text.len() as u64 > FILE_MAX {
        return Err(fail(format!("more than {FILE_MAX} bytes")));
    }
    Ok(text)
}
