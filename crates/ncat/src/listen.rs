//! Listen mode: binding, access, one client or many.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conn::Conn;
use endpoint::listen::{StreamListener, accept_any, is_passing};
use endpoint::resolve::resolve;
use endpoint::{OpenError, listen};
use plan::access::AccessRules;
use plan::{Family, Listen, ProxyProtocol, Transport};

use crate::clients;
use crate::connect::{self, family};
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::datagrams::{Datagrams, Driver};
use crate::door::Door;
use crate::exec;
use crate::exit::Exit;
use crate::header::Expected;
use crate::local;
use crate::proxy;
use crate::run::Context;
use crate::signals::Signals;
use crate::talk::words;
use crate::transports;

/// Pause when the system has no descriptor left for a client who waits.
const NO_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(100);

/// How often the system is asked for a port that is free in both families.
const COMMON_PORT_TRIES: u32 = 20;

/// What is listened on.
pub(crate) enum Listeners {
    /// TCP, SCTP, Unix or vsock streams.
    Streams {
        listeners: Vec<StreamListener>,
        protocol: gate::Protocol,
        #[cfg(unix)]
        _path: Option<endpoint::unix::BoundPath>,
    },
    /// UDP or Unix datagrams.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Datagrams(Datagrams),
}

impl Listeners {
    /// Where, and by what.
    pub(crate) fn bound(&self) -> Vec<(gate::Address, gate::Protocol)> {
        match self {
            Self::Streams { listeners, protocol, .. } => {
                listeners.iter().map(|listener| (listener.at.clone(), *protocol)).collect()
            }
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Datagrams(datagrams) => {
                let listeners = datagrams.listeners.iter();
                listeners.map(|listener| (listener.at.clone(), datagrams.protocol)).collect()
            }
        }
    }

    /// How many sockets.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Streams { listeners, .. } => listeners.len(),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Datagrams(datagrams) => datagrams.listeners.len(),
        }
    }
}

/// Listens and serves.
pub(crate) async fn run(context: &Context, spec: &Listen) -> Exit {
    let renewal = context.security.renewal(&context.plan);
    let renewal = renewal.or_else(|| context.lua.renewal(&context.plan));
    let mut signals = Signals::with_renewal(renewal);
    let launch = match exec::prepare(context) {
        Ok(launch) => launch,
        Err(error) => return context.open_failed(&error),
    };
    if spec.keep_open {
        raise_descriptor_limit(context, spec);
    }
    let access = match load_access(context, spec, &spec.access).await {
        Ok(access) => Arc::new(access),
        Err(exit) => return exit,
    };
    let header = match expected_header(context, spec, &access).await {
        Ok(header) => header,
        Err(exit) => return exit,
    };
    let users = match proxy::prepare(context, spec) {
        Ok(users) => users,
        Err(exit) => return exit,
    };
    let listeners = match open(context, spec).await {
        Ok(listeners) => listeners,
        Err(error) => return context.open_failed(&error),
    };
    context.readiness.listening(context, &listeners.bound());
    let door = Door::new(context.talk.clone(), access, spec.max_conns);
    let door = Arc::new(door.with_header(header));
    if let (Some(server), Some(users)) = (&spec.proxy, users) {
        return proxy::serve(context, spec, server, users, listeners, &door, &mut signals).await;
    }
    if spec.keep_open {
        return clients::serve(context, spec, launch, listeners, door, &mut signals).await;
    }
    let ended = |signal| Exit::Signal(u8::try_from(signal).unwrap_or(0));
    let client = tokio::select! {
        client = first_client(context, listeners, &door) => client,
        signal = signals.next() => return ended(signal),
    };
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            context.talk.error(&format!("{}. QUITTING.", words(&error)), &[]);
            return Exit::Network;
        }
    };
    let client = tokio::select! {
        secured = receive(context, &door, client) => match secured {
            Ok(client) => client,
            Err(exit) => return exit,
        },
        signal = signals.next() => return ended(signal),
    };
    if let Some(launch) = launch {
        let facts = exec::Facts::of_listen(spec);
        return exec::run(context, launch, client.conn, facts, &mut signals, ended).await;
    }
    let local = match local::open(&context.gate, &context.plan, &context.logs) {
        Ok(local) => local,
        Err(error) => return context.open_failed(&error),
    };
    let rules = local::rules(&context.plan, true, spec.transport.is_message());
    let joined = connect::join(context, local, client.conn, rules);
    connect::finish(context, joined, &mut signals, ended).await
}

