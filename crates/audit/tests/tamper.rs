//! The tamper matrix: every kind of stored object, changed in every way. Each change is found and named,
//! or is in the list of what cannot be seen, with the reason.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use audit::json::Json;
use audit::tile::{Kind, Tile};
use audit::{Draft, Hash, KeyRing, Log, Outcome, RealDisk, Report, VerifyOptions, verify};
use support::{entries, places, real, signer, small_log};

/// Name below the log's directory, bytes.
type Files = BTreeMap<String, Vec<u8>>;

fn load(dir: &Path) -> Files {
    fn walk(root: &Path, dir: &Path, files: &mut Files) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut files = Files::new();
    walk(dir, dir, &mut files);
    files.remove("lock");
    files
}

fn store(dir: &Path, files: &Files) {
    let _ = fs::remove_dir_all(dir);
    for (name, bytes) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn keys() -> KeyRing {
    KeyRing::of(signer(1).verifier().clone())
}

fn checked(dir: &Path, against: &[(&str, &[u8])]) -> Report {
    let mut options = VerifyOptions::new(keys());
    options.against =
        against.iter().map(|(name, note)| ((*name).to_owned(), note.to_vec())).collect();
    verify(&RealDisk, dir, &options, |_| {})
}

/// A log with two keys, full and partial tiles, partial tiles of earlier sizes, several checkpoints.
fn sample(root: &Path) -> (PathBuf, Files) {
    let (mut log, mut source) = small_log(root, 690);
    let key = signer(2).verifier().to_string();
    let draft = Draft { x: vec![("key".into(), Json::from(key))], ..Draft::of("key.rotate") };
    let record = source.seal(&draft).unwrap().remove(0);
    log.rotate(&record, signer(2)).unwrap();
    log.append(&entries(&mut source, 9)).unwrap();
    log.stable().unwrap();
    let (dir, _) = places(root);
    let files = load(&dir);
    (dir, files)
}

fn kind(name: &str) -> &'static str {
    match Tile::from_path(name) {
        Some(Tile { kind: Kind::Hashes(0), .. }) => "leaf hashes",
        Some(Tile { kind: Kind::Hashes(_), .. }) => "upper hashes",
        Some(Tile { kind: Kind::Entries, .. }) => "entries",
        Some(Tile { kind: Kind::Payload, .. }) => "payloads",
        None if name == "checkpoint" => "checkpoint",
        None if name == "keys.txt" => "key file",
        None => "stable checkpoint",
    }
}

/// Ways to change a file, each with a name.
fn changes(name: &str, files: &Files) -> Vec<(&'static str, Files)> {
    let bytes = &files[name];
    let length = bytes.len();
    let mut changes = Vec::new();
    let mut put = |what, bytes: Vec<u8>| {
        let mut files = files.clone();
        files.insert(name.to_owned(), bytes);
        changes.push((what, files));
    };
    for at in [0, 1, length / 3, length / 2, length - 2, length - 1] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        put("flip a bit", other);
    }
    put("cut the tail", bytes[..length - 1].to_vec());
    put("cut the tail", bytes[..length / 2].to_vec());
    put("cut the head", bytes[1..].to_vec());
    put("cut the head", bytes[length / 2..].to_vec());
    put("empty", Vec::new());
    put("double", [&bytes[..], bytes].concat());
    put("insert", [&bytes[..length / 2], b"x", &bytes[length / 2..]].concat());
    let mut deleted = files.clone();
    deleted.remove(name);
    changes.push(("delete", deleted));
    if let Some(other) = files.keys().find(|other| *other != name && kind(other) == kind(name)) {
        let mut swapped = files.clone();
        swapped.insert(name.to_owned(), files[other].clone());
        swapped.insert(other.clone(), bytes.clone());
        changes.push(("swap with another", swapped));
    }
    changes
}

