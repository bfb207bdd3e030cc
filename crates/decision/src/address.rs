//! What an address or a name is, however it is spelled.
//!
//! Attackers reach a protected address by another spelling of it: IPv6 that means IPv4, octal and hex digits,
//! fewer dots. Addresses are reduced to the one that packets will go to; odd spellings are refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host name is at most this long, in bytes (RFC 1035 section 2.3.4, less root and length octets).
pub const NAME_BYTES_MAX: usize = 253;

/// What an address was a spelling of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Itself.
    Plain,
    /// `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2).
    Mapped,
    /// `::a.b.c.d` (RFC 4291 section 2.5.5.1, deprecated).
    Compatible,
    /// `2002:aabb:ccdd::` (RFC 3056).
    SixToFour,
    /// `64:ff9b::a.b.c.d` (RFC 6052).
    Nat64,
    /// `2001:0::` with the client's address inverted at its end (RFC 4380).
    Teredo,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Mapped => "IPv4-mapped",
            Self::Compatible => "IPv4-compatible",
            Self::SixToFour => "6to4",
            Self::Nat64 => "NAT64",
            Self::Teredo => "Teredo",
        })
    }
}

/// The address that is meant. Idempotent.
///
/// ```
/// use decision::address::{Form, normal};
///
/// let meta = "64:ff9b::a9fe:a9fe".parse().unwrap();
/// assert_eq!(normal(meta), ("169.254.169.254".parse().unwrap(), Form::Nat64));
/// ```
pub fn normal(addr: IpAddr) -> (IpAddr, Form) {
    let IpAddr::V6(six) = addr else { return (addr, Form::Plain) };
    let s = six.segments();
    let four = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => (four(high, low), Form::Mapped),
        // :: and ::1 are themselves.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => (addr, Form::Plain),
        [0, 0, 0, 0, 0, 0, high, low] => (four(high, low), Form::Compatible),
        [0x2002, high, low, ..] => (four(high, low), Form::SixToFour),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (four(high, low), Form::Nat64),
        [0x2001, 0, _, _, _, _, high, low] => (four(!high, !low), Form::Teredo),
        _ => (addr, Form::Plain),
    }
}

/// As 128 bits, IPv4 as `::ffff:a.b.c.d`: one space for both families.
pub fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(four) => four.to_ipv6_mapped().to_bits(),
        IpAddr::V6(six) => six.to_bits(),
    }
}

/// A host as somebody wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// An address, as written; its zone is dropped, since it says on which link, not where.
    Addr(IpAddr),
    /// A name to be looked up, in lower case and without a final dot.
    Name(String),
}

/// Reads a host. Accepts strict dotted quads, IPv6 with or without brackets and zone, and names of letters,
/// digits, hyphens and underscores.
///
/// # Errors
/// Why it is refused, in words: an odd spelling of an IPv4 address, or no host name.
pub fn host(text: &str) -> Result<Host, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inner = bare.unwrap_or(text);
    let unzoned = inner.split_once('%').map_or(inner, |(addr, _)| addr);
    if let Ok(six) = unzoned.parse::<Ipv6Addr>() {
        return Ok(Host::Addr(six.into()));
    }
    if bare.is_some() {
        return Err("not an IPv6 address".into());
    }
    if let Ok(four) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Addr(four.into()));
    }
    name(text).map(Host::Name)
}

fn name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() {
        return Err("empty".into());
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("longer than {NAME_BYTES_MAX} bytes"));
    }
    if !name.is_ascii() {
        return Err("has letters beyond ASCII; write its xn-- form".into());
    }
    for label in name.split('.') {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if label.is_empty() || label.len() > 63 || !label.bytes().all(plain) {
            return Err("not a host name".into());
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a label begins or ends with a hyphen".into());
        }
    }
    if is_number(name.rsplit('.').next().unwrap_or(name)) {
        return Err("an IPv4 address in another spelling than four decimal numbers".into());
    }
    Ok(name.to_ascii_lowercase())
}

/// What the C library would take for a number; no top-level domain is one.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Splits `host:port`, `[v6]:port`.
///
/// # Errors
/// What is missing or wrong, in words.
pub fn host_port(text: &str) -> Result<(&str, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or("no port: write HOST:PORT")?;
    if host.contains(':') && !host.starts_with('[') {
        return Err("an IPv6 address goes in brackets: [ADDRESS]:PORT".into());
    }
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| port.parse::<u16>().ok()).flatten().filter(|port| *port > 0);
    let number = number.ok_or_else(|| format!("{port:?} is not a port: 1 to 65535"))?;
    Ok((host, number))
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
