//! The header of every datagram that goes through a SOCKS 5 relay (RFC 1928, section 7).

use super::{Error, v5};
use crate::target::Target;

/// The longest header, in bytes: a name of 255.
pub const HEADER_MAX: usize = 3 + 2 + 255 + 2;

/// A datagram, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Datagram<'a> {
    /// Which fragment this is; 0 when it is whole. Who cannot join fragments drops them.
    pub fragment: u8,
    /// Where it goes to, or comes from.
    pub target: Target,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Writes the header that goes before the payload of an unfragmented datagram.
pub fn write_header(target: &Target, out: &mut Vec<u8>) {
    out.extend([0, 0, 0]);
    v5::write_target(target, out);
}

/// Takes a datagram apart. The reserved bytes are ignored.
///
/// # Errors
/// [`Error::Short`], [`Error::AddressType`], [`Error::Name`].
pub fn parse(datagram: &[u8]) -> Result<Datagram<'_>, Error> {
    let Some((&[_, _, fragment], rest)) = datagram.split_first_chunk::<3>() else {
        return Err(Error::Short);
    };
    let (target, used) = v5::parse_target(rest)?.ok_or(Error::Short)?;
    Ok(Datagram { fragment, target, payload: &rest[used..] })
}
