//! The PROXY protocol, versions 1 and 2: who a connection really is from, before its first byte.
//!
//! Source: HAProxy's proxy-protocol.txt, sections 2.1 and 2.2. Only addresses are taken; the vectors of
//! version 2 (TLVs) are skipped.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The longest header of version 1, its line end included.
pub const V1_MAX: usize = 107;
/// The longest header of version 2 that is taken. The format allows 65,551 bytes; addresses and all
/// the vectors in use fit in a fraction of this.
pub const V2_MAX: usize = 4096;

const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const V2_FIXED: usize = 16;
/// No complete header is shorter: `PROXY UNKNOWN` and its line end.
const SHORTEST: usize = 15;

/// Both ends of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// What it connected to.
    pub destination: SocketAddr,
}

/// A header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// Its version.
    pub version: u8,
    /// What it says; `None` when the proxy speaks for itself (`LOCAL`) or the client has no internet
    /// address (`UNKNOWN`, Unix sockets): then the connection's own addresses count.
    pub addresses: Option<Addresses>,
}

/// Why there is no header.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// Other bytes: a client that sends none.
    #[error("no PROXY header")]
    Absent,
    /// It begins as one, and cannot be understood.
    #[error("a PROXY header that cannot be understood")]
    Bad,
    /// It is longer than we take.
    #[error("a PROXY header that is longer than it may be")]
    TooLong,
}

/// Reads a header and says how many bytes it has; `None` while more is needed.
///
/// # Errors
/// [`Error`], the same however the input was cut.
pub fn parse(input: &[u8]) -> Result<Option<(Header, usize)>, Error> {
    let begins = |start: &[u8]| {
        let common = input.len().min(start.len());
        input[..common] == start[..common]
    };
    if begins(V2_START) {
        return v2(input);
    }
    if begins(V1_START) {
        return v1(input);
    }
    Err(Error::Absent)
}

/// How many bytes may be read after `input` without reading beyond the header: at least 1 as long as
/// [`parse`] wants more.
pub fn wanted(input: &[u8]) -> usize {
    if input.starts_with(V2_START) && input.len() >= V2_FIXED {
        let end = V2_FIXED + usize::from(u16::from_be_bytes([input[14], input[15]]));
        return end.saturating_sub(input.len()).max(1);
    }
    SHORTEST.saturating_sub(input.len()).max(1)
}

fn v1(input: &[u8]) -> Result<Option<(Header, usize)>, Error> {
    let Some(end) = memchr::memchr(b'\n', &input[..input.len().min(V1_MAX)]) else {
        return if input.len() < V1_MAX { Ok(None) } else { Err(Error::TooLong) };
    };
    let line = input[..end].strip_suffix(b"\r").ok_or(Error::Bad)?;
    let line = std::str::from_utf8(line).map_err(|_| Error::Bad)?;
    let mut words = line.split(' ').skip(1);
    let family = words.next();
    let addresses = match family {
        Some("UNKNOWN") => None,
        Some("TCP4" | "TCP6") => {
            let mut next = || words.next().ok_or(Error::Bad);
            let (source, destination) = (ip(next()?)?, ip(next()?)?);
            let (from, to) = (port(next()?)?, port(next()?)?);
            let is_v4 = family == Some("TCP4");
            let fits = source.is_ipv4() == is_v4 && destination.is_ipv4() == is_v4;
            if words.next().is_some() || !fits {
                return Err(Error::Bad);
            }
            let source = SocketAddr::new(source, from);
            Some(Addresses { source, destination: SocketAddr::new(destination, to) })
        }
        _ => return Err(Error::Bad),
    };
    Ok(Some((Header { version: 1, addresses }, end + 1)))
}

fn ip(word: &str) -> Result<IpAddr, Error> {
    IpAddr::from_str(word).map_err(|_| Error::Bad)
}

fn port(word: &str) -> Result<u16, Error> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit());
    let has_zero = word.len() > 1 && word.starts_with('0');
    word.parse().ok().filter(|_| is_plain && !has_zero).ok_or(Error::Bad)
}

