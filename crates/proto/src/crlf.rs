//! `-C`: line feeds that are not yet part of CR LF become CR LF, on what the user sends.
//!
//! A CR LF that is already there stays as it is, and so does a lone CR.

use bytes::BytesMut;
use memchr::memchr_iter;

const CR: u8 = b'\r';
const LF: u8 = b'\n';

/// Line-end state of one direction: whether the last byte seen was CR.
///
/// ```
/// use bytes::BytesMut;
/// use proto::crlf::Crlf;
///
/// let mut crlf = Crlf::default();
/// let mut out = BytesMut::new();
/// crlf.send(b"one\ntwo\r", &mut out);
/// crlf.send(b"\nthree", &mut out); // its CR came with the piece before
/// assert_eq!(&out[..], b"one\r\ntwo\r\nthree");
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Crlf {
    after_cr: bool,
}

impl Crlf {
    /// Appends `input` to `out` with its line ends changed.
    ///
    /// Adds at most one byte for each LF. Input without LF is copied in one go.
    pub fn send(&mut self, input: &[u8], out: &mut BytesMut) {
        let Some(&last) = input.last() else { return };
        out.reserve(input.len());
        let mut copied = 0;
        for at in memchr_iter(LF, input) {
            let after_cr = match at.checked_sub(1) {
                Some(before) => input[before] == CR,
                None => self.after_cr,
            };
            if !after_cr {
                out.extend_from_slice(&input[copied..at]);
                out.extend_from_slice(&[CR]);
                copied = at;
            }
        }
        out.extend_from_slice(&input[copied..]);
        self.after_cr = last == CR;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::split::{cuts, pieces, spiked};

    fn send(pieces: &[&[u8]]) -> Vec<u8> {
        let mut crlf = Crlf::default();
        let mut out = BytesMut::new();
        for piece in pieces {
            crlf.send(piece, &mut out);
        }
        out.to_vec()
    }

    /// The rule, said byte by byte.
    fn model(input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for &byte in input {
            if byte == LF && out.last() != Some(&CR) {
                out.push(CR);
            }
            out.push(byte);
        }
        out
    }

    #[test]
    fn table() {
        for (input, expected) in [
            (&b""[..], &b""[..]),
            (b"\n", b"\r\n"),
            (b"a\nb\n", b"a\r\nb\r\n"),
            (b"a\r\nb", b"a\r\nb"),
            (b"\r\r\n\n", b"\r\r\n\r\n"),
            (b"a\rb\r", b"a\rb\r"),
            (b"\n\n\n", b"\r\n\r\n\r\n"),
        ] {
            assert_eq!(send(&[input]), expected, "{input:?}");
        }
    }

    #[test]
    fn an_empty_piece_keeps_the_state() {
        assert_eq!(send(&[b"a\r", b"", b"\n"]), b"a\r\n");
    }

    proptest! {
        #[test]
        fn any_split_is_the_model(input in spiked(b"\r\na"), cuts in cuts()) {
            prop_assert_eq!(send(&pieces(&input, &cuts)), model(&input));
        }

        #[test]
        fn a_second_pass_changes_nothing(input in spiked(b"\r\na")) {
            let once = send(&[&input]);
            prop_assert_eq!(send(&[&once]), once);
        }
    }
}
