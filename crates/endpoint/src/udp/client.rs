//! A connected datagram socket: one peer, and its system's refusals.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, Duplex, Recv, Shape};
use gate::{Action, Address, Gatekeeper, Permit, Protocol};
use socket2::{Domain, SockAddr, Socket, Type};
use sys::datagram::{Datagram, RecvBatch};

use super::{is_refusal, truncated};
use crate::message::MessageSocket;
use crate::options::Setup;
use crate::unix::BoundPath;
use crate::{Attempt, OpenError, Source, stream};

/// Connects a UDP socket to `addr`. Nothing is sent: that somebody listens there is not known yet.
///
/// # Errors
/// [`OpenError::Connect`], [`OpenError::Denied`].
pub fn connect(
    gate: &Gatekeeper,
    target: &str,
    addr: SocketAddr,
    source: &Source,
) -> Result<Conn, OpenError> {
    let to = Address::Inet(addr);
    let permit = gate.decide(Action::Connect { protocol: Protocol::Udp, to: to.clone() })?;
    let open = |_permit: Permit| -> io::Result<Conn> {
        let socket = source.setup.socket(Domain::for_address(addr), Type::DGRAM, None)?;
        if addr.is_ipv4() {
            socket.set_broadcast(true)?;
        }
        if let Some(local) = source.address_for(addr) {
            socket.bind(&local.into())?;
        }
        source.lay_route(&socket, addr)?;
        socket.connect(&addr.into())?;
        client(socket, &addr.into(), None, true, &source.setup)
    };
    open(permit).map_err(|error| connect_error(target, to, error))
}

/// Connects a Unix datagram socket; it is bound to `source` so that the peer can answer.
///
/// # Errors
/// [`OpenError::Connect`], [`OpenError::Denied`].
pub fn connect_unix(
    gate: &Gatekeeper,
    path: &Path,
    source: &Path,
    setup: &Setup,
) -> Result<Conn, OpenError> {
    let to = Address::Unix(Some(path.to_path_buf()));
    let permit =
        gate.decide(Action::Connect { protocol: Protocol::UnixDatagram, to: to.clone() })?;
    let open = |_permit: Permit| -> io::Result<Conn> {
        let socket = setup.socket(Domain::UNIX, Type::DGRAM, None)?;
        socket.bind(&SockAddr::unix(source)?)?;
        let bound = BoundPath::new(source.to_path_buf());
        let peer = SockAddr::unix(path)?;
        socket.connect(&peer)?;
        client(socket, &peer, Some(bound), false, setup)
    };
    open(permit).map_err(|error| connect_error(&path.display().to_string(), to, error))
}

fn connect_error(target: &str, addr: Address, error: io::Error) -> OpenError {
    let last = crate::race::copy(&error);
    let attempts = vec![Attempt { addr, elapsed: Duration::ZERO, error: Some(error) }];
    OpenError::Connect { target: target.into(), attempts, last }
}

fn client(
    socket: Socket,
    peer: &SockAddr,
    bound: Option<BoundPath>,
    is_udp: bool,
    setup: &Setup,
) -> io::Result<Conn> {
    let info = stream::info(&socket, peer);
    let duplex = Client {
        socket: MessageSocket::new(socket, is_udp, setup)?,
        batch: RecvBatch::new(),
        received: Vec::new(),
        truncated: 0,
        refused: None,
        _bound: bound,
    };
    Ok(Conn::from_duplex(info, Shape::Message, Box::new(duplex)))
}

/// A connected datagram socket.
struct Client {
    socket: MessageSocket,
    batch: RecvBatch,
    received: Vec<Datagram>,
    truncated: u64,
    /// The peer's system has refused what was sent; told when nothing more waits.
    refused: Option<io::Error>,
    _bound: Option<BoundPath>,
}

impl Duplex for Client {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        _max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        // The system reports a refusal before the datagrams that came earlier: those first.
        loop {
            match self.socket.poll_recv(cx, &mut self.batch, &mut self.received) {
                Poll::Ready(Ok(_)) => break,
                Poll::Ready(Err(error)) if self.refused.is_none() && is_refusal(&error) => {
                    self.refused = Some(error);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => match self.refused.take() {
                    Some(error) => return Poll::Ready(Err(error)),
                    None => return Poll::Pending,
                },
            }
        }
        for datagram in self.received.drain(..) {
            self.truncated += u64::from(datagram.truncated);
            out.push_back(datagram.data);
        }
        Poll::Ready(Ok(Recv::Data))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_send(cx, queue)
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn losses(&self) -> Option<String> {
        truncated(self.truncated)
    }
}
