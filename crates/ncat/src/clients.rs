//! `-k`, `--broker`: many clients share standard input and output, or speak to each other, through a
//! hub.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use conn::Conn;
use endpoint::hub::{self, Hub, HubError, SlowReader};
use plan::{EofPolicy, Flow, Listen, Quit};
use relay::{EndedBy, Outcome, Rules, SessionError, Side, Totals};
use tokio::task::JoinSet;

use crate::broker;
use crate::connect::{Joined, join_with};
use crate::door::{Door, Pass};
use crate::exec;
use crate::exit::Exit;
use crate::listen::{self, Listeners};
use crate::local;
use crate::logs::is_unwritable;
use crate::run::Context;
use crate::signals::Signals;
use crate::talk::{Talk, words};

/// How long a datagram peer of a `-k` listener is remembered without a datagram either way when
/// `-i` is not given: what NATs are asked to keep a mapping for (RFC 4787, REQ-5).
pub(crate) const DATAGRAM_PEER_IDLE: Duration = Duration::from_secs(120);

/// What a client's session needs of the run; one copy for all of them.
pub(crate) struct Room {
    served: Served,
    rules: Rules,
    talk: Talk,
    totals: Arc<Totals>,
    is_message: bool,
    is_broker: bool,
    /// Longest piece taken from a client at a time.
    chunk_max: usize,
}

impl Room {
    /// Lets go of a client that only listens, since its place is wanted.
    fn dismiss(&self) {
        if let Served::Hub(hub) = &self.served {
            hub.dismiss();
        }
    }
}

/// What a client is joined with.
enum Served {
    /// A share of standard input and output.
    Hub(Hub),
    /// A command of its own.
    Command(Arc<exec::Host>),
}

