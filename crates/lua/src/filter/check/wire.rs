//! A wire in memory: what comes from it was said before, what is sent to it is kept.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, ConnInfo, Duplex, Recv, Shape};

use crate::filter::clock::Clock;

/// What becomes of a wire.
#[derive(Debug)]
struct Kept {
    clock: Clock,
    comes: VecDeque<Bytes>,
    /// Nothing comes before this is true; then everything, and the end.
    is_open: bool,
    sent: Vec<(Duration, Bytes)>,
    waker: Option<Waker>,
}

/// The other end of a wire, for who looks at it.
#[derive(Clone, Debug)]
pub(super) struct Far(Arc<Mutex<Kept>>);

impl Far {
    /// A wire from which these pieces come, one by one, and then the end, once it is [opened](Far::open).
    pub(super) fn new(pieces: impl IntoIterator<Item = Vec<u8>>, clock: Clock) -> Self {
        let comes = pieces.into_iter().map(Bytes::from).collect();
        let kept = Kept { clock, comes, is_open: false, sent: Vec::new(), waker: None };
        Self(Arc::new(Mutex::new(kept)))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets come what comes.
    pub(super) fn open(&self) {
        let mut kept = self.lock();
        kept.is_open = true;
        kept.waker.take().into_iter().for_each(Waker::wake);
    }

    /// The near end.
    pub(super) fn conn(&self, shape: Shape) -> Conn {
        Conn::from_duplex(ConnInfo::default(), shape, Box::new(Near(self.clone())))
    }

    /// What was sent so far, piece by piece.
    pub(super) fn sent(&self) -> Vec<Vec<u8>> {
        self.lock().sent.iter().map(|(_, piece)| piece.to_vec()).collect()
    }

    /// When how many bytes were sent.
    pub(super) fn timeline(&self) -> Vec<(Duration, usize)> {
        self.lock().sent.iter().map(|(at, piece)| (*at, piece.len())).collect()
    }
}

struct Near(Far);

impl Duplex for Near {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        _max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let mut kept = self.0.lock();
        if !kept.is_open {
            kept.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(match kept.comes.pop_front() {
            Some(piece) => {
                out.push_back(piece);
                Recv::Data
            }
            None => Recv::End,
        }))
    }

    fn poll_send(
        &mut self,
        _cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let len = queue.iter().map(Bytes::len).sum();
        let mut kept = self.0.lock();
        let now = kept.clock.now();
        kept.sent.extend(queue.drain(..).map(|piece| (now, piece)));
        Poll::Ready(Ok(len))
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
