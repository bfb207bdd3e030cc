//! The head of a message: its first line and its header lines.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::headers::{BadHeaders, Headers, is_token};

/// How long a head may be, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The first line, its end included.
    pub line: usize,
    /// Everything up to and including the blank line.
    pub head: usize,
}

impl Default for Limits {
    /// RFC 9112, section 3, asks for 8,000 bytes of line at least.
    fn default() -> Self {
        Self { line: 8192, head: 16 * 1024 }
    }
}

/// Why no head was found in a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeadError {
    /// The first line is longer than it may be.
    LineTooLong,
    /// The head is.
    TooLong,
}

/// Looks for the end of a head in bytes that arrive in any pieces, without looking at one twice.
#[derive(Clone, Debug, Default)]
pub struct HeadReader {
    limits: Limits,
    /// Bytes looked at.
    scanned: usize,
    /// Bytes of the first line, once it has ended.
    first: Option<usize>,
}

impl HeadReader {
    /// A reader with these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes a head off the front of `buf`, its blank line included; `None` until it is complete.
    /// Blank lines before it are dropped (RFC 9112, section 2.2).
    ///
    /// # Errors
    /// When a limit is passed; what follows cannot be understood any more.
    pub fn take(&mut self, buf: &mut BytesMut) -> Result<Option<Bytes>, HeadError> {
        while self.scanned == 0 && !buf.is_empty() {
            match &buf[..] {
                [b'\n', ..] => buf.advance(1),
                [b'\r', b'\n', ..] => buf.advance(2),
                [b'\r'] => return Ok(None),
                _ => break,
            }
        }
        while let Some(found) = memchr::memchr(b'\n', &buf[self.scanned..]) {
            let line = &buf[self.scanned..self.scanned + found];
            let is_blank = line.is_empty() || line == b"\r";
            let end = self.scanned + found + 1;
            if self.first.is_none() {
                if end > self.limits.line {
                    return Err(HeadError::LineTooLong);
                }
                self.first = Some(end);
            }
            if end > self.limits.head {
                return Err(HeadError::TooLong);
            }
            self.scanned = end;
            if is_blank {
                *self = Self::new(self.limits);
                return Ok(Some(buf.split_to(end).freeze()));
            }
        }
        // Lines that have not ended are looked at again, which costs no more than the limit squared
        // over the size of a piece; a limit ends it.
        if self.first.is_none() && buf.len() >= self.limits.line {
            return Err(HeadError::LineTooLong);
        }
        if buf.len() >= self.limits.head {
            return Err(HeadError::TooLong);
        }
        Ok(None)
    }
}

/// The versions that are understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// HTTP/1.0.
    V10,
    /// HTTP/1.1, and 1.2 to 1.9, which have to be read as it.
    V11,
}

/// Why a head was not understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadHead {
    /// The first line is not of the form it should have.
    Line,
    /// HTTP/0.9: no version.
    NoVersion,
    /// A version other than 1.x; HTTP/2 begins so.
    Version,
    /// The header lines.
    Headers(BadHeaders),
}

impl From<BadHeaders> for BadHead {
    fn from(bad: BadHeaders) -> Self {
        Self::Headers(bad)
    }
}

/// What a client asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// `GET`, `CONNECT`; a token.
    pub method: Bytes,
    /// As written, see [`super::Target`]; no blanks or control characters.
    pub target: Bytes,
    /// Of the client.
    pub version: Version,
    /// The lines below.
    pub headers: Headers,
}

/// What a server answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    /// Of the server.
    pub version: Version,
    /// 100 to 999.
    pub status: u16,
    /// Words for people; may be empty.
    pub reason: Bytes,
    /// The lines below.
    pub headers: Headers,
}

