//! SOCKS 4, 4a and 5, both ends: what a client and a server say, and how it is read.
//!
//! Every `parse` is given all that has arrived and not been used. It answers `Ok(None)` while more is
//! needed, else what was said and how many bytes said it: what follows belongs to whoever comes next.
//! A prefix of a good message is never an error, so any split gives the same result.
//!
//! Sources: SOCKS4.protocol and SOCKS4A.protocol (no RFC), RFC 1928, RFC 1929.

pub mod client;
pub mod udp;
pub mod v4;
pub mod v5;

pub use client::Client;

/// The first byte of a SOCKS 4 request.
pub const VERSION_4: u8 = 4;
/// The first byte of everything in SOCKS 5 but the user/password dialogue.
pub const VERSION_5: u8 = 5;

/// What a client wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// A connection to the target.
    Connect,
    /// A listening socket, for a connection from the target.
    Bind,
    /// A relay of datagrams (SOCKS 5 only).
    Associate,
    /// Something that no document names.
    Unknown(u8),
}

impl Command {
    /// Its number, the same in both versions.
    pub const fn code(self) -> u8 {
        match self {
            Self::Connect => 1,
            Self::Bind => 2,
            Self::Associate => 3,
            Self::Unknown(code) => code,
        }
    }

    const fn new(code: u8) -> Self {
        match code {
            1 => Self::Connect,
            2 => Self::Bind,
            3 => Self::Associate,
            other => Self::Unknown(other),
        }
    }

    /// Its word in logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Bind => "BIND",
            Self::Associate => "UDP ASSOCIATE",
            Self::Unknown(_) => "unknown command",
        }
    }
}

/// Bytes that are not SOCKS, or not what may be said at this place.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first byte says another version.
    #[error("version {found} where SOCKS has {expected}")]
    Version {
        /// What was found.
        found: u8,
        /// What belongs there.
        expected: u8,
    },
    /// An address type that no document names.
    #[error("address type {0} is none that SOCKS 5 has")]
    AddressType(u8),
    /// An empty name, one with blanks or control characters, or one that is not text.
    #[error("the host name is empty or has characters that no name has")]
    Name,
    /// A SOCKS 4 field without an end.
    #[error("a field is longer than {0} bytes")]
    TooLong(usize),
    /// A greeting that offers nothing.
    #[error("no authentication method is offered")]
    NoMethods,
    /// A user name or password that is empty where it may not be, too long or has a NUL (SOCKS 4).
    #[error("user name and password must have 1 to 255 bytes each, and no NUL for SOCKS 4")]
    Credentials,
    /// SOCKS 4 has no IPv6.
    #[error("SOCKS 4 cannot carry an IPv6 address")]
    NoIpv6,
    /// A datagram shorter than its header.
    #[error("the datagram ends within its header")]
    Short,
}

/// What one message was, and how many bytes it took; `None` while more is needed.
pub type Parsed<T> = Result<Option<(T, usize)>, Error>;

#[cfg(test)]
mod tests;
