//! Connecting by TCP or SCTP: every address of a name, raced under one deadline (RFC 8305).

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use conn::Conn;
use gate::{Action, Address, Gatekeeper, Permit, Protocol};
use socket2::{SockAddr, Socket};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::options::{OptionError, Setup};
use crate::route::Route;
use crate::{Attempt, OpenError, stream};

/// Time one address has for itself before the next is tried beside it (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Where a connection comes from, and the options of its socket.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// `-s`, resolved; the wildcard of each family when `None`.
    pub ip: Option<IpAddr>,
    /// `-p`; chosen by the system when `None`.
    pub port: Option<u16>,
    /// Options to set.
    pub setup: Setup,
    /// `-g`: the hosts to pass on the way.
    pub route: Option<Route>,
}

impl Source {
    /// The address to bind before connecting to `to`, when there is one to bind.
    pub(crate) fn address_for(&self, to: SocketAddr) -> Option<SocketAddr> {
        if self.ip.is_none() && self.port.is_none() {
            return None;
        }
        let wildcard = match to {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Some(SocketAddr::new(self.ip.unwrap_or(wildcard), self.port.unwrap_or(0)))
    }

    /// Gives a socket that will be connected to `to` its source route, if there is one.
    pub(crate) fn lay_route(&self, socket: &Socket, to: SocketAddr) -> io::Result<()> {
        match &self.route {
            Some(route) => route.lay(socket, to),
            None => Ok(()),
        }
    }
}

/// A connection and how it came about.
#[derive(Debug)]
pub struct Connected {
    /// The conn.
    pub conn: Conn,
    /// The address reached.
    pub addr: SocketAddr,
    /// Every address that was tried to an end, the successful one last.
    pub attempts: Vec<Attempt>,
}

/// Connects to the first of `addrs` that answers.
///
/// Families alternate, starting with the resolver's first choice; an address that has not answered
/// after 250 ms gets company; a failure starts the next at once. `failed` is told each failure when
/// it happens, with whether another address follows. `protocol` is TCP or SCTP.
///
/// # Errors
/// [`OpenError::Connect`] when all have failed, [`OpenError::Timeout`] at the deadline,
/// [`OpenError::Denied`] when the gate allows none, [`OpenError::Bind`] when only the source failed.
#[expect(clippy::too_many_arguments, reason = "each is one thing to know about a connection")]
pub async fn connect_stream(
    gate: &Gatekeeper,
    protocol: Protocol,
    target: &str,
    addrs: &[SocketAddr],
    source: &Source,
    started: Instant,
    limit: Duration,
    mut failed: impl FnMut(&Attempt, bool),
) -> Result<Connected, OpenError> {
    let mut waiting: VecDeque<SocketAddr> = interleave(addrs).into();
    let mut running = JoinSet::new();
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut asked: Vec<(SocketAddr, Instant)> = Vec::new();
    let mut denied = None;
    let deadline = started + limit;
    let race = async {
        loop {
            if let Some(addr) = waiting.pop_front() {
                let action = Action::Connect { protocol, to: Address::Inet(addr) };
                match gate.decide(action) {
                    Ok(permit) => {
                        asked.push((addr, Instant::now()));
                        running.spawn(attempt(permit, protocol, addr, source.clone()));
                    }
                    Err(no) => {
                        denied.get_or_insert(no);
                        continue;
                    }
                }
            }
            if running.is_empty() {
                break None;
            }
            let finished = tokio::select! {
                finished = running.join_next() => finished,
                () = sleep(ATTEMPT_DELAY), if !waiting.is_empty() => continue,
            };
            let Some(Ok((addr, elapsed, result))) = finished else { continue };
            match result {
                Ok(conn) => {
                    attempts.push(Attempt { addr: Address::Inet(addr), elapsed, error: None });
                    break Some((conn, addr));
                }
                Err(error) => {
                    let one = Attempt { addr: Address::Inet(addr), elapsed, error: Some(error) };
                    failed(&one, !waiting.is_empty());
                    attempts.push(one);
                }
            }
        }
    };
    let Ok(won) = timeout_at(deadline, race).await else {
        // Those that have not answered are what the user wants to know about.
        for (addr, since) in asked {
            let addr = Address::Inet(addr);
            if !attempts.iter().any(|attempt| attempt.addr == addr) {
                let error = Some(io::ErrorKind::TimedOut.into());
                attempts.push(Attempt { addr, elapsed: since.elapsed(), error });
            }
        }
        return Err(OpenError::Timeout { target: target.into(), attempts, after: limit });
    };
    if let Some((conn, addr)) = won {
        return Ok(Connected { conn, addr, attempts });
    }
    match (attempts.last_mut(), denied) {
        (Some(last), _) => {
            let kind = io::Error::from(io::ErrorKind::NotConnected);
            let last = copy(last.error.as_ref().unwrap_or(&kind));
            Err(OpenError::Connect { target: target.into(), attempts, last })
        }
        (None, Some(denied)) => Err(OpenError::Denied(denied)),
        (None, None) => Err(OpenError::Resolve {
            host: target.into(),
            reason: "No address associated with hostname".into(),
        }),
    }
}

/// The same error again; they cannot be cloned.
pub(crate) fn copy(error: &io::Error) -> io::Error {
    if let Some(option) = OptionError::within(error) {
        return io::Error::other(option.clone());
    }
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

async fn attempt(
    permit: Permit,
    protocol: Protocol,
    addr: SocketAddr,
    source: Source,
) -> (SocketAddr, Duration, io::Result<Conn>) {
    let begun = Instant::now();
    let result = connect_one(permit, protocol, addr, &source).await;
    (addr, begun.elapsed(), result)
}

async fn connect_one(
    _permit: Permit,
    protocol: Protocol,
    addr: SocketAddr,
    source: &Source,
) -> io::Result<Conn> {
    let (socket, carrier) = stream::socket(protocol, addr, &source.setup)?;
    source.setup.before_connect(&socket)?;
    source.lay_route(&socket, addr)?;
    if let Some(local) = source.address_for(addr) {
        #[cfg(not(windows))]
        socket.set_reuse_address(true)?;
        socket.bind(&local.into())?;
    }
    socket.set_nonblocking(true)?;
    let socket = finish_connect(socket, addr).await?;
    source.setup.report(&socket);
    source.setup.report_peer(&socket, &addr.to_string());
    let info = stream::info(&socket, &SockAddr::from(addr));
    stream::conn(socket, info, carrier)
}

async fn finish_connect(socket: Socket, addr: SocketAddr) -> io::Result<Socket> {
    let stream = tokio::net::TcpSocket::from_std_stream(socket.into()).connect(addr).await?;
    Ok(stream.into_std()?.into())
}

/// Alternates families, keeping the order within each (RFC 8305, section 4).
fn interleave(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addrs.first() else { return Vec::new() };
    let (mut one, mut other): (VecDeque<SocketAddr>, VecDeque<SocketAddr>) =
        addrs.iter().copied().partition(|addr| addr.is_ipv6() == first.is_ipv6());
    let mut mixed = Vec::with_capacity(addrs.len());
    while !(one.is_empty() && other.is_empty()) {
        mixed.extend(one.pop_front());
        mixed.extend(other.pop_front());
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_alternate_from_the_first_choice() {
        let addrs = [addr("[::1]:1"), addr("[::2]:1"), addr("[::3]:1"), addr("1.1.1.1:1")];
        let mixed = interleave(&addrs);
        assert_eq!(mixed, [addrs[0], addrs[3], addrs[1], addrs[2]]);
        assert!(interleave(&[]).is_empty());
    }

    #[test]
    fn a_source_port_alone_follows_the_family_of_each_address() {
        let source = Source { port: Some(53), ..Source::default() };
        assert_eq!(source.address_for(addr("192.0.2.1:80")), Some(addr("0.0.0.0:53")));
        assert_eq!(source.address_for(addr("[::1]:80")), Some(addr("[::]:53")));
        assert_eq!(Source::default().address_for(addr("[::1]:80")), None);
    }
}
