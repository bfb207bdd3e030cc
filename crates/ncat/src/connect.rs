//! Connect mode.

#[cfg(unix)]
use std::path::Path;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conn::{Conn, Shape};
use endpoint::resolve::{Family, resolve};
use endpoint::{OpenError, Source, connect_stream};
use gate::Protocol;
use plan::{Connect, Plan, Transport};
use relay::{EndedBy, Outcome, Session, SessionError, Side, Totals};
use tokio::time::Instant;

use crate::exec;
use crate::exit::Exit;
use crate::fastopen::Held;
use crate::header;
use crate::local;
use crate::logs::is_unwritable;
use crate::lua::{self, Lua};
use crate::progress::Progress;
use crate::run::Context;
use crate::secure::{self, Insecure};
use crate::signals::Signals;
use crate::talk::{Talk, words};
use crate::task::Task;
use crate::through;
use crate::transports;

/// A connection, and what must be kept as long as it lives.
pub(crate) struct Opened {
    pub(crate) conn: Conn,
    #[cfg(unix)]
    _bound: Option<endpoint::unix::BoundPath>,
}

/// What must be kept as long as a connection lives.
#[cfg(all(feature = "lua", unix))]
pub(crate) type Kept = Option<endpoint::unix::BoundPath>;
#[cfg(all(feature = "lua", not(unix)))]
pub(crate) type Kept = Option<std::convert::Infallible>;

#[cfg(feature = "lua")]
impl Opened {
    /// The connection, and what must be kept with it.
    pub(crate) fn into_parts(self) -> (Conn, Kept) {
        #[cfg(unix)]
        return (self.conn, self._bound);
        #[cfg(not(unix))]
        (self.conn, None)
    }

    /// The reverse.
    pub(crate) fn from_parts(conn: Conn, kept: Option<Kept>) -> Self {
        #[cfg(not(unix))]
        let _ = kept;
        Self {
            conn,
            #[cfg(unix)]
            _bound: kept.flatten(),
        }
    }
}

/// Connects and joins the connection with standard input and output.
pub(crate) async fn run(context: &Context, spec: &Connect) -> Exit {
    let started = Instant::now();
    let mut signals = Signals::new();
    let launch = match exec::prepare(context) {
        Ok(launch) => launch,
        Err(error) => return context.open_failed(&error),
    };
    let opened = tokio::select! {
        opened = open(context, spec) => opened,
        signal = signals.next() => return Exit::Killed(signal),
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return context.open_failed(&error),
    };
    if let Some(launch) = launch {
        let facts = exec::Facts::of_connect(spec);
        return exec::run(context, launch, opened.conn, facts, &mut signals, Exit::Killed).await;
    }
    let local = match local::open(&context.gate, &context.plan, &context.logs) {
        Ok(local) => local,
        Err(error) => return context.open_failed(&error),
    };
    let held = Held::new(context, spec, &opened.conn, started);
    let is_message = opened.conn.shape == Shape::Message;
    let session = join(context, local, opened.conn, local::rules(&context.plan, false, is_message));
    tokio::select! {
        exit = finish(context, session, &mut signals, Exit::Killed) => exit,
        late = held.gives_up(context) => context.open_failed(&late),
    }
}

/// A session ready to run, with its strategies told.
pub(crate) struct Joined {
    pub(crate) session: Session,
    pub(crate) peer: String,
    pub(crate) expected: Option<u64>,
    /// The peer has ended its direction.
    pub(crate) remote_ended: Arc<AtomicBool>,
    started: Instant,
}

/// Dresses the remote side and joins the two.
pub(crate) fn join(context: &Context, local: Conn, remote: Conn, rules: relay::Rules) -> Joined {
    join_with(context, local, remote, rules, Arc::clone(&context.totals))
}

/// As [`join`], counting into `totals`.
pub(crate) fn join_with(
    context: &Context,
    local: Conn,
    remote: Conn,
    rules: relay::Rules,
    totals: Arc<Totals>,
) -> Joined {
    join_parts(&context.plan, &context.talk, &context.lua, local, remote, rules, totals)
}