impl Request {
    /// Understands a head that [`HeadReader`] found.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(head: &Bytes) -> Result<Self, BadHead> {
        let (line, block) = split(head);
        // Ncat tolerates blanks before the method.
        let line = line.slice_ref(line.trim_ascii_start());
        if line.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
            return Err(BadHead::Line);
        }
        let mut parts = line.split(|byte| *byte == b' ');
        let (method, target) = (parts.next().unwrap_or_default(), parts.next());
        let target = target.filter(|target| !target.is_empty()).ok_or(BadHead::Line)?;
        if !is_token(method) {
            return Err(BadHead::Line);
        }
        let version = version(parts.next().ok_or(BadHead::NoVersion)?)?;
        if parts.next().is_some() {
            return Err(BadHead::Line);
        }
        let (method, target) = (line.slice_ref(method), line.slice_ref(target));
        Ok(Self { method, target, version, headers: Headers::parse(&block)? })
    }

    /// Writes the head; `target` in the form the next server wants it.
    pub fn write(&self, out: &mut BytesMut) {
        out.reserve(self.method.len() + self.target.len() + 12);
        out.put_slice(&self.method);
        out.put_u8(b' ');
        out.put_slice(&self.target);
        out.put_slice(match self.version {
            Version::V10 => b" HTTP/1.0\r\n",
            Version::V11 => b" HTTP/1.1\r\n",
        });
        self.headers.write(out);
        out.put_slice(b"\r\n");
    }
}

impl Response {
    /// Understands a head that [`HeadReader`] found.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(head: &Bytes) -> Result<Self, BadHead> {
        let (line, block) = split(head);
        if line.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            return Err(BadHead::Line);
        }
        let (first, rest) = cut(&line, b' ');
        let version = version(first)?;
        let (code, reason) = cut(rest, b' ');
        if code.len() != 3 || !code.iter().all(u8::is_ascii_digit) || code[0] == b'0' {
            return Err(BadHead::Line);
        }
        let status = code.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        let reason = line.slice_ref(reason);
        Ok(Self { version, status, reason, headers: Headers::parse(&block)? })
    }

    /// Writes the head.
    pub fn write(&self, out: &mut BytesMut) {
        out.reserve(self.reason.len() + 16);
        out.put_slice(match self.version {
            Version::V10 => b"HTTP/1.0 ",
            Version::V11 => b"HTTP/1.1 ",
        });
        out.put_slice(self.status.to_string().as_bytes());
        out.put_u8(b' ');
        out.put_slice(&self.reason);
        out.put_slice(b"\r\n");
        self.headers.write(out);
        out.put_slice(b"\r\n");
    }

    /// Whether more answers to the same request follow (RFC 9110, section 15.2); 101 is the last.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// The first line without its end, and the header lines without the blank line.
fn split(head: &Bytes) -> (Bytes, Bytes) {
    let end = memchr::memchr(b'\n', head).unwrap_or(head.len());
    let line = head.slice(..end);
    let line = if line.ends_with(b"\r") { line.slice(..line.len() - 1) } else { line };
    let block = head.slice((end + 1).min(head.len())..);
    let blank = if block.ends_with(b"\r\n") { 2 } else { usize::from(block.ends_with(b"\n")) };
    let block = block.slice(..block.len() - blank);
    (line, block)
}

fn cut(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(at, bytes) {
        Some(n) => (&bytes[..n], &bytes[n + 1..]),
        None => (bytes, &bytes[bytes.len()..]),
    }
}

