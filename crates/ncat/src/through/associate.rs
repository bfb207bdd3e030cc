//! UDP through a SOCKS 5 proxy.

use std::net::SocketAddr;

use conn::Conn;
use conn::stage::Associate;
use endpoint::Source;
use endpoint::resolve::resolve;
use proto::socks::Command;
use proto::socks::v5::Request;
use proto::target::{Host, Target};
use serde_json::json;
use tokio::time::Instant;

use super::wire::Wire;
use super::{Failure, Passage, name, socks};
use crate::connect;

/// Asks for an association and makes a conn of it.
pub(super) async fn open(
    passage: &Passage<'_>,
    wire: &mut Wire,
    started: Instant,
) -> Result<Conn, Failure> {
    let (context, spec) = (passage.context, passage.spec);
    let target = name::target(passage, wire.deadline, wire.limit).await?;
    // From where we send is not known before there is an address to send to.
    let request = Request { command: Command::Associate, target: Target::NOWHERE };
    let bound = socks::request5(passage, wire, request).await?;
    let control = wire.take();
    let relay = relay_addr(passage, &bound, &control).await?;
    let source = Source { setup: context.setup.clone(), ..Source::default() };
    let udp = endpoint::udp::connect(&context.gate, &relay.to_string(), relay, &source);
    let udp = udp.map_err(|error| match error {
        endpoint::OpenError::Connect { attempts, last, .. } => {
            Failure::Unreachable { attempts, last }
        }
        other => {
            Failure::Io { doing: "the UDP socket".into(), error: std::io::Error::other(other) }
        }
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let (name, place) = (passage.name(), control.info.peer.clone());
    context.talk.verbose(|| {
        format!(
            "{name} ({place}) relays datagrams to {target} at {relay}, after {:.1} ms.",
            seconds * 1e3
        )
    });
    context.talk.event(
        "proxy",
        json!({
            "kind": passage.hop.kind.name(), "proxy": passage.hop.place(), "hop": 1, "of": 1,
            "peer": place, "target": target.to_string(), "relay": relay.to_string(),
            "seconds": seconds,
        }),
    );
    context.talk.connected(&format!("{}:{}", spec.host, spec.port), &udp.info.local, "udp", &[]);
    Ok(Associate::wrap(udp, control, target))
}

/// Where datagrams go. A proxy that has not decided on an address, or tells the one it has behind a
/// gateway, means the one it has for us.
async fn relay_addr(
    passage: &Passage<'_>,
    bound: &Target,
    control: &Conn,
) -> Result<SocketAddr, Failure> {
    let proxy: Option<SocketAddr> = control.info.peer.parse().ok();
    match (&bound.host, proxy) {
        (Host::Ip(ip), Some(proxy)) if ip.is_unspecified() => {
            Ok(SocketAddr::new(proxy.ip(), bound.port))
        }
        (Host::Ip(ip), _) => Ok(SocketAddr::new(*ip, bound.port)),
        (Host::Name(host), _) => {
            let family = connect::family(passage.spec.family);
            let found = resolve(host, bound.port, family, passage.spec.numeric).await;
            let found = found.map_err(|error| Failure::NoName {
                host: host.clone(),
                reason: error.to_string(),
            })?;
            Ok(found[0])
        }
    }
}