/// As [`join_with`], for whoever outlives the context.
pub(crate) fn join_parts(
    plan: &Plan,
    talk: &Talk,
    lua: &Lua,
    local: Conn,
    remote: Conn,
    rules: relay::Rules,
    totals: Arc<Totals>,
) -> Joined {
    let peer = remote.info.peer.clone();
    let expected = local.info.expected;
    let remote = local::dress(plan, lua, remote);
    let mut session = Session::new(local, remote, rules, totals);
    let (send, recv) = session.choices();
    for (direction, choice) in [("send", send), ("recv", recv)] {
        talk.debug(|| format!("{direction}: {} ({})", choice.strategy.name(), choice.why));
    }
    let (talk, name) = (talk.clone(), peer.clone());
    let remote_ended = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&remote_ended);
    session.on_eof(move |side| {
        noted.fetch_or(side == Side::Remote, Ordering::Relaxed);
        let side = if side == Side::Remote { "remote" } else { "local" };
        talk.ended(&name, side);
    });
    Joined { session, peer, expected, remote_ended, started: Instant::now() }
}

/// Runs one session to its end, or until a signal; `ended` says how the program ends by one.
pub(crate) async fn finish(
    context: &Context,
    joined: Joined,
    signals: &mut Signals,
    ended: impl Fn(i32) -> Exit,
) -> Exit {
    let Joined { session, peer, expected, started, .. } = joined;
    let progress = Progress::start(&context.plan.talk, &context.totals, expected);
    // A task of its own is woken by its own descriptors alone: a byte that comes does not have us ask
    // every signal and timer as well.
    let mut session = Task::spawn(session.run());
    let outcome = tokio::select! {
        outcome = session.join() => outcome,
        signal = signals.next() => {
            let (sent, received) = context.totals.read();
            let ended_by = EndedBy::Stopped;
            let stopped = Outcome { sent, received, ended_by, error: None, losses: None };
            context.talk.closed(&peer, &stopped, started.elapsed());
            progress.finish();
            return ended(signal);
        }
        () = progress.run() => return Exit::Local,
    };
    progress.finish();
    context.talk.closed(&peer, &outcome, started.elapsed());
    conclude(context, &peer, &outcome)
}

/// Says how a session ended, and the exit code for it.
pub(crate) fn conclude(context: &Context, peer: &str, outcome: &Outcome) -> Exit {
    if let Some(error) = &outcome.error {
        return failed(context, peer, outcome, error);
    }
    match outcome.ended_by {
        EndedBy::Idle => {
            let limit = context.plan.limits.idle_timeout.unwrap_or_default().as_millis();
            let more = [format!("neither side moved a byte for that time (-i); peer {peer}")];
            context.talk.error(&format!("Idle timeout expired ({limit} ms)."), &more);
            Exit::Network
        }
        EndedBy::QuitTimer => {
            context.talk.verbose(|| "Quit timer expired (-q).".into());
            Exit::Done
        }
        _ => Exit::Done,
    }
}

fn failed(context: &Context, peer: &str, outcome: &Outcome, error: &SessionError) -> Exit {
    let reason = words(&error.error);
    let moved = format!("{} bytes sent, {} received", outcome.sent, outcome.received);
    if is_unwritable(&error.error) {
        let more = [format!("writing the transcript (-o, -x); {moved}; peer {peer}")];
        context.talk.error(&format!("{reason}. QUITTING."), &more);
        return Exit::Local;
    }
    match error.side {
        Side::LocalOutput => {
            let more = [format!("standard output; {moved} from {peer}")];
            context.talk.perror("write", &error.error, &more);
            Exit::Local
        }
        Side::LocalInput => {
            context
                .talk
                .error(&format!("{reason}."), &[format!("reading standard input; {moved}")]);
            Exit::Network
        }
        Side::Remote => {
            // A filter's fault ends the program: its line is shown whatever the level.
            if let Some((line, traceback)) = lua::fault(&error.error) {
                context.talk.debug(|| format!("stack traceback:\n{traceback}"));
                context.talk.error(&format!("{line}."), &[format!("peer {peer}; {moved}")]);
                return Exit::Network;
            }
            let mut more = vec![format!("peer {peer}; {moved}")];
            more.extend(secure::more(&error.error));
            if error.undelivered > 0 {
                more.push(format!("{} bytes are not known to have arrived", error.undelivered));
            }
            context.talk.error(&format!("{reason}."), &more);
            Exit::Network
        }
    }
}

/// Opens the connection a plan asks for, by way of the filters where there are any.
pub(crate) async fn open(context: &Context, spec: &Connect) -> Result<Opened, OpenError> {
    match context.lua.connect(context, spec).await {
        Some(opened) => opened,
        None => dial(context, spec).await,
    }
}

