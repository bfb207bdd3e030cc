//! Connecting a client to where it asks to be: rules, loops, names, racing addresses.

use std::net::{IpAddr, SocketAddr};

use conn::Conn;
use endpoint::resolve::resolve;
use endpoint::{OpenError, Source, connect_stream};
use gate::Protocol;
use tokio::time::{Instant, timeout_at};

use super::Server;
use crate::talk::words;

/// Why a client is not connected.
pub(super) enum NoWay {
    /// A rule of `--proxy-allow` or `--proxy-deny`, in words, or the gate.
    Forbidden(String),
    /// It would be ourselves.
    Loop,
    /// No such name, nobody there, no answer in time.
    Failed(OpenError),
}

impl NoWay {
    /// In words, for a client and the log.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Forbidden(rule) => format!("forbidden by {rule}"),
            Self::Loop => "it is this proxy itself".into(),
            Self::Failed(OpenError::Connect { last, .. }) => words(last),
            Self::Failed(OpenError::Timeout { .. }) => "no answer in time".into(),
            Self::Failed(error) => error.to_string(),
        }
    }
}

impl Server {
    /// Connects to `host`, within the time for connecting.
    pub(super) async fn dial(&self, host: &str, port: u16) -> Result<Conn, NoWay> {
        let started = Instant::now();
        let addrs = self.addresses(host, port, started).await?;
        let target =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let source = Source { setup: self.setup.clone(), ..Source::default() };
        let limit = self.limits.connect_timeout;
        let tcp = Protocol::Tcp;
        let none = |_: &endpoint::Attempt, _| {};
        let dialled =
            connect_stream(&self.gate, tcp, &target, &addrs, &source, started, limit, none).await;
        let connected = match dialled {
            Ok(connected) => connected,
            Err(OpenError::Denied(denied)) => return Err(NoWay::Forbidden(denied.reason)),
            Err(error) => return Err(NoWay::Failed(error)),
        };
        // An address of this machine that nobody could know beforehand.
        let local: Option<SocketAddr> = connected.conn.info.local.parse().ok();
        let is_here = local.is_some_and(|local| local.ip() == connected.addr.ip());
        if is_here && self.is_own_port(connected.addr.port()) {
            return Err(NoWay::Loop);
        }
        Ok(connected.conn)
    }

    /// The addresses that may be dialled.
    pub(super) async fn addresses(
        &self,
        host: &str,
        port: u16,
        started: Instant,
    ) -> Result<Vec<SocketAddr>, NoWay> {
        self.destinations.check(host, None, port).map_err(NoWay::Forbidden)?;
        let limit = self.limits.connect_timeout;
        let found = timeout_at(started + limit, resolve(host, port, self.family, self.numeric));
        let Ok(found) = found.await else {
            let attempts = Vec::new();
            let timeout = OpenError::Timeout { target: host.into(), attempts, after: limit };
            return Err(NoWay::Failed(timeout));
        };
        let mut addrs = found.map_err(NoWay::Failed)?;
        addrs.retain(|addr| !self.is_own(*addr));
        if addrs.is_empty() {
            return Err(NoWay::Loop);
        }
        let mut forbidden = None;
        addrs.retain(|addr| match self.destinations.check(host, Some(addr.ip()), port) {
            Ok(()) => true,
            Err(rule) => {
                forbidden = Some(rule);
                false
            }
        });
        match forbidden {
            Some(rule) if addrs.is_empty() => Err(NoWay::Forbidden(rule)),
            _ => Ok(addrs),
        }
    }

    /// Whether this is where we listen, by an address that can be told without asking the system.
    fn is_own(&self, addr: SocketAddr) -> bool {
        let ip = addr.ip().to_canonical();
        let is_nearby = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
        self.own.iter().any(|own| {
            let at = own.ip().to_canonical();
            own.port() == addr.port()
                && (at == ip
                    || at.is_unspecified() && is_nearby(ip)
                    || ip.is_unspecified() && at.is_loopback())
        })
    }

    /// Whether every address with this port is ours.
    fn is_own_port(&self, port: u16) -> bool {
        self.own.iter().any(|own| own.port() == port && own.ip().is_unspecified())
    }
}
