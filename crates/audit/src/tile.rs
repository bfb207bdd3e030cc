//! Names and contents of the files of a log: C2SP tlog-tiles.
//!
//! Hash tiles and entry bundles are as published. `tile/payload/<N>` is our own: what belongs to each
//! entry of a bundle, and may be erased.

use std::fmt;

use crate::event::{PAYLOAD_BYTES_MAX, SALT_BYTES};
use crate::{Error, Hash, Result};

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Levels of hash tiles that a log of 2^64 entries has.
pub const LEVELS: u8 = 8;

/// What a tile file holds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Hashes of this level: 0 are the leaves', 1 those of full tiles of level 0, and so on.
    Hashes(u8),
    /// The entries (leaves) themselves.
    Entries,
    /// The payloads.
    Payload,
}

/// One tile file.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tile {
    /// What it holds.
    pub kind: Kind,
    /// Its number within its level, from 0.
    pub n: u64,
    /// How many hashes or entries, 1 to 256.
    pub width: u16,
}

impl Tile {
    /// The tile `n` of this kind as a tree of `size` leaves has it; `None` if it has none.
    pub fn of(kind: Kind, n: u64, size: u64) -> Option<Self> {
        let level = if let Kind::Hashes(level) = kind { level } else { 0 };
        let count = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let width = count.checked_sub(n.checked_mul(TILE_WIDTH)?)?.min(TILE_WIDTH);
        (width > 0).then_some(Self { kind, n, width: width as u16 })
    }

    /// Every tile of this kind that a tree of `size` leaves has.
    pub fn all(kind: Kind, size: u64) -> impl Iterator<Item = Self> {
        (0..).map_while(move |n| Self::of(kind, n, size))
    }

    /// Whether it can grow no more.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The same tile when it is full.
    #[must_use]
    pub fn full(self) -> Self {
        Self { width: TILE_WIDTH as u16, ..self }
    }

    /// The leaves it spans end before this index (a full tile's; the specification's "end index").
    pub fn end_index(&self) -> u64 {
        let level = if let Kind::Hashes(level) = self.kind { level } else { 0 };
        (self.n + 1).checked_shl(8 * (u32::from(level) + 1)).unwrap_or(u64::MAX)
    }

    /// Its name below the log's directory, with `/` between parts.
    pub fn path(&self) -> String {
        let mut path = match self.kind {
            Kind::Hashes(level) => format!("tile/{level}/"),
            Kind::Entries => "tile/entries/".to_owned(),
            Kind::Payload => "tile/payload/".to_owned(),
        };
        let mut groups = vec![format!("{:03}", self.n % 1000)];
        let mut rest = self.n / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        path += &groups.join("/");
        if !self.is_full() {
            path += &format!(".p/{}", self.width);
        }
        path
    }

    /// From such a name; `None` if it is not exactly one that [`path`](Self::path) gives.
    pub fn from_path(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Entries,
            "payload" => Kind::Payload,
            level => Kind::Hashes(level.parse().ok().filter(|level| *level < LEVELS)?),
        };
        let (name, width) = match rest.split_once(".p/") {
            Some((name, width)) => (name, width.parse().ok().filter(|w| (1..256).contains(w))?),
            None => (rest, TILE_WIDTH as u16),
        };
        let mut n: u64 = 0;
        for group in name.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            n = n.checked_mul(1000)?.checked_add(digits.parse::<u16>().ok()?.into())?;
        }
        let tile = Self { kind, n, width };
        (tile.path() == path).then_some(tile)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// The hashes of a hash tile.
///
/// # Errors
/// `Format` when the length is not that of the tile's width.
pub fn hashes(tile: &Tile, bytes: &[u8]) -> Result<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if hashes.len() != usize::from(tile.width) || !rest.is_empty() {
        let expected = usize::from(tile.width) * 32;
        return Err(Error::format(tile.path(), format!("{} bytes, not {expected}", bytes.len())));
    }
    Ok(hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// The entries of a bundle: each a big-endian u16 length and as many bytes.
///
/// # Errors
/// `Format` when they are not as many as the tile is wide, or one is cut.
pub fn entries<'a>(tile: &Tile, bytes: &'a [u8]) -> Result<Vec<&'a [u8]>> {
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(tile.width.into());
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let Some((entry, tail)) = tail.split_at_checked(u16::from_be_bytes(*length).into()) else {
            break;
        };
        entries.push(entry);
        rest = tail;
    }
    if !rest.is_empty() || entries.len() != usize::from(tile.width) {
        let why = format!(
            "{} entries and {} bytes over, not {} entries",
            entries.len(),
            rest.len(),
            tile.width
        );
        return Err(Error::format(tile.path(), why));
    }
    Ok(entries)
}

