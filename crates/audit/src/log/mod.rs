//! The log in the manager: takes records, gives them their places, signs the tree.
//!
//! One process writes. What it has not signed does not exist: files are written and made durable first,
//! then the checkpoint that covers them, then the high-water file outside; only then anybody hears of it.

mod batch;
mod export;
mod retain;
pub(crate) mod store;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use retain::{Removal, Removed};

use crate::checkpoint::Checkpoint;
use crate::disk::{Disk, replace, replace_from};
use crate::event::{Entry, Leaf, Payload};
use crate::keys::{KeyRing, Signer, VerifierKey};
use crate::proof::Proof;
use crate::tile::{self, Kind, Slot};
use crate::tree::{self, Edge};
use crate::{Error, Hash, Result};
use store::{CHECKPOINT, DRAFT, KEYS, STABLE, Store, bundle_of};

/// Records taken in one batch, at most.
pub const BATCH_MAX: usize = 4096;

/// A log that is open for writing.
pub struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    high_water: PathBuf,
    signer: Signer,
    keys: KeyRing,
    edge: Edge,
    /// The entries and slots of the bundle that is not full yet.
    bundles: [Vec<u8>; 2],
    checkpoint: Checkpoint,
    note: String,
    /// A write failed: what is on the disk is known only after opening anew.
    failed: bool,
    _lock: Box<dyn Send + Sync>,
}

impl Log {
    /// Creates an empty log, named as its key, in a directory without one. The high-water file should be
    /// where a restored backup of the directory does not reach.
    ///
    /// # Errors
    /// `Refused` if there is a log or a high-water file; `Io`.
    pub fn create(
        disk: Arc<dyn Disk>,
        dir: &Path,
        high_water: &Path,
        signer: Signer,
    ) -> Result<Self> {
        disk.create_dir(dir).map_err(Error::io(dir))?;
        let lock = lock(&*disk, dir)?;
        let store = Store { disk: &*disk, dir };
        if store.read(CHECKPOINT)?.is_some() || disk.read(high_water).is_ok() {
            return Err(Error::Refused(format!("{}: there is a log already", dir.display())));
        }
        let origin = signer.verifier().name().to_owned();
        let checkpoint = Checkpoint { origin, size: 0, root: Hash::empty() };
        let note = checkpoint.sign(&signer)?.encode();
        let keys = KeyRing::of(signer.verifier().clone());
        let mut log = Self {
            dir: dir.to_owned(),
            high_water: high_water.to_owned(),
            signer,
            keys,
            edge: Edge::default(),
            bundles: Default::default(),
            checkpoint,
            note,
            failed: false,
            _lock: lock,
            disk,
        };
        log.put(KEYS, log.keys.to_string().as_bytes())?;
        log.publish()?;
        Ok(log)
    }

