//! Loose source routes: hosts that packets of an IPv4 socket are to pass on their way.
//!
//! A route is an IP option of its own (RFC 791, section 3.1) that the system puts into every packet.
//! Most routers and hosts drop such packets today (`net.ipv4.conf.*.accept_source_route`).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::Socket;

/// "No operation": makes the addresses that follow begin at a multiple of four bytes.
const NOP: u8 = 1;
/// Loose source and record route.
const LSRR: u8 = 0x83;

/// A loose source route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// The hosts to pass, nearest first; at most 8.
    pub hops: Vec<Ipv4Addr>,
    /// Where in the option the next address stands: 4 is the first. Linux takes only 4.
    pub pointer: u8,
}

impl Route {
    /// The option's bytes on the way to `to`, which is the last address.
    fn options(&self, to: Ipv4Addr) -> Vec<u8> {
        let addresses = self.hops.iter().chain([&to]);
        // Eight hops are 39 bytes; whatever is more than fits is the system's to refuse.
        let length = u8::try_from(4 * (self.hops.len() + 1) + 3).unwrap_or(u8::MAX);
        let mut bytes = vec![NOP, LSRR, length, self.pointer];
        bytes.extend(addresses.flat_map(Ipv4Addr::octets));
        bytes
    }

    /// # Errors
    /// In words that name the route, since nobody would look for it behind "Invalid argument".
    pub(crate) fn lay(&self, socket: &Socket, to: SocketAddr) -> io::Result<()> {
        let SocketAddr::V4(to) = to else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "IPv6 has no loose source routes (-g)",
            ));
        };
        set(socket, &self.options(*to.ip())).map_err(|error| {
            let reason = sys::resolve::strerror(&error);
            io::Error::new(error.kind(), format!("Source route (-g, -G) refused: {reason}"))
        })
    }
}

#[cfg(unix)]
fn set(socket: &Socket, options: &[u8]) -> io::Result<()> {
    sys::socket::set_ip_options(std::os::fd::AsFd::as_fd(socket), options)
}

#[cfg(not(unix))]
fn set(_socket: &Socket, _options: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_laid_out_as_rfc_791_has_it() {
        let hops = vec![Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        let bytes = Route { hops, pointer: 4 }.options(Ipv4Addr::new(192, 0, 2, 7));
        assert_eq!(bytes, [1, 0x83, 15, 4, 10, 0, 0, 1, 10, 0, 0, 2, 192, 0, 2, 7]);
        let most = Route { hops: vec![Ipv4Addr::LOCALHOST; 8], pointer: 28 };
        assert_eq!(most.options(Ipv4Addr::LOCALHOST).len(), 40);
    }
}
