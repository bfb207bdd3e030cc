//! Verification, from a log's directory or an export of it, and keys from elsewhere. Reads only.
//!
//! Nothing in the directory is believed because it is there. Files lead to hashes, hashes to roots, roots
//! to signatures, and those to the key file that the auditor kept.

mod bundle;
mod heads;
mod leaves;
mod report;
mod scan;
mod tiles;

use std::ops::Range;
use std::path::Path;

pub use report::{Check, Outcome, Report};

use crate::disk::Disk;
use crate::keys::KeyRing;
use crate::log::store::{RANGE, Store};
use leaves::Leaves;

/// Missing bundles after which a log is not read on.
const MISSING_MAX: usize = 1000;

/// What is to be verified, and with what.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The auditor's keys.
    pub keys: KeyRing,
    /// Checkpoints from outside: a name for messages, and the note.
    pub against: Vec<(String, Vec<u8>)>,
    /// The leaves to look at; all if not said. Tiles and checkpoints are always all looked at.
    pub range: Option<Range<u64>>,
    /// Threads that read and hash.
    pub threads: usize,
}

impl VerifyOptions {
    /// Everything, by these keys, with as many threads as there are processors.
    pub fn new(keys: KeyRing) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { keys, against: Vec::new(), range: None, threads }
    }
}

/// Verifies a log or an export. `progress` hears the number of leaves read so far.
///
/// What cannot be read is a finding like any other, so there is always a report.
pub fn verify(
    disk: &dyn Disk,
    dir: &Path,
    options: &VerifyOptions,
    mut progress: impl FnMut(u64),
) -> Report {
    let store = Store { disk, dir };
    let mut report = Report::new();
    report.not_checked(6, "no witnesses are configured");
    report.not_checked(7, "no timestamp tokens are stored");
    report.not_checked(11, "projections are in the database, not in the log");
    let Some(found) = heads::find(&store, &options.keys, &mut report) else {
        report.nothing_checked("there is no checkpoint by a known key");
        return report;
    };
    let size = found.base.size;
    report.size = size;
    let range = wanted_range(&store, options, size, &mut report);
    let mut leaves = Leaves::new(&found, &range);
    let mut roots = Vec::new();
    let wanted = |n: u64| n * 256 < range.end && range.start < (n + 1) * 256;
    scan::bundles(store, size, options.threads, &wanted, |bundle| {
        roots.push(bundle.root);
        let inside = wanted(bundle.n);
        leaves.take(bundle, inside, &mut report);
        progress(report.leaves);
        leaves.missing() < MISSING_MAX
    });
    leaves.finish(&mut report);
    tiles::check(&store, size, &roots, leaves.pruned_end(), &mut report);
    heads::check(&store, &found, leaves.rotations(), leaves.pruned_end(), options, &mut report);
    report
}

/// What the caller wants, within what an export of a part says that it is.
fn wanted_range(
    store: &Store<'_>,
    options: &VerifyOptions,
    size: u64,
    report: &mut Report,
) -> Range<u64> {
    let mut range = options.range.clone().unwrap_or(0..size);
    let part = store.read(RANGE).ok().flatten().and_then(|bytes| {
        let text = String::from_utf8(bytes).ok()?;
        let (from, to) = text.trim_end().split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    if let Some(part) = part {
        let part: Range<u64> = part;
        range = range.start.max(part.start)..range.end.min(part.end);
    }
    range.end = range.end.min(size);
    range.start = range.start.min(range.end);
    if range != (0..size) {
        let why = format!("only leaves {} to {} were looked at", range.start, range.end);
        [1, 8, 9, 10, 12].into_iter().for_each(|check| report.not_checked(check, why.clone()));
    }
    range
}
