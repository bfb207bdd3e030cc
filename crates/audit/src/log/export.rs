//! A copy to give away: everything that offline verification needs, and nothing else.

use std::ops::Range;
use std::path::Path;

use super::Log;
use super::store::{CHECKPOINT, DRAFT, RANGE, STABLE};
use crate::disk::replace_from;
use crate::tile::{Kind, LEVELS, Tile};
use crate::{Error, Result};

impl Log {
    /// Copies the log into an empty directory: checkpoints, all hash tiles, and the entries and payloads of
    /// the bundles that have leaves of `range`. Returns the number of files. The key file is not in it: it
    /// must come to the auditor by another way.
    ///
    /// # Errors
    /// `Refused` if the directory is not empty or the log has no such range; `Io`.
    pub fn export(&self, range: Range<u64>, to: &Path) -> Result<u64> {
        let size = self.checkpoint.size;
        if range.start > range.end || range.end > size {
            return Err(Error::Refused(format!("the log has leaves 0 to {size}")));
        }
        self.disk.create_dir(to).map_err(Error::io(to))?;
        if !self.disk.list(to).map_err(Error::io(to))?.is_empty() {
            return Err(Error::Refused(format!("{}: not empty", to.display())));
        }
        let mut names = vec![CHECKPOINT.to_owned()];
        names.extend(self.store().stable()?.0.iter().map(|size| format!("{STABLE}/{size}")));
        let hashes = (0..LEVELS).flat_map(|level| Tile::all(Kind::Hashes(level), size));
        names.extend(hashes.map(|tile| tile.path()));
        for kind in [Kind::Entries, Kind::Payload] {
            let inside = |tile: &Tile| tile.n * 256 < range.end && range.start < (tile.n + 1) * 256;
            names.extend(Tile::all(kind, size).filter(inside).map(|tile| tile.path()));
        }
        let mut count = 0;
        for name in names {
            // What is not there was pruned; the verifier asks for the record of that.
            let Some(bytes) = self.store().read(&name)? else { continue };
            self.copy(to, &name, &bytes)?;
            count += 1;
        }
        if range != (0..size) {
            self.copy(to, RANGE, format!("{}..{}\n", range.start, range.end).as_bytes())?;
            count += 1;
        }
        Ok(count)
    }

    fn copy(&self, to: &Path, name: &str, bytes: &[u8]) -> Result<()> {
        let path = to.join(name);
        let dir = path.parent().unwrap_or(to);
        self.disk.create_dir(dir).map_err(Error::io(dir))?;
        replace_from(&*self.disk, &to.join(DRAFT), &path, bytes).map_err(Error::io(&path))
    }
}
