//! Connected stream sockets as conns.

use std::io;

use conn::{Conn, ConnInfo, Shape};

/// A connected, non-blocking stream socket as a conn. `acknowledges` for TCP.
#[cfg(unix)]
pub(crate) fn conn(
    socket: socket2::Socket,
    info: ConnInfo,
    acknowledges: bool,
) -> io::Result<Conn> {
    let port = conn::Port::socket(socket.into())?;
    Ok(Conn::from_plain(info, Shape::Stream, conn::Plain::socket(port, acknowledges)))
}

/// A connected, non-blocking stream socket as a conn.
#[cfg(not(unix))]
pub(crate) fn conn(
    socket: socket2::Socket,
    info: ConnInfo,
    _acknowledges: bool,
) -> io::Result<Conn> {
    let stream = tokio::net::TcpStream::from_std(socket.into())?;
    let (reader, writer) = stream.into_split();
    let duplex = conn::StreamDuplex::new(reader, writer, std::time::Duration::ZERO);
    Ok(Conn::from_duplex(info, Shape::Stream, Box::new(duplex)))
}

/// The address as messages name it.
pub(crate) fn name(addr: &socket2::SockAddr) -> String {
    match addr.as_socket() {
        Some(addr) => addr.to_string(),
        #[cfg(unix)]
        None => match addr.as_pathname() {
            Some(path) => path.display().to_string(),
            None => "(unnamed socket)".into(),
        },
        #[cfg(not(unix))]
        None => "(unnamed socket)".into(),
    }
}

/// Both ends' names, as far as the socket knows them.
pub(crate) fn info(socket: &socket2::Socket, peer: &socket2::SockAddr) -> ConnInfo {
    let local = socket.local_addr().map(|addr| name(&addr)).unwrap_or_default();
    ConnInfo { peer: name(peer), local, expected: None }
}
