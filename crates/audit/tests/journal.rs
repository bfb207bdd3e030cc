//! The journal on a disk that fails and forgets: nothing acknowledged is lost, nothing is acknowledged
//! that a power cut could take.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use audit::{Cut, Disk, Error, Hash, Head, Journal, JournalOptions, Result, read_journal};
use support::sim::SimDisk;
use support::{ORIGIN, Random, clock, draft};

const DIR: &str = "/journal";

fn options() -> JournalOptions {
    JournalOptions { segment_bytes: 3000, reserve_bytes: 512, ..JournalOptions::default() }
}

fn open_with(disk: &SimDisk, options: JournalOptions) -> Result<(Journal, Option<Cut>)> {
    Journal::open(Arc::new(disk.clone()), Path::new(DIR), ORIGIN, "host", clock(), options)
}

fn open(disk: &SimDisk) -> Result<(Journal, Option<Cut>)> {
    open_with(disk, options())
}

/// Every record by number.
fn stored(disk: &SimDisk) -> Result<HashMap<u64, Hash>> {
    let mut records = HashMap::new();
    read_journal(disk, Path::new(DIR), |entry| {
        let seq = entry.check().unwrap().seq;
        assert!(records.insert(seq, entry.hash()).is_none(), "record {seq} twice");
    })?;
    Ok(records)
}

fn segments(disk: &SimDisk) -> Vec<String> {
    let mut names = disk.list(Path::new(DIR)).unwrap();
    names.retain(|name| name.ends_with(".seg"));
    names.sort();
    names
}

#[test]
fn records_come_back_in_order_and_segments_follow_each_other() {
    let disk = SimDisk::default();
    let (journal, cut) = open(&disk).unwrap();
    assert_eq!(cut, None);
    for number in 0..40 {
        assert_eq!(journal.append(&draft(number)).unwrap().seq, number + 1);
    }
    assert!(segments(&disk).len() > 3);
    assert!(matches!(open(&disk), Err(Error::InUse { .. })), "a second writer");
    assert_eq!(journal.read(38, 10, 1 << 20).unwrap().len(), 3);
    assert_eq!(journal.read(1, 7, 1 << 20).unwrap().len(), 7);
    assert_eq!(journal.read(1, 7, 1).unwrap().len(), 1);
    let removed = journal.remove_through(20).unwrap();
    assert!(removed > 0);
    let first = journal.read(0, 1, 1).unwrap()[0].check().unwrap().seq;
    assert!(first > 1 && first <= 21, "{first}");
    assert_eq!(journal.head().seq, 40);
    drop(journal);
    let (journal, cut) = open(&disk).unwrap();
    assert_eq!((cut, journal.head().seq), (None, 40));
    // The test's clock begins anew, so the record comes with one of a step back.
    assert_eq!(journal.append(&draft(0)).unwrap().seq, 42);
    assert_eq!(stored(&disk).unwrap().len() as u64, 42 - first + 1);
}

#[test]
fn a_full_journal_refuses_and_has_no_gap() {
    let disk = SimDisk::default();
    let limited = JournalOptions { total_bytes_max: 5000, ..options() };
    let (journal, _) = open_with(&disk, limited).unwrap();
    let written = (0..100).take_while(|number| journal.append(&draft(*number)).is_ok()).count();
    assert!((3..20).contains(&written));
    assert!(matches!(journal.append(&draft(0)), Err(Error::Refused(_))));
    journal.remove_through(written as u64).unwrap();
    assert_eq!(journal.append(&draft(0)).unwrap().seq, written as u64 + 1);
}

/// Each operation fails, alone and with all after it, for EIO and ENOSPC.
#[test]
fn every_operation_fails_once_and_for_ever() {
    let mut closed = 0;
    for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
        for count in [1, u64::MAX / 2] {
            for nth in 1..60 {
                let disk = SimDisk::default();
                let (journal, _) = open(&disk).unwrap();
                let mut acknowledged: Vec<_> =
                    (0..3).map(|n| journal.append(&draft(n)).unwrap()).collect();
                disk.fail(nth, count, kind);
                for number in 3..12 {
                    match journal.append(&draft(number)) {
                        Ok(receipt) => acknowledged.push(receipt),
                        Err(error) => {
                            assert!(matches!(error, Error::Poisoned { .. }), "{error}");
                            assert_ne!(count, 1, "one failure closed it: {kind:?} {nth}");
                        }
                    }
                }
                let health = journal.health();
                closed += u32::from(health.closed.is_some());
                if health.closed.is_some() {
                    disk.heal();
                    let after = journal.append(&draft(99));
                    assert!(matches!(after, Err(Error::Poisoned { .. })), "closed stays closed");
                }
                drop(journal);
                // Whatever the kernel shows, what was acknowledged must outlive the power.
                let after = disk.power_cut(&mut Random(nth));
                let (journal, _) =
                    open(&after).unwrap_or_else(|e| panic!("{kind:?} {count} {nth}: {e}"));
                let stored = stored(&after).unwrap();
                for receipt in acknowledged {
                    assert_eq!(
                        stored.get(&receipt.seq),
                        Some(&receipt.hash),
                        "{kind:?} {count} {nth}"
                    );
                }
                journal.append(&draft(0)).unwrap();
            }
        }
    }
    assert!(closed > 10, "{closed}");
}

