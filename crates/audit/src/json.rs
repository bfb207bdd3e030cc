//! Canonical JSON: RFC 8785, less numbers that are not integers.
//!
//! A value has one encoding, and [`parse`] accepts that encoding only: keys sorted by UTF-16 units
//! and unique, no white space, the shortest escapes. So equal hashes mean equal values, and a record
//! cannot be written in two ways. Fractions are left out on purpose: their printing is the one part of
//! RFC 8785 that implementations get wrong, and no record needs them.

use std::fmt::Write as _;

use crate::{Error, Result};

/// Integers beyond ±(2^53 - 1) do not survive every reader (RFC 7493 section 2.2); write them as text.
pub const INTEGER_MAX: i64 = (1 << 53) - 1;
/// Arrays and objects may be nested this deep.
pub const DEPTH_MAX: usize = 32;

/// A JSON value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number within ±[`INTEGER_MAX`].
    Int(i64),
    /// Text.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object; sorted when written.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// An object of these members.
    pub fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Object(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// A member of an object.
    pub fn member(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The canonical encoding. Integers out of range are held at the limit, of keys that occur twice the
    /// first is kept: both are mistakes of the writer, and must not cost the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = String::new();
        self.write(&mut out);
        out.into_bytes()
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => {
                // Writing to a String does not fail.
                let _ = write!(out, "{}", (*value).clamp(-INTEGER_MAX, INTEGER_MAX));
            }
            Self::Text(text) => quote(text, out),
            Self::List(items) => {
                out.push('[');
                for (number, item) in items.iter().enumerate() {
                    if number > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => write_object(members, out),
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

fn write_object(members: &[(String, Json)], out: &mut String) {
    let mut order: Vec<&(String, Json)> = members.iter().collect();
    order.sort_by(|a, b| utf16_order(&a.0, &b.0));
    order.dedup_by(|later, first| later.0 == first.0);
    out.push('{');
    for (number, (key, value)) in order.into_iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        quote(key, out);
        out.push(':');
        value.write(out);
    }
    out.push('}');
}

/// The order of RFC 8785 section 3.2.3; for ASCII, which keys nearly always are, that of the bytes.
fn utf16_order(a: &str, b: &str) -> std::cmp::Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.cmp(b);
    }
    a.encode_utf16().cmp(b.encode_utf16())
}

/// RFC 8785 section 3.2.2.2.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x09 => out.push_str("\\t"),
            0x0a => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            0x0d => out.push_str("\\r"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// Reads one value in its canonical encoding, and nothing else.
///
/// # Errors
/// `Format` with the byte at which the text stops being canonical JSON.
pub fn parse(bytes: &[u8]) -> Result<Json> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Error::format("JSON", format!("byte {}: not UTF-8", error.valid_up_to()))
    })?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0);
    match value {
        Some(value) if reader.at == text.len() => Ok(value),
        _ => Err(Error::format("JSON", format!("byte {}: not canonical", reader.at))),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, word: &str) -> Option<()> {
        self.text.as_bytes()[self.at..].starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.peek()? {
            b'n' => self.take("null").map(|()| Json::Null),
            b't' => self.take("true").map(|()| Json::Bool(true)),
            b'f' => self.take("false").map(|()| Json::Bool(false)),
            b'"' => self.text().map(Json::Text),
            b'[' => self.list(depth),
            b'{' => self.object(depth),
            _ => self.integer(),
        }
    }

    fn integer(&mut self) -> Option<Json> {
        let rest = &self.text[self.at..];
        let sign = usize::from(rest.starts_with('-'));
        let digits = rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        let spelled = &rest[..sign + digits];
        if spelled == "-0" || digits > 1 && rest[sign..].starts_with('0') {
            return None;
        }
        let value: i64 = spelled.parse().ok()?;
        if !(-INTEGER_MAX..=INTEGER_MAX).contains(&value) {
            return None;
        }
        self.at += spelled.len();
        Some(Json::Int(value))
    }

    fn text(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\')?;
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(out);
                }
                b'\\' => out.push(self.escape()?),
                _ => return None,
            }
        }
    }

    /// Only the escape that [`quote`] would have written.
    fn escape(&mut self) -> Option<char> {
        let rest = &self.text.as_bytes()[self.at..];
        let (value, length) = match rest.get(1)? {
            b'"' => ('"', 2),
            b'\\' => ('\\', 2),
            b'b' => ('\u{8}', 2),
            b't' => ('\t', 2),
            b'n' => ('\n', 2),
            b'f' => ('\u{c}', 2),
            b'r' => ('\r', 2),
            b'u' => {
                let digits = std::str::from_utf8(rest.get(2..6)?).ok()?;
                let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                let code = u32::from_str_radix(digits, 16).ok()?;
                let short = matches!(code, 0x08 | 0x09 | 0x0a | 0x0c | 0x0d);
                if code >= 0x20 || short || !digits.bytes().all(lower) {
                    return None;
                }
                (char::from_u32(code)?, 6)
            }
            _ => return None,
        };
        self.at += length;
        Some(value)
    }

    fn list(&mut self, depth: usize) -> Option<Json> {
        self.take("[")?;
        let mut items = Vec::new();
        if self.take("]").is_some() {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take("]").is_some() {
                return Some(Json::List(items));
            }
            self.take(",")?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.take("{")?;
        let mut members: Vec<(String, Json)> = Vec::new();
        if self.take("}").is_some() {
            return Some(Json::Object(members));
        }
        loop {
            let start = self.at;
            let key = self.text()?;
            if let Some((last, _)) = members.last()
                && utf16_order(last, &key).is_ge()
            {
                self.at = start;
                return None;
            }
            self.take(":")?;
            let value = self.value(depth + 1)?;
            members.push((key, value));
            if self.take("}").is_some() {
                return Some(Json::Object(members));
            }
            self.take(",")?;
        }
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
