//! What the audit log reads from elsewhere: nothing panics, and what is accepted has one spelling.

use audit::tile::{self, Kind, Tile};
use audit::{Checkpoint, KeyRing, Leaf, Note, Proof, json};

/// A leaf is read to what writes the same bytes.
pub fn leaf(data: &[u8]) {
    if let Ok(value) = json::parse(data) {
        assert_eq!(value.encode(), data);
    }
    if let Ok(leaf) = Leaf::parse(data) {
        assert_eq!(leaf.encode(), data);
    }
}

/// Notes, the checkpoints in them, and key files.
pub fn note(data: &[u8]) {
    if let Ok(note) = Note::parse(data) {
        assert_eq!(note.encode().as_bytes(), data);
        if let Ok(checkpoint) = Checkpoint::parse(&note.text) {
            assert!(note.text.starts_with(&checkpoint.text()));
        }
    }
    if let Ok(ring) = String::from_utf8_lossy(data).parse::<KeyRing>() {
        assert_eq!(ring.to_string().parse::<KeyRing>().ok(), Some(ring));
    }
}

/// A proof file; extra data is not kept.
pub fn proof(data: &[u8]) {
    if let Ok(proof) = Proof::parse(data) {
        let again = proof.encode();
        assert_eq!(Proof::parse(again.as_bytes()).ok(), Some(proof));
    }
}

/// Bundles and tiles: the first byte is the width. Then the bytes as a file name.
pub fn tile(data: &[u8]) {
    let Some((width, bytes)) = data.split_first() else { return };
    let of = |kind| Tile { kind, n: 0, width: u16::from(*width) + 1 };
    if let Ok(entries) = tile::entries(&of(Kind::Entries), bytes) {
        assert_eq!(entries.iter().map(|entry| entry.len() + 2).sum::<usize>(), bytes.len());
    }
    if let Ok(slots) = tile::slots(&of(Kind::Payload), bytes) {
        assert_eq!(slots.len(), usize::from(*width) + 1);
    }
    if let Ok(hashes) = tile::hashes(&of(Kind::Hashes(0)), bytes) {
        assert_eq!(hashes.len() * 32, bytes.len());
    }
    if let Some(tile) = std::str::from_utf8(bytes).ok().and_then(Tile::from_path) {
        assert_eq!(tile.path().as_bytes(), bytes);
    }
}

/// A frame of a journal's segment, and its header.
pub fn journal(data: &[u8]) {
    audit::fuzz_frame(data);
}
