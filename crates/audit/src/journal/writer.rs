//! Writing segments: batches made durable, and what is done when a disk fails.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record;
use super::scan::{header_of, path};
use crate::disk::{Disk, DiskFile, replace};
use crate::source::Head;

/// The file that is given up when the disk is full.
pub(super) const RESERVE: &str = "reserve";

pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    /// The number of the last segment ever begun.
    number: u64,
    /// The open segment and its bytes; none before the first batch and after a failure.
    open: Option<(Box<dyn DiskFile>, u64)>,
    /// What is durable.
    pub(super) head: Head,
}

/// A segment was begun: its number and the first sequence number in it.
pub(super) struct Begun {
    pub(super) number: u64,
    pub(super) first: u64,
}

/// What became of a batch that is durable.
#[derive(Default)]
pub(super) struct Committed {
    pub(super) begun: Vec<Begun>,
    pub(super) reserve_freed: bool,
    /// What failed on the way, though the batch is durable.
    pub(super) failure: Option<String>,
}

impl Writer {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        segment_bytes: u64,
        number: u64,
        head: Head,
    ) -> Self {
        Self { disk, dir: dir.to_owned(), segment_bytes, number, open: None, head }
    }

    /// Makes a batch durable, whose last record leaves the chain at `head`.
    ///
    /// A segment in which anything failed is never written or synced again: after a failed sync the
    /// kernel may have thrown the data away and call the next one a success. The batch goes whole into a
    /// new segment, once; room is made first when the disk is full.
    pub(super) fn commit(&mut self, batch: &[u8], head: Head) -> io::Result<Committed> {
        let mut done = Committed::default();
        if self.open.as_ref().is_some_and(|(_, bytes)| *bytes >= self.segment_bytes) {
            self.open = None;
        }
        if let Err(error) = self.write(batch, &mut done) {
            self.open = None;
            done.failure = Some(error.to_string());
            if error.kind() == io::ErrorKind::StorageFull {
                done.reserve_freed = self.free_reserve();
            }
            self.write(batch, &mut done).inspect_err(|_| self.open = None)?;
        }
        self.head = head;
        let mut mark = Vec::new();
        record::push_mark(&mut mark, head.seq);
        // Without its mark the batch is durable all the same, and a new segment's header will vouch for it.
        if let Some((file, bytes)) = &mut self.open {
            match file.write(&mark) {
                Ok(()) => *bytes += mark.len() as u64,
                Err(error) => {
                    self.open = None;
                    done.failure = Some(error.to_string());
                }
            }
        }
        Ok(done)
    }

    fn write(&mut self, batch: &[u8], done: &mut Committed) -> io::Result<()> {
        let (file, bytes) = match &mut self.open {
            Some(open) => open,
            None => {
                self.number += 1;
                done.begun.push(Begun { number: self.number, first: self.head.seq + 1 });
                let path = path(&self.dir, self.number);
                let mut file = self.disk.create(&path)?;
                let header = header_of(&self.head);
                file.write(&header)?;
                // Its name must be as durable as what will be in it.
                self.disk.sync_dir(&self.dir)?;
                self.open.insert((file, header.len() as u64))
            }
        };
        file.write(batch)?;
        file.sync()?;
        *bytes += batch.len() as u64;
        Ok(())
    }

    fn free_reserve(&self) -> bool {
        self.disk.remove(&self.dir.join(RESERVE)).is_ok()
    }
}

/// Makes the reserve anew if it is not there. Real bytes: a sparse file would hold no room.
pub(super) fn make_reserve(disk: &dyn Disk, dir: &Path, bytes: u64) -> io::Result<()> {
    let path = dir.join(RESERVE);
    if bytes == 0 || disk.list(dir)?.iter().any(|name| name == RESERVE) {
        return Ok(());
    }
    let content = vec![0x55; usize::try_from(bytes).unwrap_or(0)];
    replace(disk, &path, &content).and_then(|()| disk.sync_dir(dir))
}
