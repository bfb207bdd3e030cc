//! The last of a conversation, for those who join late.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::client::cost;

/// Where the beginning may be cut off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Grain {
    /// Anywhere: a stream.
    Bytes,
    /// After the end of a line: a chat.
    Lines,
    /// Between pieces: datagrams.
    Pieces,
}

/// At most `size` bytes, and no more of tiny pieces than would cost as much again.
pub(super) struct History {
    pieces: VecDeque<Bytes>,
    bytes: u64,
    cost: u64,
    size: u64,
    grain: Grain,
}

impl History {
    pub(super) fn new(size: u64, grain: Grain) -> Self {
        Self { pieces: VecDeque::new(), bytes: 0, cost: 0, size, grain }
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    /// Adds what was said last and forgets what was said first.
    pub(super) fn push(&mut self, piece: Bytes) {
        if self.size == 0 {
            return;
        }
        self.bytes += piece.len() as u64;
        self.cost += cost(&piece);
        self.pieces.push_back(piece);
        // A cost of twice the size: only pieces shorter than a line of text reach that first.
        while self.bytes > self.size || self.cost > self.size.saturating_mul(2).max(4096) {
            let Some(mut first) = self.pieces.pop_front() else { return };
            self.bytes -= first.len() as u64;
            self.cost -= cost(&first);
            let excess = (self.bytes + first.len() as u64).saturating_sub(self.size);
            let excess = usize::try_from(excess).unwrap_or(usize::MAX).min(first.len());
            let cut = match self.grain {
                Grain::Pieces => first.len(),
                Grain::Bytes => excess,
                Grain::Lines => match memchr::memchr(b'\n', &first[excess.saturating_sub(1)..]) {
                    Some(at) => excess.saturating_sub(1) + at + 1,
                    None => first.len(),
                },
            };
            if excess == 0 || cut >= first.len() {
                continue;
            }
            first.advance(cut);
            self.bytes += first.len() as u64;
            self.cost += cost(&first);
            self.pieces.push_front(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(size: u64, grain: Grain, pieces: &[&'static str]) -> Vec<String> {
        let mut history = History::new(size, grain);
        pieces.iter().for_each(|piece| history.push(Bytes::from_static(piece.as_bytes())));
        history.pieces().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
    }

    #[test]
    fn the_last_bytes_are_kept() {
        assert_eq!(kept(5, Grain::Bytes, &["abc", "def"]), ["bc", "def"]);
        assert_eq!(kept(3, Grain::Bytes, &["abcdefgh"]), ["fgh"]);
        assert_eq!(kept(6, Grain::Bytes, &["abc", "def"]), ["abc", "def"]);
        assert_eq!(kept(0, Grain::Bytes, &["abc"]), [""; 0]);
    }

    #[test]
    fn lines_and_messages_are_kept_whole() {
        assert_eq!(kept(7, Grain::Lines, &["one\ntwo\n", "six\n"]), ["six\n"]);
        assert_eq!(kept(8, Grain::Lines, &["one\ntwo\n", "six\n"]), ["two\n", "six\n"]);
        assert_eq!(kept(3, Grain::Lines, &["a long line\n"]), [""; 0]);
        assert_eq!(kept(5, Grain::Pieces, &["abc", "def", "g"]), ["def", "g"]);
        assert_eq!(kept(5, Grain::Pieces, &["abcdefgh"]), [""; 0]);
    }

    #[test]
    fn tiny_pieces_are_bounded_too() {
        let mut history = History::new(10_000, Grain::Pieces);
        (0..100_000).for_each(|_| history.push(Bytes::from_static(b"")));
        assert!(history.pieces().count() < 400);
    }
}