    /// Opens a log.
    ///
    /// # Errors
    /// `InUse`; `Rollback` when the high-water file is missing, newer, or of another tree; `Signature`
    /// when the checkpoint is not by the log's keys or the key is not the one in use; `Format`, `Io`.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        high_water: &Path,
        signer: Signer,
    ) -> Result<Self> {
        let lock = lock(&*disk, dir)?;
        let store = Store { disk: &*disk, dir };
        let read = |name: &str| {
            let bytes = store.read(name)?;
            bytes.ok_or_else(|| Error::Missing(format!("{}: no {name}", dir.display())))
        };
        let keys = String::from_utf8_lossy(&read(KEYS)?).parse::<KeyRing>()?;
        let note = read(CHECKPOINT)?;
        let checkpoint = Checkpoint::open(&note, keys.newest().name(), &keys)?;
        let edge = Edge::read(&store, checkpoint.size)?;
        if edge.root() != checkpoint.root {
            return Err(Error::format(dir.display().to_string(), "tiles and checkpoint disagree"));
        }
        check_high_water(&store, high_water, &checkpoint, &keys)?;
        let bundles = batch::read_bundles(&store, checkpoint.size)?;
        let note = String::from_utf8_lossy(&note).into_owned();
        let mut log = Self {
            dir: dir.to_owned(),
            high_water: high_water.to_owned(),
            signer,
            keys,
            edge,
            bundles,
            checkpoint,
            note,
            failed: false,
            _lock: lock,
            disk,
        };
        log.check_signer()?;
        log.remove_debris()?;
        // The crash may have come after the checkpoint and before this.
        log.put_high_water()?;
        Ok(log)
    }

    /// Appends records; returns the index of the first. When this returns they are durable, and covered by
    /// the signed [`checkpoint`](Self::note).
    ///
    /// Order and completeness of each source's chain are the caller's to judge, with [`Chains`](crate::Chains).
    ///
    /// # Errors
    /// `Format` and `Refused` for records that do not belong here, and then nothing is written. After
    /// `Io` the log has to be opened anew.
    pub fn append(&mut self, entries: &[Entry]) -> Result<u64> {
        if entries.iter().any(|entry| kind_of(entry).as_deref() == Some(ROTATE)) {
            return Err(Error::Refused("a key is rotated by rotate".into()));
        }
        self.write_batch(entries)
    }

    /// Appends the record that names the next key, signed with the old key, and goes on with the new one.
    /// The record is of type `key.rotate` and has the new key as `key` in its `x`.
    ///
    /// # Errors
    /// As [`append`](Self::append); `Refused` if the record does not name the key, or the key another log.
    pub fn rotate(&mut self, record: &Entry, next: Signer) -> Result<u64> {
        let leaf = record.check()?;
        let named = rotated_key(&leaf).filter(|key| key == next.verifier());
        if named.is_none() || next.verifier().name() != self.origin() {
            return Err(Error::Refused("the record does not name the new key of this log".into()));
        }
        let index = self.write_batch(std::slice::from_ref(record))?;
        self.stable()?;
        self.adopt(index + 1, next.verifier().clone())?;
        self.signer = next;
        Ok(index)
    }

    /// Keeps the newest checkpoint for ever, under `checkpoints/`. Returns its size.
    ///
    /// # Errors
    /// `Io`.
    pub fn stable(&mut self) -> Result<u64> {
        let name = format!("{STABLE}/{}", self.checkpoint.size);
        let note = self.note.clone();
        self.put(&name, note.as_bytes())?;
        Ok(self.checkpoint.size)
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.checkpoint.origin
    }

    /// The newest checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The newest checkpoint as signed.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The keys, as to be given to auditors.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// A record as it is stored.
    ///
    /// # Errors
    /// `Missing` if the log has it not, or not any more.
    pub fn entry(&self, index: u64) -> Result<Entry> {
        let store = self.store();
        let read = |kind| {
            let found = store.tile(bundle_of(kind, index, self.checkpoint.size)?)?;
            found.ok_or_else(|| Error::Missing(format!("leaf {index} was pruned")))
        };
        let place = (index % 256) as usize;
        let (tile, bytes) = read(Kind::Entries)?;
        let leaf = tile::entries(&tile, &bytes)?[place].to_vec();
        let payload = match read(Kind::Payload) {
            Err(Error::Missing(_)) => None,
            Err(error) => return Err(error),
            Ok((tile, bytes)) => match tile::slots(&tile, &bytes)?[place] {
                Slot::Kept { salt, payload } => {
                    Some(Payload { salt: *salt, json: payload.to_vec() })
                }
                Slot::None | Slot::Erased => None,
            },
        };
        Ok(Entry { leaf, payload })
    }

    /// The proof that a leaf is in the newest checkpoint.
    ///
    /// # Errors
    /// `Missing`, `Io`.
    pub fn prove(&self, index: u64) -> Result<Proof> {
        let path = tree::inclusion(&self.store(), index, self.checkpoint.size)?;
        Ok(Proof { index, path, checkpoint: self.note.clone() })
    }

    /// The hashes that show that an earlier tree is the beginning of the newest.
    ///
    /// # Errors
    /// `Missing`, `Io`.
    pub fn consistency(&self, old: u64) -> Result<Vec<Hash>> {
        tree::consistency(&self.store(), old, self.checkpoint.size)
    }

    pub(crate) fn store(&self) -> Store<'_> {
        Store { disk: &*self.disk, dir: &self.dir }
    }

    /// Writes the checkpoint, and the high-water file behind it.
    fn publish(&mut self) -> Result<()> {
        let note = self.note.clone();
        self.put(CHECKPOINT, note.as_bytes())?;
        self.put_high_water()
    }

    fn put_high_water(&self) -> Result<()> {
        let path = &self.high_water;
        replace(&*self.disk, path, self.note.as_bytes()).map_err(Error::io(path))?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.disk.sync_dir(dir).map_err(Error::io(dir))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.dir.join(name);
        let dir = path.parent().unwrap_or(&self.dir);
        if dir != self.dir {
            self.disk.create_dir(dir).map_err(Error::io(dir))?;
        }
        self.replace(&path, bytes)?;
        let dirs = BTreeSet::from([dir.to_owned(), self.dir.clone()]);
        self.sync_dirs(&dirs)
    }

    /// One file after the other is written in one place, so that a crash leaves nothing among the tiles.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let draft = self.dir.join(DRAFT);
        replace_from(&*self.disk, &draft, path, bytes).map_err(Error::io(path))
    }

    fn sync_dirs(&self, dirs: &BTreeSet<PathBuf>) -> Result<()> {
        // Innermost first: a name is worth nothing in a directory that has none.
        dirs.iter().rev().try_for_each(|dir| self.disk.sync_dir(dir).map_err(Error::io(dir)))
    }

    /// The key given must be the one in use; a rotation that a crash cut off is completed.
    fn check_signer(&mut self) -> Result<()> {
        let key = self.signer.verifier().clone();
        if *self.keys.newest() == key {
            return Ok(());
        }
        let size = self.checkpoint.size;
        if size > 0 && rotated_key(&self.entry(size - 1)?.check()?).as_ref() == Some(&key) {
            self.stable()?;
            return self.adopt(size, key);
        }
        Err(Error::Signature(format!("{key} is not the key in use, {}", self.keys.newest())))
    }

    fn adopt(&mut self, first: u64, key: VerifierKey) -> Result<()> {
        self.keys.push(first, key);
        self.put(KEYS, self.keys.to_string().as_bytes())
    }
}