/// Whether a finding tells where to look.
fn names(report: &Report, name: &str) -> bool {
    let mut words = vec![name.to_owned()];
    if let Some(tile) = Tile::from_path(name) {
        words.push(format!("bundle {}:", tile.n));
        if matches!(tile.kind, Kind::Hashes(0) | Kind::Entries | Kind::Payload) {
            words.extend((tile.n * 256..tile.end_index()).map(|index| format!("leaf {index} ")));
            words.extend((tile.n * 256..tile.end_index()).map(|index| format!("leaf {index}:")));
        }
    }
    let failed = report.checks.iter().filter(|check| check.outcome == Outcome::Fail);
    let mut findings = failed.flat_map(|check| &check.findings);
    findings.any(|finding| words.iter().any(|word| finding.contains(word.as_str())))
}

/// What cannot be seen, and why that is so.
fn invisible(name: &str, change: &str, current: &[String]) -> Option<&'static str> {
    let outgrown = Tile::from_path(name).is_some() && !current.contains(&name.to_owned());
    match (kind(name), change) {
        // The one of the rotation is what makes the new key valid.
        ("stable checkpoint", "delete") if name != "checkpoints/691" => {
            Some("nothing lists them; those kept outside are what counts")
        }
        ("key file", "delete") => Some("it is for convenience; the auditor has his own"),
        (_, "delete") if outgrown => Some("of an earlier size; the tile now holds the same"),
        _ => None,
    }
}

#[test]
fn every_object_changed_in_every_way() {
    let root = tempfile::tempdir().unwrap();
    let (dir, files) = sample(root.path());
    let clean = checked(&dir, &[]);
    assert!(!clean.failed(), "{clean}");
    assert!(clean.statement().contains("could have replaced the whole log"));
    let current: Vec<String> = [Kind::Hashes(0), Kind::Hashes(1), Kind::Entries, Kind::Payload]
        .into_iter()
        .flat_map(|kind| Tile::all(kind, 700).map(|tile| tile.path()))
        .collect();
    assert!(current.iter().all(|name| files.contains_key(name)), "{:?}", files.keys());

    let mut matrix: BTreeMap<(&str, &str), (u32, u32)> = BTreeMap::new();
    let altered = root.path().join("altered");
    for name in files.keys() {
        for (what, changed) in changes(name, &files) {
            if changed == files {
                continue;
            }
            store(&altered, &changed);
            let report = checked(&altered, &[]);
            let cell = matrix.entry((kind(name), what)).or_default();
            if invisible(name, what, &current).is_some() {
                assert!(!report.failed(), "{name}, {what}: seen after all\n{report}");
                cell.1 += 1;
                continue;
            }
            // Line ends and comments of the key file mean nothing.
            let same_keys = name == "keys.txt" && parsed(&changed[name]) == parsed(&files[name]);
            if same_keys {
                continue;
            }
            assert!(report.failed(), "{name}, {what}: not seen\n{report}");
            assert!(names(&report, name), "{name}, {what}: not named\n{report}");
            cell.0 += 1;
        }
    }
    let kinds: std::collections::BTreeSet<&str> = matrix.keys().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    use std::io::Write as _;
    let mut out = std::io::stdout();
    for ((kind, what), (seen, unseen)) in &matrix {
        writeln!(out, "{kind:<18} {what:<18} {seen:>3} found and named, {unseen} not checkable")
            .unwrap();
    }
}

fn parsed(bytes: &[u8]) -> Option<KeyRing> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

#[test]
fn inserted_files_are_told() {
    let root = tempfile::tempdir().unwrap();
    let (dir, files) = sample(root.path());
    for (name, fails) in [
        ("tile/0/junk", true),
        ("tile/entries/002.p/5", true),
        ("tile/payload/002.p/5", true),
        ("tile/0/002.p/5", true),
        ("checkpoints/5", true),
        ("checkpoints/x", true),
        // These may be what a crash left before the log is opened again: told, and covered by nothing.
        ("tile/0/003", false),
        ("tile/entries/002.p/255", false),
    ] {
        let mut more = files.clone();
        more.insert(name.to_owned(), b"junk".to_vec());
        store(&dir, &more);
        let report = checked(&dir, &[]);
        assert_eq!(report.failed(), fails, "{name}\n{report}");
        assert!(report.to_string().contains(name), "{name}\n{report}");
    }
}

