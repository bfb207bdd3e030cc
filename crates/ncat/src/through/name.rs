//! Who looks up which name (`--proxy-dns`).

use std::net::SocketAddr;
use std::time::Duration;

use endpoint::OpenError;
use endpoint::resolve::Family;
use plan::ProxyDns;
use proto::escape;
use proto::target::{Host, Target};
use tokio::time::{Instant, timeout_at};

use super::{Failure, Passage};
use crate::connect;

/// The addresses of `host`, or the resolver's words.
pub(super) async fn resolve(
    host: &str,
    port: u16,
    family: Family,
    numeric: bool,
) -> Result<Vec<SocketAddr>, String> {
    endpoint::resolve::resolve(host, port, family, numeric).await.map_err(|error| match error {
        OpenError::Resolve { reason, .. } => reason,
        other => other.to_string(),
    })
}

/// What the proxy is asked to reach, looked up here where that is wanted. `-n` does not keep us from it,
/// as in Ncat: the option that asks for it is more particular.
pub(super) async fn target(
    passage: &Passage<'_>,
    deadline: Instant,
    limit: Duration,
) -> Result<Target, Failure> {
    let (host, port) = passage.target();
    let named = Host::new(host).ok_or_else(|| Failure::BadName { host: host.to_owned() })?;
    // Zones (fe80::1%eth0) mean something here only, and no protocol carries them.
    if let Host::Ip(ip) = named {
        return Ok(Target { host: Host::Ip(ip), port });
    }
    let reason = match passage.hop.dns {
        ProxyDns::Remote => {
            by_proxy(passage, host);
            return Ok(Target { host: named, port });
        }
        ProxyDns::None => "--proxy-dns=none: only addresses".to_owned(),
        ProxyDns::Local | ProxyDns::Both => {
            let family = connect::family(passage.spec.family);
            let looked_up = timeout_at(deadline, resolve(host, port, family, false)).await;
            let doing = || format!("looking up {}", escape::terminal(host.as_bytes()));
            match looked_up.map_err(|_| Failure::Timeout { doing: doing(), limit })? {
                Ok(addrs) => return Ok(addrs[0].into()),
                Err(_) if passage.hop.dns == ProxyDns::Both => {
                    by_proxy(passage, host);
                    return Ok(Target { host: named, port });
                }
                Err(reason) => reason,
            }
        }
    };
    Err(Failure::NoName { host: host.to_owned(), reason })
}

fn by_proxy(passage: &Passage<'_>, host: &str) {
    passage.context.talk.verbose(|| {
        format!("Host {} will be resolved by the proxy.", escape::terminal(host.as_bytes()))
    });
}
