//! Checkpoints: which one to begin with, and whether all of them are of one tree and by the right keys.

use super::{Report, VerifyOptions};
use crate::checkpoint::Checkpoint;
use crate::event::Leaf;
use crate::keys::{KeyRing, VerifierKey};
use crate::log::rotated_key;
use crate::log::store::{CHECKPOINT, KEYS, STABLE, Store};
use crate::note::Note;
use crate::tile::{self, Kind, Tile};
use crate::{Hash, Result, tree};

/// The checkpoints of a log.
pub(super) struct Found {
    /// The newest that is signed by a key that may turn out to be right; its size is what is verified.
    pub(super) base: Checkpoint,
    /// The log's name, from the auditor's keys.
    pub(super) origin: String,
}

/// Looks for a checkpoint to begin with: the newest, or if that is unusable the newest stable one.
///
/// Keys in the log's directory are used only to find the size; whether they are right is decided by the
/// leaves, in [`check`].
pub(super) fn find(store: &Store<'_>, keys: &KeyRing, report: &mut Report) -> Option<Found> {
    let origin = keys.newest().name().to_owned();
    let listed = store.read(KEYS).ok().flatten();
    let listed = listed.and_then(|bytes| String::from_utf8_lossy(&bytes).parse::<KeyRing>().ok());
    let mut candidates: Vec<VerifierKey> = [Some(keys), listed.as_ref()]
        .into_iter()
        .flatten()
        .flat_map(|ring| ring.ranges().map(|(_, key)| key.clone()))
        .collect();
    let usable = |name: &str, candidates: &[VerifierKey]| -> Result<Checkpoint> {
        let missing = || crate::Error::Missing(format!("{name} is missing"));
        let note = Note::parse(&store.read(name)?.ok_or_else(missing)?)?;
        let checkpoint = Checkpoint::parse(&note.text)?;
        let signed = candidates.iter().any(|key| note.verified_by(key).is_ok());
        if !signed || checkpoint.origin != origin {
            return Err(crate::Error::Signature(format!("{name}: not by a key of {origin}")));
        }
        Ok(checkpoint)
    };
    let (sizes, _) = store.stable().unwrap_or_default();
    for size in &sizes {
        // A rotation's leaf is the last of a stable checkpoint, by the key before.
        if usable(&format!("{STABLE}/{size}"), &candidates).is_ok() {
            candidates.extend(size.checked_sub(1).and_then(|last| named_key(store, last)));
        }
    }
    match usable(CHECKPOINT, &candidates) {
        Ok(base) => return Some(Found { base, origin }),
        Err(error) => report.fail(4, format!("{CHECKPOINT}: {error}")),
    }
    let base = sizes
        .iter()
        .rev()
        .find_map(|size| usable(&format!("{STABLE}/{size}"), &candidates).ok())?;
    Some(Found { base, origin })
}

/// The key that this leaf names, if it does.
fn named_key(store: &Store<'_>, index: u64) -> Option<VerifierKey> {
    let full = Tile { kind: Kind::Entries, n: index / 256, width: 256 };
    let dir = format!("{}.p", full.path());
    let mut widths: Vec<u16> =
        store.list(&dir).ok()?.iter().filter_map(|w| w.parse().ok()).collect();
    widths.sort_unstable();
    let tile = widths.last().map_or(full, |width| Tile { width: *width, ..full });
    let (tile, bytes) = store.tile(tile).ok()??;
    let entries = tile::entries(&tile, &bytes).ok()?;
    let leaf = Leaf::parse(entries.get((index % 256) as usize)?).ok()?;
    rotated_key(&leaf)
}

