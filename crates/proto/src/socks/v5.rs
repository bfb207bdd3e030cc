//! SOCKS 5: greeting, method, user and password, request, reply.

use std::net::IpAddr;

use super::{Command, Error, Parsed, VERSION_5};
use crate::target::{Host, Target};

/// No authentication.
pub const METHOD_NONE: u8 = 0;
/// User name and password (RFC 1929).
pub const METHOD_PASSWORD: u8 = 2;
/// None of the methods offered will do.
pub const METHOD_REFUSED: u8 = 0xff;

/// The version of the user/password dialogue (RFC 1929).
const PASSWORD_VERSION: u8 = 1;

const ATYP_V4: u8 = 1;
const ATYP_NAME: u8 = 3;
const ATYP_V6: u8 = 4;

/// Writes a client's greeting. At most 255 methods.
pub fn write_greeting(methods: &[u8], out: &mut Vec<u8>) {
    let count = u8::try_from(methods.len()).unwrap_or(u8::MAX);
    out.extend([VERSION_5, count]);
    out.extend(&methods[..usize::from(count)]);
}

/// Reads a client's greeting: the methods it offers.
///
/// # Errors
/// [`Error::Version`], [`Error::NoMethods`].
pub fn parse_greeting(input: &[u8]) -> Parsed<&[u8]> {
    let Some(count) = after_version(input, VERSION_5)? else { return Ok(None) };
    if count == 0 {
        return Err(Error::NoMethods);
    }
    let used = 2 + usize::from(count);
    Ok(input.get(2..used).map(|methods| (methods, used)))
}

/// Writes a server's choice.
pub fn write_method(method: u8, out: &mut Vec<u8>) {
    out.extend([VERSION_5, method]);
}

/// Reads a server's choice.
///
/// # Errors
/// [`Error::Version`].
pub fn parse_method(input: &[u8]) -> Parsed<u8> {
    Ok(after_version(input, VERSION_5)?.map(|method| (method, 2)))
}

/// Writes user name and password.
///
/// # Errors
/// [`Error::Credentials`] when one is longer than 255 bytes. RFC 1929 has none empty; servers take
/// empty ones, and it is for them to refuse.
pub fn write_password(user: &[u8], password: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let len = |text: &[u8]| u8::try_from(text.len()).map_err(|_| Error::Credentials);
    let (user_len, password_len) = (len(user)?, len(password)?);
    out.extend([PASSWORD_VERSION, user_len]);
    out.extend(user);
    out.push(password_len);
    out.extend(password);
    Ok(())
}

/// Reads user name and password.
///
/// # Errors
/// [`Error::Version`].
pub fn parse_password(input: &[u8]) -> Parsed<(&[u8], &[u8])> {
    let Some(user_len) = after_version(input, PASSWORD_VERSION)? else { return Ok(None) };
    let after_user = 2 + usize::from(user_len);
    let Some(&password_len) = input.get(after_user) else { return Ok(None) };
    let used = after_user + 1 + usize::from(password_len);
    let Some(password) = input.get(after_user + 1..used) else { return Ok(None) };
    Ok(Some(((&input[2..after_user], password), used)))
}

/// Writes whether user name and password were right.
pub fn write_password_verdict(is_right: bool, out: &mut Vec<u8>) {
    out.extend([PASSWORD_VERSION, u8::from(!is_right)]);
}

/// Reads whether user name and password were right.
///
/// # Errors
/// [`Error::Version`].
pub fn parse_password_verdict(input: &[u8]) -> Parsed<bool> {
    Ok(after_version(input, PASSWORD_VERSION)?.map(|status| (status == 0, 2)))
}

/// What a client asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// What for.
    pub command: Command,
    /// Whom; for [`Command::Associate`] where the client will send from, if it knows.
    pub target: Target,
}

impl Request {
    /// Writes the request.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend([VERSION_5, self.command.code(), 0]);
        write_target(&self.target, out);
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`Error::Version`], [`Error::AddressType`], [`Error::Name`].
    pub fn parse(input: &[u8]) -> Parsed<Self> {
        let Some(command) = after_version(input, VERSION_5)? else { return Ok(None) };
        let Some((target, used)) = parse_target(input.get(3..).unwrap_or_default())? else {
            return Ok(None);
        };
        Ok(Some((Self { command: Command::new(command), target }, 3 + used)))
    }
}

/// A server's answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reply {
    /// Done.
    Succeeded,
    /// It failed, and nothing more is said.
    GeneralFailure,
    /// The server's rules forbid it.
    NotAllowed,
    /// No route to the target's network.
    NetworkUnreachable,
    /// No route to the target, or no such name.
    HostUnreachable,
    /// The target refused.
    ConnectionRefused,
    /// Too many hops, or a timeout.
    TtlExpired,
    /// The server does not do that.
    CommandNotSupported,
    /// The server does not know that kind of address.
    AddressTypeNotSupported,
    /// A code that no document names.
    Unassigned(u8),
}

