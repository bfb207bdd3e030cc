//! The log: what it writes can be proven, removed in order, and survives power cuts.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use audit::json::Json;
use audit::{
    Disk, Draft, Entry, Error, KeyRing, Log, Outcome, Proof, RealDisk, Removal, Report, Signer,
    VerifyOptions, tree, verify,
};
use support::sim::SimDisk;
use support::{ORIGIN, Random, entries, places, real, removal, signer, small_log, source};

fn keys() -> KeyRing {
    KeyRing::of(signer(1).verifier().clone())
}

fn checked(disk: &dyn Disk, dir: &Path) -> Report {
    verify(disk, dir, &VerifyOptions::new(keys()), |_| {})
}

fn rotation(source: &mut audit::Source, next: &Signer) -> Entry {
    let key = next.verifier().to_string();
    let draft = Draft { x: vec![("key".into(), Json::from(key))], ..Draft::of("key.rotate") };
    source.seal(&draft).unwrap().remove(0)
}

#[test]
fn proofs_of_every_kind() {
    let root = tempfile::tempdir().unwrap();
    let (mut log, mut source) = small_log(root.path(), 520);
    let old = log.checkpoint().clone();
    log.append(&entries(&mut source, 77)).unwrap();
    for index in [0, 1, 255, 256, 519, 520, 596] {
        let leaf = log.entry(index).unwrap().leaf;
        let file = log.prove(index).unwrap().encode();
        let proof = Proof::parse(file.as_bytes()).unwrap();
        assert_eq!(proof.encode(), file);
        assert_eq!(proof.check(&leaf, ORIGIN, &keys()).unwrap().size, 597);
        assert!(proof.check(b"{}", ORIGIN, &keys()).is_err());
        let other = KeyRing::of(signer(9).verifier().clone());
        assert!(matches!(proof.check(&leaf, ORIGIN, &other), Err(Error::Signature(_))));
        let moved = Proof { index: index ^ 1, ..proof };
        assert!(moved.check(&leaf, ORIGIN, &keys()).is_err());
    }
    assert!(log.prove(597).is_err());
    let new = log.checkpoint();
    let proof = log.consistency(old.size).unwrap();
    assert!(tree::is_consistent(old.size, old.root, new.size, new.root, &proof));
}

#[test]
fn a_log_goes_on_after_it_was_closed() {
    let root = tempfile::tempdir().unwrap();
    let (dir, high) = places(root.path());
    let (log, mut source) = small_log(root.path(), 256);
    assert!(matches!(Log::open(real(), &dir, &high, signer(1)), Err(Error::InUse { .. })));
    drop(log);
    for round in 0..300 {
        let mut log = Log::open(real(), &dir, &high, signer(1)).unwrap();
        assert_eq!(log.append(&entries(&mut source, 1)).unwrap(), 256 + round);
    }
    let report = checked(&RealDisk, &dir);
    assert!(!report.failed(), "{report}");
    assert_eq!((report.leaves, report.sources, report.payloads), (556, 2, 556));
    assert!(matches!(Log::open(real(), &dir, &high, signer(3)), Err(Error::Signature(_))));
    assert!(matches!(Log::create(real(), &dir, &high, signer(1)), Err(Error::Refused(_))));
}

#[test]
fn what_does_not_belong_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let (mut log, mut source) = small_log(root.path(), 10);
    let entry = entries(&mut source, 1).remove(0);
    let mut altered = entry.clone();
    altered.payload.as_mut().unwrap().json.push(b' ');
    assert!(log.append(&[altered]).is_err());
    assert!(log.append(&[]).is_err());
    assert!(log.append(&[Entry { leaf: b"{}".to_vec(), payload: None }]).is_err());
    let foreign = audit::Source::new("other", "x", audit::Head::START, support::clock());
    assert!(log.append(&entries(&mut foreign.clone(), 1)).is_err());
    let rotate = rotation(&mut source.clone(), &signer(2));
    assert!(log.append(std::slice::from_ref(&rotate)).is_err(), "only by rotate");
    assert!(log.rotate(&rotate, signer(3)).is_err(), "names another key");
    assert_eq!(log.append(&[entry]).unwrap(), 10);
}

