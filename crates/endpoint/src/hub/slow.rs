//! Clients that take nothing while bytes wait for them.

use std::time::Duration;

use tokio::time::Instant;

use super::SlowReader;
use super::client::Client;
use super::shared::Shared;

/// With [`SlowReader::Wait`], how long a broker's clients may wait for each other in a circle.
const CIRCLE: Duration = Duration::from_secs(5);

impl Shared {
    /// Disconnects clients that have taken nothing for too long, and notes whether any has bytes
    /// waiting.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        let limit = match self.slow {
            SlowReader::Disconnect(limit) => limit,
            SlowReader::Wait => CIRCLE,
            SlowReader::Drop => Duration::MAX,
        };
        self.owes = false;
        let mut due = Vec::new();
        for (id, client) in &mut self.clients {
            let moved = client.has_moved(now);
            self.owes |= client.waiting() > 0;
            if !moved && client.cut.is_some() && now.duration_since(client.moved_at) >= limit {
                due.push(*id);
            }
        }
        if self.slow == SlowReader::Wait && !self.is_circle(&due) {
            due.clear();
        }
        self.cut(&due, now);
        // Nobody is to be forgotten because one who was woken for its turn did not take it.
        self.grant();
    }

    /// Whether everybody who holds others back is held back as well: to wait is in vain.
    fn is_circle(&self, due: &[u64]) -> bool {
        let full = self.full();
        self.room.is_some()
            && !full.is_empty()
            && full.iter().all(|id| self.turns.is_waiting(*id) && due.contains(id))
    }

    /// Disconnects those who are due. One that is itself held back may take nothing for that very
    /// reason (it writes everything before it reads): of those only one goes at a time, and the
    /// others' time begins anew, once.
    fn cut(&mut self, due: &[u64], now: Instant) {
        let mut cut_one = false;
        let (held_back, guilty): (Vec<u64>, Vec<u64>) = due.iter().partition(|id| {
            let client = self.clients.get(id);
            self.room.is_some()
                && self.turns.is_waiting(**id)
                && client.is_some_and(|client| !client.spared)
        });
        for id in guilty {
            cut_one = true;
            self.clients.get_mut(&id).into_iter().for_each(disconnect);
        }
        for id in held_back {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            if std::mem::replace(&mut cut_one, true) {
                (client.moved_at, client.spared) = (now, true);
            } else {
                disconnect(client);
            }
        }
    }
}

fn disconnect(client: &mut Client) {
    if let Some(cut) = client.cut.take() {
        let _ = cut.send(client.waiting());
    }
}
