//! Through proxies: a chain of dialogues, each inside what the one before it opened, under one
//! deadline.
//!
//! What comes out is the connection to the first proxy: still plain, when nobody wrapped it and
//! nothing was read that belongs to the target, so the relay may leave the work to the kernel.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod associate;
mod failure;
mod http;
mod name;
mod secrets;
mod socks;
mod wire;

use std::io;

use conn::Conn;
use endpoint::{OpenError, Source, connect_stream};
use gate::Protocol;
use plan::{Connect, ProxyEnvironment, ProxyHop, ProxyKind, Secret};
use proto::escape;
use proto::secret::Credentials;
use proto::target::{Host, Target};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::connect;
use crate::run::Context;
use crate::transports;

pub(crate) use self::failure::Failure;
pub(crate) use self::secrets::credentials;

use self::http::Answerer;
use self::wire::Wire;

/// How often the way to one proxy is begun again because it closed the connection after a 407.
const DIALS_MAX: usize = 3;

/// What a dialogue came to.
enum Opened {
    /// The way is open.
    Yes,
    /// The proxy has hung up after it asked who we are: again, and with the answer.
    Again,
}

/// What our environment says about proxies.
pub(crate) fn environment() -> ProxyEnvironment {
    let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    ProxyEnvironment {
        auth: var("NCAT_PROXY_AUTH").map(Secret::new),
        all_proxy: var("ALL_PROXY").or_else(|| var("all_proxy")).map(Secret::new),
        no_proxy: var("NO_PROXY").or_else(|| var("no_proxy")),
    }
}

/// One proxy of a chain, on the way to be passed.
struct Passage<'a> {
    context: &'a Context,
    spec: &'a Connect,
    hop: &'a ProxyHop,
    /// Counted from 0.
    place: usize,
    credentials: Option<Credentials>,
    /// HTTP: what was learnt about how to say who we are.
    answerer: Answerer,
}

impl Passage<'_> {
    /// `http 192.0.2.7:3128`, with its place where there are others.
    fn name(&self) -> String {
        let (kind, place) = (self.hop.kind.name(), self.hop.place());
        let count = self.spec.proxies.len();
        let place = escape::terminal(place.as_bytes()).into_owned();
        match count {
            1 => format!("{kind} proxy {place}"),
            _ => format!("{kind} proxy {place} ({} of {count})", self.place + 1),
        }
    }

    /// What the proxy is to reach: the next one, or where the user wants to go.
    fn target(&self) -> (&str, u16) {
        match self.spec.proxies.get(self.place + 1) {
            Some(next) => (&next.host, next.port),
            None => (&self.spec.host, self.spec.port),
        }
    }

    fn is_last(&self) -> bool {
        self.place + 1 == self.spec.proxies.len()
    }
}

/// Opens a stream to the target of `spec` through its proxies.
pub(crate) async fn stream(
    context: &Context,
    spec: &Connect,
    started: Instant,
) -> Result<Conn, OpenError> {
    let wire = pass_all(context, spec, started, spec.proxies.len()).await?;
    Ok(wire.into_conn())
}

/// Opens a UDP association with the one SOCKS5 proxy of `spec`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) async fn datagrams(
    context: &Context,
    spec: &Connect,
    started: Instant,
) -> Result<Conn, OpenError> {
    let mut passages = passages(context, spec)?;
    let passage = &mut passages[0];
    let mut wire = dial(context, spec, passage, started).await?;
    let opened = associate::open(passage, &mut wire, started).await;
    opened.map_err(|failure| failure.into_error(passage))
}

fn passages<'a>(context: &'a Context, spec: &'a Connect) -> Result<Vec<Passage<'a>>, OpenError> {
    let mut passages = Vec::with_capacity(spec.proxies.len());
    for (place, hop) in spec.proxies.iter().enumerate() {
        let answerer = Answerer::default();
        let mut passage = Passage { context, spec, hop, place, credentials: None, answerer };
        let found = credentials(&hop.auth);
        passage.credentials = found.map_err(|failure| failure.into_error(&passage))?;
        passages.push(passage);
    }
    Ok(passages)
}

/// Passes the first `count` proxies.
async fn pass_all(
    context: &Context,
    spec: &Connect,
    started: Instant,
    count: usize,
) -> Result<Wire, OpenError> {
    let mut passages = passages(context, spec)?;
    let mut dials = vec![0; count];
    'dial: loop {
        let mut wire = dial(context, spec, &passages[0], started).await?;
        for place in 0..count {
            let passage = &mut passages[place];
            let begun = Instant::now();
            match pass(passage, &mut wire, started).await {
                Ok(Opened::Yes) => tell(passage, &wire, begun),
                Ok(Opened::Again) if dials[place] < DIALS_MAX => {
                    dials[place] += 1;
                    continue 'dial;
                }
                Ok(Opened::Again) => return Err(Failure::HangsUp.into_error(passage)),
                Err(failure) => return Err(failure.into_error(passage)),
            }
        }
        return Ok(wire);
    }
}

