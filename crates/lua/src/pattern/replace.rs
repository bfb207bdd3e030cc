//! The replacement string of `gsub`.

use super::matcher::{Captures, Span};
use super::{Stop, Wrong};

/// A replacement: `%0` to `%9` stand for captures, `%%` for itself.
#[derive(Clone, Copy, Debug)]
pub struct Template<'a>(&'a [u8]);

impl<'a> Template<'a> {
    /// What is wrong in it is told when it is used, as in Lua.
    pub fn new(text: &'a [u8]) -> Self {
        Self(text)
    }
}

/// Adds the replacement of one match to `out`.
///
/// # Errors
/// What is wrong with it.
pub fn expand(
    template: Template<'_>,
    subject: &[u8],
    found: Captures<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Stop> {
    let mut rest = template.0;
    while let Some(at) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        match rest.get(at + 1) {
            Some(b'%') => out.push(b'%'),
            Some(b'0') => out.extend_from_slice(&subject[found.whole()]),
            Some(digit @ b'1'..=b'9') => {
                let slot = usize::from(digit - b'1');
                let span = match found.spans().get(slot) {
                    Some(span) => *span,
                    None if slot == 0 => found.first(),
                    None => return Err(Stop::Wrong(Wrong::Index(digit - b'0'))),
                };
                match span {
                    Span::Text(start, end) => out.extend_from_slice(&subject[start..end]),
                    Span::Position(at) => out.extend_from_slice((at + 1).to_string().as_bytes()),
                    Span::Open(_) => return Err(Stop::Wrong(Wrong::Open)),
                }
            }
            _ => return Err(Stop::Wrong(Wrong::Escape)),
        }
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    Ok(())
}
