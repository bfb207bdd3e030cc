//! A bound UDP socket that speaks to many: for relaying datagrams that carry their own addresses.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use gate::{Action, Address, Gatekeeper, Permit, Protocol};
use socket2::{Domain, Type};
use tokio::net::UdpSocket;

use crate::OpenError;
use crate::options::Setup;

/// Larger than any datagram.
const DATAGRAM_MAX: usize = 65_536;

thread_local! {
    /// Where datagrams are received, whoever they are for: a thousand silent sockets hold none.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

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

    /// The next datagram, whole, and from whom.
    ///
    /// # Errors
    /// Those of recvfrom(2); an earlier datagram that was refused is no reason to stop.
    pub async fn recv(&self) -> io::Result<(Bytes, SocketAddr)> {
        loop {
            self.socket.readable().await?;
            let received: io::Result<_> = BUFFER.with_borrow_mut(|buf| {
                buf.resize(DATAGRAM_MAX, 0);
                let (n, from) = self.socket.try_recv_from(buf)?;
                Ok((Bytes::copy_from_slice(&buf[..n]), from))
            });
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
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