/// The one client of a listener without `-k`, and what must live as long as it does.
struct Only {
    conn: Conn,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    _driver: Option<Driver>,
}

/// Waits for a client that may come in. A client who may not does not use up the listener; once
/// one is in, nobody else is listened to.
async fn first_client(
    context: &Context,
    listeners: Listeners,
    door: &Arc<Door>,
) -> io::Result<Only> {
    match listeners {
        Listeners::Streams { listeners, protocol, .. } => loop {
            let accepted = match accept(context, &listeners).await? {
                Some(accepted) => accepted,
                None => continue,
            };
            let name = accepted.conn.info.peer.clone();
            if let Some(pass) = door.admit(context, &accepted.peer, &name, protocol) {
                // Its place is kept for the whole run.
                std::mem::forget(pass);
                break Ok(Only {
                    conn: accepted.conn,
                    #[cfg(any(target_os = "linux", target_os = "android"))]
                    _driver: None,
                });
            }
        },
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Listeners::Datagrams(datagrams) => {
            let (conn, driver) = datagrams.first_peer(context, door).await?;
            Ok(Only { conn, _driver: driver })
        }
    }
}

/// Takes the one client's PROXY header and gives it its handshake, where there are; a failure ends the run.
async fn receive(context: &Context, door: &Door, client: Only) -> Result<Only, Exit> {
    if !door.receives(context) {
        return Ok(client);
    }
    let peer = client.conn.info.peer.clone();
    match door.receive(context, client.conn).await {
        Ok(conn) => Ok(Only { conn, ..client }),
        Err(insecure) => {
            let what = if context.security.is_wanted() { "SSL connection" } else { "connection" };
            let first = format!("Failed {what} from {peer}: {}.", insecure.reason);
            context.talk.error(&first, &insecure.more);
            context.talk.connect_failed(&peer, &insecure.reason, &[]);
            Err(Exit::Network)
        }
    }
}

/// The next client; `None` when one came to nothing or there was no descriptor for it.
pub(crate) async fn accept(
    context: &Context,
    listeners: &[StreamListener],
) -> io::Result<Option<listen::Accepted>> {
    match accept_any(listeners).await {
        Ok(accepted) => Ok(Some(accepted)),
        Err(error) if is_passing(&error) => Ok(None),
        Err(error) if is_exhaustion(&error) => {
            context.talk.verbose(|| {
                format!("accept: {}; a client waits until one leaves (ulimit -n)", words(&error))
            });
            tokio::time::sleep(NO_DESCRIPTORS_PAUSE).await;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Errors of accept(2) that pass when a client leaves: EMFILE, ENFILE, ENOBUFS, ENOMEM.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23 | 105 | 12))
}

#[cfg(unix)]
fn raise_descriptor_limit(context: &Context, spec: &Listen) {
    // Each client takes one descriptor, more with a command; the rest is for ourselves.
    let each = match (&context.plan.exec, &spec.proxy) {
        (Some(_), _) => exec::DESCRIPTORS_PER_CLIENT,
        (None, Some(_)) => proxy::DESCRIPTORS_PER_CLIENT,
        (None, None) => 1,
    };
    let wanted = u64::from(spec.max_conns).saturating_mul(each) + 32;
    if let Some(limit) = sys::fd::raise_descriptor_limit(wanted)
        && limit < wanted
    {
        context.talk.verbose(|| {
            format!("Warning: {limit} descriptors are fewer than -m {} needs", spec.max_conns)
        });
    }
}

#[cfg(not(unix))]
fn raise_descriptor_limit(_context: &Context, _spec: &Listen) {}

