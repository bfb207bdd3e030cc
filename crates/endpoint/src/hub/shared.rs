//! What the driver and the clients' ends share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use relay::Totals;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::broker::Room;
use super::client::Client;
use super::turns::Turns;
use super::{Cut, SlowReader};

/// Pieces shorter than this, in bytes, are copied before they are queued: they are slices of read
/// buffers many times their size, which they would keep alive.
const COPIED_BELOW: usize = 64 * 1024;

pub(super) struct Shared {
    pub(super) clients: BTreeMap<u64, Client>,
    next_id: u64,
    pub(super) slow: SlowReader,
    /// Clients that have as much waiting as they may have.
    full: BTreeSet<u64>,
    /// Bytes from clients to the shared conn.
    pub(super) inbox: VecDeque<Bytes>,
    pub(super) inbox_bytes: u64,
    /// Clients that are held back: by a full inbox, or in a broker by a full client.
    pub(super) turns: Turns,
    pub(super) driver: Option<Waker>,
    /// The driver does not read, since some client is full.
    pub(super) driver_is_held: bool,
    pub(super) source_ended: bool,
    /// Who waits for the end of the source.
    pub(super) end_awaited: Option<Waker>,
    /// The source was asked and has given nothing for a while. Only the driver can say so: a source
    /// that a full client holds back has not been asked.
    pub(super) quiet: bool,
    /// The output side is done with; writers need not wait.
    pub(super) flushed: Option<Waker>,
    /// Some client may have bytes waiting; while none has, nobody needs to be looked at.
    pub(super) owes: bool,
    /// What a broker has besides; without it the clients speak to the shared conn.
    pub(super) room: Option<Room>,
    /// A transcript could not be written, which ends the run.
    pub(super) failure: Option<io::Error>,
}

/// The piece, holding no more memory than it needs.
pub(super) fn compact(piece: Bytes) -> Bytes {
    if piece.len() < COPIED_BELOW { Bytes::copy_from_slice(&piece) } else { piece }
}

pub(super) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(slow: SlowReader, reads: bool, room: Option<Room>) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            clients: BTreeMap::new(),
            next_id: 0,
            slow,
            full: BTreeSet::new(),
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            turns: Turns::default(),
            driver: None,
            driver_is_held: false,
            source_ended: !reads,
            end_awaited: None,
            quiet: false,
            flushed: None,
            owes: false,
            room,
            failure: None,
        }))
    }

    /// A new client, its number and the signal that it is to be disconnected.
    pub(super) fn add(&mut self, totals: Arc<Totals>) -> (u64, Cut) {
        let (cut, signal) = oneshot::channel();
        self.next_id += 1;
        // While nobody was there the source was not asked.
        self.quiet &= !self.clients.is_empty();
        self.clients.insert(self.next_id, Client::new(totals, cut));
        self.wake_driver();
        (self.next_id, signal)
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Client> {
        let client = self.clients.remove(&id);
        self.turns.leave(id);
        self.full.remove(&id);
        // The source may have waited for this client, and so may others; or it had the next turn.
        self.wake_driver();
        self.grant();
        client
    }

    pub(super) fn client(&mut self, id: u64) -> Option<&mut Client> {
        self.clients.get_mut(&id)
    }

    pub(super) fn wake_driver(&mut self) {
        if let Some(waker) = self.driver.take() {
            waker.wake();
        }
    }

    /// Whether all who were there have left.
    pub(super) fn is_deserted(&self) -> bool {
        self.next_id > 0 && self.clients.is_empty()
    }

    /// The source has no more to give.
    pub(super) fn end_source(&mut self) {
        self.source_ended = true;
        if let Some(waker) = self.end_awaited.take() {
            waker.wake();
        }
        self.host_ended();
        self.wake_clients();
    }

    pub(super) fn wake_clients(&mut self) {
        self.clients.values_mut().for_each(Client::wake);
    }

    /// Whether some client is full, `except` aside.
    pub(super) fn is_any_full(&self, except: Option<u64>) -> bool {
        let own = except.is_some_and(|id| self.full.contains(&id));
        self.full.len() > usize::from(own)
    }

    /// Whether nobody but this client is there to hear it.
    pub(super) fn is_alone(&self, id: u64) -> bool {
        self.clients.iter().all(|(other, client)| *other == id || client.is_deaf())
    }

    pub(super) fn full(&self) -> &BTreeSet<u64> {
        &self.full
    }

    /// Gives a piece to every client but the one it is from; with [`SlowReader::Drop`], and where
    /// nobody can be waited for (`skips`), not to those that are full. Whether anybody is there for it.
    pub(super) fn publish(&mut self, piece: Bytes, from: Option<u64>, skips: bool) -> bool {
        let skips = skips || self.slow == SlowReader::Drop;
        let now = Instant::now();
        let mut is_heard = false;
        for (id, client) in &mut self.clients {
            if client.is_deaf() || from == Some(*id) {
                continue;
            }
            is_heard = true;
            if skips && client.is_full() {
                client.skip(piece.len() as u64);
                continue;
            }
            client.give(piece.clone(), now);
            client.wake();
            if client.is_full() {
                self.full.insert(*id);
            }
        }
        if is_heard {
            self.owe();
        }
        is_heard
    }

    /// Has the driver look after slow clients.
    pub(super) fn owe(&mut self) {
        if !std::mem::replace(&mut self.owes, true) {
            self.wake_driver();
        }
    }

    /// Called when a client has taken something or will take no more.
    pub(super) fn note_room(&mut self, id: u64) {
        let is_full = self.clients.get(&id).is_some_and(Client::is_full);
        if !is_full && self.full.remove(&id) {
            self.grant();
        }
    }

    /// Lets those go on that a full client held back.
    pub(super) fn grant(&mut self) {
        if self.full.is_empty() && std::mem::take(&mut self.driver_is_held) {
            self.wake_driver();
        }
        match self.full.first() {
            None => self.turns.wake_next(),
            // It does not wait for itself.
            Some(&id) if self.full.len() == 1 => self.turns.wake(id),
            Some(_) => {}
        }
    }
}
