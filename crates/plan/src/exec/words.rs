//! How `-e` is cut into words.
//!
//! Ncat's rule, and quotes beside it:
//! - Blanks (space, tab, line feed, vertical tab, form feed, carriage return) separate words.
//! - A backslash takes the next byte as it is, whatever it is; one at the end is dropped. (Ncat has a
//!   bug here: after a byte taken so, the next blank is swallowed and two words become one.)
//! - `'...'` takes everything between as it is. `"..."` does too, but for the backslash, which works
//!   as outside. Quotes may stand anywhere in a word; `""` is a word without bytes.
//! - A quote without its partner is an ordinary byte, as every quote is in Ncat.
//!
//! Nothing else is special: no variables, no patterns.

use std::ffi::{OsStr, OsString};

/// Cuts a command into words.
pub fn split(command: &OsStr) -> Vec<OsString> {
    words(command.as_encoded_bytes()).into_iter().map(word).collect()
}

#[cfg(unix)]
fn word(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

/// Cuts happen at ASCII bytes, so what was UTF-8 still is.
#[cfg(not(unix))]
fn word(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

fn words(command: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut rest = command;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b' ' | b'\t'..=b'\r' => words.extend(word.take()),
            b'\\' => {
                let word = word.get_or_insert_default();
                if let Some((next, after)) = rest.split_first() {
                    word.push(*next);
                    rest = after;
                }
            }
            b'\'' | b'"' => match quoted(*byte, rest) {
                Some((inside, after)) => {
                    word.get_or_insert_default().extend(inside);
                    rest = after;
                }
                None => word.get_or_insert_default().push(*byte),
            },
            _ => word.get_or_insert_default().push(*byte),
        }
    }
    words.extend(word);
    words
}

/// What stands between a quote and its partner, and what follows; `None` when there is no partner.
fn quoted(quote: u8, text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut inside = Vec::new();
    let mut rest = text;
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            byte if *byte == quote => return Some((inside, rest)),
            b'\\' if quote == b'"' => {
                let (next, after) = rest.split_first()?;
                inside.push(*next);
                rest = after;
            }
            byte => inside.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(command: &str) -> Vec<String> {
        let words = words(command.as_bytes()).into_iter();
        words.map(|word| String::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn as_ncat_but_for_its_bug() {
        assert_eq!(
            text(" /bin/echo  a\tb\n\x0bc\x0cd\re "),
            ["/bin/echo", "a", "b", "c", "d", "e"]
        );
        assert_eq!(text(r"a\ b c"), ["a b", "c"]);
        assert_eq!(text(r"a\\ b"), [r"a\", "b"]);
        assert_eq!(text(r"a\\b"), [r"a\b"]);
        assert_eq!(text(r"a b\"), ["a", "b"]);
        assert_eq!(text(r"x\y z w"), ["xy", "z", "w"], "Ncat has xyz and w");
        assert_eq!(text(r"\ "), [" "]);
        assert_eq!(text(""), [""; 0]);
        assert_eq!(text(" \t"), [""; 0]);
    }

    #[test]
    fn quotes_keep_words_together() {
        assert_eq!(text(r#"echo "a b"  'c  d'"#), ["echo", "a b", "c  d"]);
        assert_eq!(text(r#"--opt="a b"c"#), ["--opt=a bc"]);
        assert_eq!(text(r#""" '' x"#), ["", "", "x"]);
        assert_eq!(text(r#""a\"b\\c\d""#), [r#"a"b\cd"#]);
        assert_eq!(text(r#"'a\b"c'"#), [r#"a\b"c"#]);
        assert_eq!(text(r#"\"a b\""#), [r#""a"#, r#"b""#]);
    }

    #[test]
    fn a_quote_without_partner_is_a_byte_like_any_other() {
        assert_eq!(text("echo it's fine"), ["echo", "it's", "fine"]);
        assert_eq!(text(r#"echo "a b"#), ["echo", "\"a", "b"]);
        assert_eq!(text(r#"echo "a\""#), ["echo", "\"a\""]);
    }

    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![3 => prop::sample::select(&b" \t\n\x0b\\'\"ab"[..]), 1 => any::<u8>()]
    }

    /// Three ways of writing any word.
    fn written(word: &[u8], how: u8) -> Vec<u8> {
        let escape = |special: &dyn Fn(u8) -> bool| -> Vec<u8> {
            let one = |byte: &u8| {
                let backslash = special(*byte).then_some(b'\\');
                backslash.into_iter().chain([*byte])
            };
            word.iter().flat_map(one).collect()
        };
        match how % 3 {
            0 if !word.is_empty() => escape(&|_| true),
            1 if !word.contains(&b'\'') => [b"'", word, b"'"].concat(),
            _ => [b"\"", &escape(&|byte| byte == b'"' || byte == b'\\')[..], b"\""].concat(),
        }
    }

    proptest! {
        #[test]
        fn what_was_quoted_comes_back(
            list in prop::collection::vec((prop::collection::vec(byte(), 0..12), any::<u8>()), 0..6),
            blank in prop::sample::select(&b" \t\n\x0b\x0c\r"[..]),
        ) {
            let line: Vec<Vec<u8>> = list.iter().map(|(word, how)| written(word, *how)).collect();
            let wanted: Vec<Vec<u8>> = list.into_iter().map(|(word, _)| word).collect();
            prop_assert_eq!(words(&line.join(&blank)), wanted);
        }

        #[test]
        fn without_backslash_and_quotes_only_blanks_count(text in "[ -!#-&(-\\[\\]-~\t\n]{0,60}") {
            let wanted: Vec<&str> = text.split_ascii_whitespace().collect();
            prop_assert_eq!(self::text(&text), wanted);
        }

        #[test]
        fn words_hold_no_more_than_the_line(line in prop::collection::vec(byte(), 0..200)) {
            let total: usize = words(&line).iter().map(Vec::len).sum();
            prop_assert!(total <= line.len());
        }
    }
}
