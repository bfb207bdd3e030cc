//! Forgetting: what may go, in which order, and that it is written down first.
//!
//! The order is fixed: holds are looked at, the record of the removal is written, a stable checkpoint covers
//! it, and only then files go. A crash in between leaves a record whose removal [`Log::carry_out`] completes.

use std::ops::Range;

use super::Log;
use super::store::bundle_of;
use crate::event::{Entry, Leaf};
use crate::json::Json;
use crate::tile::{self, Kind, Slot, Tile};
use crate::{Error, Result};

/// What a record of type `retention.prune` or `payload.erase` takes out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Removal {
    /// The payloads of these leaves.
    Payloads(Range<u64>),
    /// All leaves before this one, a multiple of 256, with their payloads. Hashes above level 0 stay.
    Leaves(u64),
    /// The payloads of single leaves.
    Chosen(Vec<u64>),
}

/// What was taken out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Removed {
    /// Payloads erased.
    pub payloads: u64,
    /// Files deleted.
    pub files: u64,
}

impl Removal {
    /// The type and the fields `x` of the record that announces it.
    pub fn record(&self) -> (&'static str, Vec<(String, Json)>) {
        let int = |value: u64| Json::Int(i64::try_from(value).unwrap_or(i64::MAX));
        let (kind, what, from, to) = match self {
            Self::Payloads(range) => ("retention.prune", "payload", range.start, range.end),
            Self::Leaves(end) => ("retention.prune", "leaf", 0, *end),
            Self::Chosen(list) => {
                let list = list.iter().map(|index| int(*index)).collect();
                return ("payload.erase", vec![("events".into(), Json::List(list))]);
            }
        };
        let x =
            vec![("what".into(), what.into()), ("from".into(), int(from)), ("to".into(), int(to))];
        (kind, x)
    }

    /// What such a record announces.
    pub fn of(leaf: &Leaf) -> Option<Self> {
        let int = |value: &Json| value.as_int().and_then(|value| u64::try_from(value).ok());
        match leaf.kind.as_str() {
            "payload.erase" => match leaf.extra("events")? {
                Json::List(list) => {
                    Some(Self::Chosen(list.iter().map(int).collect::<Option<_>>()?))
                }
                _ => None,
            },
            "retention.prune" => {
                let (from, to) = (int(leaf.extra("from")?)?, int(leaf.extra("to")?)?);
                match leaf.extra("what")?.as_text()? {
                    "payload" if from <= to => Some(Self::Payloads(from..to)),
                    "leaf" if from == 0 => Some(Self::Leaves(to)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn touches(&self, held: &Range<u64>) -> bool {
        match self {
            Self::Payloads(range) => range.start < held.end && held.start < range.end,
            Self::Leaves(end) => held.start < *end && !held.is_empty(),
            Self::Chosen(list) => list.iter().any(|index| held.contains(index)),
        }
    }

    fn end(&self) -> u64 {
        match self {
            Self::Payloads(range) => range.end,
            Self::Leaves(end) => *end,
            Self::Chosen(list) => list.iter().max().map_or(0, |last| last + 1),
        }
    }
}

impl Log {
    /// Removes what `record` announces. `holds` are the ranges that must stay.
    ///
    /// # Errors
    /// `Refused`, with nothing written, when the record announces nothing, a hold touches it, it reaches
    /// beyond the log, or leaves would go that share a bundle with others.
    pub fn forget(&mut self, record: &Entry, holds: &[Range<u64>]) -> Result<Removed> {
        let removal = Removal::of(&record.check()?);
        let removal =
            removal.ok_or_else(|| Error::Refused("the record announces no removal".into()))?;
        if let Some(held) = holds.iter().find(|held| removal.touches(held)) {
            return Err(Error::Refused(format!("leaves {} to {} are held", held.start, held.end)));
        }
        self.check_removal(&removal)?;
        let index = self.write_batch(std::slice::from_ref(record))?;
        self.stable()?;
        self.carry_out(index)
    }

    fn check_removal(&self, removal: &Removal) -> Result<()> {
        if removal.end() > self.checkpoint.size {
            return Err(Error::Refused("it reaches beyond the log".into()));
        }
        match removal {
            Removal::Leaves(end) if end % 256 > 0 => {
                Err(Error::Refused("leaves go by whole bundles of 256".into()))
            }
            _ => Ok(()),
        }
    }

    /// Does what the record at `index` announces, as far as it was not done yet.
    ///
    /// # Errors
    /// `Refused` if there is no such record or no stable checkpoint covers it; `Io`.
    pub fn carry_out(&mut self, index: u64) -> Result<Removed> {
        let removal = Removal::of(&Leaf::parse(&self.entry(index)?.leaf)?);
        let removal =
            removal.ok_or_else(|| Error::Refused("the record announces no removal".into()))?;
        if removal.end() > index {
            return Err(Error::Refused("a removal reaches only what came before it".into()));
        }
        self.check_removal(&removal)?;
        if self.store().stable()?.0.last().is_none_or(|size| *size <= index) {
            return Err(Error::Refused("no stable checkpoint covers the record".into()));
        }
        let mut removed = Removed::default();
        match &removal {
            Removal::Payloads(range) => self.erase_range(range, &mut removed)?,
            Removal::Chosen(list) => {
                for index in list {
                    self.erase_range(&(*index..index + 1), &mut removed)?;
                }
            }
            Removal::Leaves(end) => {
                self.erase_range(&(0..*end), &mut removed)?;
                for n in 0..end / 256 {
                    for kind in [Kind::Entries, Kind::Payload, Kind::Hashes(0)] {
                        let name = Tile { kind, n, width: 256 }.path();
                        if self.store().read(&name)?.is_some() {
                            self.remove(&name)?;
                            removed.files += 1;
                        }
                    }
                }
            }
        }
        Ok(removed)
    }

    fn erase_range(&mut self, range: &Range<u64>, removed: &mut Removed) -> Result<()> {
        let size = self.checkpoint.size;
        for n in range.start / 256..range.end.div_ceil(256) {
            let wanted = bundle_of(Kind::Payload, n * 256, size)?;
            let Some((tile, bytes)) = self.store().tile(wanted)? else { continue };
            let mut bundle = Vec::with_capacity(bytes.len());
            let before = removed.payloads;
            for (index, slot) in (n * 256..).zip(tile::slots(&tile, &bytes)?) {
                let erase = range.contains(&index) && matches!(slot, Slot::Kept { .. });
                removed.payloads += u64::from(erase);
                tile::push_slot(&mut bundle, if erase { &Slot::Erased } else { &slot });
            }
            if removed.payloads == before {
                continue;
            }
            let path = self.dir.join(tile.path());
            self.replace(&path, &bundle)?;
            let dir = path.parent().unwrap_or(&self.dir);
            self.disk.sync_dir(dir).map_err(Error::io(dir))?;
            if !tile.is_full() {
                self.bundles[1] = bundle;
            }
        }
        Ok(())
    }
}
