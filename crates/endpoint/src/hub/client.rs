//! What waits for one client, and how far it is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use relay::Totals;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::QUEUE_BYTES;

/// What a piece costs besides its bytes: without it a flood of tiny ones would not be bounded.
const PIECE_COST: u64 = 64;

/// Bytes a piece counts for in a queue.
pub(super) fn cost(piece: &Bytes) -> u64 {
    piece.len() as u64 + PIECE_COST
}

pub(super) struct Client {
    queue: VecDeque<Bytes>,
    /// Cost of the queue and of what the session took last and may still be sending.
    held: u64,
    in_hand: u64,
    /// Cost of what it was given when it joined: nobody waits because of that.
    allowance: u64,
    /// Bytes given to it, and of those skipped.
    pushed: u64,
    pub(super) skipped: u64,
    totals: Arc<Totals>,
    pub(super) waker: Option<Waker>,
    pub(super) cut: Option<oneshot::Sender<u64>>,
    sent_seen: u64,
    pub(super) moved_at: Instant,
    /// Its time began anew once, since it may have taken nothing only because it was held back.
    pub(super) spared: bool,
    /// Its session will take no more; nothing waits for it and nobody waits because of it.
    pub(super) stopped: bool,
    /// It is to see the end once its queue is empty; nothing is queued any more.
    pub(super) closing: bool,
    /// It has sent something; its direction has ended.
    pub(super) spoke: bool,
    pub(super) ended: bool,
    /// Bytes it sent while nobody else was there.
    pub(super) unheard: u64,
}

impl Client {
    pub(super) fn new(totals: Arc<Totals>, cut: oneshot::Sender<u64>) -> Self {
        Self {
            queue: VecDeque::new(),
            held: 0,
            in_hand: 0,
            allowance: 0,
            pushed: 0,
            skipped: 0,
            totals,
            waker: None,
            cut: Some(cut),
            sent_seen: 0,
            moved_at: Instant::now(),
            spared: false,
            stopped: false,
            closing: false,
            spoke: false,
            ended: false,
            unheard: 0,
        }
    }

    /// Bytes given to this client that its connection has not taken.
    pub(super) fn waiting(&self) -> u64 {
        if self.stopped {
            return 0;
        }
        (self.pushed - self.skipped).saturating_sub(self.totals.read().0)
    }

    /// Whether so much waits for it that nothing more should be given to it.
    pub(super) fn is_full(&self) -> bool {
        !self.stopped && self.held >= QUEUE_BYTES + self.allowance
    }

    /// Whether it takes part no more: what is published is not for it.
    pub(super) fn is_deaf(&self) -> bool {
        self.stopped || self.closing
    }

    /// Queues a piece.
    pub(super) fn give(&mut self, piece: Bytes, now: Instant) {
        if self.waiting() == 0 {
            (self.sent_seen, self.moved_at) = (self.totals.read().0, now);
        }
        self.pushed += piece.len() as u64;
        self.held += cost(&piece);
        self.queue.push_back(piece);
    }

    /// Queues what was said before it came.
    pub(super) fn give_history(&mut self, piece: Bytes, now: Instant) {
        self.allowance += cost(&piece);
        self.give(piece, now);
    }

    /// Leaves out a piece for want of room.
    pub(super) fn skip(&mut self, bytes: u64) {
        (self.pushed, self.skipped) = (self.pushed + bytes, self.skipped + bytes);
    }

    /// Hands the session at least one piece, and more up to `max` bytes; false when there is none. The
    /// session comes back when it has sent what it took before.
    pub(super) fn take(&mut self, max: usize, out: &mut VecDeque<Bytes>) -> bool {
        self.held -= self.in_hand;
        self.allowance = self.allowance.saturating_sub(self.in_hand);
        self.in_hand = 0;
        let mut taken = 0;
        while taken < max
            && let Some(piece) = self.queue.pop_front()
        {
            taken += piece.len();
            self.in_hand += cost(&piece);
            out.push_back(piece);
        }
        self.in_hand > 0
    }

    /// Nothing more will be taken.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.queue = VecDeque::new();
        (self.held, self.in_hand) = (0, 0);
    }

    /// Has the client see the end after what waits for it.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.wake();
    }

    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Notes whether its connection has moved since the last look; false when it has not although
    /// bytes wait for it.
    pub(super) fn has_moved(&mut self, now: Instant) -> bool {
        let sent = self.totals.read().0;
        if sent == self.sent_seen && self.waiting() > 0 && !self.totals.is_paced() {
            return false;
        }
        (self.sent_seen, self.moved_at, self.spared) = (sent, now, false);
        true
    }
}
