//! Socket options: the one place where they are set, before a socket is bound or connected, and once
//! more on each that a listener accepts.
//!
//! An option that cannot be set is a failure of the run, never a difference nobody is told about.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use gate::Address;
use plan::SocketOptions;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use crate::Attempt;

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "options/linux.rs"]
mod system;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "options/other.rs"]
mod system;

/// Why an option could not be set. Found inside the [`io::Error`] of whoever opens the socket.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{option}{}{value}: {reason}", if value.is_empty() { "" } else { " " })]
pub struct OptionError {
    /// The option, with dashes.
    pub option: &'static str,
    /// Its value, as the user has it; empty when it takes none.
    pub value: String,
    /// The system's reason.
    pub reason: String,
    /// What to try.
    pub hint: Option<String>,
}

impl OptionError {
    /// The failed option inside an error, if it is about one.
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// What the system made of an option.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Note {
    /// As it was asked for.
    Fact(String),
    /// Less than was asked for.
    Warning(String),
}

type Tell = dyn Fn(Note) + Send + Sync;

/// The options of a run, and whom to tell what became of them. Cheap to clone.
#[derive(Clone, Default)]
pub struct Setup {
    asked: Arc<SocketOptions>,
    tell: Option<Arc<Tell>>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Setup").field(&self.asked).finish()
    }
}

impl Setup {
    /// Sets these options; `tell` hears what they became.
    pub fn new(asked: SocketOptions, tell: impl Fn(Note) + Send + Sync + 'static) -> Self {
        Self { asked: Arc::new(asked), tell: Some(Arc::new(tell)) }
    }

    /// A socket with every option that must be set before it is bound.
    pub(crate) fn socket(
        &self,
        domain: Domain,
        kind: Type,
        protocol: Option<Protocol>,
    ) -> io::Result<Socket> {
        let is_tcp = protocol.is_none() && kind == Type::STREAM && domain != Domain::UNIX;
        let socket = if self.asked.mptcp && is_tcp {
            system::multipath(domain).map_err(|e| failure("--mptcp", "", &e))?
        } else {
            Socket::new(domain, kind, protocol)?
        };
        self.apply(&socket, domain, kind, is_tcp)?;
        Ok(socket)
    }

    /// What only a connecting socket needs.
    pub(crate) fn before_connect(&self, socket: &Socket) -> io::Result<()> {
        if self.asked.fastopen {
            system::fastopen_connect(socket).map_err(|e| failure("--fastopen", "", &e))?;
        }
        Ok(())
    }

    /// Starts to listen; `backlog` unless the user has another.
    pub(crate) fn listen(&self, socket: &Socket, backlog: i32) -> io::Result<()> {
        let wanted = self.asked.backlog.map(|own| i32::try_from(own).unwrap_or(i32::MAX));
        let backlog = wanted.unwrap_or(backlog);
        if self.asked.fastopen {
            system::fastopen_listen(socket, backlog).map_err(|e| failure("--fastopen", "", &e))?;
        }
        if let (Some(wanted), Some(most)) = (wanted, system::backlog_max())
            && wanted > most
        {
            self.tell(Note::Warning(format!(
                "--backlog {wanted}: the system allows {most} (net.core.somaxconn)"
            )));
        }
        socket.listen(backlog)?;
        self.report(socket);
        Ok(())
    }

    /// Sets the options again on a socket that was accepted. Most are inherited; some are not by some
    /// kernels and settings (a type of service with `tcp_reflect_tos`, a Unix socket's buffer).
    pub(crate) fn after_accept(
        &self,
        socket: &Socket,
        domain: Domain,
        is_tcp: bool,
    ) -> io::Result<()> {
        if *self.asked == SocketOptions::default() {
            return Ok(());
        }
        self.apply(socket, domain, Type::STREAM, is_tcp).inspect_err(|error| {
            self.tell(Note::Warning(format!("a client is turned away: {error}")));
        })
    }

