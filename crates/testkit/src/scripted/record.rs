//! What happened to a scripted conn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// What has happened to a scripted conn so far; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Record {
    events: Arc<Mutex<Events>>,
}

#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) sent: Vec<Bytes>,
    pub(super) taken: usize,
    pub(super) given: usize,
    pub(super) ended: bool,
    pub(super) finished: bool,
    pub(super) foretold: Option<usize>,
    pub(super) dropped: bool,
}

impl Record {
    pub(super) fn lock(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every byte it was sent.
    pub fn sent(&self) -> Vec<u8> {
        self.lock().sent.concat()
    }

    /// What it was sent, piece by piece; of a message conn, message by message.
    pub fn pieces(&self) -> Vec<Bytes> {
        self.lock().sent.clone()
    }

    /// Bytes it said it had taken.
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    /// Bytes that were received from it.
    pub fn given(&self) -> usize {
        self.lock().given
    }

    /// Whether its end or its failure was received.
    pub fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether the end was sent to it.
    pub fn is_finished(&self) -> bool {
        self.lock().finished
    }

    /// Bytes it had taken when it was told that the end follows what is sent next.
    pub fn end_foretold_at(&self) -> Option<usize> {
        self.lock().foretold
    }

    /// Whether it has been closed.
    pub fn is_dropped(&self) -> bool {
        self.lock().dropped
    }
}