/// Connects to the first proxy, whichever of its addresses answers first.
async fn dial(
    context: &Context,
    spec: &Connect,
    first: &Passage<'_>,
    started: Instant,
) -> Result<Wire, OpenError> {
    let limit = context.plan.limits.connect_timeout;
    let deadline = started + limit;
    let family = connect::family(spec.family);
    let hop = first.hop;
    let look_up = async {
        let addrs = name::resolve(&hop.host, hop.port, family, spec.numeric).await;
        let addrs = addrs.map_err(|reason| {
            let host = hop.host.clone();
            Failure::NoProxy { host, reason, needs_port: spec.family == plan::Family::V6 }
        });
        let ip = match &spec.source_host {
            Some(host) => {
                Some(endpoint::resolve::resolve(host, 0, family, spec.numeric).await?[0].ip())
            }
            None => None,
        };
        let (setup, route) = (context.setup.clone(), transports::route(spec).await?);
        let source = Source { ip, port: spec.source_port, setup, route };
        Ok::<_, OpenError>((addrs, source))
    };
    let looked_up = timeout_at(deadline, look_up).await;
    let too_late = |_| Failure::Timeout { doing: "looking up its name".into(), limit };
    let (addrs, source) = looked_up.map_err(too_late).map_err(|f| f.into_error(first))??;
    let mut addrs = addrs.map_err(|failure| failure.into_error(first))?;
    if let Some(ip) = source.ip
        && addrs.iter().any(|addr| addr.is_ipv4() == ip.is_ipv4())
    {
        addrs.retain(|addr| addr.is_ipv4() == ip.is_ipv4());
    }
    let failed = |attempt: &endpoint::Attempt, more| context.talk.attempt_failed(attempt, more);
    let place = hop.place();
    let (gate, tcp) = (&context.gate, Protocol::Tcp);
    let connected =
        connect_stream(gate, tcp, &place, &addrs, &source, started, limit, failed).await;
    match connected {
        Ok(connected) => {
            context.talk.event(
                "proxy_connected",
                json!({ "proxy": first.name(), "peer": connected.conn.info.peer }),
            );
            context.talk.verbose(|| {
                let host = escape::terminal(hop.host.as_bytes()).into_owned();
                format!("Connected to proxy {host}:{}", hop.port)
            });
            Ok(Wire::new(connected.conn, deadline, limit))
        }
        // A socket option that cannot be had is told as such.
        Err(other) if other.option().is_some() => Err(other),
        Err(OpenError::Connect { attempts, last, .. }) => {
            Err(Failure::Unreachable { attempts, last }.into_error(first))
        }
        Err(other) => Err(other),
    }
}

/// Has one proxy open the way to what comes next.
async fn pass(
    passage: &mut Passage<'_>,
    wire: &mut Wire,
    started: Instant,
) -> Result<Opened, Failure> {
    let target = name::target(passage, wire.deadline, wire.limit).await?;
    match passage.hop.kind {
        ProxyKind::Http => http::connect(passage, wire, &target).await,
        ProxyKind::Https => {
            secure(passage, wire, started).await?;
            http::connect(passage, wire, &target).await
        }
        ProxyKind::Socks4 => socks::connect4(passage, wire, target).await,
        ProxyKind::Socks5 => socks::connect5(passage, wire, target).await,
    }
}

/// TLS to the proxy itself, inside whatever leads to it.
async fn secure(passage: &Passage<'_>, wire: &mut Wire, started: Instant) -> Result<(), Failure> {
    let security = &passage.context.security;
    let place = passage.hop.place();
    wire.wrap(async |mut conn: Conn| {
        let peer = std::mem::replace(&mut conn.info.peer, place);
        let mut secured = security.connect_proxy(conn, &passage.hop.host, started).await?;
        secured.info.peer = peer;
        // What a command is told about TLS is about the target's.
        secured.info.secured.clear();
        secured.info.tls = None;
        Ok(secured)
    })
    .await
}

/// Says that a proxy has been passed.
fn tell(passage: &Passage<'_>, wire: &Wire, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    let (host, port) = passage.target();
    let target = match Host::new(host) {
        Some(host) => Target { host, port }.to_string(),
        None => format!("{host}:{port}"),
    };
    let peer = wire.peer();
    let at = if passage.place == 0 { format!(" ({peer})") } else { String::new() };
    let talk = &passage.context.talk;
    talk.verbose(|| {
        let target = escape::terminal(target.as_bytes());
        format!("{}{at} opened the way to {target} in {:.1} ms.", passage.name(), seconds * 1e3)
    });
    talk.event(
        "proxy",
        json!({
            "kind": passage.hop.kind.name(), "proxy": passage.hop.place(),
            "hop": passage.place + 1, "of": passage.spec.proxies.len(),
            "peer": (passage.place == 0).then_some(peer), "target": target, "seconds": seconds,
        }),
    );
    if passage.is_last() {
        let names: Vec<_> = passage.spec.proxies.iter().map(ProxyHop::place).collect();
        talk.event(
            "connected",
            json!({
                "peer": target, "local": wire.local(), "protocol": "tcp", "proxies": names,
                "attempts": [],
            }),
        );
    }
}

/// Random bytes, or why there are none.
fn random<const N: usize>() -> Result<[u8; N], Failure> {
    sys::random::bytes()
        .map_err(|error: io::Error| Failure::Io { doing: "asking for random bytes".into(), error })
}