fn version(word: &[u8]) -> Result<Version, BadHead> {
    let digits = word.strip_prefix(b"HTTP/").ok_or(BadHead::Line)?;
    match digits {
        b"1.0" => Ok(Version::V10),
        [b'1', b'.', b'1'..=b'9'] => Ok(Version::V11),
        [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(BadHead::Version)
        }
        _ => Err(BadHead::Line),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(text: &str) -> Result<Request, BadHead> {
        Request::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    fn head(text: &[u8], piece: usize) -> Result<Option<(Bytes, Vec<u8>)>, HeadError> {
        let mut reader = HeadReader::new(Limits { line: 64, head: 256 });
        let mut buf = BytesMut::new();
        let mut rest = text;
        loop {
            if let Some(head) = reader.take(&mut buf)? {
                let mut after = buf.to_vec();
                after.extend_from_slice(rest);
                return Ok(Some((head, after)));
            }
            if rest.is_empty() {
                return Ok(None);
            }
            let (now, later) = rest.split_at(piece.min(rest.len()));
            buf.extend_from_slice(now);
            rest = later;
        }
    }

    #[test]
    fn a_head_is_the_same_for_every_cut() {
        let text = b"\r\n\nGET http://a/ HTTP/1.1\r\nA: b\r\nC: d\n\r\nbody";
        let whole = head(text, text.len()).unwrap().unwrap();
        assert_eq!(whole.1, b"body");
        for piece in 1..text.len() {
            assert_eq!(head(text, piece).unwrap().unwrap(), whole);
        }
        assert_eq!(head(&text[..text.len() - 6], 3), Ok(None));
    }

    #[test]
    fn limits_hold_wherever_the_pieces_end() {
        let long_line = [b"GET /".as_slice(), &[b'a'; 100], b" HTTP/1.1\r\n\r\n"].concat();
        let long_head =
            [b"GET / HTTP/1.1\r\n".as_slice(), &b"A: b\r\n".repeat(50), b"\r\n"].concat();
        for piece in [1, 7, 1000] {
            assert_eq!(head(&long_line, piece), Err(HeadError::LineTooLong));
            assert_eq!(head(&long_head, piece), Err(HeadError::TooLong));
        }
    }

    #[test]
    fn request_lines() {
        let good = request("  GET http://a/?x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!((&good.method[..], &good.target[..]), (&b"GET"[..], &b"http://a/?x"[..]));
        assert_eq!(request("GET / HTTP/1.7\r\n\r\n").unwrap().version, Version::V11);
        for (text, why) in [
            ("GET /\r\n\r\n", BadHead::NoVersion),
            ("GET\r\n\r\n", BadHead::Line),
            ("GET  / HTTP/1.1\r\n\r\n", BadHead::Line),
            ("GET / HTTP/1.1 \r\n\r\n", BadHead::Line),
            ("GET / x HTTP/1.1\r\n\r\n", BadHead::Line),
            ("GET /\0 HTTP/1.1\r\n\r\n", BadHead::Line),
            ("GET /\ra HTTP/1.1\r\n\r\n", BadHead::Line),
            ("G(T / HTTP/1.1\r\n\r\n", BadHead::Line),
            ("GET / http/1.1\r\n\r\n", BadHead::Line),
            ("GET / HTTP/1.1.1\r\n\r\n", BadHead::Line),
            ("GET / HTTP/11\r\n\r\n", BadHead::Line),
            ("PRI * HTTP/2.0\r\n\r\n", BadHead::Version),
            ("\x16\x03\x01\x02\n\n", BadHead::Line),
        ] {
            assert_eq!(request(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_what_was_understood() {
        let text = "HTTP/1.1 407 Proxy  Auth\r\nA: b\r\n\r\n";
        let parsed = Response::parse(&Bytes::from_static(text.as_bytes())).unwrap();
        let mut out = BytesMut::new();
        parsed.write(&mut out);
        assert_eq!(out, text);
        for bad in ["HTTP/1.1 20 x", "HTTP/1.1 2000", "HTTP/1.1 099", "HTTP/1.1 +20", "ICY 200 OK"]
        {
            assert!(Response::parse(&Bytes::from(format!("{bad}\r\n\r\n"))).is_err(), "{bad}");
        }
        let short = Response::parse(&Bytes::from_static(b"HTTP/1.0 200\n\n")).unwrap();
        assert_eq!((short.status, short.version, short.reason.len()), (200, Version::V10, 0));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..40) {
            if let Ok(Some((head, _))) = head(&bytes, piece) {
                let _ = Request::parse(&head);
                let _ = Response::parse(&head);
            }
        }
    }
}