/// Opens the connection itself, and says so.
pub(crate) async fn dial(context: &Context, spec: &Connect) -> Result<Opened, OpenError> {
    let started = Instant::now();
    match spec.transport {
        Transport::Tcp if !spec.proxies.is_empty() => {
            let conn = through::stream(context, spec, started).await?;
            proxied(context, spec, conn, started).await
        }
        Transport::Tcp => stream(context, spec, Protocol::Tcp, started).await,
        Transport::Sctp => sctp(context, spec, started).await,
        Transport::Udp => udp(context, spec, started).await,
        Transport::UnixStream => {
            let opened = unix_stream(context, spec, started).await?;
            secure(context, opened, started).await
        }
        Transport::UnixDatagram => unix_datagram(context, spec),
        Transport::Vsock => {
            let conn = transports::vsock(context, spec, started).await?;
            secure(context, opened(conn), started).await
        }
        Transport::VsockDatagram => Err(transports::no_vsock_datagrams(&spec.host)),
    }
}

/// What goes before the data: a PROXY header, then TLS.
async fn introduce(
    context: &Context,
    spec: &Connect,
    mut conn: Conn,
    to: &str,
    started: Instant,
) -> Result<Conn, Insecure> {
    if let Some(protocol) = context.plan.proxy_protocol {
        let deadline = started + context.plan.limits.connect_timeout;
        header::send(protocol, &mut conn, to, deadline).await?;
    }
    context.security.connect(conn, Some(&spec.host), started).await
}

/// What follows the last proxy's word: TLS with the target, inside.
async fn proxied(
    context: &Context,
    spec: &Connect,
    mut conn: Conn,
    started: Instant,
) -> Result<Opened, OpenError> {
    // To TLS the peer is the target. To everybody else it stays the first proxy, as in Ncat.
    let proxy = std::mem::replace(&mut conn.info.peer, target(spec));
    let to = target(spec);
    let secured = introduce(context, spec, conn, &to, started).await;
    let mut conn = secured.map_err(|insecure| refused(target(spec), insecure))?;
    conn.info.peer = proxy;
    Ok(opened(conn))
}

/// Secures a connection to something that has no name.
async fn secure(context: &Context, opened: Opened, started: Instant) -> Result<Opened, OpenError> {
    let target = opened.conn.info.peer.clone();
    match context.security.connect(opened.conn, None, started).await {
        Ok(conn) => Ok(Opened { conn, ..opened }),
        Err(insecure) => Err(refused(target, insecure)),
    }
}

fn refused(target: String, insecure: Insecure) -> OpenError {
    OpenError::Insecure { target, reason: insecure.reason, more: insecure.more }
}

pub(crate) fn family(family: plan::Family) -> Family {
    match family {
        plan::Family::Any => Family::Any,
        plan::Family::V4 => Family::V4,
        plan::Family::V6 => Family::V6,
    }
}

pub(crate) fn target(spec: &Connect) -> String {
    if spec.host.contains(':') {
        format!("[{}]:{}", spec.host, spec.port)
    } else {
        format!("{}:{}", spec.host, spec.port)
    }
}

