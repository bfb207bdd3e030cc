//! Connections that filters make for themselves: through the same doors as the user's own.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use conn::Conn;
use endpoint::resolve::{Family, resolve};
use endpoint::{OpenError, Source, connect_stream};
use gate::Protocol;
use lua::filter::{Failure, Network, Order, Pending, Target};
use plan::{Connect, Mode, TlsSpec, Transport};
use tokio::time::{Instant, timeout_at};

use super::filters::failure;
use crate::connect;
use crate::run::Context;
use crate::secure;
use crate::through;

/// The run, as long as it lasts.
pub(super) struct Outside(pub(super) Weak<Context>);

fn no_run() -> Failure {
    Failure { code: "CANCELLED", detail: "the program is about to end".into() }
}

fn too_late() -> Failure {
    Failure { code: "TIMEOUT", detail: "TIMEOUT".into() }
}

impl Network for Outside {
    fn connect(&self, order: Order) -> Pending<Conn> {
        let run = self.0.upgrade();
        Box::pin(async move {
            let context = run.ok_or_else(no_run)?;
            let started = Instant::now();
            let limit = order.limit.unwrap_or(context.plan.limits.connect_timeout);
            let deadline = started + limit;
            let opened = timeout_at(deadline, open(&context, &order, started, limit)).await;
            let conn = opened.map_err(|_| too_late())?.map_err(|error| failure(&error))?;
            let (peer, local) = (&conn.info.peer, &conn.info.local);
            context.talk.debug(|| format!("a filter connected {local} to {peer}"));
            let Some(spec) = &order.tls else { return Ok(conn) };
            secured(&context, spec, false, conn, Some(&order.host), deadline).await
        })
    }

    fn resolve(&self, host: String) -> Pending<Vec<IpAddr>> {
        let run = self.0.upgrade();
        Box::pin(async move {
            let context = run.ok_or_else(no_run)?;
            let (family, numeric) = lookup(&context);
            let found = timeout_at(
                Instant::now() + context.plan.limits.connect_timeout,
                resolve(&host, 0, family, numeric),
            );
            let found = found.await.map_err(|_| too_late())?.map_err(|error| failure(&error))?;
            Ok(found.into_iter().map(|addr| addr.ip()).collect())
        })
    }

    fn secure(
        &self,
        conn: Conn,
        spec: TlsSpec,
        listens: bool,
        host: Option<String>,
    ) -> Pending<Conn> {
        let run = self.0.upgrade();
        Box::pin(async move {
            let context = run.ok_or_else(no_run)?;
            let deadline = Instant::now() + context.plan.limits.connect_timeout;
            secured(&context, &spec, listens, conn, host.as_deref(), deadline).await
        })
    }
}

async fn secured(
    context: &Context,
    spec: &TlsSpec,
    listens: bool,
    conn: Conn,
    host: Option<&str>,
    deadline: Instant,
) -> Result<Conn, Failure> {
    let talk = &context.talk;
    let limit = deadline.saturating_duration_since(Instant::now());
    let secured = secure::begin(spec, listens, conn, host, talk, deadline, limit).await;
    secured.map_err(|insecure| Failure { code: "TLS", detail: insecure.reason })
}

/// `-4`, `-6` and `-n` hold for filters too.
fn lookup(context: &Context) -> (Family, bool) {
    let (family, numeric) = match &context.plan.mode {
        Mode::Connect(spec) | Mode::Probe(spec) => (spec.family, spec.numeric),
        Mode::Listen(spec) => (spec.family, spec.numeric),
    };
    (connect::family(family), numeric)
}

/// The proxies that the user named, on the way to somewhere else.
fn through_proxies(context: &Context, order: &Order) -> Option<Connect> {
    let (Mode::Connect(spec) | Mode::Probe(spec)) = &context.plan.mode else { return None };
    (order.inherits_proxy && !spec.proxies.is_empty()).then(|| Connect {
        transport: Transport::Tcp,
        host: order.host.clone(),
        port: order.port,
        ..spec.clone()
    })
}

async fn open(
    context: &Context,
    order: &Order,
    started: Instant,
    limit: Duration,
) -> Result<Conn, OpenError> {
    if order.transport.is_unix() {
        return unix(context, order, started, limit).await;
    }
    if let Some(spec) = through_proxies(context, order) {
        return through::stream(context, &spec, started).await;
    }
    let (family, numeric) = lookup(context);
    let mut addrs = resolve(&order.host, order.port, family, numeric).await?;
    let source = source(context, order.bind.as_ref(), family, numeric).await?;
    if let Some(ip) = source.ip
        && addrs.iter().any(|addr| addr.is_ipv4() == ip.is_ipv4())
    {
        addrs.retain(|addr| addr.is_ipv4() == ip.is_ipv4());
    }
    if order.transport == Transport::Udp {
        return udp(context, order, addrs[0], &source);
    }
    let target = target(order);
    let told = |_: &endpoint::Attempt, _| {};
    let tcp = Protocol::Tcp;
    let connected =
        connect_stream(&context.gate, tcp, &target, &addrs, &source, started, limit, told).await?;
    Ok(connected.conn)
}

fn target(order: &Order) -> String {
    match order.host.contains(':') {
        true => format!("[{}]:{}", order.host, order.port),
        false => format!("{}:{}", order.host, order.port),
    }
}

async fn source(
    context: &Context,
    bind: Option<&Target>,
    family: Family,
    numeric: bool,
) -> Result<Source, OpenError> {
    let setup = context.setup.clone();
    let Some((host, port)) = bind else { return Ok(Source { setup, ..Source::default() }) };
    let ip = Some(resolve(host, 0, family, numeric).await?[0].ip());
    Ok(Source { ip, port: *port, setup, route: None })
}

#[cfg(unix)]
async fn unix(
    context: &Context,
    order: &Order,
    started: Instant,
    limit: Duration,
) -> Result<Conn, OpenError> {
    let path = std::path::Path::new(&order.host);
    let (gate, setup) = (&context.gate, &context.setup);
    let (conn, _) = endpoint::unix::connect(gate, path, None, setup, started, limit).await?;
    Ok(conn)
}

#[cfg(not(unix))]
async fn unix(
    _context: &Context,
    order: &Order,
    _started: Instant,
    _limit: Duration,
) -> Result<Conn, OpenError> {
    Err(connect::unsupported(&order.host, "-U"))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn udp(
    context: &Context,
    order: &Order,
    addr: SocketAddr,
    source: &Source,
) -> Result<Conn, OpenError> {
    endpoint::udp::connect(&context.gate, &target(order), addr, source)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn udp(
    _context: &Context,
    order: &Order,
    _addr: SocketAddr,
    _source: &Source,
) -> Result<Conn, OpenError> {
    Err(connect::unsupported(&target(order), "-u"))
}

/// Has the filters' connections made by this run.
pub(super) fn attach(engine: &lua::filter::Engine, context: &Arc<Context>) {
    engine.attach(Arc::new(Outside(Arc::downgrade(context))));
}