fn v2(input: &[u8]) -> Result<Option<(Header, usize)>, Error> {
    let Some(fixed) = input.get(..V2_FIXED) else { return Ok(None) };
    let (command, family) = (fixed[12], fixed[13]);
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let end = V2_FIXED + length;
    if !matches!(command, 0x20 | 0x21) {
        return Err(Error::Bad);
    }
    if end > V2_MAX {
        return Err(Error::TooLong);
    }
    let needed = match family >> 4 {
        1 => 12,
        2 => 36,
        3 => 216,
        _ => 0,
    };
    if command == 0x21 && length < needed {
        return Err(Error::Bad);
    }
    let Some(block) = input.get(V2_FIXED..end) else { return Ok(None) };
    // What a LOCAL header says is skipped; the low half is the transport, and datagrams come by other
    // ways than this one.
    let addresses = match (command, family) {
        (0x21, 0x11) => pair::<4>(block),
        (0x21, 0x21) => pair::<16>(block),
        _ => None,
    };
    Ok(Some((Header { version: 2, addresses }, end)))
}

/// Two addresses of `N` bytes, and their ports.
fn pair<const N: usize>(block: &[u8]) -> Option<Addresses>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = block.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let (to, _) = rest.split_first_chunk::<2>()?;
    let addr = |ip: &[u8; N], port: &[u8; 2]| {
        SocketAddr::new(IpAddr::from(*ip), u16::from_be_bytes(*port))
    };
    Some(Addresses { source: addr(source, from), destination: addr(destination, to) })
}

/// Both of one family: IPv4 as IPv6 where they are not.
fn same_family(addresses: Addresses) -> Addresses {
    let Addresses { source, destination } = addresses;
    if source.is_ipv4() == destination.is_ipv4() {
        return addresses;
    }
    let wide = |addr: SocketAddr| match addr.ip() {
        IpAddr::V4(ip) => SocketAddr::new(IpAddr::V6(ip.to_ipv6_mapped()), addr.port()),
        IpAddr::V6(_) => addr,
    };
    Addresses { source: wide(source), destination: wide(destination) }
}

/// Writes a header of version 1.
pub fn write_v1(addresses: Option<Addresses>, out: &mut Vec<u8>) {
    let Some(addresses) = addresses.map(same_family) else {
        return out.extend(b"PROXY UNKNOWN\r\n");
    };
    let Addresses { source, destination } = addresses;
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.port(), destination.port());
    out.extend(
        format!("PROXY {family} {} {} {from} {to}\r\n", source.ip(), destination.ip()).bytes(),
    );
}

