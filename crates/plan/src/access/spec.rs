//! One spec: what it is, or what is wrong with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::error::SpecError;
use super::octets::Octets;

/// Bytes in one spec. Ncat's limit; no name, address or sensible octet list is longer.
pub const SPEC_BYTES_MAX: usize = 1023;

/// One spec, names not yet resolved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Spec {
    /// An address or a network, host bits cleared. IPv4-mapped IPv6 has become IPv4.
    Net(IpNet),
    /// An octet form.
    Octets(Box<Octets>),
    /// A name.
    Name {
        /// To be resolved.
        host: String,
        /// Prefix bits for each of its addresses; checked against their family once they are known.
        bits: Option<u8>,
    },
}

impl Spec {
    /// Reads one spec.
    ///
    /// # Errors
    /// [`SpecError`]: see its variants.
    ///
    /// ```
    /// use plan::access::Spec;
    ///
    /// assert_eq!(Spec::parse("192.0.2.7/24"), Spec::parse("192.0.2.0/24"));
    /// let error = Spec::parse("1.2.3.4/77").unwrap_err().to_string();
    /// assert_eq!(error, r#"Illegal netmask in "1.2.3.4/77". Must be smaller than address bit length."#);
    /// ```
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        if text.len() > SPEC_BYTES_MAX {
            return Err(SpecError::TooLong { start: text.chars().take(11).collect() });
        }
        let (host, bits) = match text.split_once('/') {
            Some((host, bits)) => (host, Some(mask_bits(bits, text)?)),
            None => (text, None),
        };
        if host.contains(':') {
            return v6(host, bits, text);
        }
        if is_numeric(host) {
            return v4(host, bits, text);
        }
        name(host)?;
        Ok(Self::Name { host: host.to_owned(), bits })
    }
}

/// The network of one address; bits above its family's length are an error.
pub(super) fn net(addr: IpAddr, bits: Option<u8>) -> Option<IpNet> {
    let net = match addr {
        IpAddr::V4(addr) => IpNet::V4(Ipv4Net::new(addr, bits.unwrap_or(32)).ok()?),
        IpAddr::V6(addr) => IpNet::V6(Ipv6Net::new(addr, bits.unwrap_or(128)).ok()?),
    };
    Some(unmap(net.trunc()))
}

/// A network inside `::ffff:0:0/96` is one of IPv4: that is how such a peer is looked up.
/// A wider one is only IPv6; that `::/0` should let in all of IPv4 surprises who wrote it.
fn unmap(net: IpNet) -> IpNet {
    if let IpNet::V6(v6) = net
        && let Some(bits) = v6.prefix_len().checked_sub(96)
        && let Some(addr) = v6.network().to_ipv4_mapped()
        && let Ok(v4) = Ipv4Net::new(addr, bits)
    {
        return IpNet::V4(v4);
    }
    net
}

/// Digits only. What does not fit is surely too many, which 255 is as well.
fn mask_bits(bits: &str, spec: &str) -> Result<u8, SpecError> {
    if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SpecError::MaskSyntax { spec: spec.to_owned() });
    }
    Ok(bits.parse().unwrap_or(u8::MAX))
}

fn bad(host: &str, why: &'static str, hint: Option<String>) -> SpecError {
    SpecError::Address { host: host.to_owned(), why, hint }
}

fn v6(host: &str, bits: Option<u8>, spec: &str) -> Result<Spec, SpecError> {
    // The scope is not used, but it must be one: `fe80::1%eth0,::2` in a file would hide the second.
    let (literal, scope) = host.split_once('%').unwrap_or((host, ""));
    if !scope.chars().all(|c| c.is_ascii_alphanumeric() || "._-@+".contains(c)) {
        return Err(bad(host, "not an interface after the %", separate_hint(host)));
    }
    let Ok(addr) = literal.parse::<Ipv6Addr>() else {
        return Err(bad(
            host,
            "not an IPv6 address",
            v6_hint(literal).or_else(|| separate_hint(host)),
        ));
    };
    net(addr.into(), bits)
        .map(Spec::Net)
        .ok_or_else(|| SpecError::MaskTooLong { spec: spec.to_owned() })
}

/// For commas between specs in a file.
fn separate_hint(host: &str) -> Option<String> {
    host.contains(',').then(|| "in a file put blanks or line ends between specs".to_owned())
}