/// Reads access files and looks up the names in them, once, before anything is bound.
async fn load_access(
    context: &Context,
    spec: &Listen,
    access: &plan::AccessSpec,
) -> Result<AccessRules, Exit> {
    if *access == plan::AccessSpec::default() {
        return Ok(AccessRules::default());
    }
    let (access, family, numeric) = (access.clone(), family(spec.family), spec.numeric);
    let load = move || {
        AccessRules::load(
            &access,
            &mut |path| Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned()),
            &mut |host| {
                let found = sys::resolve::resolve(host, 0, family, numeric)?;
                Ok(found.into_iter().map(|addr| addr.ip()).collect())
            },
        )
    };
    let loaded = tokio::task::spawn_blocking(load).await;
    let error = match loaded {
        Ok(Ok(access)) => return Ok(access),
        Ok(Err(error)) => error,
        Err(_) => return Err(Exit::Local),
    };
    let mut lines = VecDeque::from([error.to_string()]);
    if let Some(subject) = error.subject() {
        lines.push_back(subject);
    }
    let hint = error.hint().map(|hint| format!("hint: {hint}"));
    let last = lines.pop_back().unwrap_or_default();
    for line in lines {
        context.talk.error(&line, &[]);
    }
    context.talk.error(&last, &Vec::from_iter(hint));
    Err(Exit::Local)
}

/// The PROXY header that clients are to send, with the names in `--proxy-protocol-from` looked up.
async fn expected_header(
    context: &Context,
    spec: &Listen,
    access: &Arc<AccessRules>,
) -> Result<Option<Expected>, Exit> {
    let Some(from) = &context.plan.header_from else { return Ok(None) };
    Ok(Some(Expected {
        is_required: context.plan.proxy_protocol == Some(ProxyProtocol::Require),
        trusted: load_access(context, spec, from).await?,
        access: Arc::clone(access),
        limit: context.plan.limits.connect_timeout,
        talk: context.talk.clone(),
    }))
}

/// Binds everything the plan asks for.
async fn open(context: &Context, spec: &Listen) -> Result<Listeners, OpenError> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if context.plan.ready.is_handed {
        return crate::handed::open(context, spec).await;
    }
    match spec.transport {
        Transport::Tcp => stream(context, spec, gate::Protocol::Tcp).await,
        Transport::Sctp => sctp(context, spec).await,
        Transport::Udp => udp(context, spec).await,
        Transport::UnixStream => unix_stream(context, spec),
        Transport::UnixDatagram => unix_datagram(context, spec),
        Transport::Vsock => vsock(context, spec),
        Transport::VsockDatagram => Err(transports::no_vsock_datagram_listener(spec)),
    }
}

/// The addresses to bind: one for a host; without, IPv6 then IPv4, every address or this machine's own.
async fn addresses(spec: &Listen) -> Result<Vec<SocketAddr>, OpenError> {
    if let Some(host) = &spec.host {
        let found = resolve(host, spec.port, family(spec.family), spec.numeric).await?;
        return Ok(found.into_iter().take(1).collect());
    }
    let (v6, v4) = match spec.loopback {
        true => (Ipv6Addr::LOCALHOST, Ipv4Addr::LOCALHOST),
        false => (Ipv6Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED),
    };
    let v6 = SocketAddr::new(IpAddr::V6(v6), spec.port);
    let v4 = SocketAddr::new(IpAddr::V4(v4), spec.port);
    Ok(match spec.family {
        Family::Any => vec![v6, v4],
        Family::V4 => vec![v4],
        Family::V6 => vec![v6],
    })
}

