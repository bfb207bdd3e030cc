//! The Merkle tree of RFC 6962 section 2.1 over tiles: roots, inclusion and consistency.
//!
//! Proofs are made from any [`HashTiles`] and checked without one. Subtrees of 2^k leaves that begin at
//! a multiple of 2^k are read from tiles; whatever else there is, is hashed from those.

use crate::hash::root;
use crate::tile::{Kind, Tile};
use crate::{Error, Hash, Result};

/// Where hash tiles come from.
pub trait HashTiles {
    /// The hashes of this tile, at least as many as it is wide.
    ///
    /// # Errors
    /// When it is not there or not of that width.
    fn hashes(&self, tile: Tile) -> Result<Vec<Hash>>;
}

/// The root of the first `size` leaves, from the tiles of a tree of `within` leaves.
///
/// # Errors
/// Those of the tiles.
pub fn root_at(tiles: &impl HashTiles, size: u64, within: u64) -> Result<Hash> {
    match size {
        0 => Ok(Hash::empty()),
        _ if size > within => Err(Error::Missing(format!("{size} leaves of {within}"))),
        _ => subtree(tiles, within, 0, size),
    }
}

/// The hashes that lead from leaf `index` to the root of the first `size` leaves: PATH of RFC 6962.
///
/// # Errors
/// `Missing` if the tree has no such leaf; those of the tiles.
pub fn inclusion(tiles: &impl HashTiles, index: u64, size: u64) -> Result<Vec<Hash>> {
    if index >= size {
        return Err(Error::Missing(format!("leaf {index} is not among {size}")));
    }
    let mut path = Vec::new();
    let (mut low, mut high) = (0, size);
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(subtree(tiles, size, middle, high)?);
            high = middle;
        } else {
            path.push(subtree(tiles, size, low, middle)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show that the first `old` leaves are the beginning of the first `size`: PROOF of
/// RFC 6962. Empty when `old` is 0 or `size`.
///
/// # Errors
/// `Missing` if `old` is larger than `size`; those of the tiles.
pub fn consistency(tiles: &impl HashTiles, old: u64, size: u64) -> Result<Vec<Hash>> {
    if old > size {
        return Err(Error::Missing(format!("a tree of {old} is not part of one of {size}")));
    }
    let mut proof = Vec::new();
    if old == 0 || old == size {
        return Ok(proof);
    }
    let (mut low, mut high) = (0, size);
    while old != high {
        let middle = low + split(high - low);
        if old <= middle {
            proof.push(subtree(tiles, size, middle, high)?);
            high = middle;
        } else {
            proof.push(subtree(tiles, size, low, middle)?);
            low = middle;
        }
    }
    if low > 0 {
        proof.push(subtree(tiles, size, low, high)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root that an inclusion proof leads to; `None` if the proof has another length than it must have.
pub fn root_by_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    fn up(leaf: Hash, index: u64, low: u64, high: u64, proof: &[Hash]) -> Option<Hash> {
        if high - low == 1 {
            return proof.is_empty().then_some(leaf);
        }
        let (sibling, proof) = proof.split_last()?;
        let middle = low + split(high - low);
        if index < middle {
            Some(Hash::node(&up(leaf, index, low, middle, proof)?, sibling))
        } else {
            Some(Hash::node(sibling, &up(leaf, index, middle, high, proof)?))
        }
    }
    if index < size { up(leaf, index, 0, size, proof) } else { None }
}

/// Whether the proof shows that the tree of `size` leaves with root `new` begins with that of `old`
/// leaves with root `root`.
pub fn is_consistent(old: u64, root: Hash, size: u64, new: Hash, proof: &[Hash]) -> bool {
    /// The roots of the old and of the new tree, within these leaves.
    fn up(root: Hash, old: u64, low: u64, high: u64, proof: &[Hash]) -> Option<(Hash, Hash)> {
        if old == high {
            if low == 0 {
                return proof.is_empty().then_some((root, root));
            }
            return if let [hash] = proof { Some((*hash, *hash)) } else { None };
        }
        let (other, proof) = proof.split_last()?;
        let middle = low + split(high - low);
        if old <= middle {
            let (before, after) = up(root, old, low, middle, proof)?;
            Some((before, Hash::node(&after, other)))
        } else {
            let (before, after) = up(root, old, middle, high, proof)?;
            Some((Hash::node(other, &before), Hash::node(other, &after)))
        }
    }
    match old {
        0 => root == Hash::empty() && proof.is_empty(),
        _ if old > size => false,
        _ => up(root, old, 0, size, proof) == Some((root, new)),
    }
}

/// The largest power of two smaller than `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// MTH(D[low..high]) for a subtree that the tree of `size` leaves has.
fn subtree(tiles: &impl HashTiles, size: u64, low: u64, high: u64) -> Result<Hash> {
    let count = high - low;
    if !count.is_power_of_two() {
        let middle = low + split(count);
        let left = subtree(tiles, size, low, middle)?;
        return Ok(Hash::node(&left, &subtree(tiles, size, middle, high)?));
    }
    let height = count.ilog2();
    let level = height / 8;
    let first = low >> (8 * level);
    let tile = Tile::of(Kind::Hashes(level as u8), first / 256, size)
        .ok_or_else(|| Error::Missing(format!("leaves {low} to {high} of a tree of {size}")))?;
    let hashes = tiles.hashes(tile)?;
    let from = (first % 256) as usize;
    let part = hashes.get(from..from + (1 << (height % 8)));
    Ok(root(part.ok_or_else(|| Error::format(tile.path(), "too short"))?))
}

/// The right edge of a growing tree: for each level the hashes of its partial tile.
///
/// With it a leaf is appended and a root found without reading anything.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    levels: Vec<Vec<Hash>>,
    size: u64,
}

impl Edge {
    /// Reads the edge of a tree of `size` leaves.
    ///
    /// # Errors
    /// Those of the tiles.
    pub fn read(tiles: &impl HashTiles, size: u64) -> Result<Self> {
        let mut levels = Vec::new();
        while size >> (8 * levels.len()) > 0 {
            let level = levels.len();
            let count = size >> (8 * level);
            let width = (count % 256) as usize;
            let tile = Tile::of(Kind::Hashes(level as u8), count / 256, size);
            let mut hashes = tile.map_or(Ok(Vec::new()), |tile| tiles.hashes(tile))?;
            if hashes.len() < width {
                return Err(Error::format(format!("tile level {level}"), "too short"));
            }
            hashes.truncate(width);
            levels.push(hashes);
        }
        Ok(Self { levels, size })
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf's hash; tells every tile that is full now, with its hashes.
    pub fn push(&mut self, leaf: Hash, mut full: impl FnMut(Tile, Vec<Hash>)) {
        let mut hash = leaf;
        self.size += 1;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(hash);
            if self.levels[level].len() < 256 {
                return;
            }
            let hashes = std::mem::take(&mut self.levels[level]);
            hash = root(&hashes);
            let n = (self.size >> (8 * (level + 1))) - 1;
            full(Tile { kind: Kind::Hashes(level as u8), n, width: 256 }, hashes);
        }
    }

    /// The partial tiles.
    pub fn partial(&self) -> impl Iterator<Item = (Tile, &[Hash])> {
        let tiles = self.levels.iter().enumerate().filter(|(_, hashes)| !hashes.is_empty());
        tiles.map(|(level, hashes)| {
            let n = (self.size >> (8 * level)) / 256;
            let width = hashes.len() as u16;
            (Tile { kind: Kind::Hashes(level as u8), n, width }, &hashes[..])
        })
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let mut below: Option<Hash> = None;
        for hashes in &self.levels {
            // From the smallest subtree of the level, which is its last, to the largest.
            let mut rest = &hashes[..];
            while !rest.is_empty() {
                let count = 1 << rest.len().trailing_zeros();
                let (more, part) = rest.split_at(rest.len() - count);
                let part = root(part);
                below = Some(below.map_or(part, |below| Hash::node(&part, &below)));
                rest = more;
            }
        }
        below.unwrap_or_else(Hash::empty)
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
