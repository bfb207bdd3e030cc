//! Errors as scripts see them: a code, and a detail for people.

use std::fmt;
use std::io::{self, ErrorKind};

/// The codes there are.
pub(crate) const CODES: [&str; 15] = [
    "EOF",
    "TIMEOUT",
    "CLOSED",
    "CANCELLED",
    "REFUSED",
    "RESET",
    "UNREACHABLE",
    "RESOLVE",
    "TLS",
    "TOOBIG",
    "BUSY",
    "FULL",
    "DENIED",
    "LIMIT",
    "ERROR",
];

/// Why something failed: one of the codes, and words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// One of the codes.
    pub code: &'static str,
    /// For people; may be empty.
    pub detail: String,
}

impl Failure {
    /// What a script said; a code nobody knows becomes the detail of `ERROR`.
    pub(crate) fn said(code: &str, detail: Option<String>) -> Self {
        match CODES.iter().find(|known| **known == code) {
            Some(code) => Self { code, detail: detail.unwrap_or_default() },
            None => Self { code: "ERROR", detail: detail.unwrap_or_else(|| code.to_owned()) },
        }
    }

    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.detail.is_empty() { self.code } else { &self.detail })
    }
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        const EMSGSIZE: i32 = 90;
        let code = match error.kind() {
            ErrorKind::TimedOut => "TIMEOUT",
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => "RESET",
            ErrorKind::ConnectionRefused => "REFUSED",
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "UNREACHABLE",
            ErrorKind::BrokenPipe | ErrorKind::NotConnected => "CLOSED",
            _ if error.raw_os_error() == Some(EMSGSIZE) => "TOOBIG",
            _ => "ERROR",
        };
        Self::new(code, crate::source::words(error))
    }
}

/// Where something went wrong: in which filter, counted from the wire, and in which call.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Origin {
    /// 0 is the transport.
    pub(crate) layer: usize,
    pub(crate) filter: Option<String>,
    pub(crate) method: &'static str,
}

impl Origin {
    /// The transport.
    pub(crate) fn wire(method: &'static str) -> Self {
        Self { layer: 0, filter: None, method }
    }

    /// The filter's name, as messages have it.
    pub(crate) fn name(&self) -> &str {
        self.filter.as_deref().unwrap_or("root")
    }
}

/// Why a connection failed, as its filters are told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) origin: Origin,
}

impl Trouble {
    /// A failure that came from there.
    pub(crate) fn of(failure: &Failure, origin: Origin) -> Self {
        Self { code: failure.code, message: failure.to_string(), origin }
    }
}

/// What ends a connection: a fault of a filter, in a line of its own, or a failure it passed on.
#[derive(Clone, Debug)]
pub struct Fault {
    /// One line, without a full stop.
    pub line: String,
    /// Where in the script, for who debugs it.
    pub traceback: String,
    pub(crate) code: &'static str,
    pub(crate) origin: Origin,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// The fault behind an error of a session.
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}
