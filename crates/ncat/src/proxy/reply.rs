//! What we answer ourselves, rather than a server.

use bytes::{BufMut, Bytes, BytesMut};
use proto::http::Version;

/// An answer of ours.
pub(super) struct Reply {
    pub(super) status: u16,
    /// One sentence, for whoever reads it.
    pub(super) why: String,
    /// Header lines, CRLF included.
    pub(super) lines: String,
    /// What follows on the connection cannot be understood, or is not wanted.
    pub(super) is_last: bool,
}

/// The methods that are passed on.
pub(super) const METHODS: &str = "CONNECT, GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";

impl Reply {
    pub(super) fn new(status: u16, why: impl Into<String>) -> Self {
        Self { status, why: why.into(), lines: String::new(), is_last: false }
    }

    /// As [`Reply::new`], and the connection ends.
    pub(super) fn last(status: u16, why: impl Into<String>) -> Self {
        Self { is_last: true, ..Self::new(status, why) }
    }

    /// With header lines.
    pub(super) fn with(self, lines: String) -> Self {
        Self { lines, ..self }
    }

    /// As it is sent. Its version is the client's: one of HTTP/1.0 gets Ncat's first line to the byte.
    pub(super) fn write(&self, version: Version, is_head: bool, keeps: bool) -> Bytes {
        let mut out = BytesMut::with_capacity(256);
        let number = if version == Version::V10 { "1.0" } else { "1.1" };
        let body = format!("{}\n", self.why);
        let connection = match (keeps, version) {
            (false, _) => "Connection: close\r\n",
            (true, Version::V10) => "Connection: keep-alive\r\n",
            (true, Version::V11) => "",
        };
        let head = format!(
            "HTTP/{number} {} {}\r\n{}{connection}Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n",
            self.status,
            reason(self.status),
            self.lines,
            body.len(),
        );
        out.put_slice(head.as_bytes());
        if !is_head {
            out.put_slice(body.as_bytes());
        }
        out.freeze()
    }
}

/// The words for a status (RFC 9110, section 15; 413 in Ncat's).
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        414 => "URI Too Long",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