#[test]
fn keys_are_rotated_and_followed_from_the_first() {
    let root = tempfile::tempdir().unwrap();
    let (dir, high) = places(root.path());
    let (mut log, mut source) = small_log(root.path(), 20);
    for next in 2..5 {
        let record = rotation(&mut source, &signer(next));
        log.rotate(&record, signer(next)).unwrap();
        log.append(&entries(&mut source, 3)).unwrap();
        log.stable().unwrap();
    }
    let ring = log.keys().clone();
    // An export has no key file; the first key is enough for it too.
    let export = root.path().join("export");
    log.export(0..log.checkpoint().size, &export).unwrap();
    let report = checked(&RealDisk, &export);
    assert!(!report.failed(), "{report}");
    drop(log);
    assert_eq!(ring.ranges().count(), 4);
    // With the first key alone, and with the whole ring.
    let report = checked(&RealDisk, &dir);
    assert!(!report.failed(), "{report}");
    let report = verify(&RealDisk, &dir, &VerifyOptions::new(ring.clone()), |_| {});
    assert!(!report.failed(), "{report}");
    // The old key is good for nothing any more.
    assert!(matches!(Log::open(real(), &dir, &high, signer(1)), Err(Error::Signature(_))));
    let mut forged =
        audit::Checkpoint { origin: ORIGIN.into(), size: 32, root: audit::Hash::empty() };
    forged.size = 32;
    let note = forged.sign(&signer(1)).unwrap().encode();
    std::fs::write(dir.join("checkpoint"), note).unwrap();
    let report = verify(&RealDisk, &dir, &VerifyOptions::new(ring), |_| {});
    assert_eq!(report.check("V4").unwrap().outcome, Outcome::Fail, "{report}");
}

#[test]
fn removal_in_order() {
    let root = tempfile::tempdir().unwrap();
    let (dir, _) = places(root.path());
    let (mut log, mut source) = small_log(root.path(), 1000);
    let old_roots: Vec<_> = [600, 1000].map(|size| log.consistency(size)).into_iter().collect();
    assert!(old_roots.iter().all(Result::is_ok));

    let payloads = removal(&mut source, &Removal::Payloads(0..300));
    let held = log.forget(&payloads, std::slice::from_ref(&(299..301)));
    assert!(matches!(held, Err(Error::Refused(_))));
    assert_eq!(log.checkpoint().size, 1000, "a refusal writes nothing");
    assert_eq!(log.forget(&payloads, std::slice::from_ref(&(300..301))).unwrap().payloads, 300);
    assert_eq!(log.entry(299).unwrap().payload, None);
    assert!(log.entry(300).unwrap().payload.is_some());

    let chosen = removal(&mut source, &Removal::Chosen(vec![999, 400]));
    assert_eq!(log.forget(&chosen, &[]).unwrap().payloads, 2);
    log.append(&entries(&mut source, 3)).unwrap();
    assert_eq!(log.entry(999).unwrap().payload, None, "erased in the bundle that still grows");
    let report = checked(&RealDisk, &dir);
    assert!(!report.failed(), "{report}");
    assert_eq!(report.erased, 302);

    let odd = removal(&mut source.clone(), &Removal::Leaves(300));
    assert!(log.forget(&odd, &[]).is_err(), "not whole bundles");
    let leaves = removal(&mut source, &Removal::Leaves(512));
    let index = log.checkpoint().size;
    assert!(log.forget(&leaves, &[]).unwrap().files >= 6);
    assert_eq!(
        log.carry_out(index).unwrap(),
        audit::Removed::default(),
        "again: nothing left to do"
    );
    assert!(log.entry(511).is_err());
    let entry = log.entry(512).unwrap();
    log.prove(512).unwrap().check(&entry.leaf, ORIGIN, &keys()).unwrap();
    log.consistency(600).unwrap();
    let report = checked(&RealDisk, &dir);
    assert!(!report.failed(), "{report}");
    assert_eq!(report.pruned, 512);

    // The same without a record.
    std::fs::remove_file(dir.join("tile/entries/002")).unwrap();
    let report = checked(&RealDisk, &dir);
    assert_eq!(report.check("V12").unwrap().outcome, Outcome::Fail, "{report}");
    assert!(report.to_string().contains("tile/entries, bundle 2"), "{report}");
}

#[test]
fn exports_are_verified_alone() {
    let root = tempfile::tempdir().unwrap();
    let (mut log, mut source) = small_log(root.path(), 900);
    let keep = log.note().as_bytes().to_vec();
    log.append(&entries(&mut source, 5)).unwrap();
    let whole = root.path().join("whole");
    assert!(log.export(0..905, &whole).unwrap() > 10);
    assert!(log.export(0..905, &whole).is_err(), "not empty");
    let mut options = VerifyOptions::new(keys());
    options.against.push(("kept".into(), keep));
    let report = verify(&RealDisk, &whole, &options, |_| {});
    assert!(!report.failed() && report.leaves == 905, "{report}");
    let part = root.path().join("part");
    log.export(300..400, &part).unwrap();
    let report = verify(&RealDisk, &part, &options, |_| {});
    assert!(!report.failed() && report.leaves == 256, "{report}");
    assert_eq!(report.check("V1").unwrap().outcome, Outcome::NotChecked);
    std::fs::remove_file(part.join("range")).unwrap();
    assert!(verify(&RealDisk, &part, &options, |_| {}).failed(), "a part that says it is whole");
}

