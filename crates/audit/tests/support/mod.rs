//! What the tests share: a disk that fails and forgets, clocks, and a small log.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses a part of it")]

pub mod sim;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use audit::json::Json;
use audit::{Clock, Disk, Draft, Entry, Head, Log, RealDisk, Signer, Source, Stamp};

pub const ORIGIN: &str = "log.example/audit";

/// A clock that goes on by a microsecond each time.
pub fn clock() -> Clock {
    let now = AtomicI64::new(1_795_000_000_000_000);
    Arc::new(move || {
        let at = now.fetch_add(1, Ordering::Relaxed);
        Stamp { at, up_us: at - 1_795_000_000_000_000, boot: [7; 16] }
    })
}

pub fn signer(seed: u8) -> Signer {
    Signer::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

pub fn source(id: &str) -> Source {
    Source::new(ORIGIN, id, Head::START, clock())
}

pub fn draft(number: u64) -> Draft {
    let mut draft = Draft::of("conn.open");
    draft.x = vec![("port".into(), Json::Int((number % 65_536) as i64))];
    draft.payload = Some(Json::object([("dest", Json::from(format!("host-{number}.example")))]));
    draft
}

pub fn entries(source: &mut Source, count: u64) -> Vec<Entry> {
    (0..count).flat_map(|number| source.seal(&draft(number)).unwrap()).collect()
}

/// A record that announces a removal.
pub fn removal(source: &mut Source, removal: &audit::Removal) -> Entry {
    let (kind, x) = removal.record();
    let draft = Draft { x, ..Draft::of(kind) };
    source.seal(&draft).unwrap().remove(0)
}

/// Where a log is, and the file outside.
pub fn places(root: &Path) -> (PathBuf, PathBuf) {
    (root.join("log"), root.join("high-water"))
}

pub fn real() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

/// A log of `count` records of two sources in batches, with stable checkpoints after each.
pub fn small_log(root: &Path, count: u64) -> (Log, Source) {
    let (dir, high) = places(root);
    let mut log = Log::create(real(), &dir, &high, signer(1)).unwrap();
    let (mut one, mut two) = (source("host-1"), source("host-2"));
    let mut left = count;
    while left > 0 {
        let now = left.min(200);
        let mut batch = entries(&mut one, now / 2);
        batch.extend(entries(&mut two, now - now / 2));
        log.append(&batch).unwrap();
        log.stable().unwrap();
        left -= now;
    }
    (log, one)
}

/// Random numbers from a seed that failures print.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        // splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}
