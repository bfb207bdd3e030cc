//! The host's journal: records are on stable storage before anybody is answered.
//!
//! Many threads call [`Journal::append`]. The first that finds nobody writing takes all that wait,
//! writes and syncs them together, and the others are answered with it. There is no thread of our own.

mod record;
mod scan;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use scan::Cut;

use crate::disk::{Disk, replace};
use crate::event::Entry;
use crate::json::Json;
use crate::source::{Clock, Draft, Head, Source};
use crate::{Error, Hash, Result};
use writer::{Begun, Committed, Writer};

/// How a journal is kept.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// A segment is followed by another when it is this large; 64 MiB.
    pub segment_bytes: u64,
    /// No record is taken when the segments are this large together; 4 GiB.
    pub total_bytes_max: u64,
    /// Bytes kept back for the last records when the disk fills; 64 MiB, 0 for none.
    pub reserve_bytes: u64,
    /// The writer waits this long for others to come along; 0, since those who come during a sync go
    /// together anyhow.
    pub window: Duration,
}

impl Default for JournalOptions {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            segment_bytes: 64 * MIB,
            total_bytes_max: 4096 * MIB,
            reserve_bytes: 64 * MIB,
            window: Duration::ZERO,
        }
    }
}

/// A record that is durable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Receipt {
    /// Its number at this source.
    pub seq: u64,
    /// SHA-256 of its leaf.
    pub hash: Hash,
}

/// What is wrong with a journal that still works.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// The reserve was given up, or could not be made.
    pub without_reserve: bool,
    /// Segments given up after a failure.
    pub poisoned: u64,
    /// The last failure.
    pub last_failure: Option<String>,
    /// Why no records are taken any more.
    pub closed: Option<String>,
}

/// A journal that is open for writing. Shared between threads by reference.
pub struct Journal {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    options: JournalOptions,
    state: Mutex<State>,
    changed: Condvar,
    /// Used by whoever has set `writing`.
    writer: Mutex<Writer>,
    _lock: Box<dyn Send + Sync>,
}

struct State {
    source: Source,
    /// Frames that wait, and the chain's state after them.
    batch: Vec<u8>,
    durable: Head,
    writing: bool,
    /// Segments in order: number, first sequence number, bytes.
    segments: Vec<(u64, u64, u64)>,
    health: Health,
}

