//! SOCKS 4 and 4a: one request, one reply.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use memchr::memchr;

use super::{Command, Error, Parsed, VERSION_4};
use crate::target::{Host, NAME_MAX, Target};

/// The longest user id that is taken, in bytes; the document has no limit.
pub const USER_MAX: usize = 255;

/// What a client asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// What for.
    pub command: Command,
    /// Whom; a name makes it 4a.
    pub target: Target,
    /// The user id, not checked by anybody; often empty.
    pub user: Vec<u8>,
}

impl Request {
    /// Writes the request.
    ///
    /// # Errors
    /// [`Error::NoIpv6`]; [`Error::Credentials`] for a user id with a NUL or longer than [`USER_MAX`].
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.user.len() > USER_MAX || self.user.contains(&0) {
            return Err(Error::Credentials);
        }
        let ip = match self.target.host {
            Host::Ip(IpAddr::V4(ip)) => ip,
            Host::Ip(IpAddr::V6(_)) => return Err(Error::NoIpv6),
            Host::Name(_) => Ipv4Addr::new(0, 0, 0, 1),
        };
        out.extend([VERSION_4, self.command.code()]);
        out.extend(self.target.port.to_be_bytes());
        out.extend(ip.octets());
        out.extend(&self.user);
        out.push(0);
        if let Host::Name(name) = &self.target.host {
            out.extend(name.bytes());
            out.push(0);
        }
        Ok(())
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`Error::Version`], [`Error::TooLong`], [`Error::Name`].
    pub fn parse(input: &[u8]) -> Parsed<Self> {
        match input.first() {
            Some(&VERSION_4) => {}
            Some(&found) => return Err(Error::Version { found, expected: VERSION_4 }),
            None => return Ok(None),
        }
        let Some((fixed, rest)) = input.split_first_chunk::<8>() else { return Ok(None) };
        let [_, command, port_high, port_low, a, b, c, d] = *fixed;
        let Some(user) = field(rest, USER_MAX)? else { return Ok(None) };
        let mut used = fixed.len() + user.len() + 1;
        let host = match [a, b, c, d] {
            // 0.0.0.x is what 4a has for: the name follows.
            [0, 0, 0, x] if x != 0 => {
                let Some(name) = field(&input[used..], NAME_MAX)? else { return Ok(None) };
                used += name.len() + 1;
                let host = Host::name(name).ok_or(Error::Name)?;
                // An address in letters is an address: rules about addresses must see it.
                if let Host::Name(text) = &host { Host::new(text).unwrap_or(host) } else { host }
            }
            octets => Host::Ip(octets.into()),
        };
        let target = Target { host, port: u16::from_be_bytes([port_high, port_low]) };
        let command = Command::new(command);
        Ok(Some((Self { command, target, user: user.to_vec() }, used)))
    }
}

/// What stands before the next NUL.
fn field(input: &[u8], max: usize) -> Result<Option<&[u8]>, Error> {
    match memchr(0, input) {
        Some(n) if n <= max => Ok(Some(&input[..n])),
        None if input.len() <= max => Ok(None),
        _ => Err(Error::TooLong(max)),
    }
}

/// A server's answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reply {
    /// The request is granted.
    Granted,
    /// Rejected, or it failed.
    Rejected,
    /// The server cannot reach the client's identd.
    NoIdentd,
    /// The client's identd says another user.
    OtherUser,
    /// A code that no document names.
    Unassigned(u8),
}

impl Reply {
    /// Its number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Granted => 0x5a,
            Self::Rejected => 0x5b,
            Self::NoIdentd => 0x5c,
            Self::OtherUser => 0x5d,
            Self::Unassigned(code) => code,
        }
    }

    /// What it says, for a sentence that begins with the proxy.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Granted => "request granted",
            Self::Rejected => "request rejected or failed",
            Self::NoIdentd => "the proxy cannot reach identd on this machine",
            Self::OtherUser => "identd on this machine names another user",
            Self::Unassigned(_) => "a reply code that SOCKS 4 does not have",
        }
    }

    /// Writes the reply; `bound` is where the server listens or connects from.
    pub fn write(self, bound: SocketAddrV4, out: &mut Vec<u8>) {
        out.extend([0, self.code()]);
        out.extend(bound.port().to_be_bytes());
        out.extend(bound.ip().octets());
    }

    /// Reads a reply, and the address it tells. The first byte ought to be 0 and is ignored, as by
    /// Ncat: servers have been seen that put 4 there.
    ///
    /// # Errors
    /// None.
    pub fn parse(input: &[u8]) -> Parsed<(Self, SocketAddrV4)> {
        let Some((fixed, _)) = input.split_first_chunk::<8>() else { return Ok(None) };
        let [_, code, port_high, port_low, a, b, c, d] = *fixed;
        let reply = match code {
            0x5a => Self::Granted,
            0x5b => Self::Rejected,
            0x5c => Self::NoIdentd,
            0x5d => Self::OtherUser,
            other => Self::Unassigned(other),
        };
        let port = u16::from_be_bytes([port_high, port_low]);
        Ok(Some(((reply, SocketAddrV4::new([a, b, c, d].into(), port)), fixed.len())))
    }
}