    /// Sets the options on a socket that somebody else has made. One that must be there before the
    /// socket is bound is not: it is refused.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn adopt(&self, socket: &Socket, kind: Type, is_tcp: bool) -> io::Result<()> {
        if self.asked.mptcp && !system::is_multipath_socket(socket) {
            let error =
                io::Error::new(io::ErrorKind::InvalidInput, "the socket handed over is plain TCP");
            return Err(failure("--mptcp", "", &error));
        }
        let domain = socket.local_addr()?.domain();
        self.apply(socket, domain, kind, is_tcp)?;
        if kind == Type::STREAM && (self.asked.backlog.is_some() || self.asked.fastopen) {
            return self.listen(socket, crate::listen::BACKLOG);
        }
        if kind == Type::STREAM {
            self.report(socket);
        }
        Ok(())
    }

    /// Whether the user has set the send buffer, which is then left alone.
    pub(crate) fn has_send_buffer(&self) -> bool {
        self.asked.send_buffer.is_some()
    }

    /// Whether the user has set the receive buffer, which is then left alone.
    pub(crate) fn has_receive_buffer(&self) -> bool {
        self.asked.receive_buffer.is_some()
    }

    fn apply(&self, socket: &Socket, domain: Domain, kind: Type, is_tcp: bool) -> io::Result<()> {
        let asked = &*self.asked;
        if let Some(device) = &asked.device {
            set("--bind-device", device, system::bind_device(socket, device))?;
        }
        if let Some(mark) = asked.mark {
            set("--mark", &format!("{mark:#x}"), system::mark(socket, mark))?;
        }
        if let Some(bytes) = asked.send_buffer {
            set("--sndbuf", &bytes.to_string(), system::buffer(socket, true, bytes))?;
        }
        if let Some(bytes) = asked.receive_buffer {
            set("--rcvbuf", &bytes.to_string(), system::buffer(socket, false, bytes))?;
        }
        if let Some(class) = asked.traffic_class {
            set("--tos", &class.to_string(), traffic_class(socket, domain, class))?;
        }
        if let Some(ttl) = asked.ttl {
            let done = time_to_live(socket, domain, kind, ttl.into());
            set("--ttl", &ttl.to_string(), done)?;
        }
        if is_tcp { self.apply_tcp(socket) } else { Ok(()) }
    }

    fn apply_tcp(&self, socket: &Socket) -> io::Result<()> {
        let asked = &*self.asked;
        if asked.nodelay {
            set("--nodelay", "", socket.set_tcp_nodelay(true))?;
        }
        if let Some(keepalive) = asked.keepalive {
            let mut wanted = TcpKeepalive::new().with_time(keepalive.idle);
            if let Some(interval) = keepalive.interval {
                wanted = wanted.with_interval(interval);
            }
            if let Some(count) = keepalive.count {
                wanted = wanted.with_retries(count);
            }
            let value = format!("{} s", keepalive.idle.as_secs());
            set("--keepalive", &value, socket.set_tcp_keepalive(&wanted))?;
        }
        if let Some(name) = &asked.congestion {
            set("--congestion", name, system::congestion(socket, name))?;
        }
        if let Some(time) = asked.user_timeout {
            let value = format!("{} ms", time.as_millis());
            set("--user-timeout", &value, system::user_timeout(socket, time))?;
        }
        Ok(())
    }

    /// Tells what the system granted.
    pub(crate) fn report(&self, socket: &Socket) {
        let asked = &*self.asked;
        if !self.has_send_buffer() && !self.has_receive_buffer() {
            return;
        }
        let buffers = [
            ("--sndbuf", asked.send_buffer, socket.send_buffer_size()),
            ("--rcvbuf", asked.receive_buffer, socket.recv_buffer_size()),
        ];
        for (option, asked, granted) in buffers {
            let (Some(asked), Ok(granted)) = (asked, granted) else { continue };
            let words = format!(
                "{option} {asked}: the system granted {granted} bytes, its overhead included"
            );
            let wanted = u64::from(asked) * system::BUFFER_FACTOR;
            self.tell(match (granted as u64) < wanted {
                true => Note::Warning(format!("{words} (net.core.wmem_max, rmem_max limit it)")),
                false => Note::Fact(words),
            });
        }
    }

    /// Tells whether the peer of a connection speaks Multipath TCP, when that is wanted.
    pub(crate) fn report_peer(&self, socket: &Socket, peer: &str) {
        if !self.asked.mptcp {
            return;
        }
        self.tell(Note::Fact(match system::is_multipath(socket) {
            true => format!("{peer} speaks MPTCP"),
            false => format!("{peer} does not speak MPTCP; the connection is plain TCP"),
        }));
    }

    fn tell(&self, note: Note) {
        if let Some(tell) = &self.tell {
            tell(note);
        }
    }
}

