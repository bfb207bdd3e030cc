//! `-k`: many clients share standard input and output through a hub.

use std::collections::HashSet;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use conn::Conn;
use endpoint::hub::{Hub, HubError, SlowReader, hub};
use gate::{Action, Address, Gatekeeper, Protocol};
use plan::access::AccessRules;
use plan::{EofPolicy, Flow, Listen, Quit};
use relay::{EndedBy, Outcome, Rules, Totals};
use tokio::task::{JoinHandle, JoinSet};

use crate::connect::{Joined, join_with};
use crate::exit::Exit;
use crate::listen::{self, Listeners};
use crate::local;
use crate::logs::is_unwritable;
use crate::run::Context;
use crate::signals::Signals;
use crate::talk::{Talk, words};

/// How long a datagram peer of a `-k` listener is remembered without a datagram either way when
/// `-i` is not given: what NATs are asked to keep a mapping for (RFC 4787, REQ-5).
const DATAGRAM_PEER_IDLE: Duration = Duration::from_secs(120);
/// Datagram peers turned away that are remembered, so that each is told about once.
const REFUSED_MAX: usize = 1024;

/// Who may come in: access rules and the number of clients.
pub(crate) struct Door {
    talk: Talk,
    access: AccessRules,
    max_conns: u32,
    inside: Arc<AtomicU32>,
    refused: Mutex<HashSet<String>>,
}

