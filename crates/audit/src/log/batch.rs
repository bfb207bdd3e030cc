//! Writing a batch: tiles and bundles first, then the checkpoint.

use std::collections::BTreeSet;

use super::store::{Store, bundle_of};
use super::{BATCH_MAX, Log};
use crate::checkpoint::Checkpoint;
use crate::event::Entry;
use crate::tile::{self, Kind, LEVELS, Slot, Tile};
use crate::{Error, Hash, Result};

const BUNDLES: [Kind; 2] = [Kind::Entries, Kind::Payload];
/// Bundles that a batch can fill, with the one it began in.
const BUNDLES_MAX: u64 = BATCH_MAX as u64 / 256 + 1;

impl Log {
    pub(super) fn write_batch(&mut self, entries: &[Entry]) -> Result<u64> {
        if self.failed {
            let why = "a write failed; open the log anew".to_owned();
            return Err(Error::Poisoned { why });
        }
        if entries.is_empty() || entries.len() > BATCH_MAX {
            return Err(Error::Refused(format!("a batch has 1 to {BATCH_MAX} records")));
        }
        for entry in entries {
            let leaf = entry.check()?;
            if leaf.log != self.origin() {
                return Err(Error::Refused(format!("a record for the log {:?}", leaf.log)));
            }
        }
        let first = self.checkpoint.size;
        let result = self.write_checked(entries);
        self.failed = result.is_err();
        result.map(|()| first)
    }

    fn write_checked(&mut self, entries: &[Entry]) -> Result<()> {
        let old = self.checkpoint.size;
        let mut edge = self.edge.clone();
        let mut bundles = self.bundles.clone();
        let mut files: Vec<(Tile, Vec<u8>)> = Vec::new();
        for entry in entries {
            tile::push_entry(&mut bundles[0], &entry.leaf);
            let slot = match &entry.payload {
                Some(payload) => Slot::Kept { salt: &payload.salt, payload: &payload.json },
                // Erased at the source already, if the leaf has one.
                None if entry.check()?.payload.is_some() => Slot::Erased,
                None => Slot::None,
            };
            tile::push_slot(&mut bundles[1], &slot);
            edge.push(Hash::leaf(&entry.leaf), |tile, hashes| {
                files.push((tile, bytes_of(&hashes)))
            });
            if edge.size().is_multiple_of(256) {
                let n = edge.size() / 256 - 1;
                for (kind, bundle) in BUNDLES.into_iter().zip(&mut bundles) {
                    files.push((Tile { kind, n, width: 256 }, std::mem::take(bundle)));
                }
            }
        }
        files.extend(edge.partial().map(|(tile, hashes)| (tile, bytes_of(hashes))));
        if !edge.size().is_multiple_of(256) {
            for (kind, bundle) in BUNDLES.into_iter().zip(&bundles) {
                files.push((bundle_of(kind, edge.size() - 1, edge.size())?, bundle.clone()));
            }
        }
        self.put_tiles(&files)?;
        let (size, root) = (edge.size(), edge.root());
        self.checkpoint = Checkpoint { origin: self.origin().to_owned(), size, root };
        self.note = self.checkpoint.sign(&self.signer)?.encode();
        (self.edge, self.bundles) = (edge, bundles);
        self.publish()?;
        self.remove_outgrown(old, &files)
    }

    fn put_tiles(&self, files: &[(Tile, Vec<u8>)]) -> Result<()> {
        let mut dirs = BTreeSet::new();
        for (tile, bytes) in files {
            let path = self.dir.join(tile.path());
            let dir = path.parent().unwrap_or(&self.dir);
            if !dirs.contains(dir) {
                self.disk.create_dir(dir).map_err(Error::io(dir))?;
            }
            // All directories up to ours: any of them may be new.
            let above = dir.ancestors().take_while(|above| *above != self.dir);
            dirs.extend(above.map(ToOwned::to_owned));
            self.replace(&path, bytes)?;
        }
        dirs.insert(self.dir.clone());
        self.sync_dirs(&dirs)
    }

    /// Partial tiles of tiles that are full now may go; of payloads only one copy may be, since it must be
    /// possible to erase it.
    fn remove_outgrown(&self, old: u64, files: &[(Tile, Vec<u8>)]) -> Result<()> {
        for (tile, _) in files.iter().filter(|(tile, _)| tile.is_full()) {
            self.remove_partial(tile)?;
        }
        if !old.is_multiple_of(256) && old / 256 == self.checkpoint.size / 256 {
            self.remove(&bundle_of(Kind::Payload, old - 1, old)?.path())?;
        }
        Ok(())
    }

    fn remove_partial(&self, full: &Tile) -> Result<()> {
        let dir = format!("{}.p", full.path());
        let mut names = self.store().list(&dir)?.into_iter();
        names.try_for_each(|name| self.remove(&format!("{dir}/{name}")))
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let path = self.dir.join(name);
        match self.disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(&path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes what a crash left beyond the checkpoint: nobody signed it.
    pub(super) fn remove_debris(&self) -> Result<()> {
        let size = self.checkpoint.size;
        let kinds = (0..LEVELS).map(Kind::Hashes).chain(BUNDLES);
        for kind in kinds {
            let level = if let Kind::Hashes(level) = kind { u32::from(level) } else { 0 };
            let edge = (size >> (8 * level)) / 256;
            // Partial tiles that the last batch outgrew, if the crash came before they were removed.
            for n in edge.saturating_sub(BUNDLES_MAX)..edge {
                self.remove_partial(&Tile { kind, n, width: 256 })?;
            }
            for n in edge.. {
                let here = Tile::of(kind, n, size).map_or(0, |tile| tile.width);
                let full = Tile { kind, n, width: 256 };
                let dir = format!("{}.p", full.path());
                let names = self.store().list(&dir)?;
                let stale = |name: &&String| match name.parse::<u16>() {
                    Ok(width) => width > here || kind == Kind::Payload && width != here,
                    Err(_) => true,
                };
                for name in names.iter().filter(stale) {
                    self.remove(&format!("{dir}/{name}"))?;
                }
                let whole = self.store().read(&full.path())?.is_some();
                if whole {
                    self.remove(&full.path())?;
                }
                if !whole && names.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }
}

fn bytes_of(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The bundles that are not full, of a log of this size.
pub(super) fn read_bundles(store: &Store<'_>, size: u64) -> Result<[Vec<u8>; 2]> {
    let mut bundles: [Vec<u8>; 2] = Default::default();
    if size.is_multiple_of(256) {
        return Ok(bundles);
    }
    for (kind, bundle) in BUNDLES.into_iter().zip(&mut bundles) {
        let tile = bundle_of(kind, size - 1, size)?;
        let bytes = store.read(&tile.path())?;
        *bundle = bytes.ok_or_else(|| Error::Missing(format!("{tile} is missing")))?;
        match kind {
            Kind::Payload => drop(tile::slots(&tile, bundle)?),
            _ => drop(tile::entries(&tile, bundle)?),
        }
    }
    Ok(bundles)
}
