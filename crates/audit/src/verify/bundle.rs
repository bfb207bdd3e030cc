//! One bundle: its entries against its tile, its payloads against its leaves. Runs on any thread.

use crate::event::{self, Leaf};
use crate::log::store::Store;
use crate::tile::{self, Kind, Slot, Tile};
use crate::{Hash, root};

/// What a bundle holds, and what is wrong with it.
#[derive(Default)]
pub(super) struct Bundle {
    pub(super) n: u64,
    /// Index, leaf and SHA-256 of its bytes, of the leaves that can be read.
    pub(super) leaves: Vec<(u64, Leaf, Hash)>,
    /// The root of the level-0 tile, if it is full and there.
    pub(super) root: Option<Hash>,
    /// Number of the check, and what it found.
    pub(super) failures: Vec<(usize, String)>,
    /// The entries, the payloads, the hashes are not there.
    pub(super) missing: [bool; 3],
    pub(super) payloads: u64,
    /// Leaves whose payload is marked as erased.
    pub(super) erased: Vec<u64>,
}

impl Bundle {
    fn fail(&mut self, check: usize, text: String) {
        self.failures.push((check, text));
    }
}

/// Reads bundle `n` of a log of `size` leaves. `entries` is false outside the range that is verified.
pub(super) fn read(store: &Store<'_>, n: u64, size: u64, entries: bool) -> Bundle {
    let mut bundle = Bundle { n, ..Bundle::default() };
    let tile = |kind| Tile::of(kind, n, size);
    let Some(hash_tile) = tile(Kind::Hashes(0)) else { return bundle };
    let hashes = file(store, &mut bundle, hash_tile, 2).and_then(|bytes| {
        let hashes = tile::hashes(&hash_tile, &bytes);
        hashes.map_err(|error| bundle.fail(1, error.to_string())).ok()
    });
    bundle.missing[2] = hashes.is_none();
    bundle.root = hashes.as_ref().filter(|_| hash_tile.is_full()).map(|hashes| root(hashes));
    if !entries {
        return bundle;
    }
    let entry_tile = Tile { kind: Kind::Entries, ..hash_tile };
    let Some(bytes) = file(store, &mut bundle, entry_tile, 1) else {
        bundle.missing[0] = bundle.failures.is_empty();
        bundle.missing[1] = store
            .read(&Tile { kind: Kind::Payload, ..hash_tile }.path())
            .is_ok_and(|f| f.is_none());
        return bundle;
    };
    let leaves = match tile::entries(&entry_tile, &bytes) {
        Ok(entries) => read_leaves(&mut bundle, &entries, hashes.as_deref()),
        Err(error) => {
            bundle.fail(1, error.to_string());
            return bundle;
        }
    };
    let slot_tile = Tile { kind: Kind::Payload, ..hash_tile };
    match file(store, &mut bundle, slot_tile, 9) {
        None => bundle.missing[1] = true,
        Some(bytes) => match tile::slots(&slot_tile, &bytes) {
            Ok(slots) => check_payloads(&mut bundle, &leaves, &slots),
            Err(error) => bundle.fail(9, error.to_string()),
        },
    }
    let indexed = (n * 256..).zip(leaves);
    bundle.leaves =
        indexed.filter_map(|(index, leaf)| leaf.map(|(leaf, hash)| (index, leaf, hash))).collect();
    bundle
}

/// Exactly this file: of a partial tile the full one would be another tree's.
fn file(store: &Store<'_>, bundle: &mut Bundle, tile: Tile, check: usize) -> Option<Vec<u8>> {
    store.read(&tile.path()).unwrap_or_else(|error| {
        bundle.fail(check, error.to_string());
        None
    })
}

fn read_leaves(
    bundle: &mut Bundle,
    entries: &[&[u8]],
    hashes: Option<&[Hash]>,
) -> Vec<Option<(Leaf, Hash)>> {
    let mut leaves = Vec::with_capacity(entries.len());
    for (place, entry) in entries.iter().enumerate() {
        let index = bundle.n * 256 + place as u64;
        let expected = hashes.and_then(|hashes| hashes.get(place));
        if expected.is_some_and(|expected| *expected != Hash::leaf(entry)) {
            bundle.fail(1, format!("leaf {index} is not the one that tile/0 has"));
        }
        let leaf =
            Leaf::parse(entry).map_err(|error| bundle.fail(1, format!("leaf {index}: {error}")));
        leaves.push(leaf.ok().map(|leaf| (leaf, Hash::of(&[entry]))));
    }
    leaves
}

fn check_payloads(bundle: &mut Bundle, leaves: &[Option<(Leaf, Hash)>], slots: &[Slot<'_>]) {
    for (place, (leaf, slot)) in leaves.iter().zip(slots).enumerate() {
        let index = bundle.n * 256 + place as u64;
        let Some((leaf, _)) = leaf else { continue };
        match (leaf.payload, slot) {
            (None, Slot::None) => {}
            (Some(_), Slot::Erased) => bundle.erased.push(index),
            (Some((hash, length)), Slot::Kept { salt, payload }) => {
                let right =
                    length == payload.len() as u64 && event::commitment(salt, payload) == hash;
                if right {
                    bundle.payloads += 1;
                } else {
                    bundle.fail(
                        9,
                        format!("the payload of leaf {index} is not the one it commits to"),
                    );
                }
            }
            (Some(_), Slot::None) => {
                bundle.fail(9, format!("the payload of leaf {index} is gone without a mark"))
            }
            (None, _) => bundle.fail(9, format!("leaf {index} has no payload, and one is stored")),
        }
    }
}