impl Reply {
    const NAMED: [Self; 9] = [
        Self::Succeeded,
        Self::GeneralFailure,
        Self::NotAllowed,
        Self::NetworkUnreachable,
        Self::HostUnreachable,
        Self::ConnectionRefused,
        Self::TtlExpired,
        Self::CommandNotSupported,
        Self::AddressTypeNotSupported,
    ];

    /// Its number.
    pub fn code(self) -> u8 {
        match self {
            Self::Unassigned(code) => code,
            named => {
                let place = Self::NAMED.iter().position(|reply| *reply == named);
                place.and_then(|n| u8::try_from(n).ok()).unwrap_or(u8::MAX)
            }
        }
    }

    pub(super) fn new(code: u8) -> Self {
        Self::NAMED.get(usize::from(code)).copied().unwrap_or(Self::Unassigned(code))
    }

    /// What it says (RFC 1928, section 6), as Ncat words it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::GeneralFailure => "general SOCKS server failure",
            Self::NotAllowed => "connection not allowed by ruleset",
            Self::NetworkUnreachable => "Network unreachable",
            Self::HostUnreachable => "Host unreachable",
            Self::ConnectionRefused => "Connection refused",
            Self::TtlExpired => "TTL expired",
            Self::CommandNotSupported => "Command not supported",
            Self::AddressTypeNotSupported => "Address type not supported",
            Self::Unassigned(_) => "unassigned value in the reply",
        }
    }

    /// Writes the reply; `bound` is where the server connects from, listens, or takes datagrams.
    pub fn write(self, bound: &Target, out: &mut Vec<u8>) {
        out.extend([VERSION_5, self.code(), 0]);
        write_target(bound, out);
    }

    /// Reads a reply and the address it tells. A refusal counts as soon as its code is here: servers
    /// have been seen that send no address with one, and hang up.
    ///
    /// # Errors
    /// [`Error::Version`], [`Error::AddressType`].
    pub fn parse(input: &[u8]) -> Parsed<(Self, Target)> {
        let Some(code) = after_version(input, VERSION_5)? else { return Ok(None) };
        let reply = Self::new(code);
        if reply != Self::Succeeded {
            return Ok(Some(((reply, Target::NOWHERE), input.len())));
        }
        let address = input.get(3..).unwrap_or_default();
        let bound = match parse_target(address) {
            // A bound address without a name in it tells us nothing, and harms nobody.
            Err(Error::Name) => {
                let used = address.get(1).map_or(0, |len| 4 + usize::from(*len));
                Some((Target::NOWHERE, used))
            }
            other => other?,
        };
        Ok(bound.map(|(bound, used)| ((reply, bound), 3 + used)))
    }
}

/// Writes type, address and port.
pub(super) fn write_target(target: &Target, out: &mut Vec<u8>) {
    match &target.host {
        Host::Ip(IpAddr::V4(ip)) => {
            out.push(ATYP_V4);
            out.extend(ip.octets());
        }
        Host::Ip(IpAddr::V6(ip)) => {
            out.push(ATYP_V6);
            out.extend(ip.octets());
        }
        Host::Name(name) => {
            // No name is longer than 255 bytes: see `Host::Name`.
            let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
            out.extend([ATYP_NAME, len]);
            out.extend(&name.as_bytes()[..usize::from(len)]);
        }
    }
    out.extend(target.port.to_be_bytes());
}

/// Reads type, address and port.
pub(super) fn parse_target(input: &[u8]) -> Parsed<Target> {
    let (skipped, len) = match *input {
        [] => return Ok(None),
        [ATYP_V4, ..] => (1, 4),
        [ATYP_V6, ..] => (1, 16),
        [ATYP_NAME] => return Ok(None),
        [ATYP_NAME, len, ..] => (2, usize::from(len)),
        [other, ..] => return Err(Error::AddressType(other)),
    };
    let (end, used) = (skipped + len, skipped + len + 2);
    let Some(port) = input.get(end..used) else { return Ok(None) };
    let host = &input[skipped..end];
    let host = match (input[0], <[u8; 4]>::try_from(host), <[u8; 16]>::try_from(host)) {
        (ATYP_V4, Ok(octets), _) => Host::Ip(octets.into()),
        (ATYP_V6, _, Ok(octets)) => Host::Ip(octets.into()),
        // An address in letters is an address: rules about addresses must see it.
        _ => match Host::name(host).ok_or(Error::Name)? {
            Host::Name(name) => Host::new(&name).unwrap_or(Host::Name(name)),
            ip => ip,
        },
    };
    let port = u16::from_be_bytes([port[0], port[1]]);
    Ok(Some((Target { host, port }, used)))
}

/// The byte after the version.
fn after_version(input: &[u8], expected: u8) -> Result<Option<u8>, Error> {
    match *input {
        [] => Ok(None),
        [found, ..] if found != expected => Err(Error::Version { found, expected }),
        [_, next, ..] => Ok(Some(next)),
        [_] => Ok(None),
    }
}