/// The target's addresses and the source to use, within the time for connecting.
async fn addresses(
    context: &Context,
    spec: &Connect,
    started: Instant,
) -> Result<(Vec<std::net::SocketAddr>, Source), OpenError> {
    let family = family(spec.family);
    let limit = context.plan.limits.connect_timeout;
    let look_up = async {
        let ip = match &spec.source_host {
            Some(host) => Some(resolve(host, 0, family, spec.numeric).await?[0].ip()),
            None => None,
        };
        let mut addrs = resolve(&spec.host, spec.port, family, spec.numeric).await?;
        if let Some(ip) = ip {
            // Only addresses of the source's family can be reached from it.
            let same: Vec<_> =
                addrs.iter().copied().filter(|addr| addr.is_ipv4() == ip.is_ipv4()).collect();
            if !same.is_empty() {
                addrs = same;
            }
        }
        let route = transports::route(spec).await?;
        Ok((addrs, Source { ip, port: spec.source_port, setup: context.setup.clone(), route }))
    };
    let timeout =
        || OpenError::Timeout { target: target(spec), attempts: Vec::new(), after: limit };
    tokio::time::timeout_at(started + limit, look_up).await.unwrap_or_else(|_| Err(timeout()))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
async fn sctp(context: &Context, spec: &Connect, started: Instant) -> Result<Opened, OpenError> {
    stream(context, spec, Protocol::Sctp, started).await
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
async fn sctp(_context: &Context, spec: &Connect, _started: Instant) -> Result<Opened, OpenError> {
    Err(unsupported(&target(spec), "--sctp"))
}

/// Connects by TCP or SCTP.
async fn stream(
    context: &Context,
    spec: &Connect,
    protocol: Protocol,
    started: Instant,
) -> Result<Opened, OpenError> {
    let (mut addrs, source) = addresses(context, spec, started).await?;
    let limit = context.plan.limits.connect_timeout;
    let failed = |attempt: &endpoint::Attempt, more| context.talk.attempt_failed(attempt, more);
    let (gate, target) = (&context.gate, target(spec));
    loop {
        let connected =
            connect_stream(gate, protocol, &target, &addrs, &source, started, limit, failed)
                .await?;
        let info = &connected.conn.info;
        context.talk.connected(&info.peer, &info.local, protocol.name(), &connected.attempts);
        let peer = info.peer.clone();
        let conn = connected.conn;
        match introduce(context, spec, conn, &peer, started).await {
            Ok(conn) => return Ok(opened(conn)),
            Err(insecure) => {
                // Who is not who it should be will not be somewhere else either; what speaks no TLS
                // on one address may do so on the next, as Ncat has it.
                addrs.retain(|addr| *addr != connected.addr);
                let is_over = Instant::now() >= started + limit;
                if insecure.is_authentication || addrs.is_empty() || is_over {
                    return Err(refused(peer, insecure));
                }
                context.talk.next_address(&peer, &insecure.reason);
            }
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
async fn udp(context: &Context, spec: &Connect, started: Instant) -> Result<Opened, OpenError> {
    if !spec.proxies.is_empty() {
        return Ok(opened(through::datagrams(context, spec, started).await?));
    }
    let (addrs, source) = addresses(context, spec, started).await?;
    let mut waiting = addrs.iter();
    let mut addr = waiting.next().copied().unwrap_or(addrs[0]);
    loop {
        let conn = endpoint::udp::connect(&context.gate, &target(spec), addr, &source)?;
        context.talk.connected(&conn.info.peer, &conn.info.local, "udp", &[]);
        let peer = conn.info.peer.clone();
        match context.security.connect(conn, Some(&spec.host), started).await {
            Ok(conn) => return Ok(opened(conn)),
            Err(insecure) => {
                // With DTLS, and so an answer or none, the next address may be the right one.
                let is_over = Instant::now() >= started + context.plan.limits.connect_timeout;
                let next = waiting.next().filter(|_| !is_over && !insecure.is_authentication);
                let Some(next) = next else { return Err(refused(peer, insecure)) };
                context.talk.next_address(&peer, &insecure.reason);
                addr = *next;
            }
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
async fn udp(_context: &Context, spec: &Connect, _started: Instant) -> Result<Opened, OpenError> {
    Err(unsupported(&target(spec), "-u"))
}

#[cfg(unix)]
async fn unix_stream(
    context: &Context,
    spec: &Connect,
    started: Instant,
) -> Result<Opened, OpenError> {
    let source = spec.source_host.as_deref().map(Path::new);
    let path = Path::new(&spec.host);
    let limit = context.plan.limits.connect_timeout;
    let (conn, bound) =
        endpoint::unix::connect(&context.gate, path, source, &context.setup, started, limit)
            .await?;
    context.talk.connected(&conn.info.peer, &conn.info.local, "unix", &[]);
    Ok(Opened { conn, _bound: bound })
}

#[cfg(not(unix))]
async fn unix_stream(
    _context: &Context,
    spec: &Connect,
    _started: Instant,
) -> Result<Opened, OpenError> {
    Err(unsupported(&spec.host, "-U"))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn unix_datagram(context: &Context, spec: &Connect) -> Result<Opened, OpenError> {
    let source = match &spec.source_host {
        Some(path) => PathBuf::from(path),
        None => temporary_path(),
    };
    context.talk.verbose(|| format!("Using {} as our own address.", source.display()));
    let conn =
        endpoint::udp::connect_unix(&context.gate, Path::new(&spec.host), &source, &context.setup)?;
    context.talk.connected(&conn.info.peer, &conn.info.local, "unix-dgram", &[]);
    Ok(opened(conn))
}

/// A name nobody else uses: the process and the time make it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn temporary_path() -> PathBuf {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos());
    std::env::temp_dir().join(format!("ncat.{}.{nanos:x}", std::process::id()))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn unix_datagram(_context: &Context, spec: &Connect) -> Result<Opened, OpenError> {
    Err(unsupported(&spec.host, "-U with -u"))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn unsupported(target: &str, option: &str) -> OpenError {
    let last = std::io::Error::new(
        std::io::ErrorKind::Unsupported,
        format!("{option} is not available on this system yet"),
    );
    OpenError::Connect { target: target.into(), attempts: Vec::new(), last }
}

fn opened(conn: Conn) -> Opened {
    Opened {
        conn,
        #[cfg(unix)]
        _bound: None,
    }
}
