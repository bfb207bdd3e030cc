//! Where a message's body ends (RFC 9112, section 6).

use super::head::{Request, Response, Version};
use super::headers::Headers;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// There is none.
    None,
    /// This many bytes.
    Length(u64),
    /// In chunks that say their own size.
    Chunked,
    /// Until the connection's direction ends; answers only.
    UntilEnd,
}

/// Why two readers could disagree about where a body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FramingError {
    /// Both a length and a transfer coding.
    Both,
    /// More than one length, be they equal.
    Lengths,
    /// A length that is not digits only, or does not fit 64 bits.
    Length,
    /// A transfer coding other than `chunked`, which is understood by nobody on the way.
    Coding,
    /// A transfer coding in HTTP/1.0, which has none.
    OldCoding,
}

impl Framing {
    /// Of a request; without length and coding there is no body.
    ///
    /// # Errors
    /// Where it is ambiguous.
    pub fn of_request(request: &Request) -> Result<Self, FramingError> {
        Ok(declared(&request.headers, request.version)?.unwrap_or(Self::None))
    }

    /// Of the answer to a request by `method`.
    ///
    /// # Errors
    /// Where it is ambiguous.
    pub fn of_response(response: &Response, method: &[u8]) -> Result<Self, FramingError> {
        let declared = declared(&response.headers, response.version)?;
        let is_tunnel = method == b"CONNECT" && (200..300).contains(&response.status);
        let is_bare = response.status < 200 || matches!(response.status, 204 | 304);
        if is_tunnel || is_bare || method == b"HEAD" {
            return Ok(Self::None);
        }
        Ok(declared.unwrap_or(Self::UntilEnd))
    }
}

fn declared(headers: &Headers, version: Version) -> Result<Option<Framing>, FramingError> {
    let mut lengths = headers.all("Content-Length");
    let length = lengths.next();
    let mut codings = headers.all("Transfer-Encoding");
    match (length, codings.next()) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(FramingError::Both),
        (Some(_), None) if lengths.next().is_some() => Err(FramingError::Lengths),
        (Some(length), None) => Ok(Some(Framing::Length(number(length)?))),
        (None, Some(_)) if version == Version::V10 => Err(FramingError::OldCoding),
        (None, Some(coding)) => {
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
            if is_chunked { Ok(Some(Framing::Chunked)) } else { Err(FramingError::Coding) }
        }
    }
}

fn number(digits: &[u8]) -> Result<u64, FramingError> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(FramingError::Length);
    }
    let text = std::str::from_utf8(digits).map_err(|_| FramingError::Length)?;
    text.parse().map_err(|_| FramingError::Length)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn of(version: &str, headers: &str) -> Result<Framing, FramingError> {
        let text = format!("POST / HTTP/{version}\r\n{headers}\r\n");
        Framing::of_request(&Request::parse(&Bytes::from(text)).unwrap())
    }

    #[test]
    fn requests() {
        assert_eq!(of("1.1", ""), Ok(Framing::None));
        assert_eq!(of("1.0", "Content-Length: 007\r\n"), Ok(Framing::Length(7)));
        assert_eq!(of("1.1", "Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        let max = u64::MAX;
        assert_eq!(of("1.1", &format!("Content-Length: {max}\r\n")), Ok(Framing::Length(max)));
    }

    #[test]
    fn whatever_is_ambiguous_is_refused() {
        use FramingError::*;
        for (headers, why) in [
            ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", Both),
            ("Transfer-Encoding: identity\r\nContent-Length: 1\r\n", Both),
            ("Content-Length: 1\r\nContent-Length: 1\r\n", Lengths),
            ("Content-Length: 1, 1\r\n", Length),
            ("Content-Length: 1\r\n 2\r\n", Length),
            ("Content-Length: +1\r\n", Length),
            ("Content-Length: -1\r\n", Length),
            ("Content-Length: 0x1\r\n", Length),
            ("Content-Length:\r\n", Length),
            ("Content-Length: 18446744073709551616\r\n", Length),
            ("Transfer-Encoding: gzip, chunked\r\n", Coding),
            ("Transfer-Encoding: chunked, chunked\r\n", Coding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Coding),
            ("Transfer-Encoding: xchunked\r\n", Coding),
            ("Transfer-Encoding:\r\n", Coding),
        ] {
            assert_eq!(of("1.1", headers), Err(why), "{headers:?}");
        }
        assert_eq!(of("1.0", "Transfer-Encoding: chunked\r\n"), Err(OldCoding));
    }

    #[test]
    fn answers() {
        let of = |status: &str, headers: &str, method: &str| {
            let text = format!("HTTP/1.1 {status} x\r\n{headers}\r\n");
            let response = Response::parse(&Bytes::from(text)).unwrap();
            Framing::of_response(&response, method.as_bytes())
        };
        assert_eq!(of("200", "", "GET"), Ok(Framing::UntilEnd));
        assert_eq!(of("200", "Content-Length: 5\r\n", "GET"), Ok(Framing::Length(5)));
        for (status, method) in [("200", "HEAD"), ("204", "GET"), ("304", "GET"), ("101", "GET")] {
            assert_eq!(of(status, "Content-Length: 5\r\n", method), Ok(Framing::None), "{status}");
        }
        assert_eq!(of("200", "", "CONNECT"), Ok(Framing::None));
        let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
        assert_eq!(of("200", both, "HEAD"), Err(FramingError::Both));
    }
}
