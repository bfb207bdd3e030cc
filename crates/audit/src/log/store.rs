//! Where a log's files are, and how they are read.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::tile::{self, Kind, Tile};
use crate::tree::HashTiles;
use crate::{Error, Hash, Result};

/// The newest checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// The directory of stable checkpoints, each named by its size.
pub(crate) const STABLE: &str = "checkpoints";
/// The keys, for whoever trusts the directory.
pub(crate) const KEYS: &str = "keys.txt";
/// Where a file is written before it is moved to its place.
pub(crate) const DRAFT: &str = "new";
/// In an export of a part: the first leaf and the one after the last.
pub(crate) const RANGE: &str = "range";

/// A log's directory, read only.
#[derive(Clone, Copy)]
pub(crate) struct Store<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) dir: &'a Path,
}

impl Store<'_> {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A file, or `None` if it is not there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(name);
        match self.disk.read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(&path)(error)),
        }
    }

    /// A tile's file: that of its width, or the full one that has replaced it, with the tile it is.
    pub(crate) fn tile(&self, tile: Tile) -> Result<Option<(Tile, Vec<u8>)>> {
        for tile in [tile, tile.full()] {
            if let Some(bytes) = self.read(&tile.path())? {
                return Ok(Some((tile, bytes)));
            }
        }
        Ok(None)
    }

    /// Names in a directory; none if it is not there.
    pub(crate) fn list(&self, dir: &str) -> Result<Vec<String>> {
        let path = self.path(dir);
        match self.disk.list(&path) {
            Ok(names) => Ok(names),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::io(&path)(error)),
        }
    }

    /// Every file below a directory, with the names below the log's own.
    pub(crate) fn walk(&self, dir: &str, each: &mut impl FnMut(String)) -> Result<()> {
        for name in self.list(dir)? {
            match name.strip_suffix('/') {
                Some(below) => self.walk(&format!("{dir}/{below}"), each)?,
                None => each(format!("{dir}/{name}")),
            }
        }
        Ok(())
    }

    /// Sizes of the stable checkpoints, ascending, and names that are none.
    pub(crate) fn stable(&self) -> Result<(Vec<u64>, Vec<String>)> {
        let (mut sizes, mut others) = (Vec::new(), Vec::new());
        for name in self.list(STABLE)? {
            match name.parse::<u64>().ok().filter(|size| size.to_string() == name) {
                Some(size) => sizes.push(size),
                None => others.push(name),
            }
        }
        sizes.sort_unstable();
        Ok((sizes, others))
    }
}

impl HashTiles for Store<'_> {
    fn hashes(&self, wanted: Tile) -> Result<Vec<Hash>> {
        let found = self.tile(wanted)?;
        let (tile, bytes) = found.ok_or_else(|| Error::Missing(format!("{wanted} is missing")))?;
        let mut hashes = tile::hashes(&tile, &bytes)?;
        hashes.truncate(wanted.width.into());
        Ok(hashes)
    }
}

/// The bundle that has this leaf.
pub(crate) fn bundle_of(kind: Kind, index: u64, size: u64) -> Result<Tile> {
    let tile = Tile::of(kind, index / 256, size).filter(|_| index < size);
    tile.ok_or_else(|| Error::Missing(format!("leaf {index} is not among {size}")))
}
