//! What users of a chat say, made safe for the others' terminals and marked with who says it.
//!
//! Two manners. Ours ([`Manner::Lines`]) works by lines: each has one prefix, however it arrived, and
//! comes out whole. Text in any script is kept; what moves a cursor, hides or forges a line is not:
//! control characters (a CR that does not end a line among them), text-direction marks and invisible
//! characters, and bytes that are not UTF-8 become a backslash and three octal digits for each byte.
//! Ncat's ([`Manner::Reads`]) puts a prefix before each read, and escapes every byte that is not
//! printable ASCII, CR, LF or TAB. A backslash is kept in both.

use bytes::{BufMut, BytesMut};

use crate::escape;

/// The longest line kept together, in bytes. A longer one comes out in parts, each a line with its
/// own prefix.
pub const LINE_MAX: usize = 64 * 1024;

/// How what is said is marked and escaped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Manner {
    /// A prefix for each line; UTF-8 is understood.
    Lines,
    /// A prefix for each read; bytes are escaped one by one. What Ncat does.
    Reads,
}

/// One user's part of the conversation.
///
/// ```
/// use bytes::BytesMut;
/// use proto::chat::{Manner, Speaker};
///
/// let (mut said, mut speaker) = (BytesMut::new(), Speaker::new(3, Manner::Lines));
/// speaker.say(b"Gr\xc3\xbc", &mut said);
/// speaker.say(b"\xc3\x9fe\n\x1b[2Jbye", &mut said);
/// speaker.finish(&mut said);
/// assert_eq!(&said[..], "<user3> Grüße\n<user3> \\033[2Jbye\n".as_bytes());
/// ```
#[derive(Clone, Debug)]
pub struct Speaker {
    prefix: String,
    manner: Manner,
    /// The beginning of a line, not longer than [`LINE_MAX`].
    held: Vec<u8>,
}

impl Speaker {
    /// User number `user`.
    pub fn new(user: u64, manner: Manner) -> Self {
        Self { prefix: format!("<user{user}> "), manner, held: Vec::new() }
    }

    /// Takes what was read, and appends to `out` what can be passed on: whole lines. `out` grows by
    /// at most 4 bytes for each byte and a prefix for each line.
    pub fn say(&mut self, read: &[u8], out: &mut BytesMut) {
        if self.manner == Manner::Reads {
            out.put_slice(self.prefix.as_bytes());
            read.iter().for_each(|byte| put_byte_strictly(*byte, out));
            return;
        }
        let mut rest = read;
        while !rest.is_empty() {
            let room = LINE_MAX - self.held.len();
            let window = &rest[..rest.len().min(room)];
            let (taken, is_whole) = match memchr::memchr(b'\n', window) {
                Some(at) => (at + 1, true),
                None => (window.len(), false),
            };
            let (piece, after) = rest.split_at(taken);
            rest = after;
            match (is_whole, self.held.is_empty()) {
                (true, true) => put_line(&self.prefix, piece, out),
                (true, false) => {
                    self.held.extend_from_slice(piece);
                    put_line(&self.prefix, &self.held, out);
                    self.held = Vec::new();
                }
                (false, _) => {
                    self.held.extend_from_slice(piece);
                    if self.held.len() == LINE_MAX {
                        self.cut(out);
                    }
                }
            }
        }
    }

    /// Appends what is left of an unfinished line.
    pub fn finish(&mut self, out: &mut BytesMut) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            put_line(&self.prefix, &held, out);
        }
    }

    /// Passes on a line that has become too long, but not the beginning of a character, nor a CR that
    /// may prove to end the line.
    fn cut(&mut self, out: &mut BytesMut) {
        let keep = match unfinished(&self.held) {
            0 => usize::from(self.held.last() == Some(&b'\r')),
            unfinished => unfinished,
        };
        let part = self.held.len() - keep;
        put_line(&self.prefix, &self.held[..part], out);
        self.held.drain(..part);
    }
}

/// Bytes at the end that may be the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    let Some(start) = tail.iter().rposition(|byte| byte & 0xc0 != 0x80) else { return 0 };
    match std::str::from_utf8(&tail[start..]) {
        Err(error) if error.error_len().is_none() => tail.len() - start,
        _ => 0,
    }
}

/// Appends one line, and the end of a line where it has none.
fn put_line(prefix: &str, line: &[u8], out: &mut BytesMut) {
    let (text, end): (&[u8], &[u8]) = match line {
        [text @ .., b'\r', b'\n'] => (text, b"\r\n"),
        [text @ .., b'\n'] => (text, b"\n"),
        text => (text, b"\n"),
    };
    out.put_slice(prefix.as_bytes());
    for chunk in text.utf8_chunks() {
        put_text(chunk.valid(), out);
        chunk.invalid().iter().for_each(|byte| put_octal(*byte, out));
    }
    out.put_slice(end);
}