/// Sends the first segment of a connection that `--fastopen` holds back until there is data.
///
/// # Errors
/// As sendto(2).
pub fn start_connecting(conn: &conn::Conn) -> io::Result<()> {
    system::start_connecting(conn)
}

/// A watch on a connection that has begun and may not have been answered.
#[derive(Debug)]
pub struct Opening {
    #[cfg(unix)]
    fd: std::os::fd::OwnedFd,
    peer: String,
}

impl Opening {
    /// Watches a plain TCP conn; `None` when it is none.
    pub fn watch(conn: &conn::Conn) -> Option<Self> {
        #[cfg(unix)]
        {
            let fd = sys::fd::duplicate(conn.plain()?.output()?).ok()?;
            Some(Self { fd, peer: conn.info.peer.clone() })
        }
        #[cfg(not(unix))]
        {
            let _ = conn;
            None
        }
    }

    /// Whether the peer's system has not answered yet.
    pub fn is_unanswered(&self) -> bool {
        #[cfg(unix)]
        {
            sys::socket::is_connecting(std::os::fd::AsFd::as_fd(&self.fd))
        }
        #[cfg(not(unix))]
        {
            false
        }
    }

    /// The one attempt there was, which took `elapsed` in vain.
    pub fn attempts(&self, elapsed: Duration) -> Vec<Attempt> {
        let error = Some(io::ErrorKind::TimedOut.into());
        let addr =
            self.peer.parse().map(|addr| Attempt { addr: Address::Inet(addr), elapsed, error });
        Vec::from_iter(addr.ok())
    }
}

fn set(option: &'static str, value: &str, done: io::Result<()>) -> io::Result<()> {
    done.map_err(|error| failure(option, value, &error))
}

fn failure(option: &'static str, value: &str, error: &io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::Unsupported if error.raw_os_error().is_none() => None,
        _ => system::hint(option, error),
    };
    let reason = sys::resolve::strerror(error);
    io::Error::other(OptionError { option, value: value.into(), reason, hint })
}

/// IPv4's type of service and IPv6's traffic class; both on a socket that carries both.
fn traffic_class(socket: &Socket, domain: Domain, class: u8) -> io::Result<()> {
    if domain == Domain::IPV6 {
        system::traffic_class_v6(socket, class)?;
        if socket.only_v6().unwrap_or(true) {
            return Ok(());
        }
    }
    socket.set_tos_v4(class.into())
}

/// IPv4's time to live and IPv6's hop limit; of datagrams also when they go to a group.
fn time_to_live(socket: &Socket, domain: Domain, kind: Type, ttl: u32) -> io::Result<()> {
    let is_datagram = kind == Type::DGRAM;
    if domain == Domain::IPV6 {
        socket.set_unicast_hops_v6(ttl)?;
        if is_datagram {
            socket.set_multicast_hops_v6(ttl)?;
        }
        if socket.only_v6().unwrap_or(true) {
            return Ok(());
        }
    }
    socket.set_ttl_v4(ttl)?;
    if is_datagram { socket.set_multicast_ttl_v4(ttl) } else { Ok(()) }
}
