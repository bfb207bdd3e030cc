//! Reading the log without its lock: whatever the newest checkpoint covers.

use std::path::PathBuf;

use audit::json::Json;
use audit::tile::{self, Kind, Slot, Tile};
use audit::{Checkpoint, Disk as _, Error, Leaf, Note, RealDisk};
use serde_json::Value;

use crate::exit::{Done, Failure};
use crate::site::Site;

/// A record of the log.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) index: u64,
    pub(crate) leaf: Leaf,
    /// The leaf as stored.
    pub(crate) bytes: Vec<u8>,
    /// Details, if there are any and they were not erased.
    pub(crate) payload: Option<Value>,
}

/// A log to read.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    dir: PathBuf,
    /// Leaves that the checkpoint covers.
    pub(crate) size: u64,
    /// The checkpoint as signed.
    pub(crate) note: String,
}

impl Reader {
    pub(crate) fn open(site: &Site) -> Done<Self> {
        Self::at(site.log_dir())
    }

    pub(crate) fn at(dir: PathBuf) -> Done<Self> {
        let path = dir.join("checkpoint");
        let bytes = RealDisk.read(&path).map_err(|error| Failure::file(&path, error))?;
        let note = Note::parse(&bytes)?;
        let size = Checkpoint::parse(&note.text)?.size;
        Ok(Self { dir, size, note: note.encode() })
    }

    /// All records, oldest first. Those that were pruned are passed over.
    pub(crate) fn all(&self) -> Done<impl Iterator<Item = Done<Record>> + '_> {
        self.from(0)
    }

    /// Those from an index on.
    pub(crate) fn from(&self, first: u64) -> Done<impl Iterator<Item = Done<Record>> + '_> {
        let bundles = first / 256..self.size.div_ceil(256);
        Ok(bundles
            .flat_map(|n| self.bundle(n))
            .filter(move |record| record.as_ref().map_or(true, |record| record.index >= first)))
    }

    /// Newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = Done<Record>> + '_ {
        (0..self.size.div_ceil(256)).rev().flat_map(|n| self.bundle(n).into_iter().rev())
    }

    fn bundle(&self, n: u64) -> Vec<Done<Record>> {
        match self.read(n) {
            Ok(records) => records.into_iter().map(Ok).collect(),
            Err(failure) => vec![Err(failure)],
        }
    }

    fn read(&self, n: u64) -> Done<Vec<Record>> {
        let Some((tile, leaves)) = self.tile(Kind::Entries, n)? else { return Ok(Vec::new()) };
        let payloads = self.tile(Kind::Payload, n)?;
        let mut slots = match &payloads {
            Some((tile, bytes)) => tile::slots(tile, bytes)?.into_iter(),
            None => Vec::new().into_iter(),
        };
        let mut records = Vec::new();
        for (index, bytes) in (n * 256..self.size).zip(tile::entries(&tile, &leaves)?) {
            let payload = match slots.next() {
                Some(Slot::Kept { payload, .. }) => serde_json::from_slice(payload).ok(),
                _ => None,
            };
            records.push(Record {
                index,
                leaf: Leaf::parse(bytes)?,
                bytes: bytes.to_vec(),
                payload,
            });
        }
        Ok(records)
    }

    /// A tile as it is now: the log may have grown since the checkpoint was read, and then only the fuller one
    /// is left.
    fn tile(&self, kind: Kind, n: u64) -> Done<Option<(Tile, Vec<u8>)>> {
        let Some(tile) = Tile::of(kind, n, self.size) else { return Ok(None) };
        for tile in (tile.width..=256).map(|width| Tile { width, ..tile }) {
            let path = self.dir.join(tile.path());
            match RealDisk.read(&path) {
                Ok(bytes) => return Ok(Some((tile, bytes))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(cause) => return Err(Error::Io { path, cause }.into()),
            }
        }
        Ok(None)
    }
}

/// As the log writes JSON; none if there is a fraction in it.
pub(crate) fn to_audit(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(number) => Json::Int(number.as_i64()?),
        Value::String(text) => Json::Text(text.clone()),
        Value::Array(items) => Json::List(items.iter().map(to_audit).collect::<Option<_>>()?),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| Some((key.clone(), to_audit(value)?));
            Json::Object(members.iter().map(member).collect::<Option<_>>()?)
        }
    })
}

/// A record as a document.
pub(crate) fn document(record: &Record) -> Value {
    let leaf: Value = serde_json::from_slice(&record.bytes).unwrap_or_default();
    serde_json::json!({"index": record.index, "leaf": leaf, "payload": record.payload})
}
