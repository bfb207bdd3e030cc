//! A body on its way: taken out of one connection's framing, to be put into another's.

use bytes::{Buf, Bytes};

use super::framing::Framing;

/// Bytes of one chunk's size line, extensions included; they mean nothing to anybody on the way.
const SIZE_LINE_MAX: usize = 1024;
/// Bytes of all chunk extensions of a body: one byte of body in a kilobyte of extensions is an attack.
const EXTENSIONS_MAX: usize = 16 * 1024;
/// Bytes of all trailer lines.
const TRAILERS_MAX: usize = 8 * 1024;

/// What ends a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";
/// What ends the last one, without trailers.
pub const CHUNKS_END: &[u8] = b"0\r\n\r\n";

/// The line before a chunk of `len` bytes, which must not be 0.
pub fn chunk_start(len: usize) -> Bytes {
    Bytes::from(format!("{len:x}\r\n"))
}

/// Why a body was not understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyError {
    /// A chunk's size is not hexadecimal, or does not fit 64 bits.
    Size,
    /// A chunk is not ended, or its line is not, by CRLF.
    LineEnd,
    /// More extensions or trailers than a body may have.
    TooLong,
    /// The connection ended before the body did.
    Truncated,
}

/// Takes a body out of a stream.
#[derive(Clone, Debug)]
pub struct Body {
    state: State,
    extensions: usize,
    trailers: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Done,
    Length(u64),
    UntilEnd,
    /// In a chunk's size; digits seen so far.
    Size {
        size: u64,
        digits: u8,
    },
    /// In what follows the size on its line.
    Extension {
        size: u64,
        seen: usize,
    },
    /// After the CR of a size line.
    SizeEnd {
        size: u64,
    },
    Chunk(u64),
    ChunkCr,
    ChunkLf,
    /// At the beginning of a trailer line, or within one.
    Trailer {
        is_start: bool,
    },
    /// After the CR of a trailer line.
    TrailerEnd {
        is_start: bool,
    },
}