/// Copies runs of what is kept, and escapes what lies between.
fn put_text(text: &str, out: &mut BytesMut) {
    let mut rest = text;
    while let Some((at, found)) =
        rest.char_indices().find(|(_, c)| *c != '\t' && escape::is_unsafe(*c))
    {
        let (kept, after) = rest.split_at(at);
        let (escaped, after) = after.split_at(found.len_utf8());
        out.put_slice(kept.as_bytes());
        escaped.bytes().for_each(|byte| put_octal(byte, out));
        rest = after;
    }
    out.put_slice(rest.as_bytes());
}

fn put_byte_strictly(byte: u8, out: &mut BytesMut) {
    match byte {
        b' '..=b'~' | b'\r' | b'\n' | b'\t' => out.put_u8(byte),
        other => put_octal(other, out),
    }
}

fn put_octal(byte: u8, out: &mut BytesMut) {
    out.put_slice(&[b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::split::{cuts, pieces, spiked};

    fn said(manner: Manner, reads: &[&[u8]]) -> BytesMut {
        let (mut speaker, mut out) = (Speaker::new(1, manner), BytesMut::new());
        reads.iter().for_each(|read| speaker.say(read, &mut out));
        speaker.finish(&mut out);
        out
    }

    #[test]
    fn lines() {
        for (read, expected) in [
            (&b""[..], &b""[..]),
            (b"\n", b"<user1> \n"),
            (b"a\nb", b"<user1> a\n<user1> b\n"),
            (b"a\tb\\\r\n", b"<user1> a\tb\\\r\n"),
            // A forged line.
            (b"a\r<user2> b\n", b"<user1> a\\015<user2> b\n"),
            (b"a\r", b"<user1> a\\015\n"),
            (b"\0\x1b\x7f\xe9\n", b"<user1> \\000\\033\\177\\351\n"),
            (b"\xc3\n\xa9\n", b"<user1> \\303\n<user1> \\251\n"),
            ("é世🦀\n".as_bytes(), "<user1> é世🦀\n".as_bytes()),
            // C1 controls and a reversal of direction are characters, and dangerous.
            ("\u{9b}\u{202e}\n".as_bytes(), b"<user1> \\302\\233\\342\\200\\256\n"),
        ] {
            assert_eq!(&said(Manner::Lines, &[read])[..], expected, "{read:?}");
        }
    }

    #[test]
    fn reads_as_ncat_marks_them() {
        let reads: [&[u8]; 2] = [b"hello\nworld\xc3\xa9\x1b[1m\\ \t\r\n", b"\0x"];
        let expected = b"<user1> hello\nworld\\303\\251\\033[1m\\ \t\r\n<user1> \\000x";
        assert_eq!(&said(Manner::Reads, &reads)[..], expected);
    }

    #[test]
    fn a_line_too_long_comes_in_parts_and_no_character_is_cut() {
        let text = format!("x{}", "é".repeat(LINE_MAX));
        let out = said(Manner::Lines, &[text.as_bytes(), b"\n"]);
        let out = std::str::from_utf8(&out).expect("whole characters");
        assert!(!out.contains('\\'));
        let joined: String = out.lines().filter_map(|line| line.strip_prefix("<user1> ")).collect();
        assert_eq!(joined, text);
        assert_eq!(out.lines().count(), 3);
        // A CR at the very end of a part may belong to the end of the line.
        let mut long = vec![b'a'; LINE_MAX - 1];
        long.extend_from_slice(b"\r\n");
        assert!(said(Manner::Lines, &[&long]).ends_with(b"<user1> \r\n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_split_of_a_long_line_says_the_same(
            start in "[a-z\r\u{e9}]{0,9}",
            end in "[\r\n]{0,3}",
            cuts in cuts(),
        ) {
            let input = [start.as_str(), &"\u{e9}\u{4e16}\u{1f980}\r".repeat(14_000), &end].concat();
            prop_assert!(input.len() > 2 * LINE_MAX);
            let whole = said(Manner::Lines, &[input.as_bytes()]);
            prop_assert_eq!(said(Manner::Lines, &pieces(input.as_bytes(), &cuts)), whole);
        }
    }

    proptest! {
        #[test]
        fn any_split_says_the_same(
            input in spiked(b"a\r\n\t\\\x1b\xc3\xa9\xe2\x80\xae\xf0\x9f"),
            cuts in cuts(),
        ) {
            let whole = said(Manner::Lines, &[&input]);
            prop_assert_eq!(said(Manner::Lines, &pieces(&input, &cuts)), whole);
        }

        #[test]
        fn every_line_is_marked_and_safe(input in spiked(b"\r\n\xc2\x85\x9b\xe2\x80\xa8\x1b")) {
            let out = said(Manner::Lines, &[&input]);
            let text = std::str::from_utf8(&out).expect("UTF-8");
            prop_assert!(text.is_empty() || text.ends_with('\n'));
            for line in text.split_terminator('\n') {
                let line = line.strip_suffix('\r').unwrap_or(line);
                let line = line.strip_prefix("<user1> ").expect("a prefix");
                prop_assert!(!line.replace('\t', "").contains(escape::is_unsafe), "{:?}", line);
            }
        }
    }
}