impl Journal {
    /// Opens the journal of source `id` for `log`, and recovers what a crash left.
    ///
    /// A torn tail is cut, and the cut recorded as `audit.resumed`. What the last segment holds is
    /// written anew, since it may be in the kernel's memory only.
    ///
    /// # Errors
    /// `InUse`; `Damaged` when records that had been acknowledged are missing or altered, and then
    /// nothing is changed; `Io`.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        log: &str,
        id: &str,
        clock: Clock,
        options: JournalOptions,
    ) -> Result<(Self, Option<Cut>)> {
        disk.create_dir(dir).map_err(Error::io(dir))?;
        let lock = lock(&*disk, dir)?;
        let (segments, head, cut) = recover(&*disk, dir)?;
        let mut health = Health::default();
        if let Err(error) = writer::make_reserve(&*disk, dir, options.reserve_bytes) {
            health.without_reserve = true;
            health.last_failure = Some(error.to_string());
        }
        let number = segments.last().map_or(0, |(number, ..)| *number);
        let state = State {
            source: Source::new(log, id, head, clock),
            batch: Vec::new(),
            durable: head,
            writing: false,
            segments,
            health,
        };
        let writer = Writer::new(disk.clone(), dir, options.segment_bytes, number, head);
        let journal = Self {
            dir: dir.to_owned(),
            disk,
            options,
            state: Mutex::new(state),
            changed: Condvar::new(),
            writer: Mutex::new(writer),
            _lock: lock,
        };
        if let Some(cut) = &cut {
            let mut draft = Draft::of("audit.resumed");
            draft.x = vec![
                ("cut_bytes".into(), Json::Int(cut.bytes as i64)),
                ("offset".into(), Json::Int(cut.offset as i64)),
            ];
            journal.append(&draft)?;
        }
        Ok((journal, cut))
    }

    /// Writes a record and returns when it is durable, with all that were written before it.
    ///
    /// # Errors
    /// `Refused` for what cannot be a record, and when the journal is as large as it may be;
    /// `Poisoned` when the disk failed, twice in a row: the record may be there or not, and nothing is
    /// taken any more until the journal is opened anew.
    pub fn append(&self, draft: &Draft) -> Result<Receipt> {
        let mut state = self.lock();
        state.check_open()?;
        let total: u64 = state.segments.iter().map(|(_, _, bytes)| bytes).sum();
        if total + state.batch.len() as u64 >= self.options.total_bytes_max {
            return Err(Error::Refused("the journal is full".into()));
        }
        for entry in state.source.seal(draft)? {
            record::push_record(&mut state.batch, &entry);
        }
        let Head { seq, hash, .. } = *state.source.head();
        loop {
            if state.durable.seq >= seq {
                return Ok(Receipt { seq, hash });
            }
            state.check_open()?;
            state = if state.writing {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.write_batch(state)
            };
        }
    }

    /// Writes all that wait, without holding the lock meanwhile.
    fn write_batch<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.writing = true;
        if !self.options.window.is_zero() {
            drop(state);
            std::thread::sleep(self.options.window);
            state = self.lock();
        }
        let batch = std::mem::take(&mut state.batch);
        let head = *state.source.head();
        drop(state);
        let result =
            self.writer.lock().unwrap_or_else(PoisonError::into_inner).commit(&batch, head);
        let mut state = self.lock();
        state.writing = false;
        match result {
            Ok(done) => state.committed(done, head, batch.len() as u64),
            Err(error) => {
                state.health.closed = Some(error.to_string());
                state.health.last_failure = state.health.closed.clone();
            }
        }
        self.changed.notify_all();
        state
    }

    /// Where the durable chain ends.
    pub fn head(&self) -> Head {
        self.lock().durable
    }

    /// What is wrong with it.
    pub fn health(&self) -> Health {
        self.lock().health.clone()
    }

    /// Durable records from `seq` on, at most `count` or as many as fill `bytes`; at least one if there is.
    ///
    /// # Errors
    /// `Damaged`, `Io`.
    pub fn read(&self, seq: u64, count: usize, bytes: usize) -> Result<Vec<Entry>> {
        let (segments, durable) = {
            let state = self.lock();
            (state.segments.clone(), state.durable.seq)
        };
        let mut entries = Vec::new();
        let mut size = 0;
        let mut next = seq;
        for (place, (number, first, _)) in segments.iter().enumerate() {
            let last = segments.get(place + 1).map_or(durable, |(_, next, _)| next - 1);
            if last < next || *first > last {
                continue;
            }
            let Some(scanned) = scan::segment(&*self.disk, &self.dir, *number, None)? else {
                continue;
            };
            for (entry, head) in scanned.records {
                let full = entries.len() >= count || size >= bytes;
                if head.seq < next || head.seq > last || full {
                    continue;
                }
                size += entry.leaf.len()
                    + entry.payload.as_ref().map_or(0, |payload| payload.json.len());
                next = head.seq + 1;
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// Deletes the segments whose records all have numbers up to `seq`; returns how many. When that may be
    /// done is the caller's business: after the log has proved that it has them, and the time to keep.
    ///
    /// # Errors
    /// `Io`.
    pub fn remove_through(&self, seq: u64) -> Result<usize> {
        let mut removed = 0;
        let mut state = self.lock();
        while let [(number, ..), (_, next, _), ..] = &state.segments[..] {
            if *next > seq.saturating_add(1) || *next > state.durable.seq {
                break;
            }
            let path = scan::path(&self.dir, *number);
            self.disk.remove(&path).map_err(Error::io(&path))?;
            state.segments.remove(0);
            removed += 1;
        }
        drop(state);
        self.disk.sync_dir(&self.dir).map_err(Error::io(&self.dir))?;
        Ok(removed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check_open(&self) -> Result<()> {
        match &self.health.closed {
            None => Ok(()),
            Some(why) => Err(Error::Poisoned { why: why.clone() }),
        }
    }

    fn committed(&mut self, done: Committed, head: Head, bytes: u64) {
        self.durable = head;
        for Begun { number, first } in done.begun {
            self.segments.push((number, first, record::HEADER_BYTES as u64));
        }
        if let Some((_, _, size)) = self.segments.last_mut() {
            *size += bytes;
        }
        if done.failure.is_some() {
            self.health.poisoned += 1;
            self.health.last_failure = done.failure;
        }
        self.health.without_reserve |= done.reserve_freed;
    }
}

fn lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Send + Sync>> {
    let path = dir.join("lock");
    disk.lock(&path).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::WouldBlock => Error::InUse { path: dir.to_owned() },
        _ => Error::Io { path, cause },
    })
}

type Segments = Vec<(u64, u64, u64)>;

/// Finds the end of the chain, and makes the last segment's records durable beyond doubt: after a failed
/// sync the kernel may show bytes that the disk has not. So they are written again, into a new file.
fn recover(disk: &dyn Disk, dir: &Path) -> Result<(Segments, Head, Option<Cut>)> {
    let scan = scan::all(disk, dir, |_, _| {})?;
    let mut cut = None;
    for debris in &scan.debris {
        disk.remove(&debris.path).map_err(Error::io(&debris.path))?;
        if debris.bytes > 0 {
            cut = Some(Cut { segment: debris.path.clone(), offset: 0, bytes: debris.bytes });
        }
    }
    let mut segments: Segments =
        scan.segments.iter().map(|s| (s.number, s.first, s.bytes)).collect();
    if let Some(last) = scan.segments.last() {
        let mut bytes = scan::header_of(&last.before);
        last.records.iter().for_each(|(entry, _)| record::push_record(&mut bytes, entry));
        record::push_mark(&mut bytes, scan.head.seq);
        replace(disk, &last.path, &bytes).map_err(Error::io(&last.path))?;
        if let Some(torn) = &last.torn {
            let bytes = last.bytes - torn.offset;
            cut = Some(Cut { segment: last.path.clone(), offset: torn.offset, bytes });
        }
        if let Some((_, _, size)) = segments.last_mut() {
            *size = bytes.len() as u64;
        }
    }
    disk.sync_dir(dir).map_err(Error::io(dir))?;
    Ok((segments, scan.head, cut))
}

/// Reads a whole journal without opening it: every record that counts, in order, each checked against the
/// one before. Returns where the chain ends.
///
/// # Errors
/// `Damaged` and `Format` name the segment and the byte.
pub fn read_journal(disk: &dyn Disk, dir: &Path, mut each: impl FnMut(&Entry)) -> Result<Head> {
    Ok(scan::all(disk, dir, |entry, _| each(entry))?.head)
}

/// What a fuzzer runs: any bytes as a frame and as a segment's header.
#[doc(hidden)]
pub fn fuzz_frame(bytes: &[u8]) {
    if let Some((record::Frame::Record(entry), length)) = record::parse_frame(bytes) {
        let mut again = Vec::new();
        record::push_record(&mut again, &entry);
        assert_eq!(again, bytes[..length]);
    }
    if let Some((first, prev)) = record::parse_header(bytes) {
        assert_eq!(record::header(first, prev), bytes[..record::HEADER_BYTES]);
    }
}
