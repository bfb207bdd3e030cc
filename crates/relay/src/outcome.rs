//! How a session ended, and how far it is.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::ending::EndedBy;

/// Which side of a session failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Taking our input.
    LocalInput,
    /// Delivering to our output.
    LocalOutput,
    /// The peer, either direction.
    Remote,
}

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct SessionError {
    /// Whose failure it is.
    pub side: Side,
    /// What happened.
    #[source]
    pub error: io::Error,
    /// Bytes that were taken from our input and are not known to have arrived.
    pub undelivered: u64,
}

/// How a session ended.
#[derive(Debug)]
pub struct Outcome {
    /// Payload bytes the remote side accepted.
    pub sent: u64,
    /// Payload bytes taken from the remote side.
    pub received: u64,
    /// Why it ended.
    pub ended_by: EndedBy,
    /// The failure, when it was one.
    pub error: Option<SessionError>,
    /// What a side had to give up, in words.
    pub losses: Option<String>,
}

/// Bytes so far; shared with whoever reports progress.
#[derive(Debug, Default)]
pub struct Totals {
    sent: AtomicU64,
    received: AtomicU64,
    paced: AtomicBool,
    parent: Option<Arc<Totals>>,
}

impl Totals {
    /// Payload bytes sent, received.
    pub fn read(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }

    /// Whether the session holds back what it sends at the moment, for a rate that it keeps (`--rate`):
    /// that nothing moves is then no sign that the peer takes nothing.
    pub fn is_paced(&self) -> bool {
        self.paced.load(Ordering::Relaxed)
    }

    pub(crate) fn set_paced(&self, paced: bool) {
        self.paced.store(paced, Ordering::Relaxed);
    }

    /// Totals of a part, which count into those of the whole as well.
    pub fn part_of(parent: &Arc<Totals>) -> Self {
        Self { parent: Some(Arc::clone(parent)), ..Self::default() }
    }

    /// Counts bytes that were moved otherwise than by a session.
    pub fn add(&self, sent: u64, received: u64) {
        if let Some(parent) = &self.parent {
            parent.add(sent, received);
        }
        self.sent.fetch_add(sent, Ordering::Relaxed);
        self.received.fetch_add(received, Ordering::Relaxed);
    }
}
