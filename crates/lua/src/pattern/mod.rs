//! Lua's patterns, with a budget: what the manual (Lua 5.4, sections 6.4.1 and 6.4) says, and results and
//! messages as Lua's own, which has no limit: a pattern that backtracks badly over hostile input would
//! stop the process.
//!
//! A pattern is made into items once ([`Pattern::new`]); what is wrong in it is an item too, because
//! Lua complains only when it gets there. [`Search`] runs the items over a subject and asks its
//! [`Budget`] now and then whether it may go on.

mod class;
mod matcher;
mod replace;

use std::fmt;

use class::Class;
pub use matcher::{Captures, Search, Span};
pub use replace::{Template, expand};

/// The most captures, as in Lua.
pub const CAPTURES_MAX: usize = 32;

/// The longest pattern, in bytes; Lua itself has no limit.
pub const PATTERN_MAX: usize = 64 << 10;

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stop {
    /// The budget is used up.
    Late,
    /// What Lua says of such a pattern.
    Wrong(Wrong),
}

/// What Lua says of a pattern or a replacement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wrong {
    /// A set without its end.
    OpenSet,
    /// `%` at the end.
    OpenEscape,
    /// `%b` without two characters.
    Balance,
    /// `%f` without a set.
    Frontier,
    /// `)` without `(`.
    Close,
    /// `(` without `)`.
    Open,
    /// More than [`CAPTURES_MAX`].
    Many,
    /// Calls too deep.
    Complex,
    /// `%1` to `%9` without such a capture.
    Index(u8),
    /// `%` before something else in a replacement.
    Escape,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenSet => "malformed pattern (missing ']')",
            Self::OpenEscape => "malformed pattern (ends with '%')",
            Self::Balance => "malformed pattern (missing arguments to '%b')",
            Self::Frontier => "missing '[' after '%f' in pattern",
            Self::Close => "invalid pattern capture",
            Self::Open => "unfinished capture",
            Self::Many => "too many captures",
            Self::Complex => "pattern too complex",
            Self::Index(index) => return write!(f, "invalid capture index %{index}"),
            Self::Escape => "invalid use of '%' in replacement string",
        })
    }
}

/// How often a class may match.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Times {
    Once,
    /// `?`
    Maybe,
    /// `*`, and `+` with one match before.
    Many {
        least: usize,
    },
    /// `-`
    Few,
}

#[derive(Clone, Debug)]
enum Item {
    Match(Class, Times),
    Open,
    /// `()`
    Position,
    Close,
    /// `$` at the end.
    End,
    Balance(u8, u8),
    Frontier(Class),
    Back(u8),
    Wrong(Wrong),
}

/// A pattern, read.
#[derive(Clone, Debug)]
pub struct Pattern {
    items: Vec<Item>,
    /// It begins with `^`, where that counts.
    anchored: bool,
}

impl Pattern {
    /// Reads it. `anchors`: a `^` at its beginning is an anchor, as everywhere but in `gmatch`.
    pub fn new(text: &[u8], anchors: bool) -> Self {
        let (anchored, mut rest) = match text {
            [b'^', rest @ ..] if anchors => (true, rest),
            _ => (false, text),
        };
        let mut items = Vec::new();
        if text.len() > PATTERN_MAX {
            items.push(Item::Wrong(Wrong::Complex));
            rest = b"";
        }
        while !rest.is_empty() {
            let (item, length) = item(rest);
            // Whatever comes after is never looked at.
            rest = if matches!(item, Item::Wrong(_)) { b"" } else { &rest[length..] };
            items.push(item);
        }
        Self { items, anchored }
    }

    /// Whether it is tried at one place only.
    pub fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// Whether `text` stands for itself, as a pattern of `find`.
    pub fn is_plain(text: &[u8]) -> bool {
        !text.iter().any(|byte| b"^$*+?.([%-".contains(byte))
    }
}

/// The first item of a pattern that is not empty, and its length.
fn item(text: &[u8]) -> (Item, usize) {
    match text {
        [b'(', b')', ..] => (Item::Position, 2),
        [b'(', ..] => (Item::Open, 1),
        [b')', ..] => (Item::Close, 1),
        [b'$'] => (Item::End, 1),
        [b'%', b'b', open, close, ..] => (Item::Balance(*open, *close), 4),
        [b'%', b'b', ..] => (Item::Wrong(Wrong::Balance), 2),
        [b'%', b'f', b'[', ..] => match Class::read(&text[2..]) {
            Ok((class, length)) => (Item::Frontier(class), 2 + length),
            Err(wrong) => (Item::Wrong(wrong), 2),
        },
        [b'%', b'f', ..] => (Item::Wrong(Wrong::Frontier), 2),
        [b'%', digit @ b'0'..=b'9', ..] => (Item::Back(digit - b'0'), 2),
        _ => match Class::read(text) {
            Ok((class, length)) => {
                let (times, more) = match text.get(length) {
                    Some(b'?') => (Times::Maybe, 1),
                    Some(b'*') => (Times::Many { least: 0 }, 1),
                    Some(b'+') => (Times::Many { least: 1 }, 1),
                    Some(b'-') => (Times::Few, 1),
                    _ => (Times::Once, 0),
                };
                (Item::Match(class, times), length + more)
            }
            Err(wrong) => (Item::Wrong(wrong), 1),
        },
    }
}

/// Asked every [`Budget::EVERY`] steps whether to go on; a step looks at about one byte.
pub trait Budget {
    /// Steps between two questions.
    const EVERY: u32 = 1 << 16;

    /// Whether there is time for more.
    fn goes_on(&mut self) -> bool;
}

impl<F: FnMut() -> bool> Budget for F {
    fn goes_on(&mut self) -> bool {
        self()
    }
}