/// Serves clients until a signal, or until the end of input where that ends the run.
pub(crate) async fn serve(
    context: &Context,
    spec: &Listen,
    launch: Option<exec::Launch>,
    listeners: Listeners,
    door: Arc<Door>,
    signals: &mut Signals,
) -> Exit {
    if let Some(launch) = launch {
        let host = exec::Host::new(context, launch, exec::Facts::of_listen(spec));
        return serve_commands(context, spec, host, listeners, door, signals).await;
    }
    let local = match local::open(&context.gate, &context.plan, &context.logs) {
        Ok(local) => local,
        Err(error) => return context.open_failed(&error),
    };
    let is_message = spec.transport.is_message();
    let mut rules = local::rules(&context.plan, true, is_message);
    if is_message {
        rules.idle = Some(rules.idle.unwrap_or(DATAGRAM_PEER_IDLE));
    }
    // At the end of input a client that takes nothing would keep the others' listener from ending.
    rules.stall = match spec.slow_reader {
        plan::SlowReader::Disconnect(time) => Some(time),
        _ => None,
    };
    let slow = match spec.slow_reader {
        plan::SlowReader::Wait => SlowReader::Wait,
        plan::SlowReader::Drop => SlowReader::Drop,
        plan::SlowReader::Disconnect(time) => SlowReader::Disconnect(time),
    };
    let datagram_size = if is_message { context.plan.limits.datagram_size } else { 0 };
    let reads = context.plan.flow != Flow::RecvOnly;
    let broker = broker::spec(context, spec, &listeners);
    let (is_broker, mut chunk_max) = (broker.is_some(), conn::CHUNK_MAX);
    let (hub, driver) = match broker {
        None => hub::hub(local, slow, reads, datagram_size),
        Some(broker) => {
            rules = broker::rules(context, rules);
            chunk_max = broker::chunk_max(context, &broker);
            hub::broker(local, slow, reads, datagram_size, broker)
        }
    };
    let room = Arc::new(Room {
        served: Served::Hub(hub.clone()),
        rules,
        talk: context.talk.clone(),
        totals: Arc::clone(&context.totals),
        is_message,
        is_broker,
        chunk_max,
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

/// As [`serve`], each client with a command of its own.
async fn serve_commands(
    context: &Context,
    spec: &Listen,
    host: exec::Host,
    listeners: Listeners,
    door: Arc<Door>,
    signals: &mut Signals,
) -> Exit {
    let host = Arc::new(host);
    let room = Arc::new(Room {
        served: Served::Command(Arc::clone(&host)),
        rules: local::rules(&context.plan, true, spec.transport.is_message()),
        talk: context.talk.clone(),
        totals: Arc::clone(&context.totals),
        is_message: spec.transport.is_message(),
        is_broker: false,
        chunk_max: conn::CHUNK_MAX,
    });
    let progress = crate::progress::Progress::start(&context.plan.talk, &context.totals, None);
    let mut admitting = std::pin::pin!(admit_all(context, listeners, &door, &room));
    let exit = tokio::select! {
        exit = &mut admitting => exit,
        signal = signals.next() => Exit::Signal(u8::try_from(signal).unwrap_or(0)),
        () = progress.run() => Exit::Local,
    };
    // Nobody is let in any more; the sessions go on and deliver what their commands say to this.
    host.children.stop(exec::GRACE).await;
    door.left_by_all(exec::LAST_WORDS).await;
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
    let mut handshakes = JoinSet::new();
    let accepting = async {
        match listeners {
            Listeners::Streams { listeners, protocol, .. } => loop {
                let accepted = tokio::select! {
                    biased;
                    Some(secured) = handshakes.join_next() => {
                        if let Ok(Some((conn, pass))) = secured {
                            sessions.spawn(client(context, room, conn, pass));
                        }
                        continue;
                    }
                    accepted = listen::accept(context, &listeners) => accepted,
                };
                let accepted = match accepted {
                    Ok(Some(accepted)) => accepted,
                    Ok(None) => continue,
                    Err(error) => {
                        context.talk.error(&format!("accept: {}.", words(&error)), &[]);
                        return Exit::Network;
                    }
                };
                door.make_room(|| room.dismiss()).await;
                let name = accepted.conn.info.peer.clone();
                if let Some(pass) = door.admit(context, &accepted.peer, &name, protocol) {
                    if door.receives(context) {
                        handshakes.spawn(handshake(context, door, accepted.conn, pass));
                    } else {
                        sessions.spawn(client(context, room, accepted.conn, pass));
                    }
                }
                while sessions.try_join_next().is_some() {}
                // Those who are in get their turn before the next one comes.
                tokio::task::yield_now().await;
            },
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Listeners::Datagrams(datagrams) => {
                datagrams.serve(context, door, room, &mut sessions).await
            }
        }
    };
    tokio::select! {
        exit = accepting => return exit,
        () = input_ends_run(context, room) => {}
    }
    // What the clients were promised is delivered before the end.
    if let Served::Hub(hub) = &room.served
        && room.is_broker
    {
        hub.close();
    }
    while sessions.join_next().await.is_some() {}
    if let Served::Hub(hub) = &room.served {
        hub.flushed().await;
    }
    Exit::Done
}

/// Waits for the end of input when that ends the run: `--send-only`, `--eof=quit`, `-q`.
async fn input_ends_run(context: &Context, room: &Room) {
    let Served::Hub(hub) = &room.served else { return std::future::pending().await };
    if room.is_broker && context.plan.flow == Flow::RecvOnly {
        return std::future::pending().await;
    }
    match (context.plan.quit, context.plan.eof) {
        (Quit::After(time), _) => {
            hub.source_ended().await;
            tokio::time::sleep(time).await;
            context.talk.verbose(|| "Quit timer expired (-q).".into());
        }
        (Quit::Default, EofPolicy::Quit) => hub.source_ended().await,
        _ => std::future::pending().await,
    }
}

/// One client's handshake, as a task; `None` when it came to nothing, and then its place is free.
fn handshake(
    context: &Context,
    door: &Door,
    conn: Conn,
    pass: Pass,
) -> impl Future<Output = Option<(Conn, Pass)>> + Send + use<> {
    let (talk, peer) = (context.talk.clone(), conn.info.peer.clone());
    let secured = door.receive(context, conn);
    async move {
        match secured.await {
            Ok(conn) => Some((conn, pass)),
            Err(insecure) => {
                talk.insecure(&peer, &insecure.reason, &insecure.more);
                None
            }
        }
    }
}

/// One client's session, as a task.
pub(crate) fn client(
    context: &Context,
    room: &Arc<Room>,
    remote: Conn,
    pass: Pass,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let totals = Arc::new(Totals::part_of(&room.totals));
    let hub = match &room.served {
        Served::Hub(hub) => hub,
        Served::Command(host) => {
            return Box::pin(commanded(Arc::clone(host), Arc::clone(room), remote, totals, pass));
        }
    };
    let (mut local, cut) = hub.attach(Arc::clone(&totals), &remote.info.peer);
    local.chunk_max = room.chunk_max;
    let joined = join_with(context, local, remote, room.rules, Arc::clone(&totals));
    let room = Arc::clone(room);
    Box::pin(async move {
        let _pass = pass;
        let started = tokio::time::Instant::now();
        let Joined { session, peer, remote_ended, .. } = joined;
        let mut outcome = tokio::select! {
            outcome = session.run() => outcome,
            Ok(waiting) = cut => {
                tell_cut(&room.talk, &peer, waiting);
                let (sent, received) = totals.read();
                let ended_by = EndedBy::SlowReader;
                Outcome { sent, received, ended_by, error: None, losses: None }
            }
        };
        if room.is_broker && remote_ended.load(Ordering::Relaxed) {
            forgive(&mut outcome);
        }
        room.talk.closed(&peer, &outcome, started.elapsed());
        tell_end(&room, &peer, &outcome);
    })
}

/// One client's session with a command of its own; its place is taken until the command is reaped.
async fn commanded(
    host: Arc<exec::Host>,
    room: Arc<Room>,
    remote: Conn,
    totals: Arc<Totals>,
    _pass: Pass,
) {
    let peer = remote.info.peer.clone();
    let Some(outcome) = host.serve(remote, totals).await.outcome else { return };
    match &outcome.error {
        // Whoever wanted a transcript wants to know that there is none, whatever the level.
        Some(failed) if is_unwritable(&failed.error) => {
            let peer = proto::escape::terminal(peer.as_bytes());
            let more = [format!("writing the transcript (-o, -x); {peer} was cut off")];
            room.talk.error(&format!("{}.", words(&failed.error)), &more);
        }
        _ => tell_end(&room, &peer, &outcome),
    }
}

/// A client that has ended its direction may be gone: that shows only when something is sent to it,
/// and is how most leave a broker.
fn forgive(outcome: &mut Outcome) {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    let is_gone = |error: &SessionError| {
        error.side == Side::Remote && matches!(error.error.kind(), BrokenPipe | ConnectionReset)
    };
    if outcome.error.take_if(|error| is_gone(error)).is_some() {
        outcome.ended_by = EndedBy::RemoteEnd;
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
