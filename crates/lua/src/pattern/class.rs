//! What matches one byte.

use super::Wrong;

/// A set of bytes.
#[derive(Clone)]
pub(super) enum Class {
    Any,
    Byte(u8),
    Set(Box<[bool; 256]>),
}

impl std::fmt::Debug for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("Any"),
            Self::Byte(byte) => write!(f, "Byte({:?})", char::from(*byte)),
            Self::Set(set) => {
                write!(f, "Set({} bytes)", set.iter().filter(|member| **member).count())
            }
        }
    }
}

impl Class {
    #[inline]
    pub(super) fn has(&self, byte: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Byte(own) => *own == byte,
            Self::Set(set) => set[usize::from(byte)],
        }
    }

    /// Where the first member is.
    pub(super) fn find(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Any => (!text.is_empty()).then_some(0),
            Self::Byte(own) => memchr::memchr(*own, text),
            Self::Set(set) => text.iter().position(|byte| set[usize::from(*byte)]),
        }
    }

    /// How many of the first bytes of `text` are members.
    pub(super) fn run(&self, text: &[u8]) -> usize {
        match self {
            Self::Any => text.len(),
            Self::Byte(own) => text.iter().position(|byte| byte != own).unwrap_or(text.len()),
            Self::Set(set) => {
                text.iter().position(|byte| !set[usize::from(*byte)]).unwrap_or(text.len())
            }
        }
    }

    /// Reads a class at the beginning of `text`, which is not empty; its length.
    pub(super) fn read(text: &[u8]) -> Result<(Self, usize), Wrong> {
        match text {
            [b'.', ..] => Ok((Self::Any, 1)),
            [b'%', letter, ..] => Ok((Self::of_letter(*letter), 2)),
            [b'%'] => Err(Wrong::OpenEscape),
            [b'[', ..] => {
                let length = set_length(text).ok_or(Wrong::OpenSet)?;
                Ok((Self::Set(Box::new(set(&text[1..length - 1]))), length))
            }
            _ => Ok((Self::Byte(text[0]), 1)),
        }
    }

    /// `%` and a letter; before anything else it takes away the meaning.
    fn of_letter(letter: u8) -> Self {
        match member(letter) {
            None => Self::Byte(letter),
            Some(_) => {
                let mut set = Box::new([false; 256]);
                add_class(&mut set, letter);
                Self::Set(set)
            }
        }
    }
}

/// The test that a letter stands for, whichever its case.
fn member(letter: u8) -> Option<fn(u8) -> bool> {
    Some(match letter.to_ascii_lowercase() {
        b'a' => |byte| byte.is_ascii_alphabetic(),
        b'c' => |byte| byte.is_ascii_control(),
        b'd' => |byte| byte.is_ascii_digit(),
        b'g' => |byte| byte.is_ascii_graphic(),
        b'l' => |byte| byte.is_ascii_lowercase(),
        b'p' => |byte| byte.is_ascii_punctuation(),
        // With the vertical tab, which Rust leaves out.
        b's' => |byte| matches!(byte, b' ' | 9..=13),
        b'u' => |byte| byte.is_ascii_uppercase(),
        b'w' => |byte| byte.is_ascii_alphanumeric(),
        b'x' => |byte| byte.is_ascii_hexdigit(),
        // Of Lua 5.1, and still known.
        b'z' => |byte| byte == 0,
        _ => return None,
    })
}

/// A capital letter stands for all others.
fn add_class(set: &mut [bool; 256], letter: u8) {
    match member(letter) {
        None => set[usize::from(letter)] = true,
        Some(test) => {
            let wanted = !letter.is_ascii_uppercase();
            for byte in 0..=255 {
                set[usize::from(byte)] |= test(byte) == wanted;
            }
        }
    }
}

/// From `[` to its `]`, both counted. The first character of a set is a member, be it `]` or not.
fn set_length(text: &[u8]) -> Option<usize> {
    let mut at = if text.get(1) == Some(&b'^') { 2 } else { 1 };
    loop {
        let escapes = *text.get(at)? == b'%';
        at += 1;
        if escapes && at < text.len() {
            at += 1;
        }
        if text.get(at) == Some(&b']') {
            return Some(at + 1);
        }
    }
}

/// What is between the brackets.
fn set(text: &[u8]) -> [bool; 256] {
    let (negates, mut text) = match text {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut set = [false; 256];
    loop {
        text = match text {
            [] => break,
            // The end of a range took the first of two: this one takes the bracket.
            [b'%'] => {
                set[usize::from(b']')] = true;
                b""
            }
            [b'%', letter, rest @ ..] => {
                add_class(&mut set, *letter);
                rest
            }
            [first, b'-', last, rest @ ..] => {
                for byte in *first..=*last {
                    set[usize::from(byte)] = true;
                }
                rest
            }
            [byte, rest @ ..] => {
                set[usize::from(*byte)] = true;
                rest
            }
        };
    }
    if negates { set.map(|member| !member) } else { set }
}
