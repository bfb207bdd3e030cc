//! Connections to servers between two requests.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::wire::Wire;

/// Idle connections to one server.
const PER_SERVER: usize = 32;
/// Idle connections altogether; each is a descriptor.
const ALTOGETHER: usize = 256;
/// How long one is kept: less than what servers usually allow, so that they rarely end it first.
const KEPT: Duration = Duration::from_secs(15);

/// Idle connections, by the name and port that were asked for.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    count: usize,
    servers: HashMap<(String, u16), Vec<(Wire, Instant)>>,
}

impl Pool {
    /// A connection that was used before and is still open as far as can be seen.
    pub(super) fn take(&self, server: &(String, u16)) -> Option<Wire> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = &mut *idle;
        let some = idle.servers.get_mut(server)?;
        while let Some((wire, _)) = some.pop() {
            idle.count -= 1;
            // The end, or something nobody asked for: either way it is of no use.
            if !wire.conn.is_readable() {
                return Some(wire);
            }
        }
        idle.servers.remove(server);
        None
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, server: (String, u16), wire: Wire) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.count >= ALTOGETHER {
            return;
        }
        let some = idle.servers.entry(server).or_default();
        if some.len() < PER_SERVER {
            some.push((wire, Instant::now()));
            idle.count += 1;
        }
    }

    /// Lets go of what nobody has used for a while, for ever.
    pub(super) async fn tidy(&self) {
        loop {
            tokio::time::sleep(KEPT / 3).await;
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.servers.retain(|_, some| {
                some.retain(|(wire, since)| since.elapsed() < KEPT && !wire.conn.is_readable());
                !some.is_empty()
            });
            idle.count = idle.servers.values().map(Vec::len).sum();
        }
    }
}
