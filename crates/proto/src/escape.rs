//! Text that came from a peer, made safe to show on a terminal.
//!
//! A peer may put control sequences in a name, a certificate or a status line: they move the cursor,
//! rewrite the title, or reverse what a line says. What can do that is shown as an escape; ordinary
//! text in any script is kept. Backslashes are kept too, so escaping twice changes nothing; the
//! result is for reading, not for taking apart.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes what is dangerous in `bytes`: control characters as `\n`, `\r`, `\t` or `\xHH` (as `\u{H}`
/// above ASCII), line and paragraph separators, text-direction marks, invisible format characters
/// and tags as `\u{H}`, and bytes that are not UTF-8 as `\xHH`. Borrowed when nothing was.
///
/// The result is one line.
///
/// ```
/// use proto::escape::terminal;
///
/// assert_eq!(terminal("Grüße, 世界".as_bytes()), "Grüße, 世界");
/// assert_eq!(terminal(b"\x1b[2Jhi\n"), r"\x1b[2Jhi\n");
/// assert_eq!(terminal("moc\u{202e}exe".as_bytes()), r"moc\u{202e}exe");
/// assert_eq!(terminal(b"caf\xe9"), r"caf\xe9");
/// ```
pub fn terminal(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.contains(is_unsafe)
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push(character, &mut out);
        }
        for byte in chunk.invalid() {
            push_byte(*byte, &mut out);
        }
    }
    Cow::Owned(out)
}

fn push(character: char, out: &mut String) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        control if control.is_ascii_control() => push_byte(control as u8, out),
        other if is_unsafe(other) => out.extend(other.escape_unicode()),
        plain => out.push(plain),
    }
}

fn push_byte(byte: u8, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\x{byte:02x}");
}

/// What is never shown as it is.
///
/// The joiners U+200C and U+200D are kept: Persian, Indic scripts and emoji need them, and they move
/// nothing. Source: Unicode 16, UAX #9 (direction), TR #36 section 3.
pub(crate) fn is_unsafe(character: char) -> bool {
    matches!(character,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'           // C0, DEL, C1
        | '\u{ad}'                                  // soft hyphen
        | '\u{61c}' | '\u{200e}' | '\u{200f}'       // direction marks
        | '\u{200b}' | '\u{feff}'                   // zero-width space, byte-order mark
        | '\u{2028}'..='\u{202e}'                   // separators, direction embeddings
        | '\u{2060}'..='\u{206f}'                   // invisible operators, isolates
        | '\u{fff9}'..='\u{fffb}'                   // interlinear notes
        | '\u{e0000}'..='\u{e007f}'                 // tags
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(terminal("C:\\x1b é 日本 👩‍👧".as_bytes()), Cow::Borrowed(_)));
    }

    #[test]
    fn table() {
        for (input, expected) in [
            (&b""[..], ""),
            (b"a\0b\x07\x7f", r"a\x00b\x07\x7f"),
            (b"a\r\n\tb", r"a\r\n\tb"),
            (b"\xc2\x9b31m", r"\u{9b}31m"),
            ("\u{2066}a\u{2069}\u{2028}".as_bytes(), r"\u{2066}a\u{2069}\u{2028}"),
            (b"\xf0\x9f\x98", r"\xf0\x9f\x98"),
            (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        ] {
            assert_eq!(terminal(input), expected, "{input:?}");
        }
    }

    proptest! {
        #[test]
        fn the_result_is_safe(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!terminal(&bytes).contains(is_unsafe));
        }

        #[test]
        fn twice_is_once(text in "\\PC*|[\u{0}-\u{20}\u{7f}-\u{9f}\u{2020}-\u{2070}a-z\\\\]*") {
            let once = terminal(text.as_bytes());
            prop_assert_eq!(terminal(once.as_bytes()), &once[..]);
        }

        /// Any split between characters gives the same text.
        #[test]
        fn pieces_are_escaped_alike(text in any::<String>(), at in any::<prop::sample::Index>()) {
            let mut at = at.index(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let (one, two) = text.split_at(at);
            let pieces = format!("{}{}", terminal(one.as_bytes()), terminal(two.as_bytes()));
            prop_assert_eq!(pieces, terminal(text.as_bytes()));
        }
    }
}