/// Writes a header of version 2.
pub fn write_v2(addresses: Option<Addresses>, out: &mut Vec<u8>) {
    out.extend(V2_START);
    let Some(addresses) = addresses.map(same_family) else {
        // LOCAL, unspecified, nothing behind it.
        return out.extend([0x20, 0, 0, 0]);
    };
    let Addresses { source, destination } = addresses;
    let (family, length) = if source.is_ipv4() { (0x11, 12) } else { (0x21, 36) };
    out.extend([0x21, family, 0, length]);
    for ip in [source.ip(), destination.ip()] {
        match ip {
            IpAddr::V4(ip) => out.extend(ip.octets()),
            IpAddr::V6(ip) => out.extend(Ipv6Addr::octets(&ip)),
        }
    }
    out.extend(source.port().to_be_bytes());
    out.extend(destination.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair_of(source: &str, destination: &str) -> Option<Addresses> {
        Some(Addresses {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        })
    }

    /// Reads it whole with more behind it, cut at every byte, and by the pieces that are wanted.
    fn check(wire: &[u8], expected: Header) {
        for n in 0..wire.len() {
            assert_eq!(parse(&wire[..n]), Ok(None), "cut at {n}");
        }
        let longer = [wire, b"early"].concat();
        assert_eq!(parse(&longer), Ok(Some((expected, wire.len()))));
        let mut read = 0;
        while parse(&longer[..read]).unwrap().is_none() {
            read += wanted(&longer[..read]);
        }
        assert_eq!(read, wire.len(), "what is behind the header is not touched");
    }

    #[test]
    fn the_examples_of_the_document() {
        let four = pair_of("255.255.255.255:65535", "255.255.255.255:65535");
        let text = b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
        check(text, Header { version: 1, addresses: four });
        let text = b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        let all = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        check(text, Header { version: 1, addresses: pair_of(all, all) });
        let unknown = Header { version: 1, addresses: None };
        check(b"PROXY UNKNOWN\r\n", unknown);
        check(b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", unknown);
        let text = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
        let known = pair_of("192.168.0.1:56324", "192.168.0.11:443");
        check(text, Header { version: 1, addresses: known });
        let mut out = Vec::new();
        write_v1(known, &mut out);
        assert_eq!(out, text);
        let mut out = Vec::new();
        write_v2(known, &mut out);
        assert_eq!(
            out,
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\xa8\0\x01\xc0\xa8\0\x0b\xdc\x04\x01\xbb"
        );
        check(&out, Header { version: 2, addresses: known });
    }

    #[test]
    fn vectors_unix_sockets_and_local_are_skipped() {
        let v2 = |command: u8, family: u8, block: &[u8]| {
            let length = u16::try_from(block.len()).unwrap().to_be_bytes();
            [V2_START.as_slice(), &[command, family], &length, block].concat()
        };
        let mut block = vec![127, 0, 0, 1, 127, 0, 0, 2, 0, 1, 0, 2];
        block.extend(b"\x20\x00\x05hello");
        let known = pair_of("127.0.0.1:1", "127.0.0.2:2");
        check(&v2(0x21, 0x11, &block), Header { version: 2, addresses: known });
        let nothing = Header { version: 2, addresses: None };
        check(&v2(0x20, 0x11, &block), nothing);
        check(&v2(0x20, 0, b""), nothing);
        check(&v2(0x21, 0, b""), nothing);
        check(&v2(0x21, 0x12, &block), nothing);
        check(&v2(0x21, 0x31, &[b'/'; 216]), nothing);
        check(&v2(0x21, 0, &[0; V2_MAX - V2_FIXED]), nothing);
        assert_eq!(parse(&v2(0x21, 0, &[0; V2_MAX])), Err(Error::TooLong));
        assert_eq!(parse(&v2(0x22, 0, b"")), Err(Error::Bad));
        assert_eq!(parse(&v2(0x11, 0, b"")), Err(Error::Bad));
        assert_eq!(parse(&v2(0x21, 0x11, &block[..11])), Err(Error::Bad));
        assert_eq!(parse(&v2(0x21, 0x21, &block)), Err(Error::Bad));
    }

    #[test]
    fn what_is_no_header_is_told_apart() {
        for text in ["GET / HTTP/1.1\r\n", "PROXYTCP4", "proxy tcp4 ", "\r\n\r\n\0\r\nQUIX", "\0"] {
            assert_eq!(parse(text.as_bytes()), Err(Error::Absent), "{text:?}");
        }
        for line in [
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
            "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 ::1 1.2.3.4 1 2\r\n",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
            "PROXY TCP4 1.2.3.4 a.example 1 2\r\n",
            "PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n",
            "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY \r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Error::Bad), "{line:?}");
        }
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_MAX));
        assert_eq!(parse(long.as_bytes()), Err(Error::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(source: SocketAddr, destination: SocketAddr, known: bool) {
            let plain = |addr: SocketAddr| SocketAddr::new(addr.ip(), addr.port());
            let given = Addresses { source: plain(source), destination: plain(destination) };
            let addresses = known.then_some(same_family(given));
            let (mut one, mut two) = (Vec::new(), Vec::new());
            write_v1(known.then_some(given), &mut one);
            write_v2(known.then_some(given), &mut two);
            check(&one, Header { version: 1, addresses });
            check(&two, Header { version: 2, addresses });
        }

        #[test]
        fn garbage_is_an_error(input in crate::split::spiked(b"PROXY TCP4 1\r\n\0QUIT\x21\x11")) {
            for start in [&b""[..], V1_START, V2_START] {
                let text = [start, &input].concat();
                if let Ok(Some((_, used))) = parse(&text) {
                    prop_assert!(used <= text.len());
                }
            }
        }
    }
}