const ROTATE: &str = "key.rotate";

fn kind_of(entry: &Entry) -> Option<String> {
    Leaf::parse(&entry.leaf).ok().map(|leaf| leaf.kind)
}

/// The key that a `key.rotate` leaf names.
pub(crate) fn rotated_key(leaf: &Leaf) -> Option<VerifierKey> {
    let key = leaf.extra("key").filter(|_| leaf.kind == ROTATE)?;
    key.as_text()?.parse().ok()
}

fn lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Send + Sync>> {
    let path = dir.join("lock");
    disk.lock(&path).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::WouldBlock => Error::InUse { path: dir.to_owned() },
        _ => Error::Io { path, cause },
    })
}

/// The log must contain the tree that the high-water file names.
fn check_high_water(
    store: &Store<'_>,
    path: &Path,
    checkpoint: &Checkpoint,
    keys: &KeyRing,
) -> Result<()> {
    let rollback = |why: String| Err(Error::Rollback { why });
    let bytes = match store.disk.read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return rollback(format!("{}: the high-water file is missing", path.display()));
        }
        read => read.map_err(Error::io(path))?,
    };
    let high = crate::note::Note::parse(&bytes).and_then(|note| Checkpoint::parse(&note.text))?;
    if high.size > checkpoint.size {
        let why = format!("the log has {} leaves, and had {} before", checkpoint.size, high.size);
        return rollback(why);
    }
    Checkpoint::open(&bytes, &checkpoint.origin, keys)?;
    if tree::root_at(store, high.size, checkpoint.size)? != high.root {
        return rollback(format!("the first {} leaves are not those they were", high.size));
    }
    Ok(())
}
