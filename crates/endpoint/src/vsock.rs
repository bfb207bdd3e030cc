//! Sockets between a virtual machine and its host.
//!
//! The kernel chooses a transport by the machine to be reached (virtio in a machine, vhost on a host,
//! loopback for machine 1), so whether one can be reached is known only when it is tried.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use conn::{Carrier, Conn, Plain, Port, Shape};
use gate::{Action, Address, Gatekeeper, Permit, Protocol};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::time::Instant;

use crate::listen::{BACKLOG, StreamListener};
use crate::options::Setup;
use crate::{Attempt, OpenError, stream};

/// Any machine, when bound; any port.
pub const ANY: u32 = u32::MAX;

/// A machine and a port of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct At {
    /// The context identifier.
    pub cid: u32,
    /// The port.
    pub port: u32,
}

impl At {
    fn address(self) -> Address {
        Address::Vsock { cid: self.cid, port: self.port }
    }

    fn sockaddr(self) -> SockAddr {
        SockAddr::vsock(self.cid, self.port)
    }
}

/// Listens on `at`; port 0 is replaced by one the system chose.
///
/// # Errors
/// [`OpenError::Bind`], [`OpenError::Denied`].
pub fn listen(gate: &Gatekeeper, at: At, setup: &Setup) -> Result<StreamListener, OpenError> {
    let permit = gate.decide(Action::Listen { protocol: Protocol::Vsock, at: at.address() })?;
    let open = |_permit: Permit| -> io::Result<StreamListener> {
        let socket = Socket::new(Domain::VSOCK, Type::STREAM, None)?;
        // To vsock port 0 is a port like any other; this is how it is asked to choose.
        let port = if at.port == 0 { ANY } else { at.port };
        socket.bind(&At { port, ..at }.sockaddr())?;
        setup.listen(&socket, BACKLOG)?;
        let bound = stream::address(&socket.local_addr()?);
        StreamListener::new(socket, bound, Carrier::Vsock, setup)
    };
    open(permit).map_err(|error| OpenError::Bind { at: at.address(), error })
}

/// Connects to `to` within `limit` of `started`; `source` is bound first where given.
///
/// # Errors
/// [`OpenError::Connect`], [`OpenError::Timeout`], [`OpenError::Denied`].
pub async fn connect(
    gate: &Gatekeeper,
    to: At,
    source: Option<At>,
    started: Instant,
    limit: Duration,
) -> Result<Conn, OpenError> {
    let permit = gate.decide(Action::Connect { protocol: Protocol::Vsock, to: to.address() })?;
    let dialled = tokio::time::timeout_at(started + limit, dial(permit, to, source, limit)).await;
    let target = to.address().to_string();
    let attempt = |error| {
        vec![Attempt { addr: to.address(), elapsed: started.elapsed(), error: Some(error) }]
    };
    match dialled {
        Ok(Ok(conn)) => Ok(conn),
        Ok(Err(error)) => {
            let last = crate::race::copy(&error);
            Err(OpenError::Connect { target, attempts: attempt(error), last })
        }
        Err(_) => {
            let attempts = attempt(io::ErrorKind::TimedOut.into());
            Err(OpenError::Timeout { target, attempts, after: limit })
        }
    }
}

async fn dial(_permit: Permit, to: At, source: Option<At>, limit: Duration) -> io::Result<Conn> {
    let socket = Socket::new(Domain::VSOCK, Type::STREAM, None)?;
    if let Some(source) = source {
        socket.bind(&source.sockaddr())?;
    }
    sys::vsock::set_connect_timeout(socket.as_fd(), limit);
    socket.set_nonblocking(true)?;
    let peer = to.sockaddr();
    match socket.connect(&peer) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => return Err(error),
        _ => {}
    }
    let info = stream::info(&socket, &peer);
    let port = Port::socket(socket.into())?;
    // Writable is what a socket becomes by connecting, or by failing to.
    std::future::poll_fn(|cx| {
        port.poll_write(cx, |fd| match sys::socket::take_error(fd) {
            Some(error) => Err(error),
            None if socket2::SockRef::from(&fd).peer_addr().is_ok() => Ok(()),
            None => Err(io::ErrorKind::WouldBlock.into()),
        })
    })
    .await?;
    Ok(Conn::from_plain(info, Shape::Stream, Plain::socket(port, Carrier::Vsock)))
}

const EINPROGRESS: i32 = 115;

/// Why there are no vsock datagrams. Only VMware's transport has them, and this build cannot carry
/// them even there; where the kernel refuses the socket its answer is the reason told.
pub fn no_datagrams() -> io::Error {
    match Socket::new(Domain::VSOCK, Type::DGRAM, None) {
        Err(error) => {
            let reason = sys::resolve::strerror(&error);
            let text = format!("No vsock datagrams (--vsock -u) in this kernel: {reason}");
            io::Error::new(error.kind(), text)
        }
        Ok(_) => io::Error::new(
            io::ErrorKind::Unsupported,
            "vsock datagrams (--vsock -u) are not available yet",
        ),
    }
}
