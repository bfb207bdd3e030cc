//! Sockets that whoever started us has bound already (`LISTEN_FDS`, sd_listen_fds(3)): they are used
//! as they are, and stay theirs.

use std::io;
use std::os::fd::OwnedFd;

use conn::Carrier;
use gate::{Action, Address, Gatekeeper, Protocol};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::sync::mpsc;

use crate::listen::StreamListener;
use crate::options::Setup;
use crate::{OpenError, udp};

/// A descriptor that was handed over.
#[derive(Debug)]
pub struct Handed {
    /// It.
    pub fd: OwnedFd,
    /// What messages call it: its number, and its name where it has one.
    pub label: String,
}

/// What a socket is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Nature {
    domain: Domain,
    kind: Type,
    listens: bool,
}

impl Nature {
    fn of(socket: &Socket) -> io::Result<Self> {
        Ok(Self {
            domain: socket.domain()?,
            kind: socket.r#type()?,
            listens: socket.is_listener()?,
        })
    }

    fn wanted(protocol: Protocol) -> Self {
        let is_unix = matches!(protocol, Protocol::UnixStream | Protocol::UnixDatagram);
        let is_datagram = matches!(protocol, Protocol::Udp | Protocol::UnixDatagram);
        Self {
            domain: if is_unix { Domain::UNIX } else { Domain::IPV4 },
            kind: if is_datagram { Type::DGRAM } else { Type::STREAM },
            listens: !is_datagram,
        }
    }

    /// IPv4 and IPv6 are the same here.
    fn fits(self, wanted: Self) -> bool {
        let domain = if self.domain == Domain::IPV6 { Domain::IPV4 } else { self.domain };
        Self { domain, ..self } == wanted
    }

    fn words(self) -> String {
        let kind = match (self.domain, self.kind) {
            (Domain::UNIX, Type::STREAM) => "Unix stream socket",
            (Domain::UNIX, Type::DGRAM) => "Unix datagram socket",
            (Domain::IPV4 | Domain::IPV6, Type::STREAM) => "TCP socket",
            (Domain::IPV4 | Domain::IPV6, Type::DGRAM) => "UDP socket",
            _ => "socket of another kind",
        };
        match (self.kind, self.listens) {
            (Type::STREAM, true) => format!("a listening {kind}"),
            (Type::STREAM, false) => format!("a {kind} that does not listen"),
            _ => format!("a {kind}"),
        }
    }
}

/// The socket, when it is of the right kind, and where it is bound.
fn examine(handed: Handed, protocol: Protocol) -> Result<(Socket, Address), OpenError> {
    let wanted = Nature::wanted(protocol);
    let refuse =
        |is: String| OpenError::Handed { socket: handed.label.clone(), is, wanted: wanted.words() };
    let socket = Socket::from(handed.fd);
    let nature = Nature::of(&socket).map_err(|_| refuse("not a socket".into()))?;
    if !nature.fits(wanted) {
        return Err(refuse(nature.words()));
    }
    let bound = socket.local_addr().map_err(|error| refuse(error.to_string()))?;
    Ok((socket, address(&bound)))
}

fn address(bound: &SockAddr) -> Address {
    match bound.as_socket() {
        Some(addr) => Address::Inet(addr),
        None => Address::Unix(bound.as_pathname().map(std::path::Path::to_path_buf)),
    }
}

/// Listens for streams on a socket that was handed over.
///
/// # Errors
/// [`OpenError::Handed`] when it is another kind of socket, [`OpenError::Bind`], [`OpenError::Denied`].
pub fn streams(
    gate: &Gatekeeper,
    handed: Handed,
    protocol: Protocol,
    setup: &Setup,
) -> Result<StreamListener, OpenError> {
    let (socket, at) = examine(handed, protocol)?;
    let _permit = gate.decide(Action::Listen { protocol, at: at.clone() })?;
    let carrier = if protocol == Protocol::Tcp { Carrier::Tcp } else { Carrier::Unix };
    setup
        .adopt(&socket, Type::STREAM, carrier == Carrier::Tcp)
        .and_then(|()| StreamListener::new(socket, at.clone(), carrier, setup))
        .map_err(|error| OpenError::Bind { at, error })
}

/// Listens for datagrams on a socket that was handed over.
///
/// # Errors
/// As [`streams`].
pub fn datagrams(
    gate: &Gatekeeper,
    handed: Handed,
    protocol: Protocol,
    single: bool,
    arrivals: mpsc::UnboundedSender<udp::Accepted>,
    setup: &Setup,
) -> Result<udp::Listener, OpenError> {
    let (socket, at) = examine(handed, protocol)?;
    let _permit = gate.decide(Action::Listen { protocol, at: at.clone() })?;
    setup
        .adopt(&socket, Type::DGRAM, false)
        .and_then(|()| udp::Listener::adopt(socket, at.clone(), single, arrivals, setup))
        .map_err(|error| OpenError::Bind { at, error })
}
