//! Whom a proxy is asked to reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The longest name a proxy protocol carries, in bytes; DNS has 253 (RFC 1035, 2.3.4).
pub const NAME_MAX: usize = 255;

/// A host by address or by name.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name: 1 to [`NAME_MAX`] bytes, no blanks and no control characters.
    Name(String),
}

impl Host {
    /// An address where `text` is one, a name where it can be one. Brackets are not taken.
    pub fn new(text: &str) -> Option<Self> {
        text.parse().map(Self::Ip).ok().or_else(|| Self::name(text.as_bytes()))
    }

    /// A name that came from the wire. NUL, line ends and blanks in it would mean one host to us and
    /// another to whoever reads it next.
    pub fn name(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let is_good = !text.is_empty() && text.len() <= NAME_MAX;
        let is_clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
        (is_good && is_clean).then(|| Self::Name(text.to_owned()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// A host and a port. Shown as in a URL: `db.example:5432`, `[2001:db8::1]:80`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl Target {
    /// No address at all: what a reply says that has none to tell.
    pub const NOWHERE: Self = Self { host: Host::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port: 0 };

    /// Its address, where it is one already.
    pub fn addr(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }
}

impl From<SocketAddr> for Target {
    fn from(addr: SocketAddr) -> Self {
        Self { host: Host::Ip(addr.ip()), port: addr.port() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            host if host.to_string().contains(':') => write!(f, "[{host}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_addresses_before_they_are_names() {
        assert_eq!(Host::new("127.0.0.1"), Some(Host::Ip([127, 0, 0, 1].into())));
        assert_eq!(Host::new("::1").map(|host| host.to_string()), Some("::1".into()));
        assert_eq!(Host::new("db.example"), Some(Host::Name("db.example".into())));
        for bad in ["", "a b", "a\0b", "a\r\nb", &"x".repeat(NAME_MAX + 1)] {
            assert_eq!(Host::new(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn targets_are_shown_as_in_a_url() {
        let shown = |host, port| Target { host: Host::new(host).expect("host"), port }.to_string();
        assert_eq!(shown("db.example", 5432), "db.example:5432");
        assert_eq!(shown("2001:db8::1", 80), "[2001:db8::1]:80");
        assert_eq!(shown("192.0.2.7", 1), "192.0.2.7:1");
    }
}
