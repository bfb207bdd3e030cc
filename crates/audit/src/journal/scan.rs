//! Reading segments: what is there, where it ends, and whether what is missing had been acknowledged.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::record::{self, Frame, HEADER_BYTES};
use crate::disk::Disk;
use crate::event::Entry;
use crate::source::Head;
use crate::{Error, Result};

/// Where a torn tail was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cut {
    /// The segment.
    pub segment: PathBuf,
    /// Where the last valid record ends, in bytes.
    pub offset: u64,
    /// How much came after it, in bytes. None of it had been acknowledged.
    pub bytes: u64,
}

/// A segment as it was found.
pub(super) struct Scanned {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    /// The sequence number its header names.
    pub(super) first: u64,
    /// The record before that.
    pub(super) before: Head,
    /// Its records in order, each with the state after it.
    pub(super) records: Vec<(Entry, Head)>,
    /// The last number that a mark in it says is durable.
    pub(super) marked: u64,
    /// The whole file, in bytes.
    pub(super) bytes: u64,
    /// Where reading stopped before its end.
    pub(super) torn: Option<Torn>,
}

pub(super) struct Torn {
    pub(super) offset: u64,
    /// A mark beyond says that what cannot be read had been acknowledged.
    pub(super) acknowledged: bool,
}

impl Scanned {
    /// The state after its last record.
    pub(super) fn head(&self) -> Head {
        self.records.last().map_or(self.before, |(_, head)| *head)
    }

    fn damaged(&self, offset: u64) -> Error {
        Error::Damaged { segment: self.path.clone(), offset, seq: self.head().seq + 1 }
    }

    /// What a successor that begins with `first` says of this one: records from there on were never
    /// acknowledged here (the segment was given up) and stand in the successor; all before must be here.
    pub(super) fn superseded(&mut self, next: &Self) -> Result<()> {
        if self.head().seq + 1 < next.first {
            return Err(self.damaged(self.torn.as_ref().map_or(self.bytes, |torn| torn.offset)));
        }
        self.records.retain(|(_, head)| head.seq < next.first);
        let continues = self.head().seq + 1 == next.first && self.head().hash == next.before.hash;
        if !continues || self.marked >= next.first {
            return Err(Error::format(
                next.path.display().to_string(),
                "does not go on where the segment before ends",
            ));
        }
        Ok(())
    }
}

/// Numbers of the segments of a journal, in order.
pub(super) fn numbers(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>> {
    let names = disk.list(dir).map_err(Error::io(dir))?;
    let number = |name: &String| name.strip_suffix(".seg")?.parse().ok();
    let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:012}.seg"))
}

/// Reads one segment; `None` if it was gone meanwhile.
pub(super) fn segment(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
    before: Option<Head>,
) -> Result<Option<Scanned>> {
    let path = path(dir, number);
    let bytes = match disk.read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.map_err(Error::io(&path))?,
    };
    let expected = before.unwrap_or(Head::START);
    let mut scanned = Scanned {
        number,
        path,
        first: expected.seq + 1,
        before: expected,
        records: Vec::new(),
        marked: 0,
        bytes: bytes.len() as u64,
        torn: None,
    };
    let Some((first, prev)) = record::parse_header(&bytes) else {
        scanned.torn = Some(torn(&bytes, 0, expected.seq + 1));
        return Ok(Some(scanned));
    };
    (scanned.first, scanned.before) =
        (first, Head { seq: first.wrapping_sub(1), hash: prev, stamp: None });
    if let Some(before) = before.filter(|before| before.seq + 1 == first) {
        scanned.before.stamp = before.stamp;
    }
    scanned.read_frames(&bytes)?;
    Ok(Some(scanned))
}

impl Scanned {
    fn read_frames(&mut self, bytes: &[u8]) -> Result<()> {
        let mut at = HEADER_BYTES;
        while at < bytes.len() {
            let Some((frame, length)) = record::parse_frame(&bytes[at..]) else {
                self.torn = Some(torn(bytes, at, self.head().seq + 1));
                return Ok(());
            };
            match frame {
                Frame::Mark(seq) => self.marked = self.marked.max(seq),
                Frame::Record(entry) => {
                    let head =
                        follow(&entry, &self.head()).ok_or_else(|| self.damaged(at as u64))?;
                    self.records.push((entry, head));
                }
            }
            at += length;
        }
        if self.marked > self.head().seq {
            return Err(self.damaged(bytes.len() as u64));
        }
        Ok(())
    }
}

/// The state after a record, if it follows on `before`.
fn follow(entry: &Entry, before: &Head) -> Option<Head> {
    let leaf = entry.check().ok()?;
    let follows = leaf.seq == before.seq.wrapping_add(1) && leaf.prev == before.hash;
    follows.then(|| Head::after(&leaf, entry.hash()))
}

/// Looks beyond what cannot be read for a mark that vouches for it.
fn torn(bytes: &[u8], offset: usize, seq: u64) -> Torn {
    let mut acknowledged = false;
    let mut at = offset;
    while let Some(skip) = record::next_frame(&bytes[at..]) {
        at += skip;
        let Some((frame, length)) = record::parse_frame(&bytes[at..]) else { break };
        acknowledged |= matches!(frame, Frame::Mark(marked) if marked >= seq);
        at += length;
    }
    Torn { offset: offset as u64, acknowledged }
}

/// Everything that a journal holds.
pub(super) struct Scan {
    /// Segments in order; only the last has its records.
    pub(super) segments: Vec<Scanned>,
    /// Segments without a header, which a failure left: nothing in them was ever acknowledged.
    pub(super) debris: Vec<Scanned>,
    pub(super) head: Head,
}

/// Reads all segments, each checked against the one before. `each` sees every record that counts.
pub(super) fn all(
    disk: &dyn Disk,
    dir: &Path,
    mut each: impl FnMut(&Entry, &Head),
) -> Result<Scan> {
    let mut segments: Vec<Scanned> = Vec::new();
    let mut debris = Vec::new();
    for number in numbers(disk, dir)? {
        let before = segments.last().map(Scanned::head);
        let Some(next) = segment(disk, dir, number, before)? else { continue };
        if next.torn.as_ref().is_some_and(|torn| torn.offset == 0 && !torn.acknowledged) {
            debris.push(next);
            continue;
        }
        if let Some(last) = segments.last_mut() {
            last.superseded(&next)?;
            last.records.iter().for_each(|(entry, head)| each(entry, head));
            last.before = last.head();
            last.records = Vec::new();
        }
        segments.push(next);
    }
    if let Some(last) = segments.last() {
        if let Some(torn) = last.torn.as_ref().filter(|torn| torn.acknowledged) {
            return Err(last.damaged(torn.offset));
        }
        last.records.iter().for_each(|(entry, head)| each(entry, head));
    }
    let head = segments.last().map_or(Head::START, Scanned::head);
    Ok(Scan { segments, debris, head })
}

/// What precedes the records of a segment that is written next.
pub(super) fn header_of(head: &Head) -> Vec<u8> {
    record::header(head.seq + 1, head.hash)
}