/// Appends an entry to a bundle. At most 65,535 bytes are written; leaves are shorter by far.
pub(crate) fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(&entry[..length.into()]);
}

/// What is kept beside an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Slot<'a> {
    /// The record has no payload.
    None,
    /// The payload and its salt.
    Kept {
        /// The random bytes that keep a short payload from being guessed by its hash.
        salt: &'a [u8; SALT_BYTES],
        /// Canonical JSON.
        payload: &'a [u8],
    },
    /// There was one; it was erased.
    Erased,
}

/// The slots of a payload bundle: one byte (0 none, 1 kept, 2 erased), and of what is kept the salt, a
/// big-endian u32 length and as many bytes.
///
/// # Errors
/// `Format` when they are not as many as the tile is wide, one is cut or of an unknown sort.
pub fn slots<'a>(tile: &Tile, bytes: &'a [u8]) -> Result<Vec<Slot<'a>>> {
    let mut rest = bytes;
    let mut slots = Vec::with_capacity(tile.width.into());
    while let Some((slot, tail)) = next_slot(rest) {
        slots.push(slot);
        rest = tail;
    }
    if !rest.is_empty() || slots.len() != usize::from(tile.width) {
        let why = format!(
            "{} payloads and {} bytes over, not {} payloads",
            slots.len(),
            rest.len(),
            tile.width
        );
        return Err(Error::format(tile.path(), why));
    }
    Ok(slots)
}

fn next_slot(bytes: &[u8]) -> Option<(Slot<'_>, &[u8])> {
    let (sort, rest) = bytes.split_first()?;
    match sort {
        0 => Some((Slot::None, rest)),
        1 => {
            let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>()?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (payload, rest) = rest.split_at_checked(length)?;
            (length <= PAYLOAD_BYTES_MAX).then_some((Slot::Kept { salt, payload }, rest))
        }
        2 => Some((Slot::Erased, rest)),
        _ => None,
    }
}

/// Appends a slot to a payload bundle.
pub(crate) fn push_slot(bundle: &mut Vec<u8>, slot: &Slot<'_>) {
    match slot {
        Slot::None => bundle.push(0),
        Slot::Kept { salt, payload } => {
            bundle.push(1);
            bundle.extend_from_slice(*salt);
            bundle.extend_from_slice(&(payload.len() as u32).to_be_bytes());
            bundle.extend_from_slice(payload);
        }
        Slot::Erased => bundle.push(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the specification.
    #[test]
    fn published_names() {
        let tile = Tile { kind: Kind::Hashes(0), n: 1_234_067, width: 256 };
        assert_eq!(tile.path(), "tile/0/x001/x234/067");
        let size = 70_000;
        let of = |level| Tile::all(Kind::Hashes(level), size).collect::<Vec<_>>();
        assert_eq!((of(0).len(), of(0)[273].width), (274, 112));
        assert_eq!((of(1).len(), of(1)[0].width, of(1)[1].width), (2, 256, 17));
        assert_eq!((of(2).len(), of(2)[0].width), (1, 1));
        assert_eq!(of(3), []);
        assert_eq!(of(0)[273].path(), "tile/0/273.p/112");
        assert_eq!(Tile::of(Kind::Hashes(1), 0, 256).map(|tile| tile.width), Some(1));
    }

    #[test]
    fn only_exact_names_are_read() {
        for path in [
            "tile/0/1",
            "tile/0/x000/001",
            "tile/00/001",
            "tile/8/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/01",
            "tile/0/001/x002",
            "tile/0/+01",
            "tile/0/",
            "tile/0/../001",
            "tile/other/001",
            "checkpoint",
        ] {
            assert_eq!(Tile::from_path(path), None, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn names_are_read_back(n: u64, width in 1u16..=256, kind in 0u8..10) {
            let kind = match kind { 8 => Kind::Entries, 9 => Kind::Payload, level => Kind::Hashes(level) };
            let tile = Tile { kind, n, width };
            assert_eq!(Tile::from_path(&tile.path()), Some(tile));
        }
    }
}