/// Changes by somebody who knows the format and keeps all hashes right, but has not the key.
#[test]
fn consistent_changes_without_the_key_end_at_the_root() {
    let root = tempfile::tempdir().unwrap();
    let (dir, files) = sample(root.path());
    let name = "tile/entries/000";
    let tile = Tile::from_path(name).unwrap();
    let original = audit::tile::entries(&tile, &files[name]).unwrap();
    let mut variants: Vec<Vec<Vec<u8>>> = Vec::new();
    let list = || original.iter().map(|entry| entry.to_vec()).collect::<Vec<_>>();
    let mut edited = list();
    let text = String::from_utf8(edited[5].clone()).unwrap().replace("conn.open", "conn.fail");
    edited[5] = text.into_bytes();
    variants.push(edited);
    let mut reordered = list();
    reordered.swap(7, 8);
    variants.push(reordered);
    let mut doubled = list();
    doubled[9] = doubled[8].clone();
    variants.push(doubled);
    for entries in variants {
        let mut changed = files.clone();
        let mut bundle = Vec::new();
        for entry in &entries {
            bundle.extend_from_slice(&(entry.len() as u16).to_be_bytes());
            bundle.extend_from_slice(entry);
        }
        changed.insert(name.to_owned(), bundle);
        let hashes: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry)).collect();
        changed.insert("tile/0/000".to_owned(), hashes.iter().flat_map(|hash| hash.0).collect());
        for (name, bytes) in &mut changed {
            if name.starts_with("tile/1/") {
                bytes[..32].copy_from_slice(&audit::root(&hashes).0);
            }
        }
        store(&dir, &changed);
        let report = checked(&dir, &[]);
        assert_eq!(report.check("V1").unwrap().outcome, Outcome::Ok, "{report}");
        assert_eq!(report.check("V2").unwrap().outcome, Outcome::Ok, "{report}");
        assert_eq!(report.check("V3").unwrap().outcome, Outcome::Fail, "{report}");
        // A source's records may come in any order; that they came in this one only the root says.
        let reordered = hashes[7] == Hash::leaf(original[8]);
        let expected = if reordered { Outcome::Ok } else { Outcome::Fail };
        assert_eq!(report.check("V8").unwrap().outcome, expected, "{report}");
    }
}

#[test]
fn rolled_back_and_replaced_logs_need_a_checkpoint_from_outside() {
    let root = tempfile::tempdir().unwrap();
    let (dir, high) = places(root.path());
    let (mut log, mut source) = small_log(root.path(), 300);
    let old = load(&dir);
    log.append(&entries(&mut source, 50)).unwrap();
    let kept = log.note().as_bytes().to_vec();
    drop(log);
    let fine = checked(&dir, &[("laptop", &kept)]);
    assert!(!fine.failed(), "{fine}");
    assert!(fine.statement().contains("laptop of 350 leaves"), "{}", fine.statement());

    // An old copy is whole in itself; only what is outside tells.
    store(&dir, &old);
    let alone = checked(&dir, &[]);
    assert!(!alone.failed() && alone.statement().contains("could have replaced the whole log"));
    let report = checked(&dir, &[("laptop", &kept)]);
    assert_eq!(report.check("V5").unwrap().outcome, Outcome::Fail, "{report}");
    assert!(report.to_string().contains("rolled back"), "{report}");
    let error = Log::open(real(), &dir, &high, signer(1)).err().expect("refused").to_string();
    assert!(error.starts_with("LOG_ROLLBACK") && error.contains("had 350"), "{error}");

    // A log written anew with the stolen key, even longer.
    let other = tempfile::tempdir().unwrap();
    drop(small_log(other.path(), 400));
    store(&dir, &load(&places(other.path()).0));
    let alone = checked(&dir, &[]);
    assert!(!alone.failed() && alone.statement().contains("could have replaced the whole log"));
    let report = checked(&dir, &[("laptop", &kept)]);
    assert_eq!(report.check("V5").unwrap().outcome, Outcome::Fail, "{report}");
    let error = Log::open(real(), &dir, &high, signer(1)).err().expect("refused").to_string();
    assert!(error.starts_with("LOG_ROLLBACK") && error.contains("not those they were"), "{error}");

    // Without the high-water file nothing is believed either.
    fs::remove_file(&high).unwrap();
    let error = Log::open(real(), &dir, &high, signer(1)).err().expect("refused").to_string();
    assert!(error.contains("high-water file is missing"), "{error}");
}