/// Binds each address. A family that this system does not have is skipped when another works. With
/// port 0 both families get one port, unless none is found that is free in both.
fn bind_each<L>(
    context: &Context,
    addrs: &[SocketAddr],
    mut bind: impl FnMut(SocketAddr) -> Result<L, OpenError>,
    at: impl Fn(&L) -> &gate::Address,
) -> Result<Vec<L>, OpenError> {
    let mut bound: Vec<L> = Vec::new();
    let mut missing = None;
    let mut tries = COMMON_PORT_TRIES;
    let mut waiting = addrs.iter();
    while let Some(addr) = waiting.next() {
        let mut wanted = *addr;
        if wanted.port() == 0
            && let Some(gate::Address::Inet(first)) = bound.first().map(&at)
        {
            wanted.set_port(first.port());
        }
        let mut opened = bind(wanted);
        if opened.is_err() && wanted.port() != addr.port() {
            // The system chose a port that is free in the first family only; it may choose again.
            if tries > 0 {
                tries -= 1;
                bound.clear();
                waiting = addrs.iter();
                continue;
            }
            opened = bind(*addr);
        }
        match opened {
            Ok(listener) => bound.push(listener),
            Err(OpenError::Bind { at, error }) if addrs.len() > 1 && is_missing(&error) => {
                context.talk.debug(|| format!("this system has no {addr}: {}", words(&error)));
                missing = Some(OpenError::Bind { at, error });
            }
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if bound.is_empty() => Err(error),
        _ => Ok(bound),
    }
}

/// The system does not have the family, or not on its loopback interface.
fn is_missing(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

#[cfg(target_os = "linux")]
const EAFNOSUPPORT: i32 = 97;
#[cfg(all(unix, not(target_os = "linux")))]
const EAFNOSUPPORT: i32 = 47;
#[cfg(windows)]
const EAFNOSUPPORT: i32 = 10047;

#[cfg(any(target_os = "linux", target_os = "android"))]
async fn sctp(context: &Context, spec: &Listen) -> Result<Listeners, OpenError> {
    stream(context, spec, gate::Protocol::Sctp).await
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
async fn sctp(_context: &Context, _spec: &Listen) -> Result<Listeners, OpenError> {
    Err(connect::unsupported("listener", "--sctp"))
}

fn vsock(context: &Context, spec: &Listen) -> Result<Listeners, OpenError> {
    Ok(Listeners::Streams {
        listeners: vec![transports::vsock_listener(context, spec)?],
        protocol: gate::Protocol::Vsock,
        #[cfg(unix)]
        _path: None,
    })
}

/// Listens by TCP or SCTP.
async fn stream(
    context: &Context,
    spec: &Listen,
    protocol: gate::Protocol,
) -> Result<Listeners, OpenError> {
    let addrs = addresses(spec).await?;
    let bind = |addr| listen::inet(&context.gate, protocol, addr, &context.setup);
    let listeners = bind_each(context, &addrs, bind, |listener: &StreamListener| &listener.at)?;
    for listener in &listeners {
        context.talk.listening(&listener.at, protocol.name());
    }
    Ok(Listeners::Streams {
        listeners,
        protocol,
        #[cfg(unix)]
        _path: None,
    })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
async fn udp(context: &Context, spec: &Listen) -> Result<Listeners, OpenError> {
    use endpoint::udp;
    let addrs = addresses(spec).await?;
    let (sender, arrivals) = tokio::sync::mpsc::unbounded_channel();
    let bind =
        |addr| udp::listen(&context.gate, addr, !spec.keep_open, sender.clone(), &context.setup);
    let listeners = bind_each(context, &addrs, bind, |listener: &udp::Listener| &listener.at)?;
    for listener in &listeners {
        context.talk.listening(&listener.at, "udp");
    }
    Ok(Listeners::Datagrams(Datagrams { listeners, arrivals, protocol: gate::Protocol::Udp }))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
async fn udp(_context: &Context, _spec: &Listen) -> Result<Listeners, OpenError> {
    Err(connect::unsupported("listener", "-u"))
}

#[cfg(unix)]
fn unix_stream(context: &Context, spec: &Listen) -> Result<Listeners, OpenError> {
    let path = Path::new(spec.host.as_deref().unwrap_or_default());
    let (listener, bound) = endpoint::unix::listen(&context.gate, path, &context.setup)?;
    context.talk.listening(&listener.at, "unix");
    let protocol = gate::Protocol::UnixStream;
    Ok(Listeners::Streams { listeners: vec![listener], protocol, _path: Some(bound) })
}

#[cfg(not(unix))]
fn unix_stream(_context: &Context, _spec: &Listen) -> Result<Listeners, OpenError> {
    Err(connect::unsupported("listener", "-U"))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn unix_datagram(context: &Context, spec: &Listen) -> Result<Listeners, OpenError> {
    let path = Path::new(spec.host.as_deref().unwrap_or_default());
    let (sender, arrivals) = tokio::sync::mpsc::unbounded_channel();
    let listener =
        endpoint::udp::listen_unix(&context.gate, path, !spec.keep_open, sender, &context.setup)?;
    context.talk.listening(&listener.at, "unix-dgram");
    let (listeners, protocol) = (vec![listener], gate::Protocol::UnixDatagram);
    Ok(Listeners::Datagrams(Datagrams { listeners, arrivals, protocol }))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn unix_datagram(_context: &Context, _spec: &Listen) -> Result<Listeners, OpenError> {
    Err(connect::unsupported("listener", "-U with -u"))
}
