//! Hash tiles against each other, and files that should not be there.

use super::Report;
use crate::log::store::Store;
use crate::tile::{self, Kind, LEVELS, Tile};
use crate::tree::HashTiles as _;
use crate::{Hash, root};

/// Checks every level above 0 against the level below (V2), then every file below `tile/`.
///
/// `roots` are those of the full tiles of level 0, as far as they are there.
pub(super) fn check(
    store: &Store<'_>,
    size: u64,
    roots: &[Option<Hash>],
    pruned_end: u64,
    report: &mut Report,
) {
    let mut below = roots.to_vec();
    for level in 1..LEVELS {
        let mut above = Vec::new();
        for tile in Tile::all(Kind::Hashes(level), size) {
            let hashes = match store.hashes(tile) {
                Ok(hashes) => hashes,
                Err(error) => {
                    report.fail(2, error.to_string());
                    above.push(None);
                    continue;
                }
            };
            let first = (tile.n * 256) as usize;
            for (place, hash) in hashes.iter().enumerate() {
                // Pruned tiles of level 0 are vouched for from above only.
                let expected = below.get(first + place).copied().flatten();
                if expected.is_some_and(|expected| expected != *hash) {
                    let child = Tile {
                        kind: Kind::Hashes(level - 1),
                        n: (first + place) as u64,
                        width: 256,
                    };
                    report.fail(2, format!("{tile}: hash {place} is not that of {child}"));
                }
            }
            above.push(tile.is_full().then(|| root(&hashes)));
        }
        below = above;
    }
    let mut names = Vec::new();
    if let Err(error) = store.walk("tile", &mut |name| names.push(name)) {
        report.fail(2, error.to_string());
    }
    for name in names {
        check_file(store, size, &name, pruned_end, report);
    }
}

/// A file is a tile of this tree, or of an earlier size of it and then the beginning of the one now.
fn check_file(store: &Store<'_>, size: u64, name: &str, pruned_end: u64, report: &mut Report) {
    let Some(tile) = Tile::from_path(name) else {
        report.fail(2, format!("{name}: not a file of a log"));
        return;
    };
    let check = if tile.kind == Kind::Payload { 9 } else { 2 };
    match Tile::of(tile.kind, tile.n, size) {
        Some(now) if now == tile => {
            if tile.end_index() <= pruned_end && !matches!(tile.kind, Kind::Hashes(1..)) {
                report.not_checked(
                    12,
                    format!("{name}: is still there, though its removal is recorded"),
                );
            }
        }
        Some(now) if now.width > tile.width => {
            let same = earlier(store, &tile, &now);
            match same {
                _ if tile.kind == Kind::Payload => {
                    report.fail(check, format!("{name}: a second copy of payloads"));
                }
                Some(true) => {}
                Some(false) => report.fail(check, format!("{name}: not the beginning of {now}")),
                None => report.fail(check, format!("{name}: cannot be compared with {now}")),
            }
        }
        // A crash leaves such files until the log is opened again; nobody signed them.
        _ => {
            report.not_checked(2, format!("{name}: beyond the checkpoint, covered by no signature"))
        }
    }
}

fn earlier(store: &Store<'_>, tile: &Tile, now: &Tile) -> Option<bool> {
    let (old, new) = (store.read(&tile.path()).ok()??, store.read(&now.path()).ok()??);
    if let Kind::Entries = tile.kind {
        let (old, new) = (tile::entries(tile, &old).ok()?, tile::entries(now, &new).ok()?);
        return Some(new.starts_with(&old));
    }
    let (old, new) = (tile::hashes(tile, &old).ok()?, tile::hashes(now, &new).ok()?);
    Some(new.starts_with(&old))
}
