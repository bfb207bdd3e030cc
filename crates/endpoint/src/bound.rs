//! A bound UDP socket that speaks to many: for relaying datagrams that carry their own addresses.

use std::io;
use std::net::SocketAddr;

use gate::{Action, Address, Gatekeeper, Permit, Protocol};
use socket2::{Domain, Type};
use tokio::net::UdpSocket;

use crate::OpenError;
use crate::options::Setup;

/// The socket.
#[derive(Debug)]
pub struct BoundUdp {
    /// Where it is bound, with the real port.
    pub at: SocketAddr,
    socket: UdpSocket,
}

impl BoundUdp {
    /// Binds it with the options of `setup`; port 0 is replaced by one the system chose.
    ///
    /// # Errors
    /// [`OpenError::Bind`], [`OpenError::Denied`].
    pub fn open(gate: &Gatekeeper, addr: SocketAddr, setup: &Setup) -> Result<Self, OpenError> {
        let at = Address::Inet(addr);
        let permit = gate.decide(Action::Listen { protocol: Protocol::Udp, at: at.clone() })?;
        bind(permit, addr, setup).map_err(|error| OpenError::Bind { at, error })
    }

    /// The next datagram, and from whom; what does not fit `buf` is lost.
    ///
    /// # Errors
    /// Those of recvfrom(2); an earlier datagram that was refused is no reason to stop.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buf).await
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// Those of sendto(2).
    pub async fn send(&self, payload: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.send_to(payload, to).await.map(|_| ())
    }
}

fn bind(_permit: Permit, addr: SocketAddr, setup: &Setup) -> io::Result<BoundUdp> {
    let socket = setup.socket(Domain::for_address(addr), Type::DGRAM, None)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    let at = socket.local_addr()?.as_socket().unwrap_or(addr);
    Ok(BoundUdp { at, socket: UdpSocket::from_std(socket.into())? })
}
