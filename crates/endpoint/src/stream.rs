//! Connected stream sockets as conns.

use std::io;

use conn::{Carrier, Conn, ConnInfo, Shape};
use gate::{Address, Protocol};

use crate::options::Setup;

/// A connected, non-blocking stream socket as a conn.
#[cfg(unix)]
pub(crate) fn conn(socket: socket2::Socket, info: ConnInfo, carrier: Carrier) -> io::Result<Conn> {
    let port = match carrier {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Carrier::Sctp => {
            sys::sctp::send_at_once(std::os::fd::AsFd::as_fd(&socket));
            // When it is aborted a waiting error is all there is, as with datagrams.
            conn::Port::datagram_socket(socket.into())?
        }
        _ => conn::Port::socket(socket.into())?,
    };
    Ok(Conn::from_plain(info, Shape::Stream, conn::Plain::socket(port, carrier)))
}

/// A connected, non-blocking stream socket as a conn.
#[cfg(not(unix))]
pub(crate) fn conn(socket: socket2::Socket, info: ConnInfo, _carrier: Carrier) -> io::Result<Conn> {
    let stream = tokio::net::TcpStream::from_std(socket.into())?;
    let (reader, writer) = stream.into_split();
    let duplex = conn::StreamDuplex::new(reader, writer, std::time::Duration::ZERO);
    Ok(Conn::from_duplex(info, Shape::Stream, Box::new(duplex)))
}

/// A new stream socket for an internet address, by TCP or SCTP, with the options of `setup`.
pub(crate) fn socket(
    protocol: Protocol,
    addr: std::net::SocketAddr,
    setup: &Setup,
) -> io::Result<(socket2::Socket, Carrier)> {
    let (number, carrier) = match protocol {
        Protocol::Sctp => (Some(socket2::Protocol::from(SCTP)), Carrier::Sctp),
        _ => (None, Carrier::Tcp),
    };
    let domain = socket2::Domain::for_address(addr);
    let socket = setup.socket(domain, socket2::Type::STREAM, number)?;
    if carrier == Carrier::Sctp {
        // What the association announces at its start, so before it is bound or connected.
        if !setup.has_receive_buffer() {
            sys::socket::grow_receive_buffer(&socket, SCTP_BUFFER);
        }
        if !setup.has_send_buffer() {
            let _ = socket.set_send_buffer_size(SCTP_BUFFER);
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        sys::sctp::acknowledge_soon(std::os::fd::AsFd::as_fd(&socket));
    }
    Ok((socket, carrier))
}

/// Bytes of buffer asked for each way; without privilege the system grants less, twice its default.
/// Linux announces half of it, and with the default on loopback (whose packets are of 64 KiB) not two
/// packets fit: then each is acknowledged 200 ms late, 0.3 MB/s instead of 300.
const SCTP_BUFFER: usize = 1024 * 1024;

/// SCTP's protocol number (RFC 9260).
const SCTP: i32 = 132;

/// The address, of whatever kind.
pub(crate) fn address(addr: &socket2::SockAddr) -> Address {
    if let Some(addr) = addr.as_socket() {
        return Address::Inet(addr);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some((cid, port)) = addr.as_vsock_address() {
        return Address::Vsock { cid, port };
    }
    #[cfg(unix)]
    return Address::Unix(addr.as_pathname().map(std::path::Path::to_path_buf));
    #[cfg(not(unix))]
    Address::Unix(None)
}

/// The address as messages name it.
pub(crate) fn name(addr: &socket2::SockAddr) -> String {
    address(addr).to_string()
}

/// Both ends' names, as far as the socket knows them.
pub(crate) fn info(socket: &socket2::Socket, peer: &socket2::SockAddr) -> ConnInfo {
    let local = socket.local_addr().map(|addr| name(&addr)).unwrap_or_default();
    ConnInfo { peer: name(peer), local, ..ConnInfo::default() }
}
