//! The header lines of a message, in order.

use bytes::{BufMut, Bytes, BytesMut};

/// Header lines in one message.
const LINES_MAX: usize = 256;

/// Why header lines were not understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadHeaders {
    /// More than 256 lines.
    TooMany,
    /// No colon, a name that is no token, a blank before the colon.
    Name,
    /// A control character in a value: NUL, bare CR.
    Value,
    /// The first line is a continuation of nothing.
    Fold,
    /// `Connection` is not a list of tokens.
    Connection,
}

/// Header lines in the order in which they came; names keep their case and are compared without it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Headers {
    lines: Vec<(Bytes, Bytes)>,
}

/// What concerns one connection and not the message (RFC 9110, section 7.6.1), besides what
/// `Connection` names.
const HOP_BY_HOP: [&str; 9] = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];

impl Headers {
    /// Understands a block of lines, each ended by CRLF or LF, without the blank line after them. A
    /// folded value becomes one line (RFC 9112, section 5.2).
    ///
    /// # Errors
    /// What makes the block unsafe to pass on.
    pub fn parse(block: &Bytes) -> Result<Self, BadHeaders> {
        let mut headers = Self::default();
        let mut at = 0;
        while at < block.len() {
            let end = memchr::memchr(b'\n', &block[at..]).map_or(block.len(), |n| at + n);
            let line = block.slice(at..end);
            at = end + 1;
            let line = if line.ends_with(b"\r") { line.slice(..line.len() - 1) } else { line };
            headers.add(&line)?;
        }
        Ok(headers)
    }

    fn add(&mut self, line: &Bytes) -> Result<(), BadHeaders> {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            let value = trimmed(line)?;
            let (_, last) = self.lines.last_mut().ok_or(BadHeaders::Fold)?;
            let mut joined = BytesMut::with_capacity(last.len() + 1 + value.len());
            joined.put_slice(last);
            if !last.is_empty() && !value.is_empty() {
                joined.put_u8(b' ');
            }
            joined.put_slice(&value);
            *last = joined.freeze();
            return Ok(());
        }
        if self.lines.len() == LINES_MAX {
            return Err(BadHeaders::TooMany);
        }
        let colon = memchr::memchr(b':', line).ok_or(BadHeaders::Name)?;
        let name = line.slice(..colon);
        if !is_token(&name) {
            return Err(BadHeaders::Name);
        }
        let value = trimmed(&line.slice(colon + 1..))?;
        self.lines.push((name, value));
        Ok(())
    }

    /// Every value under this name, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Bytes> {
        let lines = self.lines.iter();
        lines.filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }

    /// The first value under this name.
    pub fn first(&self, name: &str) -> Option<&Bytes> {
        self.all(name).next()
    }

    /// Every line.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.lines.iter().map(|(name, value)| (name, value))
    }

    /// Adds a line at the end.
    pub fn push(&mut self, name: &'static str, value: impl Into<Bytes>) {
        self.lines.push((Bytes::from_static(name.as_bytes()), value.into()));
    }

    /// Adds all lines of another message.
    pub fn append(&mut self, other: &Self) {
        self.lines.extend_from_slice(&other.lines);
    }

    /// Takes away every line of this name.
    pub fn remove(&mut self, name: &str) {
        self.lines.retain(|(n, _)| !n.eq_ignore_ascii_case(name.as_bytes()));
    }

    /// The words of a comma-separated list, over all its lines.
    pub fn words(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|word| !word.is_empty())
    }

    /// Whether the list under this name has this word, in any case.
    pub fn has_word(&self, name: &str, word: &str) -> bool {
        self.words(name).any(|one| one.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Takes away what concerns one connection only: `Connection`, what it names, and its like.
    ///
    /// # Errors
    /// [`BadHeaders::Connection`] when `Connection` is empty or is no list of names.
    pub fn strip_hop_by_hop(&mut self) -> Result<(), BadHeaders> {
        let mut named: Vec<Bytes> = Vec::new();
        for value in self.all("Connection") {
            let before = named.len();
            for word in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                if word.is_empty() {
                    continue;
                }
                if !is_token(word) {
                    return Err(BadHeaders::Connection);
                }
                named.push(value.slice_ref(word));
            }
            if named.len() == before {
                return Err(BadHeaders::Connection);
            }
        }
        self.lines.retain(|(name, _)| {
            let is_hop = HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop.as_bytes()));
            !is_hop && !named.iter().any(|one| name.eq_ignore_ascii_case(one))
        });
        Ok(())
    }

    /// Writes every line, each ended by CRLF.
    pub fn write(&self, out: &mut BytesMut) {
        for (name, value) in &self.lines {
            out.reserve(name.len() + value.len() + 4);
            out.put_slice(name);
            out.put_slice(b": ");
            out.put_slice(value);
            out.put_slice(b"\r\n");
        }
    }
}

/// A value without blanks around it; blanks within stay.
fn trimmed(value: &Bytes) -> Result<Bytes, BadHeaders> {
    let is_bad = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    if value.iter().any(is_bad) {
        return Err(BadHeaders::Value);
    }
    Ok(value.slice_ref(value.trim_ascii()))
}

/// Whether these bytes are a token (RFC 9110, section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<Headers, BadHeaders> {
        Headers::parse(&Bytes::from_static(text.as_bytes()))
    }

    fn written(headers: &Headers) -> String {
        let mut out = BytesMut::new();
        headers.write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn lines_keep_their_order_and_folds_become_one_line() {
        let headers = parse("A: 1\r\nb:2\nA: \t3 \r\n  4\r\n\t\r\nC:\r\n x\r\n").unwrap();
        assert_eq!(written(&headers), "A: 1\r\nb: 2\r\nA: 3 4\r\nC: x\r\n");
        assert_eq!(headers.all("a").collect::<Vec<_>>(), ["1", "3 4"]);
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for (text, why) in [
            ("A : 1\r\n", BadHeaders::Name),
            ("A\r\n", BadHeaders::Name),
            (": 1\r\n", BadHeaders::Name),
            ("A B: 1\r\n", BadHeaders::Name),
            ("A: 1\rB: 2\r\n", BadHeaders::Value),
            ("A: 1\r\r\n", BadHeaders::Value),
            ("A: \0\r\n", BadHeaders::Value),
            (" A: 1\r\n", BadHeaders::Fold),
        ] {
            assert_eq!(parse(text), Err(why), "{text:?}");
        }
        let flood = Bytes::from("a: b\r\n".repeat(257));
        assert_eq!(Headers::parse(&flood), Err(BadHeaders::TooMany));
    }

    #[test]
    fn what_concerns_one_connection_is_taken_away() {
        let mut headers = parse(
            "Host: a\r\nConnection: X-One, close\r\nX-One: 1\r\nconnection: x-two\r\nX-TWO: 2\r\n\
             Keep-Alive: 5\r\nProxy-Authorization: s\r\nTE: trailers\r\nTrailer: T\r\n\
             Proxy-Connection: a\r\nUpgrade: u\r\nAccept: b\r\n",
        )
        .unwrap();
        headers.strip_hop_by_hop().unwrap();
        assert_eq!(written(&headers), "Host: a\r\nAccept: b\r\n");
        for bad in ["Connection:\r\n", "Connection: ,\r\n", "Connection: a b\r\n"] {
            let mut headers = parse(bad).unwrap();
            assert_eq!(headers.strip_hop_by_hop(), Err(BadHeaders::Connection), "{bad:?}");
        }
    }
}
