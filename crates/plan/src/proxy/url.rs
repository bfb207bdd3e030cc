//! How a proxy is named: `host[:port]` as in Ncat, or a URL.

use super::{BadProxy, ProxyAuth, ProxyDns, ProxyHop, ProxyKind, Secret};
use crate::build::number;

/// The schemes, what is spoken, and who looks names up when `--proxy-dns` does not say: as in curl,
/// `a` and `h` leave it to the proxy.
const SCHEMES: [(&str, ProxyKind, ProxyDns); 6] = [
    ("http", ProxyKind::Http, ProxyDns::Remote),
    ("https", ProxyKind::Https, ProxyDns::Remote),
    ("socks4", ProxyKind::Socks4, ProxyDns::Local),
    ("socks4a", ProxyKind::Socks4, ProxyDns::Remote),
    ("socks5", ProxyKind::Socks5, ProxyDns::Local),
    ("socks5h", ProxyKind::Socks5, ProxyDns::Remote),
];

pub(super) fn is_url(text: &str) -> bool {
    text.contains("://")
}

/// `[v6]:port`, `host:port`, `host`, `[v6]`, or an IPv6 address without a port, as Ncat reads them.
pub(super) fn ncat(text: &str, kind: ProxyKind) -> Result<ProxyHop, BadProxy> {
    let (host, port) = divide(text)?;
    let port = match port {
        // As Ncat has it: a colon with nothing behind it is port 0, which nobody listens on.
        Some(digits) => read_port(digits)?,
        None => kind.default_port(),
    };
    let (auth, dns) = (ProxyAuth::None, ProxyDns::Remote);
    Ok(ProxyHop { kind, host: host.to_owned(), port, auth, dns })
}

fn divide(text: &str) -> Result<(&str, Option<&str>), BadProxy> {
    if let Some(inner) = text.strip_prefix('[') {
        let Some((host, rest)) = inner.split_once(']') else {
            return Err(format!(
                "Invalid proxy IPv6 address \"{text}\". QUITTING.\n  the ] is missing"
            ));
        };
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            // Ncat ignores what it is.
            None => Err(format!("Invalid proxy IPv6 address \"{text}\". QUITTING.")),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Ok((host, Some(port))),
        _ => Ok((text, None)),
    }
}

fn read_port(digits: &str) -> Result<u16, BadProxy> {
    let port = number(digits).and_then(|port| u16::try_from(port).ok());
    port.ok_or_else(|| format!("Invalid proxy port number \"{digits}\". QUITTING."))
}

/// `scheme://[user[:password]@]host[:port][/]`; user and password percent-encoded.
pub(super) fn parse(text: &str) -> Result<ProxyHop, BadProxy> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(
            "A chain of proxies is given by URLs. QUITTING.\n  hint: --proxy http://HOST:PORT, or \
             https, socks4, socks4a, socks5, socks5h"
                .into(),
        );
    };
    let known = SCHEMES.iter().find(|(name, ..)| scheme.eq_ignore_ascii_case(name));
    let Some(&(scheme, kind, dns)) = known else {
        return Err(format!(
            "Invalid proxy type \"{scheme}\". QUITTING.\n  hint: http, https, socks4, socks4a, socks5 or \
             socks5h before ://"
        ));
    };
    // From here on the text may hold a password: no message repeats it.
    let bad = |what: &str| format!("Invalid proxy URL: {scheme}://... {what}. QUITTING.");
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !path.is_empty() || authority.contains(['?', '#']) {
        return Err(bad("has a path, and a proxy has none"));
    }
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    let auth = match user {
        None => ProxyAuth::None,
        Some(user) => {
            let decode =
                |part: &str| decoded(part).ok_or_else(|| bad("has a % without two digits"));
            let user = match user.split_once(':') {
                // The first colon divides, so the name must not have one itself.
                Some((user, password)) => match decode(user)? {
                    user if user.contains(':') => return Err(bad("has a colon in the user name")),
                    user => format!("{user}:{}", decode(password)?),
                },
                None => decode(user)?,
            };
            ProxyAuth::Given(Secret::new(user))
        }
    };
    let hop = ncat(place, kind)?;
    if hop.host.is_empty() {
        return Err(bad("names no host"));
    }
    Ok(ProxyHop { auth, dns, ..hop })
}

/// Percent-decoding (RFC 3986, section 2.1) of what is text when decoded.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        out.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(out).ok()
}