/// Checks every checkpoint: V3, V4 and V5.
pub(super) fn check(
    store: &Store<'_>,
    found: &Found,
    rotations: &[(u64, VerifierKey)],
    pruned_end: u64,
    options: &VerifyOptions,
    report: &mut Report,
) {
    let (size, origin) = (found.base.size, &found.origin);
    let keys = extended(store, &options.keys, origin, rotations, report);
    let root = |size: u64| tree::root_at(store, size, found.base.size);
    let mut heads = vec![CHECKPOINT.to_owned()];
    match store.stable() {
        Err(error) => report.fail(4, error.to_string()),
        Ok((sizes, others)) => {
            heads.extend(sizes.iter().map(|size| format!("{STABLE}/{size}")));
            others.iter().for_each(|name| {
                report.fail(4, format!("{STABLE}/{name}: no checkpoint has this name"))
            });
        }
    }
    for name in heads {
        let bytes = match store.read(&name) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => continue, // Said by `find`.
            Err(error) => {
                report.fail(4, error.to_string());
                continue;
            }
        };
        match Checkpoint::open(&bytes, origin, &keys) {
            Err(error) if name != CHECKPOINT || Note::parse(&bytes).is_ok() => {
                report.fail(4, format!("{name}: {error}"));
            }
            Err(_) => {} // Said by `find`.
            Ok(head) if name != CHECKPOINT && name != format!("{STABLE}/{}", head.size) => {
                report.fail(4, format!("{name}: is the checkpoint of {} leaves", head.size));
            }
            Ok(head) if head.size > size => {
                report.fail(3, format!("{name}: of {} leaves, and the log has {size}", head.size));
            }
            Ok(head) => {
                compare(&name, &head, root(head.size), pruned_end, 3, report);
            }
        }
    }
    against(found, &keys, pruned_end, root, options, report);
    check_listed(store, &keys, report);
}

/// Whether a root is the one the tiles give. Below what was pruned it may not be there any more.
fn compare(
    name: &str,
    head: &Checkpoint,
    root: Result<Hash>,
    pruned_end: u64,
    check: usize,
    report: &mut Report,
) -> bool {
    match root {
        Ok(root) if root == head.root => return true,
        Ok(_) => report
            .fail(check, format!("{name}: the tiles of {} leaves have another root", head.size)),
        Err(_) if head.size < pruned_end => {
            report.not_checked(
                check,
                format!("{name}: the tiles of {} leaves were pruned", head.size),
            );
        }
        Err(error) => report.fail(check, format!("{name}: {error}")),
    }
    false
}

fn against(
    found: &Found,
    keys: &KeyRing,
    pruned_end: u64,
    root: impl Fn(u64) -> Result<Hash>,
    options: &VerifyOptions,
    report: &mut Report,
) {
    if options.against.is_empty() {
        report.not_checked(5, "no checkpoint from outside was given");
    }
    for (name, bytes) in &options.against {
        match Checkpoint::open(bytes, &found.origin, keys) {
            Err(error) => report.fail(5, format!("{name}: {error}")),
            Ok(head) if head.size > found.base.size => {
                let why = format!(
                    "{name}: of {} leaves, and the log has {}: it was rolled back",
                    head.size, found.base.size
                );
                report.fail(5, why);
            }
            Ok(head) => {
                if compare(name, &head, root(head.size), pruned_end, 5, report) {
                    report.outside.push((name.clone(), head.size));
                }
            }
        }
    }
}

/// The auditor's keys, and those that the log's leaves name as successors: each is believed when a stable
/// checkpoint that ends with the leaf naming it is signed by its predecessor.
fn extended(
    store: &Store<'_>,
    keys: &KeyRing,
    origin: &str,
    rotations: &[(u64, VerifierKey)],
    report: &mut Report,
) -> KeyRing {
    let mut keys = keys.clone();
    for (index, key) in rotations {
        let open_from = keys.ranges().last().map_or(0, |(range, _)| *range.start());
        let known = keys.at(index + 1) == Some(key) || *index < open_from;
        let name = format!("{STABLE}/{}", index + 1);
        if known {
            continue;
        }
        let bytes = store.read(&name).ok().flatten().unwrap_or_default();
        if Checkpoint::open(&bytes, origin, &keys).is_ok_and(|head| head.size == index + 1) {
            keys.push(index + 1, key.clone());
        } else {
            let why = "not there by the key before, so the key that leaf";
            report.fail(4, format!("{name}: {why} {index} names is not believed"));
        }
    }
    keys
}

/// The directory's own key file is for convenience; it must not mislead whoever takes it from there.
fn check_listed(store: &Store<'_>, keys: &KeyRing, report: &mut Report) {
    let Ok(Some(bytes)) = store.read(KEYS) else { return };
    let listed = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse::<KeyRing>().ok());
    let same = |ring: &KeyRing| {
        ring.ranges().map(|(range, key)| (*range.start(), key.clone())).collect::<Vec<_>>()
    };
    if listed.as_ref().map(same) != Some(same(keys)) {
        report.fail(4, format!("{KEYS}: not the keys that are valid for this log"));
    }
}
