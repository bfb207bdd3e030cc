//! `-l --proxy-type`: a proxy server. Clients say where they want to be connected to, over HTTP or
//! SOCKS; each has one task, and the connection it asked for is a relay session like any other.

mod ask;
mod associate;
mod auth;
mod dial;
mod exchange;
mod http;
mod pool;
mod record;
mod reply;
mod socks;
mod tunnel;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use conn::Conn;
use endpoint::listen::StreamListener;
use endpoint::options::Setup;
use endpoint::resolve::Family;
use gate::{Address, Gatekeeper};
use plan::{Destinations, Limits, Listen, Plan, ProxyServer, ServerKind};
use proto::socks::{VERSION_4, VERSION_5};
use relay::Totals;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::connect::family;
use crate::door::{Door, Pass};
use crate::exit::Exit;
use crate::listen::{self, Listeners};
use crate::lua::Lua;
use crate::progress::Progress;
use crate::run::Context;
use crate::signals::Signals;
use crate::talk::{Talk, words};

pub(crate) use self::auth::Users;
use self::pool::Pool;
use self::record::Record;
use self::wire::Wire;

/// Descriptors of one client: its own connection and the one it asked for.
pub(crate) const DESCRIPTORS_PER_CLIENT: u64 = 2;

/// So many clients leave memory that is worth giving back when half of them have gone.
const CROWD: usize = 64;

/// The first byte of a TLS connection (RFC 8446, section 5.1); of no HTTP method.
const TLS_HANDSHAKE: u8 = 22;

/// What every client's task needs; one copy for all of them.
struct Server {
    kind: ServerKind,
    destinations: Destinations,
    gate: Gatekeeper,
    talk: Talk,
    setup: Setup,
    plan: Plan,
    limits: Limits,
    family: Family,
    numeric: bool,
    totals: Arc<Totals>,
    /// Where we listen.
    own: Vec<SocketAddr>,
    /// Our name in `Via`, which no other proxy has.
    via: String,
    pool: Pool,
    users: Users,
    lua: Lua,
}

/// Reads who may use the proxy the plan asks for, before anything is bound.
pub(crate) fn prepare(context: &Context, spec: &Listen) -> Result<Option<Users>, Exit> {
    let users = spec.proxy.as_ref().map(|proxy| Users::prepare(&proxy.users)).transpose();
    users.map_err(|reason| {
        context.talk.error(&format!("{reason}. QUITTING."), &[]);
        Exit::Local
    })
}

/// Serves clients until a signal.
pub(crate) async fn serve(
    context: &Context,
    spec: &Listen,
    proxy: &ProxyServer,
    users: Users,
    listeners: Listeners,
    door: &Arc<Door>,
    signals: &mut Signals,
) -> Exit {
    let own = listeners.bound().into_iter();
    let own = own.filter_map(|(at, _)| match at {
        Address::Inet(addr) => Some(addr),
        _ => None,
    });
    let server = Arc::new(Server::new(context, spec, proxy, users, own.collect()));
    warn_open(context, &server);
    let progress = Progress::start(&context.plan.talk, &context.totals, None);
    let exit = tokio::select! {
        exit = admit_all(context, listeners, door, &server) => exit,
        signal = signals.next() => Exit::Signal(u8::try_from(signal).unwrap_or(0)),
        () = server.pool.tidy() => Exit::Local,
        () = progress.run() => Exit::Local,
    };
    progress.finish();
    exit
}

impl Server {
    fn new(
        context: &Context,
        spec: &Listen,
        proxy: &ProxyServer,
        users: Users,
        own: Vec<SocketAddr>,
    ) -> Self {
        use std::hash::{BuildHasher, Hasher};
        // Differs from process to process, which is all that a loop's detection needs.
        let number = std::hash::RandomState::new().build_hasher().finish();
        Self {
            kind: proxy.kind,
            destinations: proxy.destinations.clone(),
            gate: context.gate.clone(),
            talk: context.talk.clone(),
            setup: context.setup.clone(),
            plan: context.plan.clone(),
            limits: context.plan.limits,
            family: family(spec.family),
            numeric: spec.numeric,
            totals: Arc::clone(&context.totals),
            own,
            via: format!("ncat-{number:016x}"),
            pool: Pool::default(),
            users,
            lua: context.lua.clone(),
        }
    }