impl Body {
    /// A body of this framing.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size { size: 0, digits: 0 },
            Framing::UntilEnd => State::UntilEnd,
        };
        Self { state, extensions: 0, trailers: 0 }
    }

    /// Whether nothing more belongs to it.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next piece of content off the front of `input`, as long as there is; `None` when
    /// `input` is used up, or the body is done and the rest belongs to the next message.
    ///
    /// # Errors
    /// When the framing is broken; the connection is of no use any more.
    pub fn take(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, BodyError> {
        while !input.is_empty() {
            let left = match &mut self.state {
                State::Done => return Ok(None),
                State::UntilEnd => return Ok(Some(std::mem::take(input))),
                State::Length(left) | State::Chunk(left) => left,
                _ => {
                    let byte = input[0];
                    input.advance(1);
                    self.state = self.step(byte)?;
                    continue;
                }
            };
            let len = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
            *left -= len as u64;
            if *left == 0 {
                let is_chunk = matches!(self.state, State::Chunk(_));
                self.state = if is_chunk { State::ChunkCr } else { State::Done };
            }
            return Ok(Some(input.split_to(len)));
        }
        Ok(None)
    }

    /// The connection's direction has ended.
    ///
    /// # Errors
    /// [`BodyError::Truncated`] when it should not have.
    pub fn end(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done | State::UntilEnd => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(BodyError::Truncated),
        }
    }

    /// One byte of a chunk's frame.
    fn step(&mut self, byte: u8) -> Result<State, BodyError> {
        Ok(match (self.state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                // Leading zeros are digits too; more than 16 would overflow or mean nothing.
                if digits == 16 {
                    return Err(BodyError::Size);
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (State::Size { digits: 0, .. }, _) => return Err(BodyError::Size),
            (State::Size { size, .. }, b'\r') => State::SizeEnd { size },
            (State::Size { size, .. }, b';' | b' ' | b'\t') => State::Extension { size, seen: 0 },
            (State::Size { .. }, _) => return Err(BodyError::Size),
            (State::Extension { size, .. }, b'\r') => State::SizeEnd { size },
            (State::Extension { .. }, 0..=8 | 10..=31 | 127) => return Err(BodyError::LineEnd),
            (State::Extension { size, seen }, _) => {
                self.extensions += 1;
                if seen == SIZE_LINE_MAX || self.extensions > EXTENSIONS_MAX {
                    return Err(BodyError::TooLong);
                }
                State::Extension { size, seen: seen + 1 }
            }
            (State::SizeEnd { size: 0 }, b'\n') => State::Trailer { is_start: true },
            (State::SizeEnd { size }, b'\n') => State::Chunk(size),
            (State::ChunkCr, b'\r') => State::ChunkLf,
            (State::ChunkLf, b'\n') => State::Size { size: 0, digits: 0 },
            (State::Trailer { is_start }, b'\r') => State::TrailerEnd { is_start },
            (State::TrailerEnd { is_start: true }, b'\n') => State::Done,
            (State::TrailerEnd { is_start: false }, b'\n') => State::Trailer { is_start: true },
            (State::Trailer { .. }, 0..=8 | 10..=31 | 127) => return Err(BodyError::LineEnd),
            (State::Trailer { .. }, _) => {
                self.trailers += 1;
                if self.trailers > TRAILERS_MAX {
                    return Err(BodyError::TooLong);
                }
                State::Trailer { is_start: false }
            }
            _ => return Err(BodyError::LineEnd),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The content, and what is left after the body.
    fn decode(
        framing: Framing,
        text: &[u8],
        piece: usize,
    ) -> Result<(Vec<u8>, Vec<u8>), BodyError> {
        let mut body = Body::new(framing);
        let (mut content, mut after) = (Vec::new(), Vec::new());
        for part in text.chunks(piece.max(1)) {
            let mut part = Bytes::copy_from_slice(part);
            while let Some(data) = body.take(&mut part)? {
                content.extend_from_slice(&data);
            }
            after.extend_from_slice(&part);
        }
        body.end()?;
        Ok((content, after))
    }

    #[test]
    fn chunks_for_every_cut() {
        let text = b"5\r\nhello\r\n00A;a=\"b\"\r\n0123456789\r\n0 ;x\r\nT: u\r\nV: w\r\n\r\nnext";
        for piece in 1..=text.len() {
            let (content, after) = decode(Framing::Chunked, text, piece).unwrap();
            assert_eq!((&content[..], &after[..]), (&b"hello0123456789"[..], &b"next"[..]));
        }
    }

    #[test]
    fn broken_chunks_are_refused() {
        let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(1 << 20));
        let many = format!("{}0\r\n\r\n", format!("1;{}\r\na\r\n", "x".repeat(1000)).repeat(17));
        let trailers = format!("0\r\n{}\r\n", "A: b\r\n".repeat(3000));
        for (text, why) in [
            ("-1\r\n", BodyError::Size),
            ("+1\r\na\r\n0\r\n\r\n", BodyError::Size),
            ("0x1\r\na\r\n0\r\n\r\n", BodyError::Size),
            ("\r\n", BodyError::Size),
            (";a\r\n", BodyError::Size),
            ("10000000000000000\r\n", BodyError::Size),
            ("1\na\r\n0\r\n\r\n", BodyError::Size),
            ("1;\na\r\n0\r\n\r\n", BodyError::LineEnd),
            ("1\r\nab\r\n0\r\n\r\n", BodyError::LineEnd),
            ("1\r\na\n0\r\n\r\n", BodyError::LineEnd),
            ("1\r\na\r0\r\n\r\n", BodyError::LineEnd),
            ("0\r\n\n", BodyError::LineEnd),
            ("5\r\nhel", BodyError::Truncated),
            ("0\r\n", BodyError::Truncated),
            (&long, BodyError::TooLong),
            (&many, BodyError::TooLong),
            (&trailers, BodyError::TooLong),
        ] {
            assert_eq!(decode(Framing::Chunked, text.as_bytes(), 11), Err(why), "{text:.40}");
        }
    }

    #[test]
    fn lengths_and_ends() {
        let of = |framing, text: &str| decode(framing, text.as_bytes(), 2);
        assert_eq!(of(Framing::Length(3), "abcd").unwrap(), (b"abc".to_vec(), b"d".to_vec()));
        assert_eq!(of(Framing::Length(3), "ab"), Err(BodyError::Truncated));
        assert_eq!(of(Framing::None, "ab").unwrap(), (vec![], b"ab".to_vec()));
        assert_eq!(of(Framing::UntilEnd, "abc").unwrap(), (b"abc".to_vec(), vec![]));
    }

    proptest! {
        #[test]
        fn what_is_put_into_chunks_comes_out(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..8),
            piece in 1usize..30,
        ) {
            let mut text = Vec::new();
            for part in &parts {
                text.extend_from_slice(&chunk_start(part.len()));
                text.extend_from_slice(part);
                text.extend_from_slice(CHUNK_END);
            }
            text.extend_from_slice(CHUNKS_END);
            let (content, after) = decode(Framing::Chunked, &text, piece).unwrap();
            prop_assert_eq!(content, parts.concat());
            prop_assert!(after.is_empty());
        }

        #[test]
        fn any_bytes_give_the_same_for_every_cut(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1usize..30,
        ) {
            prop_assert_eq!(
                decode(Framing::Chunked, &bytes, piece),
                decode(Framing::Chunked, &bytes, usize::MAX / 2)
            );
        }
    }
}
