//! Listening for datagrams: one peer, or many with `-k`.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conn::{Conn, Screen};
use endpoint::udp::{Accepted, Listener};
use gate::{Address, Gatekeeper, Protocol};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use crate::clients::{Room, client, handshake};
use crate::door::Door;
use crate::exit::Exit;
use crate::run::Context;
use crate::talk::words;
use crate::task::Task;

/// Peers turned away that are remembered, so that each is told about once.
const REFUSED_MAX: usize = 1024;

/// The task that sorts one socket's datagrams by sender; it ends with its owner.
pub(crate) type Driver = Task<io::Result<()>>;

/// Datagram sockets, and where their peers arrive.
pub(crate) struct Datagrams {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) arrivals: UnboundedReceiver<Accepted>,
    pub(crate) protocol: Protocol,
}

/// Judges the senders of datagrams. One who is turned away is told about once, not with every
/// datagram; the place of one who is let in is taken by [`Door::seat`] when its session begins.
fn judge(
    door: Arc<Door>,
    gate: Gatekeeper,
    protocol: Protocol,
) -> impl FnMut(Option<SocketAddr>, &str) -> bool + Send {
    let mut refused = HashSet::new();
    let mut has_warned = false;
    move |peer, name: &str| {
        let from = peer.map_or(Address::Unix(None), Address::Inet);
        let refusal = match door.judge(&gate, &from, protocol) {
            Ok(pass) => {
                std::mem::forget(pass);
                door.welcome(name, protocol);
                return true;
            }
            Err(refusal) => refusal,
        };
        if refusal.is_full && !has_warned {
            has_warned = true;
            door.warn_full(name);
        }
        if refused.len() >= REFUSED_MAX {
            refused.clear();
        }
        if refused.insert(name.to_string()) {
            door.tell(name, &refusal);
        }
        false
    }
}

/// What looks at strangers' datagrams, where there is DTLS.
fn screen(context: &Context) -> io::Result<Option<Box<dyn Screen>>> {
    context.security.screen().map_err(|insecure| io::Error::other(insecure.reason))
}

impl Datagrams {
    /// Waits for the one peer of a listener without `-k`; its socket's driver must be kept as long
    /// as the conn.
    ///
    /// # Errors
    /// When every socket has failed.
    pub(crate) async fn first_peer(
        mut self,
        context: &Context,
        door: &Arc<Door>,
    ) -> io::Result<(Conn, Option<Driver>)> {
        // The first socket that lets a peer in makes the others deaf.
        let taken = Arc::new(AtomicBool::new(false));
        let mut drivers = Vec::new();
        for listener in self.listeners.drain(..) {
            let listener = listener.behind(screen(context)?);
            let taken = Arc::clone(&taken);
            let mut judge = judge(Arc::clone(door), context.gate.clone(), self.protocol);
            let at = listener.at.to_string();
            let admit = Box::new(move |peer, name: &str| {
                if taken.load(Ordering::Relaxed) || !judge(peer, name) {
                    return false;
                }
                taken.store(true, Ordering::Relaxed);
                true
            });
            drivers.push((at, Task::spawn(listener.run(admit))));
        }
        let Some(accepted) = self.arrivals.recv().await else {
            return Err(io::Error::other("the socket has failed"));
        };
        let local = accepted.conn.info.local.clone();
        let driver = drivers.into_iter().find(|(at, _)| *at == local).map(|(_, run)| run);
        Ok((accepted.conn, driver))
    }

    /// Gives each peer a session, for ever.
    pub(crate) async fn serve(
        mut self,
        context: &Context,
        door: &Arc<Door>,
        room: &Arc<Room>,
        sessions: &mut JoinSet<()>,
    ) -> Exit {
        let mut drivers = JoinSet::new();
        let mut handshakes = JoinSet::new();
        for listener in self.listeners.drain(..) {
            let listener = match screen(context) {
                Ok(screen) => listener.behind(screen),
                Err(error) => {
                    context.talk.error(&format!("{}.", words(&error)), &[]);
                    return Exit::Local;
                }
            };
            let judge = judge(Arc::clone(door), context.gate.clone(), self.protocol);
            drivers.spawn(listener.run(Box::new(judge)));
        }
        loop {
            tokio::select! {
                Some(secured) = handshakes.join_next() => {
                    if let Ok(Some((conn, pass))) = secured {
                        sessions.spawn(client(context, room, conn, pass));
                    }
                }
                Some(accepted) = self.arrivals.recv() => {
                    if context.security.is_wanted() {
                        handshakes.spawn(handshake(context, door, accepted.conn, door.seat()));
                    } else {
                        sessions.spawn(client(context, room, accepted.conn, door.seat()));
                    }
                    while sessions.try_join_next().is_some() {}
                }
                Some(Ok(Err(error))) = drivers.join_next() => {
                    let more = ["receiving datagrams".into()];
                    context.talk.error(&format!("{}.", words(&error)), &more);
                    return Exit::Network;
                }
                else => return Exit::Network,
            }
        }
    }
}
