//! Where a proxy server may connect to: `--proxy-allow`, `--proxy-deny`.
//!
//! A rule is a host, a network or a name, and perhaps ports: `10.0.0.0/8`, `*.example.com:443`,
//! `:25`, `[2001:db8::]/32:80-90`. A network is compared with the address that is dialled, a name
//! with what the client asked for.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// One rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Destination {
    /// As written.
    text: String,
    host: Host,
    /// First and last.
    ports: (u16, u16),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Host {
    Any,
    Net(IpNet),
    /// In lower case.
    Name(String),
    /// In lower case, the dot included: every name that ends so.
    Below(String),
}

/// Why a rule is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadDestination {
    /// Neither an address, a network nor a name.
    #[error("not an address, a network or a name")]
    Host,
    /// Not a port or a range of ports.
    #[error("not a port from 1 to 65535, or two with a - between")]
    Ports,
    /// More bits than the address has.
    #[error("not a network: more bits than the address has")]
    Bits,
}

impl FromStr for Destination {
    type Err = BadDestination;

    fn from_str(text: &str) -> Result<Self, BadDestination> {
        let (host, ports) = match text.rsplit_once(':') {
            // A colon within an IPv6 address is no mark of a port.
            Some((host, _)) if host.contains(':') && !host.starts_with('[') => (text, None),
            Some((host, ports)) if !ports.contains(']') => (host, Some(ports)),
            _ => (text, None),
        };
        let ports = ports.map_or(Ok((1, u16::MAX)), range)?;
        if text.is_empty() {
            return Err(BadDestination::Host);
        }
        Ok(Self { text: text.to_owned(), host: Host::parse(host)?, ports })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn range(text: &str) -> Result<(u16, u16), BadDestination> {
    let one = |text: &str| {
        let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|port| is_digits && *port != 0).ok_or(BadDestination::Ports)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (one(first)?, one(last)?);
    if first <= last { Ok((first, last)) } else { Err(BadDestination::Ports) }
}

impl Host {
    fn parse(text: &str) -> Result<Self, BadDestination> {
        if text.is_empty() || text == "*" {
            return Ok(Self::Any);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(ip) = bare.unwrap_or(address).parse::<IpAddr>() {
            let ip = ip.to_canonical();
            let max = if ip.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Ok(max), str::parse).map_err(|_| BadDestination::Bits)?;
            let net = IpNet::new(ip, bits).map_err(|_| BadDestination::Bits)?;
            return Ok(Self::Net(net.trunc()));
        }
        let is_numeric = address
            .rsplit('.')
            .next()
            .is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
        let name = address.strip_prefix('*').unwrap_or(address);
        let is_name =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) || byte > 127;
        if bits.is_some() || is_numeric || name.is_empty() || !name.bytes().all(is_name) {
            return Err(BadDestination::Host);
        }
        let name = name.to_ascii_lowercase();
        match (address.starts_with('*'), name.starts_with('.')) {
            (_, true) => Ok(Self::Below(name)),
            (true, false) => Err(BadDestination::Host),
            (false, false) => Ok(Self::Name(name)),
        }
    }
}

impl Destination {
    fn matches(&self, name: &str, ip: Option<IpAddr>, port: u16) -> bool {
        let is_port = (self.ports.0..=self.ports.1).contains(&port);
        is_port
            && match &self.host {
                Host::Any => true,
                Host::Net(net) => ip.is_some_and(|ip| net.contains(&ip.to_canonical())),
                Host::Name(own) => name == own,
                Host::Below(suffix) => name.len() > suffix.len() && name.ends_with(suffix),
            }
    }
}

/// All rules; empty ones allow everything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Destinations {
    /// `--proxy-allow`: when there are any, only these.
    pub allow: Vec<Destination>,
    /// `--proxy-deny`: never these.
    pub deny: Vec<Destination>,
}

impl Destinations {
    /// Whether a connection to `ip`, which `host` stands for, may be made. Without an address only
    /// rules about names and ports are asked, and what only an address can decide is left open.
    ///
    /// # Errors
    /// The rule that forbids it, in words.
    pub fn check(&self, host: &str, ip: Option<IpAddr>, port: u16) -> Result<(), String> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if let Some(rule) = self.deny.iter().find(|rule| rule.matches(&host, ip, port)) {
            return Err(format!("--proxy-deny {rule}"));
        }
        let is_open = |rule: &&Destination| ip.is_none() && matches!(rule.host, Host::Net(_));
        let allows = |rule: &&Destination| rule.matches(&host, ip, port) || is_open(rule);
        if self.allow.is_empty() || self.allow.iter().any(|rule| allows(&rule)) {
            return Ok(());
        }
        Err("no --proxy-allow matches".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &[&str], deny: &[&str]) -> Destinations {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Destinations { allow: parse(allow), deny: parse(deny) }
    }

    fn check(rules: &Destinations, host: &str, ip: &str, port: u16) -> bool {
        rules.check(host, Some(ip.parse().unwrap()), port).is_ok()
    }

    #[test]
    fn networks_names_and_ports() {
        let some = rules(&["*.example.com:443", "10.0.0.0/8", "[2001:db8::]/32:80-90", "a.b"], &[]);
        assert!(check(&some, "www.Example.com.", "192.0.2.1", 443));
        assert!(!check(&some, "www.example.com", "192.0.2.1", 80));
        assert!(!check(&some, "example.com", "192.0.2.1", 443));
        assert!(!check(&some, "notexample.com", "192.0.2.1", 443));
        assert!(check(&some, "x", "10.1.2.3", 1));
        assert!(check(&some, "x", "::ffff:10.1.2.3", 1), "IPv4 in IPv6's clothes");
        assert!(check(&some, "x", "2001:db8::7", 85) && !check(&some, "x", "2001:db8::7", 91));
        assert!(check(&some, "A.B", "192.0.2.1", 7));
        assert!(some.check("x", None, 1).is_ok(), "the address will tell");
        assert!(rules(&["a.b"], &[]).check("x", None, 1).is_err());
    }

    #[test]
    fn what_is_denied_is_denied() {
        let some = rules(&["*"], &[":25", "127.0.0.0/8", "::1", "bad.example"]);
        assert!(check(&some, "x", "192.0.2.1", 80));
        assert!(!check(&some, "x", "192.0.2.1", 25));
        assert!(!check(&some, "x", "127.9.9.9", 80));
        assert!(!check(&some, "x", "::ffff:127.0.0.1", 80));
        assert!(!check(&some, "x", "::1", 80));
        let said = some.check("bad.example", Some("192.0.2.1".parse().unwrap()), 80).unwrap_err();
        assert_eq!(said, "--proxy-deny bad.example");
        assert!(Destinations::default().check("x", None, 25).is_ok());
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for (text, why) in [
            ("", BadDestination::Host),
            ("a b", BadDestination::Host),
            ("10.0.0.0.0", BadDestination::Host),
            ("name/8", BadDestination::Host),
            ("*x", BadDestination::Host),
            ("1.2.3.4/33", BadDestination::Bits),
            ("1.2.3.4/x", BadDestination::Bits),
            ("a:0", BadDestination::Ports),
            ("a:70000", BadDestination::Ports),
            ("a:9-8", BadDestination::Ports),
            ("a:+8", BadDestination::Ports),
            ("a:", BadDestination::Ports),
        ] {
            assert_eq!(text.parse::<Destination>(), Err(why), "{text:?}");
        }
    }
}