/// The usual slips: brackets, and a port.
fn v6_hint(literal: &str) -> Option<String> {
    let (inner, after) = match literal.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => literal.split_once(':')?,
    };
    let is_addr = inner.parse::<IpAddr>().is_ok();
    let note = if after.is_empty() { "without brackets" } else { "rules have no port" };
    is_addr.then(|| format!("write {inner}: {note}"))
}

/// Whether this can only be meant as IPv4: made of what octet forms are made of, or ending in a
/// number, as no name in the DNS does.
fn is_numeric(host: &str) -> bool {
    let octets = host.bytes().all(|byte| byte.is_ascii_digit() || b".,-*".contains(&byte));
    let last = host.rsplit('.').next().unwrap_or(host);
    octets && host.contains(['.', ',', '*'])
        || !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
        || aton_number(last).is_some()
}

fn v4(host: &str, bits: Option<u8>, spec: &str) -> Result<Spec, SpecError> {
    if let Ok(addr) = host.parse::<Ipv4Addr>() {
        return net(addr.into(), bits)
            .map(Spec::Net)
            .ok_or_else(|| SpecError::MaskTooLong { spec: spec.to_owned() });
    }
    match (Octets::parse(host), bits) {
        (Ok(_), Some(33..)) => Err(SpecError::MaskRange { spec: spec.to_owned(), max: 32 }),
        (Ok(octets), bits) => Ok(Spec::Octets(Box::new(octets.widen(bits.unwrap_or(32))))),
        (Err(why), _) => Err(bad(host, why, v4_hint(host))),
    }
}

/// What Ncat would have taken it for, in plain writing, and what else may have been meant.
fn v4_hint(host: &str) -> Option<String> {
    if host.contains(',') && host.split(',').all(|item| Spec::parse(item).is_ok()) {
        return separate_hint(host);
    }
    let dots = host.bytes().filter(|byte| *byte == b'.').count();
    let stars =
        format!("{}{}", host.trim_end_matches('.'), ".*".repeat(3_usize.saturating_sub(dots)));
    let network = (dots < 3 && Octets::parse(&stars).is_ok()).then_some(stars);
    let decimal = without_leading_zeros(host).filter(|plain| plain != host);
    Some(match (aton(host), decimal, network) {
        (Some(octal), Some(decimal), _) if octal.to_string() != decimal => {
            format!("write {octal} if it is octal, {decimal} if it is decimal")
        }
        (Some(addr), _, Some(_)) if dots == 0 => format!(
            "write {addr} for that address; a list of last octets is written 10.0.0.1,2,7-9"
        ),
        (Some(addr), _, Some(network)) => {
            format!("write {addr} for that address, {network} for the network")
        }
        (Some(addr), _, None) => format!("write {addr}"),
        (None, Some(decimal), _) => format!("write {decimal}"),
        (None, None, Some(network)) => format!("write {network}"),
        (None, None, None) => return None,
    })
}

/// `010.0.0.01` as `10.0.0.1`, if it is four decimal octets.
fn without_leading_zeros(host: &str) -> Option<String> {
    let octets: Option<Vec<String>> = host
        .split('.')
        .map(|octet| octet.parse::<u8>().ok().map(|value| value.to_string()))
        .collect();
    octets.filter(|octets| octets.len() == 4).map(|octets| octets.join("."))
}

/// An address as inet_aton(3) reads it; only to say what to write instead.
fn aton(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = host.split('.').map(aton_number).collect::<Option<_>>()?;
    let (&last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let last_bits = 8 * (4 - leading.len());
    if last_bits < 32 && last >> last_bits != 0 {
        return None;
    }
    let high = leading.iter().zip([24, 16, 8]).fold(0, |addr, (part, shift)| addr | part << shift);
    Some(Ipv4Addr::from(high | last))
}

fn aton_number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    // from_str_radix takes a sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

/// Refuses what no resolver can know; the resolver judges the rest.
fn name(host: &str) -> Result<(), SpecError> {
    if host.is_empty() {
        return Err(bad(host, "the name is empty", None));
    }
    if host.contains('*') {
        let hint = "* stands for an octet, as in 192.0.2.*; names are written out".to_owned();
        return Err(bad(host, "names have no wildcards", Some(hint)));
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || "%[],\"'\\".contains(c);
    if host.contains(odd) {
        return Err(bad(host, "not a name or an address", separate_hint(host)));
    }
    Ok(())
}
