//! A stream peer played by the test itself, over TCP, SCTP or a Unix socket: it can half-close, reset,
//! stall and drip.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::PATIENCE;

/// A listener; accepting gives up after [`PATIENCE`].
#[derive(Debug)]
pub struct Listener {
    inner: Socket,
}

/// One connection; reads and writes give up after [`PATIENCE`].
#[derive(Debug)]
pub struct Peer {
    socket: Socket,
}

/// How the other side's direction ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// In good order.
    Fin,
    /// With a reset.
    Reset,
}

fn bound(domain: Domain, at: &SockAddr) -> Socket {
    let socket = Socket::new(domain, Type::STREAM, None).expect("a socket");
    socket.bind(at).expect("a free address");
    socket
}

fn sctp_socket(domain: Domain) -> Socket {
    const SCTP: i32 = 132;
    Socket::new(domain, Type::STREAM, Some(SCTP.into())).expect("a kernel with SCTP")
}

fn loopback() -> SockAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()
}

fn port_of(socket: &Socket) -> u16 {
    let addr = socket.local_addr().expect("it is bound");
    addr.as_socket().expect("an internet address").port()
}

impl Listener {
    /// Listens on 127.0.0.1, on a port of the system's choice.
    ///
    /// # Panics
    /// When there is none left.
    pub fn tcp() -> Self {
        Self::listen(bound(Domain::IPV4, &loopback()))
    }

    /// Listens at a path.
    ///
    /// # Panics
    /// When it is taken.
    pub fn unix(path: &Path) -> Self {
        Self::listen(bound(Domain::UNIX, &SockAddr::unix(path).expect("a short path")))
    }

    /// Listens by SCTP on 127.0.0.1, on a port of the system's choice.
    ///
    /// # Panics
    /// When this kernel has no SCTP.
    pub fn sctp() -> Self {
        let socket = sctp_socket(Domain::IPV4);
        socket.bind(&loopback()).expect("a free port");
        Self::listen(socket)
    }

    fn listen(inner: Socket) -> Self {
        inner.listen(128).expect("listening");
        inner.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { inner }
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        port_of(&self.inner)
    }

    /// The next connection.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`].
    pub fn accept(&self) -> Peer {
        Peer::new(self.inner.accept().expect("somebody connects").0)
    }
}

/// A TCP port of 127.0.0.1 that is taken by a socket which does not listen.
#[derive(Debug)]
pub struct Deaf {
    socket: Socket,
}

impl Deaf {
    /// Binds without listening.
    ///
    /// # Panics
    /// When the system has no port left.
    pub fn bind() -> Self {
        Self { socket: bound(Domain::IPV4, &loopback()) }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        port_of(&self.socket)
    }
}

impl Peer {
    fn new(socket: Socket) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self { socket }
    }

    /// Connects over TCP.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect(addr: SocketAddr) -> Self {
        Self::connect_to(Domain::for_address(addr), &addr.into())
    }

    /// Connects by SCTP.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect_sctp(addr: SocketAddr) -> Self {
        let socket = sctp_socket(Domain::for_address(addr));
        socket.connect(&addr.into()).expect("somebody listens");
        Self::new(socket)
    }

    /// Connects to a path.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect_unix(path: &Path) -> Self {
        Self::connect_to(Domain::UNIX, &SockAddr::unix(path).expect("a short path"))
    }

    fn connect_to(domain: Domain, addr: &SockAddr) -> Self {
        let socket = Socket::new(domain, Type::STREAM, None).expect("a socket");
        socket.connect(addr).expect("somebody listens");
        Self::new(socket)
    }

    /// The socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sends all of it.
    ///
    /// # Panics
    /// When the connection is gone.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the connection takes it");
    }

    /// Sends all of it if the other side lets us.
    ///
    /// # Errors
    /// That of the write that failed.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Ends our direction.
    ///
    /// # Panics
    /// When the connection is gone.
    pub fn half_close(&self) {
        self.try_half_close().expect("the connection is there");
    }

    /// Ends our direction if the connection is there.
    ///
    /// # Errors
    /// When it is gone.
    pub fn try_half_close(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    /// Ends both directions with a TCP reset.
    ///
    /// # Panics
    /// When the option cannot be set.
    pub fn reset(self) {
        self.socket.set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    }

    /// Exactly `n` bytes.
    ///
    /// # Panics
    /// When the connection ends before.
    pub fn take(&mut self, n: usize) -> Vec<u8> {
        let mut buf = vec![0; n];
        self.socket.read_exact(&mut buf).expect("that many bytes");
        buf
    }

    /// Everything until the other side ends, and how it ended.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`].
    pub fn drain(&mut self) -> (Vec<u8>, Ended) {
        let mut out = Vec::new();
        let ended = match self.socket.read_to_end(&mut out) {
            Ok(_) => Ended::Fin,
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Ended::Reset,
            // Over SCTP, once our own end has ended both directions.
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ended::Fin,
            Err(e) => panic!("the other side does not end: {e}; {} bytes so far", out.len()),
        };
        (out, ended)
    }

    /// Fails unless the other side says nothing, not even an end, for `time`. This proves an
    /// absence, which takes time; it is never used to be in step.
    ///
    /// # Panics
    /// When something comes.
    #[track_caller]
    pub fn assert_silent_for(&mut self, time: Duration) {
        self.socket.set_read_timeout(Some(time)).expect("a timeout");
        let seen = self.socket.peek(&mut [std::mem::MaybeUninit::uninit()]);
        self.socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        match seen {
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Ok(0) => panic!("the other side ended"),
            seen => panic!("something came: {seen:?}"),
        }
    }
}