/// A power cut after a failed sync: the kernel said later syncs succeed, but the bytes are gone.
#[test]
fn a_failed_sync_is_never_trusted_again() {
    let disk = SimDisk::default();
    let (journal, _) = open(&disk).unwrap();
    let first = journal.append(&draft(0)).unwrap();
    disk.fail(2, 1, ErrorKind::Other); // Write, then the sync that fails.
    let second = journal.append(&draft(1)).unwrap();
    assert_eq!(journal.health().poisoned, 1);
    assert_eq!(segments(&disk).len(), 2);
    let after = disk.power_cut(&mut Random(1));
    let stored = stored(&after).unwrap();
    assert_eq!(stored[&first.seq], first.hash);
    assert_eq!(stored[&second.seq], second.hash);
}

#[test]
fn the_reserve_writes_the_last_records_of_a_full_disk() {
    let disk = SimDisk::default();
    let (journal, _) = open(&disk).unwrap();
    journal.append(&draft(0)).unwrap();
    let reserve = Path::new(DIR).join("reserve");
    assert_eq!(disk.read(&reserve).unwrap().len(), 512);
    disk.fail(1, 1, ErrorKind::StorageFull);
    journal.append(&draft(1)).unwrap();
    assert!(journal.health().without_reserve);
    assert!(disk.read(&reserve).is_err());
    drop(journal);
    let (journal, _) = open(&disk).unwrap();
    assert!(!journal.health().without_reserve && disk.read(&reserve).is_ok(), "made anew");
}

/// Random appends, faults and power cuts, again and again on the same journal.
#[test]
fn power_cuts_at_random() {
    let mut cuts = 0;
    for seed in 0..250 {
        let random = &mut Random(seed);
        let mut disk = SimDisk::default();
        let mut acknowledged: HashMap<u64, Hash> = HashMap::new();
        for round in 0..4 {
            if random.below(3) == 0 {
                disk.fail(random.below(40) + 1, random.below(3) + 1, ErrorKind::Other);
            }
            if let Ok((journal, cut)) = open(&disk) {
                cuts += u32::from(cut.is_some());
                for number in 0..random.below(30) {
                    let Ok(receipt) = journal.append(&draft(number)) else { break };
                    acknowledged.insert(receipt.seq, receipt.hash);
                }
            }
            disk = disk.power_cut(random);
            let stored =
                stored(&disk).unwrap_or_else(|e| panic!("seed {seed}, round {round}: {e}"));
            for (seq, hash) in &acknowledged {
                assert_eq!(stored.get(seq), Some(hash), "seed {seed}, round {round}, record {seq}");
            }
            // What was not acknowledged may have survived, and then the chain goes on from it.
            acknowledged = stored;
        }
    }
    assert!(cuts > 20, "only {cuts} torn tails: the test does not test");
}

/// Cuts and flips at every byte of the last segment: either nothing acknowledged is lost, or it is told.
#[test]
fn damage_to_what_was_acknowledged_is_refused_and_named() {
    let disk = SimDisk::default();
    let (journal, _) = open(&disk).unwrap();
    for number in 0..12 {
        journal.append(&draft(number)).unwrap();
    }
    drop(journal);
    let names = segments(&disk);
    let whole = Head { stamp: None, ..read_journal(&disk, Path::new(DIR), |_| {}).unwrap() };
    assert!(names.len() >= 2);
    for (place, name) in names.iter().enumerate() {
        let path = Path::new(DIR).join(name);
        let bytes = disk.read(&path).unwrap();
        let last_mark = bytes.len() - 21;
        for at in (0..bytes.len()).step_by(7) {
            disk.edit(&path, |bytes| bytes[at] ^= 0x20);
            let result = read_journal(&disk, Path::new(DIR), |_| {});
            if place + 1 == names.len() && at >= last_mark {
                // The last mark only says again what the records say.
                assert_eq!(result.unwrap().seq, whole.seq);
            } else {
                match result {
                    Err(Error::Damaged { segment, offset, .. }) => {
                        assert_eq!(segment, path);
                        assert!(offset as usize <= at, "{offset} {at}");
                    }
                    Err(Error::Format { what, .. }) => assert!(what.contains(".seg"), "{what}"),
                    Ok(head) => {
                        // A mark in the middle, which the next mark or header says again.
                        assert_eq!(head.seq, whole.seq, "{name} byte {at}");
                    }
                    other => panic!("{name} byte {at}: {other:?}"),
                }
            }
            disk.edit(&path, |now| now.clone_from(&bytes));
        }
    }
    // A missing segment in the middle.
    disk.remove(&Path::new(DIR).join(&names[1])).unwrap();
    if names.len() > 2 {
        assert!(read_journal(&disk, Path::new(DIR), |_| {}).is_err());
    }
}
