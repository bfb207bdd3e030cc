//! Listening for streams: TCP, SCTP, Unix and vsock sockets.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use conn::{Carrier, Conn};
use gate::{Action, Address, Gatekeeper, Permit, Protocol};
use socket2::{SockAddr, Socket};

use crate::options::Setup;
use crate::{OpenError, stream};

/// Connections the system holds for us between two accepts.
pub(crate) const BACKLOG: i32 = 4096;

/// A client that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The conn.
    pub conn: Conn,
    /// Who it is.
    pub peer: Address,
}

/// A listening stream socket.
#[derive(Debug)]
pub struct StreamListener {
    #[cfg(unix)]
    port: conn::Port,
    #[cfg(not(unix))]
    listener: tokio::net::TcpListener,
    /// The address bound, with the real port.
    pub at: Address,
    carrier: Carrier,
    setup: Setup,
}

/// Binds and listens by TCP or SCTP with the options of `setup`; port 0 is replaced by one the system
/// chose.
///
/// # Errors
/// [`OpenError::Bind`], [`OpenError::Denied`].
pub fn inet(
    gate: &Gatekeeper,
    protocol: Protocol,
    addr: SocketAddr,
    setup: &Setup,
) -> Result<StreamListener, OpenError> {
    let at = Address::Inet(addr);
    let permit = gate.decide(Action::Listen { protocol, at: at.clone() })?;
    open_inet(permit, protocol, addr, setup).map_err(|error| OpenError::Bind { at, error })
}

fn open_inet(
    _permit: Permit,
    protocol: Protocol,
    addr: SocketAddr,
    setup: &Setup,
) -> io::Result<StreamListener> {
    let (socket, carrier) = stream::socket(protocol, addr, setup)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // On Windows the option would let others take the port while we use it.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    setup.listen(&socket, BACKLOG)?;
    socket.set_nonblocking(true)?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(addr);
    StreamListener::new(socket, Address::Inet(bound), carrier, setup)
}

impl StreamListener {
    #[cfg(unix)]
    pub(crate) fn new(
        socket: Socket,
        at: Address,
        carrier: Carrier,
        setup: &Setup,
    ) -> io::Result<Self> {
        Ok(Self { port: conn::Port::socket(socket.into())?, at, carrier, setup: setup.clone() })
    }

    #[cfg(not(unix))]
    pub(crate) fn new(
        socket: Socket,
        at: Address,
        carrier: Carrier,
        setup: &Setup,
    ) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::from_std(socket.into())?;
        Ok(Self { listener, at, carrier, setup: setup.clone() })
    }

    /// Takes the next client.
    ///
    /// # Errors
    /// Those of accept(2). `EMFILE` and its like pass when a client leaves: wait and call again.
    #[cfg(unix)]
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let (socket, from) = ready!(self.port.poll_read(cx, |fd| {
            sys::fault::check(sys::fault::Call::Accept)?;
            Ok((socket2::SockRef::from(&fd).accept()?, false))
        }))?;
        Poll::Ready(self.accepted(socket, &from))
    }

    /// Takes the next client.
    ///
    /// # Errors
    /// Those of accept.
    #[cfg(not(unix))]
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let (stream, from) = ready!(self.listener.poll_accept(cx))?;
        Poll::Ready(self.accepted(stream.into_std()?.into(), &from.into()))
    }

    /// What fails here is this client's misfortune, not the listener's.
    fn accepted(&self, socket: Socket, from: &SockAddr) -> io::Result<Accepted> {
        let info = stream::info(&socket, from);
        let peer = stream::address(from);
        let is_tcp = self.carrier == Carrier::Tcp;
        let set = self.setup.after_accept(&socket, from.domain(), is_tcp);
        self.setup.report_peer(&socket, &info.peer);
        let conn = set
            .and_then(|()| stream::conn(socket, info, self.carrier))
            .map_err(|error| io::Error::new(io::ErrorKind::ConnectionAborted, error))?;
        Ok(Accepted { conn, peer })
    }
}

/// Waits for the next client of any of the listeners, the first one first.
///
/// # Errors
/// As [`StreamListener::poll_accept`].
pub async fn accept_any(listeners: &[StreamListener]) -> io::Result<Accepted> {
    std::future::poll_fn(|cx| {
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await
}

/// Whether a failed accept concerns one client only, who is gone already (accept(2), "Error
/// handling").
pub fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock)
        || matches!(error.raw_os_error(), Some(EPERM | EPROTO | ENETDOWN | EHOSTUNREACH))
}

const EPERM: i32 = 1;
const EPROTO: i32 = 71;
const ENETDOWN: i32 = 100;
const EHOSTUNREACH: i32 = 113;