    /// Counts what did not pass through a session.
    fn totals_add(&self, sent: u64, received: u64) {
        self.totals.add(sent, received);
    }

    /// One client, from its first byte to its last.
    async fn client(self: Arc<Self>, conn: Conn, _pass: Pass) {
        let until = Instant::now() + self.limits.connect_timeout;
        let mut wire = Wire::new(self.lua.wrap(&self.plan, conn));
        match timeout_at(until, wire.fill()).await {
            Ok(Ok(true)) => {}
            _ => return,
        }
        let first = wire.input.front().and_then(|piece| piece.first().copied()).unwrap_or_default();
        match first {
            VERSION_4 if self.kind.has_socks4() => self.serve_socks(wire, first, until).await,
            VERSION_5 if self.kind.has_socks5() => self.serve_socks(wire, first, until).await,
            TLS_HANDSHAKE if self.kind.has_http() => self.refuse_tls(wire).await,
            // Everything else is for HTTP to understand, or to refuse in words.
            _ if self.kind.has_http() => self.serve_http(wire, until).await,
            _ => {
                let mut record = Record::new(self.kind.name(), &wire.conn.info.peer);
                record.why = format!("the first byte is {first}, which begins no SOCKS dialogue");
                self.note(&record);
            }
        }
    }
}

/// Says so when anybody on the network may use us for anything.
fn warn_open(context: &Context, server: &Server) {
    let is_open = server.own.iter().any(|own| !own.ip().to_canonical().is_loopback());
    if is_open && !server.users.is_asked() {
        context.talk.error(
            "Warning: this proxy serves whoever can reach it.",
            &["hint: --proxy-auth asks for a password, --allow names the clients, and an address \
               before the port (127.0.0.1) is the only one listened on"
                .into()],
        );
    }
}

/// Accepts for ever.
async fn admit_all(
    context: &Context,
    listeners: Listeners,
    door: &Arc<Door>,
    server: &Arc<Server>,
) -> Exit {
    let Listeners::Streams { listeners, protocol, .. } = &listeners else { return Exit::Local };
    let listeners: &[StreamListener] = listeners;
    let mut clients = JoinSet::new();
    // The most there were since memory was given back.
    let mut most = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listen::accept(context, listeners) => accepted,
            // What is left of a client who is gone goes now, and not with the next who comes.
            Some(_) = clients.join_next(), if !clients.is_empty() => {
                if most >= CROWD && clients.len() < most / 2 {
                    sys::memory::give_back();
                    most = clients.len();
                }
                continue;
            }
        };
        let accepted = match accepted {
            Ok(Some(accepted)) => accepted,
            Ok(None) => continue,
            Err(error) => {
                context.talk.error(&format!("accept: {}.", words(&error)), &[]);
                return Exit::Network;
            }
        };
        door.make_room(|| {}).await;
        let name = accepted.conn.info.peer.clone();
        if let Some(pass) = door.admit(context, &accepted.peer, &name, *protocol) {
            clients.spawn(client(context, door, Arc::clone(server), accepted.conn, pass));
        }
        most = most.max(clients.len());
        // Those who are in get their turn before the next one comes.
        tokio::task::yield_now().await;
    }
}

/// One client as a task, its handshake first where there is TLS.
fn client(
    context: &Context,
    door: &Door,
    server: Arc<Server>,
    conn: Conn,
    pass: Pass,
) -> impl Future<Output = ()> + Send + use<> {
    let peer = conn.info.peer.clone();
    // Of its own on the heap, as each part of a client's life that is over long before the client is:
    // a task is as large as the largest of what it holds.
    let secured = Box::pin(door.receive(context, conn));
    async move {
        match secured.await {
            Ok(conn) => server.client(conn, pass).await,
            Err(insecure) => server.talk.insecure(&peer, &insecure.reason, &insecure.more),
        }
    }
}
