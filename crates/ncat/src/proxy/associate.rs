//! SOCKS 5's `UDP ASSOCIATE`: datagrams of one client relayed, for as long as its connection stays.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use conn::ConnInfo;
use endpoint::OpenError;
use endpoint::bound::BoundUdp;
use proto::socks::udp;
use proto::target::Target;
use tokio::time::Instant;

use super::Server;
use super::record::Record;
use super::wire::Wire;

/// Servers whose datagrams are let in: those that were sent some, no more than this many.
const SERVERS_MAX: usize = 1024;

/// The sockets of one client's datagrams.
pub(super) struct Association {
    /// Where the client sends to.
    pub(super) bound: SocketAddr,
    near: BoundUdp,
    /// Towards servers, by family.
    far: [Option<BoundUdp>; 2],
    /// The client's address, and its port once it is known.
    client: (IpAddr, Option<u16>),
    servers: HashSet<SocketAddr>,
}

impl Server {
    /// Opens a client's sockets. `port` is where it will send from, if it knows.
    pub(super) async fn associate(
        &self,
        info: &ConnInfo,
        port: u16,
    ) -> Result<Association, OpenError> {
        let parse = |text: &str| text.parse().map(|addr: SocketAddr| addr.ip());
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let local = parse(&info.local).unwrap_or(unspecified);
        let peer = parse(&info.peer).unwrap_or(unspecified).to_canonical();
        let bind = |ip| BoundUdp::open(&self.gate, SocketAddr::new(ip, 0), &self.setup);
        let near = bind(local)?;
        let far = [bind(unspecified).ok(), bind(IpAddr::V6(Ipv6Addr::UNSPECIFIED)).ok()];
        let client = (peer, (port != 0).then_some(port));
        Ok(Association { bound: near.at, near, far, client, servers: HashSet::new() })
    }

    /// Relays until the client's connection ends, or nothing has passed for the time of `-i`.
    pub(super) async fn relay_datagrams(
        &self,
        mut association: Association,
        mut wire: Wire,
        record: &mut Record,
    ) {
        let far = 60 * 60 * 24 * 365;
        let idle = self.limits.idle_timeout;
        let mut until = Instant::now() + idle.unwrap_or(std::time::Duration::from_secs(far));
        loop {
            let step = tokio::select! {
                filled = wire.fill() => match filled {
                    // The connection says nothing but that the client is there.
                    Ok(true) => {
                        wire.input.clear();
                        continue;
                    }
                    _ => return,
                },
                sent = association.near.recv() => Step::Out(sent),
                came = recv(association.far[0].as_ref()) => Step::In(came),
                came = recv(association.far[1].as_ref()) => Step::In(came),
                () = tokio::time::sleep_until(until) => {
                    record.why = "idle".into();
                    return;
                }
            };
            let moved = match step {
                Step::Out(Ok((datagram, from))) => {
                    let n = self.send_out(&mut association, &datagram, from).await;
                    record.sent += n;
                    n
                }
                Step::In(Ok((datagram, from))) => {
                    let n = association.send_in(&datagram, from).await;
                    record.received += n;
                    n
                }
                // Somebody's port is closed; the others go on.
                Step::Out(Err(_)) | Step::In(Err(_)) => 0,
            };
            if let (Some(idle), true) = (idle, moved > 0) {
                until = Instant::now() + idle;
            }
        }
    }

    /// A datagram from the client to where it says; what may not go is dropped.
    async fn send_out(&self, to: &mut Association, datagram: &[u8], from: SocketAddr) -> u64 {
        let (ip, port) = to.client;
        let is_client =
            from.ip().to_canonical() == ip && port.is_none_or(|port| port == from.port());
        let Ok(parsed) = udp::parse(datagram) else { return 0 };
        if !is_client || parsed.fragment != 0 {
            return 0;
        }
        to.client.1 = Some(from.port());
        let host = parsed.target.host.to_string();
        let Ok(addrs) = self.addresses(&host, parsed.target.port, Instant::now()).await else {
            return 0;
        };
        for addr in addrs {
            let Some(socket) = &to.far[usize::from(addr.is_ipv6())] else { continue };
            if to.servers.len() >= SERVERS_MAX && !to.servers.contains(&addr) {
                return 0;
            }
            to.servers.insert(addr);
            if socket.send(parsed.payload, addr).await.is_ok() {
                return parsed.payload.len() as u64;
            }
        }
        0
    }
}

/// A datagram, and from whom.
type Received = io::Result<(Bytes, SocketAddr)>;

enum Step {
    Out(Received),
    In(Received),
}

async fn recv(socket: Option<&BoundUdp>) -> Received {
    match socket {
        Some(socket) => socket.recv().await,
        None => std::future::pending().await,
    }
}

impl Association {
    /// A datagram from a server to the client.
    async fn send_in(&self, payload: &[u8], from: SocketAddr) -> u64 {
        let (ip, Some(port)) = self.client else { return 0 };
        if !self.servers.contains(&from) {
            return 0;
        }
        let mut out = Vec::with_capacity(payload.len() + udp::HEADER_MAX);
        udp::write_header(&Target::from(from), &mut out);
        out.extend_from_slice(payload);
        match self.near.send(&out, SocketAddr::new(ip, port)).await {
            Ok(()) => payload.len() as u64,
            Err(_) => 0,
        }
    }
}
