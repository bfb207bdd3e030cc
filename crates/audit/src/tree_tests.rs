use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// A tree in memory that keeps every tile.
#[derive(Default)]
struct Memory {
    tiles: HashMap<(Kind, u64), Vec<Hash>>,
    edge: Edge,
}

impl Memory {
    fn of(size: u64) -> Self {
        let mut memory = Self::default();
        for index in 0..size {
            let Self { tiles, edge } = &mut memory;
            edge.push(leaf(index), |tile, hashes| {
                tiles.insert((tile.kind, tile.n), hashes);
            });
        }
        let partial =
            memory.edge.partial().map(|(tile, hashes)| ((tile.kind, tile.n), hashes.to_vec()));
        let partial: Vec<_> = partial.collect();
        memory.tiles.extend(partial);
        memory
    }
}

impl HashTiles for Memory {
    fn hashes(&self, tile: Tile) -> Result<Vec<Hash>> {
        let hashes = self.tiles.get(&(tile.kind, tile.n)).expect("a tile the tree has");
        assert!(hashes.len() >= tile.width.into());
        Ok(hashes[..tile.width.into()].to_vec())
    }
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(&index.to_be_bytes())
}

/// MTH as RFC 6962 words it, from all leaves.
fn mth(size: u64) -> Hash {
    root(&(0..size).map(leaf).collect::<Vec<_>>())
}

#[test]
fn roots_by_edge_tiles_and_definition_agree() {
    let large = Memory::of(70_000);
    let mut edge = Edge::default();
    for size in 0..=700 {
        assert_eq!(edge.root(), mth(size), "{size}");
        assert_eq!(root_at(&large, size, 70_000).unwrap(), mth(size), "{size}");
        assert_eq!(Edge::read(&large, size).unwrap().root(), mth(size), "{size}");
        edge.push(leaf(size), |_, _| {});
    }
    for size in [65_535, 65_536, 65_537, 70_000] {
        assert_eq!(root_at(&large, size, 70_000).unwrap(), mth(size), "{size}");
        assert_eq!(Edge::read(&large, size).unwrap().root(), mth(size), "{size}");
    }
}

#[test]
fn every_inclusion_and_consistency_proof_of_small_trees() {
    let tiles = Memory::of(70);
    for size in 0..=70 {
        let root = mth(size);
        for index in 0..size {
            let proof = inclusion(&tiles, index, size).unwrap();
            assert_eq!(root_by_inclusion(leaf(index), index, size, &proof), Some(root));
            assert_ne!(root_by_inclusion(leaf(index + 1), index, size, &proof), Some(root));
        }
        for old in 0..=size {
            let proof = consistency(&tiles, old, size).unwrap();
            assert!(is_consistent(old, mth(old), size, root, &proof), "{old} {size}");
            assert!(!is_consistent(old, leaf(99), size, root, &proof), "{old} {size}");
            if old > 0 {
                assert!(!is_consistent(old, mth(old), size, leaf(99), &proof), "{old} {size}");
            }
        }
    }
    assert!(inclusion(&tiles, 70, 70).is_err());
    assert!(consistency(&tiles, 71, 70).is_err());
    assert!(!is_consistent(71, mth(71), 70, mth(70), &[]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..Default::default() })]
    #[test]
    fn altered_proofs_fail(size in 2u64..3000, at: prop::sample::Index, old: prop::sample::Index,
                           which: prop::sample::Index, bit in 0usize..256) {
        let tiles = Memory::of(size);
        let (index, old) = (at.index(size as usize) as u64, old.index(size as usize - 1) as u64 + 1);
        let root = mth(size);
        let mut proof = inclusion(&tiles, index, size).unwrap();
        prop_assert_eq!(root_by_inclusion(leaf(index), index, size, &proof), Some(root));
        let length = proof.len();
        prop_assert_eq!(root_by_inclusion(leaf(index), index, size, &proof[1..]), None);
        proof[which.index(length)].0[bit / 8] ^= 1 << (bit % 8);
        prop_assert_ne!(root_by_inclusion(leaf(index), index, size, &proof), Some(root));
        proof.push(root);
        prop_assert_eq!(root_by_inclusion(leaf(index), index, size, &proof), None);

        let mut proof = consistency(&tiles, old, size).unwrap();
        prop_assert!(is_consistent(old, mth(old), size, root, &proof));
        if !proof.is_empty() {
            prop_assert!(!is_consistent(old, mth(old), size, root, &proof[1..]));
            let length = proof.len();
            proof[which.index(length)].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!is_consistent(old, mth(old), size, root, &proof));
        }
    }
}