#[test]
fn gaps_and_times_of_sources() {
    let root = tempfile::tempdir().unwrap();
    let (dir, high) = places(root.path());
    let mut log = Log::create(real(), &dir, &high, signer(1)).unwrap();
    let mut all = entries(&mut source("host"), 10);
    let missing = all.remove(4);
    log.append(&all).unwrap();
    let report = checked(&RealDisk, &dir);
    assert!(report.to_string().contains("records 5 to 5 never came"), "{report}");
    assert_eq!(report.check("V8").unwrap().outcome, Outcome::Fail);
    let mut draft = Draft::of("audit.gap");
    draft.x =
        vec![("src".into(), "host".into()), ("from".into(), 5.into()), ("to".into(), 5.into())];
    log.append(&source("manager").seal(&draft).unwrap()).unwrap();
    assert_eq!(checked(&RealDisk, &dir).check("V8").unwrap().outcome, Outcome::NotChecked);
    log.append(&[missing]).unwrap();
    assert_eq!(checked(&RealDisk, &dir).check("V8").unwrap().outcome, Outcome::Ok);

    // A source whose clock goes back without a word.
    let mut leaf = source("liar").seal(&Draft::of("conn.open")).unwrap()[0].check().unwrap();
    let first = leaf.encode();
    (leaf.seq, leaf.prev, leaf.at) = (2, audit::Hash::of(&[&first]), leaf.at - 5);
    let bad = [first, leaf.encode()].map(|leaf| Entry { leaf, payload: None });
    log.append(&bad).unwrap();
    let report = checked(&RealDisk, &dir);
    assert!(report.to_string().contains("5 us before"), "{report}");
    assert_eq!(report.check("V10").unwrap().outcome, Outcome::Fail);
}

/// Faults and power cuts while batches are written: what was answered is there, and the log verifies.
#[test]
fn power_cuts_at_random() {
    let (dir, high) = (Path::new("/log"), Path::new("/outside/high-water"));
    let mut reopened = 0;
    for seed in 0..120 {
        let random = &mut Random(seed);
        let mut disk = SimDisk::default();
        let mut source = source("host");
        drop(Log::create(Arc::new(disk.clone()), dir, high, signer(1)).unwrap());
        let mut answered =
            audit::Checkpoint { origin: ORIGIN.into(), size: 0, root: audit::Hash::empty() };
        for round in 0..3 {
            if random.below(2) == 0 {
                disk.fail(random.below(80) + 1, 1, ErrorKind::Other);
            }
            if let Ok(mut log) = Log::open(Arc::new(disk.clone()), dir, high, signer(1)) {
                for _ in 0..random.below(4) {
                    let mut next = source.clone();
                    let batch = entries(&mut next, random.below(300) + 1);
                    if log.append(&batch).is_err() {
                        assert!(matches!(log.append(&batch), Err(Error::Poisoned { .. })));
                        break;
                    }
                    answered = log.checkpoint().clone();
                    source = next;
                }
            }
            disk = disk.power_cut(random);
            let log = Log::open(Arc::new(disk.clone()), dir, high, signer(1));
            let log = log.unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}"));
            reopened += 1;
            assert!(log.checkpoint().size >= answered.size, "seed {seed}, round {round}");
            let root = log.consistency(answered.size).unwrap();
            let now = log.checkpoint();
            assert!(tree::is_consistent(answered.size, answered.root, now.size, now.root, &root));
            // A batch whose answer was lost may be there; the source goes on after it.
            if now.size > answered.size {
                let leaf = log.entry(now.size - 1).unwrap();
                let head = audit::Head::after(&leaf.check().unwrap(), leaf.hash());
                source = audit::Source::new(ORIGIN, "host", head, support::clock());
                answered = now.clone();
            }
            drop(log);
            let report = checked(&disk, dir);
            let failed = report.checks.iter().any(|c| c.outcome == Outcome::Fail && c.id != "V10");
            assert!(!failed, "seed {seed}, round {round}\n{report}");
        }
    }
    assert!(reopened > 300);
}