/// A client's place; given back on drop.
pub(crate) struct Pass {
    inside: Arc<AtomicU32>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Door {
    pub(crate) fn new(talk: Talk, access: AccessRules, max_conns: u32) -> Self {
        let (inside, refused) = (Arc::default(), Mutex::default());
        Self { talk, access, max_conns, inside, refused }
    }

    /// Lets a client in, or says why not: first the limit, then the access rules, then the gate.
    fn judge(
        &self,
        gate: &Gatekeeper,
        peer: Option<SocketAddr>,
        protocol: Protocol,
    ) -> Result<Pass, (String, String)> {
        if self.inside.load(Ordering::Relaxed) >= self.max_conns {
            let why = format!("connection limit reached ({})", self.max_conns);
            return Err((why, String::new()));
        }
        let verdict = self.access.check(peer.map(|addr| addr.ip()));
        if !verdict.is_allowed() {
            return Err(("not allowed".into(), verdict.to_string()));
        }
        let from = peer.map_or(Address::Unix(None), Address::Inet);
        gate.decide(Action::Accept { protocol, from })
            .map_err(|denied| ("not allowed".into(), denied.reason))?;
        self.inside.fetch_add(1, Ordering::Relaxed);
        Ok(Pass { inside: Arc::clone(&self.inside) })
    }

    /// As [`Door::judge`], telling about it either way.
    pub(crate) fn admit(
        &self,
        context: &Context,
        peer: Option<SocketAddr>,
        name: &str,
        protocol: Protocol,
    ) -> Option<Pass> {
        match self.judge(&context.gate, peer, protocol) {
            Ok(pass) => {
                self.talk.accepted(name, protocol.name());
                Some(pass)
            }
            Err((why, rule)) => {
                self.talk.refused(name, &why, &rule);
                None
            }
        }
    }

    /// The same for a datagram's sender. One who is turned away is told about once, not with every
    /// datagram; the place is taken by [`Door::seat`] when the peer's session begins.
    pub(crate) fn admit_datagram(
        &self,
        gate: &Gatekeeper,
        peer: Option<SocketAddr>,
        name: &str,
        protocol: Protocol,
    ) -> bool {
        let (why, rule) = match self.judge(gate, peer, protocol) {
            Ok(pass) => {
                std::mem::forget(pass);
                self.talk.accepted(name, protocol.name());
                return true;
            }
            Err(refusal) => refusal,
        };
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= REFUSED_MAX {
            refused.clear();
        }
        if refused.insert(name.to_string()) {
            self.talk.refused(name, &why, &rule);
        }
        false
    }

    /// The place that [`Door::admit_datagram`] took for a peer.
    fn seat(&self) -> Pass {
        Pass { inside: Arc::clone(&self.inside) }
    }
}

/// A task that ends with its owner.
pub(crate) struct Abort(JoinHandle<()>);

impl Abort {
    pub(crate) fn spawn<T>(task: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(async move {
            task.await;
        }))
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a client's session needs of the run; one copy for all of them.
struct Room {
    hub: Hub,
    rules: Rules,
    talk: Talk,
    totals: Arc<Totals>,
    is_message: bool,
}

/// Serves clients until a signal, or until the end of input where that ends the run.
pub(crate) async fn serve(
    context: &Context,
    spec: &Listen,
    listeners: Listeners,
    door: Arc<Door>,
    signals: &mut Signals,
) -> Exit {
    let local = match local::open(&context.gate, &context.plan, &context.logs) {
        Ok(local) => local,
        Err(error) => return context.open_failed(&error),
    };
    let is_message = spec.transport.is_message();
    let mut rules = local::rules(&context.plan, true, is_message);
    if is_message {
        rules.idle = Some(rules.idle.unwrap_or(DATAGRAM_PEER_IDLE));
    }
    let slow = match spec.slow_reader {
        plan::SlowReader::Wait => SlowReader::Wait,
        plan::SlowReader::Drop => SlowReader::Drop,
        plan::SlowReader::Disconnect(time) => SlowReader::Disconnect(time),
    };
    let datagram_size = if is_message { context.plan.limits.datagram_size } else { 0 };
    let (hub, driver) = hub(local, slow, context.plan.flow != Flow::RecvOnly, datagram_size);
    let room = Arc::new(Room {
        hub: hub.clone(),
        rules,
        talk: context.talk.clone(),
        totals: Arc::clone(&context.totals),
        is_message,
    });
    let progress = crate::progress::Progress::start(&context.plan.talk, &context.totals, None);
    let exit = tokio::select! {
        error = tokio::task::unconstrained(driver) => hub_failed(context, &error),
        exit = admit_all(context, listeners, &door, &room) => exit,
        signal = signals.next() => Exit::Signal(u8::try_from(signal).unwrap_or(0)),
        () = progress.run() => Exit::Local,
    };
    progress.finish();
    exit
}

fn hub_failed(context: &Context, error: &HubError) -> Exit {
    match error {
        HubError::Output(error) | HubError::Input(error) if is_unwritable(error) => {
            let more = ["writing the transcript (-o, -x)".into()];
            context.talk.error(&format!("{}. QUITTING.", words(error)), &more);
            Exit::Local
        }
        HubError::Output(error) => {
            context.talk.perror("write", error, &["standard output".into()]);
            Exit::Local
        }
        HubError::Input(error) => {
            context.talk.error(&format!("{}.", words(error)), &["reading standard input".into()]);
            Exit::Network
        }
    }
}

/// Accepts for ever; ends when the end of input ends the run.
async fn admit_all(
    context: &Context,
    listeners: Listeners,
    door: &Arc<Door>,
    room: &Arc<Room>,
) -> Exit {
    let mut sessions = JoinSet::new();
    let accepting = async {
        match listeners {
            Listeners::Streams { listeners, protocol, .. } => loop {
                let accepted = match listen::accept(context, &listeners).await {
                    Ok(Some(accepted)) => accepted,
                    Ok(None) => continue,
                    Err(error) => {
                        context.talk.error(&format!("accept: {}.", words(&error)), &[]);
                        return Exit::Network;
                    }
                };
                let name = accepted.conn.info.peer.clone();
                if let Some(pass) = door.admit(context, accepted.peer, &name, protocol) {
                    let client = client(context, room, accepted.conn, pass);
                    sessions.spawn(client);
                }
                while sessions.try_join_next().is_some() {}
            },
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Listeners::Datagrams(datagrams) => {
                peers(context, datagrams, door, room, &mut sessions).await
            }
        }
    };
    tokio::select! {
        exit = accepting => return exit,
        () = input_ends_run(context, room) => {}
    }
    // What the clients were promised is delivered before the end.
    while sessions.join_next().await.is_some() {}
    room.hub.flushed().await;
    Exit::Done
}

#[cfg(any(target_os = "linux", target_os = "android"))]
async fn peers(
    context: &Context,
    mut datagrams: listen::Datagrams,
    door: &Arc<Door>,
    room: &Arc<Room>,
    sessions: &mut JoinSet<()>,
) -> Exit {
    let mut drivers = JoinSet::new();
    for listener in datagrams.listeners.drain(..) {
        let (door, gate, protocol) = (Arc::clone(door), context.gate.clone(), datagrams.protocol);
        let admit =
            Box::new(move |peer, name: &str| door.admit_datagram(&gate, peer, name, protocol));
        drivers.spawn(listener.run(admit));
    }
    loop {
        tokio::select! {
            Some(accepted) = datagrams.arrivals.recv() => {
                sessions.spawn(client(context, room, accepted.conn, door.seat()));
                while sessions.try_join_next().is_some() {}
            }
            Some(Ok(Err(error))) = drivers.join_next() => {
                context.talk.error(&format!("{}.", words(&error)), &["receiving datagrams".into()]);
                return Exit::Network;
            }
            else => return Exit::Network,
        }
    }
}

/// Waits for the end of input when that ends the run: `--send-only`, `--eof=quit`, `-q`.
async fn input_ends_run(context: &Context, room: &Room) {
    match (context.plan.quit, context.plan.eof) {
        (Quit::After(time), _) => {
            room.hub.source_ended().await;
            tokio::time::sleep(time).await;
            context.talk.verbose(|| "Quit timer expired (-q).".into());
        }
        (Quit::Default, EofPolicy::Quit) => room.hub.source_ended().await,
        _ => std::future::pending().await,
    }
}

/// One client's session, as a task.
fn client(
    context: &Context,
    room: &Arc<Room>,
    remote: Conn,
    pass: Pass,
) -> impl Future<Output = ()> + Send + 'static {
    let totals = Arc::new(Totals::part_of(&room.totals));
    let (local, cut) = room.hub.attach(Arc::clone(&totals));
    let joined = join_with(context, local, remote, room.rules, Arc::clone(&totals));
    let room = Arc::clone(room);
    async move {
        let _pass = pass;
        let started = tokio::time::Instant::now();
        let Joined { session, peer, .. } = joined;
        let outcome = tokio::select! {
            outcome = session.run() => outcome,
            Ok(waiting) = cut => {
                tell_cut(&room.talk, &peer, waiting);
                let (sent, received) = totals.read();
                let ended_by = EndedBy::SlowReader;
                Outcome { sent, received, ended_by, error: None, losses: None }
            }
        };
        room.talk.closed(&peer, &outcome, started.elapsed());
        tell_end(&room, &peer, &outcome);
    }
}

fn tell_cut(talk: &Talk, peer: &str, waiting: u64) {
    talk.error(
        &format!("{peer} disconnected: it took nothing while bytes waited."),
        &[
            format!("{waiting} bytes were not delivered to it"),
            "hint: --slow-reader=wait waits for ever, drop skips, disconnect,TIME is this".into(),
        ],
    );
}

/// A client's failure is its own: it is told at `-v` and the others go on.
fn tell_end(room: &Room, peer: &str, outcome: &Outcome) {
    if let Some(error) = &outcome.error {
        room.talk.verbose(|| format!("{peer}: {}.", words(&error.error)));
    } else if outcome.ended_by == EndedBy::Idle && !room.is_message {
        let limit = room.rules.idle.unwrap_or_default().as_millis();
        room.talk.verbose(|| format!("{peer}: Idle timeout expired ({limit} ms)."));
    } else {
        room.talk.debug(|| format!("{peer} closed ({})", outcome.ended_by.name()));
    }
}
