//! What a request is about: the authority of `CONNECT`, the absolute form of everything else
//! (RFC 9112, section 3.2).

use std::fmt;
use std::net::Ipv6Addr;

use bytes::Bytes;

/// The longest name there is, in bytes (RFC 1035).
const HOST_MAX: usize = 255;

/// Why a target was not understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadTarget {
    /// Only a path, or `*`: what is asked of a server, not of a proxy.
    NotAbsolute,
    /// Not `http`.
    Scheme,
    /// A user name or password in it.
    User,
    /// No host, or characters that no host has.
    Host,
    /// Not 1 to 65535, or missing where it must be given.
    Port,
}

/// A host and a port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority {
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// The port, where one is written.
    pub port: Option<u16>,
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl Authority {
    /// Understands `host`, `host:port`, `[v6]` and `[v6]:port`; the host may be percent-encoded.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, BadTarget> {
        if text.contains(&b'@') {
            return Err(BadTarget::User);
        }
        if let Some(rest) = text.strip_prefix(b"[") {
            let end = memchr::memchr(b']', rest).ok_or(BadTarget::Host)?;
            let inner = std::str::from_utf8(&rest[..end]).map_err(|_| BadTarget::Host)?;
            let ip: Ipv6Addr = inner.parse().map_err(|_| BadTarget::Host)?;
            let port = match &rest[end + 1..] {
                [] => None,
                [b':', digits @ ..] => Some(port(digits)?),
                _ => return Err(BadTarget::Host),
            };
            return Ok(Self { host: ip.to_string(), port });
        }
        let mut parts = text.splitn(2, |byte| *byte == b':');
        let host = host(parts.next().unwrap_or_default())?;
        let port = parts.next().map(port).transpose()?;
        Ok(Self { host, port })
    }

    /// As [`Authority::parse`], with a port.
    ///
    /// # Errors
    /// As there, and without one.
    pub fn parse_connect(text: &[u8]) -> Result<Self, BadTarget> {
        let authority = Self::parse(text)?;
        if authority.port.is_none() { Err(BadTarget::Port) } else { Ok(authority) }
    }
}

/// The target of a request that is to be passed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// Whose it is.
    pub authority: Authority,
    /// What the server is asked for, from the slash on; `*` for `OPTIONS` of the server itself.
    pub path: Bytes,
}

impl Target {
    /// Understands the absolute form, `http://host[:port][/path][?query]`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &Bytes, method: &[u8]) -> Result<Self, BadTarget> {
        let colon =
            text.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte));
        let colon =
            colon.filter(|at| *at > 0 && text[*at] == b':').ok_or(BadTarget::NotAbsolute)?;
        if !text[..colon].eq_ignore_ascii_case(b"http") {
            return Err(BadTarget::Scheme);
        }
        let rest = text.slice(colon + 1..);
        if !rest.starts_with(b"//") {
            return Err(BadTarget::Host);
        }
        let rest = rest.slice(2..);
        let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
        let authority = Authority::parse(&rest[..end])?;
        let path = rest.slice(end..);
        let path = match path.first() {
            None if method == b"OPTIONS" => Bytes::from_static(b"*"),
            None => Bytes::from_static(b"/"),
            Some(b'/') => path,
            Some(_) => [b"/", &path[..]].concat().into(),
        };
        Ok(Self { authority, path })
    }
}

fn host(text: &[u8]) -> Result<String, BadTarget> {
    let mut host = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            host.push(*byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(BadTarget::Host) };
        host.push(u8::try_from(high << 4 | low).unwrap_or_default());
    }
    let is_bad = |byte: &u8| *byte <= b' ' || *byte == 0x7f || b"/?#@[]:\\\"<>%".contains(byte);
    if host.is_empty() || host.len() > HOST_MAX || host.iter().any(is_bad) {
        return Err(BadTarget::Host);
    }
    String::from_utf8(host).map_err(|_| BadTarget::Host)
}

fn port(digits: &[u8]) -> Result<u16, BadTarget> {
    if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BadTarget::Port);
    }
    let number = digits
        .iter()
        .fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    u16::try_from(number).ok().filter(|port| *port != 0).ok_or(BadTarget::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &'static str) -> Result<(String, String), BadTarget> {
        let target = Target::parse(&Bytes::from_static(text.as_bytes()), b"GET")?;
        Ok((target.authority.to_string(), String::from_utf8_lossy(&target.path).into_owned()))
    }

    #[test]
    fn absolute_forms() {
        for (text, authority, path) in [
            ("http://a/b?c", "a", "/b?c"),
            ("HTTP://a:80", "a:80", "/"),
            ("http://a?q", "a", "/?q"),
            ("http://[::1]:0080/x", "[::1]:80", "/x"),
            ("http://%61%2eb/", "a.b", "/"),
            ("http://a/@", "a", "/@"),
        ] {
            assert_eq!(target(text), Ok((authority.into(), path.into())), "{text}");
        }
        let options = Target::parse(&Bytes::from_static(b"http://a:1"), b"OPTIONS").unwrap();
        assert_eq!(&options.path[..], b"*");
    }

    #[test]
    fn bad_ones() {
        for (text, why) in [
            ("/", BadTarget::NotAbsolute),
            ("*", BadTarget::NotAbsolute),
            ("a", BadTarget::NotAbsolute),
            ("a:80", BadTarget::Scheme),
            ("https://a/", BadTarget::Scheme),
            ("http:a", BadTarget::Host),
            ("http://", BadTarget::Host),
            ("http:///x", BadTarget::Host),
            ("http://u@a/", BadTarget::User),
            ("http://a:/", BadTarget::Port),
            ("http://a:0/", BadTarget::Port),
            ("http://a:65536/", BadTarget::Port),
            ("http://a:-1/", BadTarget::Port),
            ("http://::1/", BadTarget::Host),
            ("http://[::1/", BadTarget::Host),
            ("http://[::1]x/", BadTarget::Host),
            ("http://a%00/", BadTarget::Host),
            ("http://a%0d%0ab/", BadTarget::Host),
            ("http://a%2/", BadTarget::Host),
            ("http://a%40b/", BadTarget::Host),
        ] {
            assert_eq!(target(text), Err(why), "{text}");
        }
        for text in ["a", "a:", "[::1]", "[::1]:", "::1", "::1:80", ":80", "u@a:80", ""] {
            assert!(Authority::parse_connect(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(Authority::parse_connect(b"a:443").unwrap().port, Some(443));
    }
}
