//! `--rate`: so many bytes a second in each direction, and no more.
//!
//! Each direction has a token bucket, kept as the moment at which it was empty: what has flowed in
//! since then may go out. A bucket holds what flows in during a fifth of a second (or one datagram, if
//! that is more), so that a connection that has paused may catch up by that much. It begins empty: over
//! any time t no more than rate × t and a bucketful pass. No timer runs unless bytes wait for it.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{Conn, Duplex, Paced, Recv, Shape};

/// What a bucket holds, as the time it takes to fill.
const BURST: Duration = Duration::from_millis(200);
/// What a stream waits for before some of it goes on, likewise: fewer, larger pieces.
const QUANTUM: Duration = Duration::from_millis(20);
const NANOS: u128 = 1_000_000_000;

/// One direction's bucket.
#[derive(Debug)]
struct Bucket {
    /// Bytes a second, at least 1.
    rate: u64,
    /// When it was empty.
    empty_at: Instant,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Bucket {
    fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), empty_at: Instant::now(), wait: None }
    }

    /// Bytes that flow in during `time`; at least one.
    fn flow(&self, time: Duration) -> u64 {
        let bytes = u128::from(self.rate) * time.as_nanos() / NANOS;
        u64::try_from(bytes).unwrap_or(u64::MAX).max(1)
    }

    /// The time in which so many bytes flow in.
    fn time(&self, bytes: u64) -> Duration {
        let nanos = (u128::from(bytes) * NANOS).div_ceil(u128::from(self.rate));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Waits until `wanted` bytes are in it; how many there are.
    fn poll_fill(&mut self, cx: &mut Context<'_>, wanted: u64) -> Poll<u64> {
        // A message that is more than it usually holds must fit all the same, and a byte.
        let hold = BURST.max(self.time(wanted));
        loop {
            let now = Instant::now();
            // Full, it holds no more.
            if let Some(full) = now.checked_sub(hold) {
                self.empty_at = self.empty_at.max(full);
            }
            let at = self.empty_at + self.time(wanted);
            if at <= now {
                self.wait = None;
                let since = now.saturating_duration_since(self.empty_at);
                return Poll::Ready(self.flow(since).max(wanted));
            }
            let wait = self.wait.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if wait.deadline() != at {
                wait.as_mut().reset(at);
            }
            ready!(wait.as_mut().poll(cx));
        }
    }

    fn take(&mut self, bytes: u64) {
        self.empty_at += self.time(bytes);
    }
}

/// Wraps the *remote* conn.
pub struct Rate {
    inner: Conn,
    send: Option<Bucket>,
    recv: Option<Bucket>,
    /// Received, waiting for the bucket.
    held: VecDeque<Bytes>,
    /// The part of the sender's queue that may go now; empty between calls.
    part: VecDeque<Bytes>,
}

impl Rate {
    /// Around `inner`; `None` is without limit.
    pub fn new(inner: Conn, send: Option<u64>, recv: Option<u64>) -> Self {
        Self {
            inner,
            send: send.map(Bucket::new),
            recv: recv.map(Bucket::new),
            held: VecDeque::new(),
            part: VecDeque::new(),
        }
    }
}

/// Moves from the front of `from` what `allowed` bytes cover: of a stream exactly so many, of messages
/// whole ones, the first in any case.
fn split(from: &mut VecDeque<Bytes>, to: &mut VecDeque<Bytes>, allowed: u64, shape: Shape) -> u64 {
    let (mut moved, mut is_first) = (0, true);
    while let Some(piece) = from.front_mut() {
        let room = allowed.saturating_sub(moved);
        let len = piece.len() as u64;
        if len <= room || (shape == Shape::Message && is_first) {
            moved += len;
            to.extend(from.pop_front());
            is_first = false;
        } else if shape == Shape::Stream && room > 0 {
            let cut = usize::try_from(room).unwrap_or(usize::MAX);
            to.push_back(piece.split_to(cut));
            return moved + room;
        } else {
            break;
        }
    }
    moved
}

/// What the bucket must hold before some of `queue` goes on.
fn wanted(bucket: &Bucket, queue: &VecDeque<Bytes>, shape: Shape) -> u64 {
    match shape {
        Shape::Message => queue.front().map_or(0, Bytes::len) as u64,
        Shape::Stream => {
            let waiting: usize = queue.iter().map(Bytes::len).sum();
            (waiting as u64).min(bucket.flow(QUANTUM))
        }
    }
}

impl Duplex for Rate {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let Some(bucket) = &mut self.recv else { return self.inner.poll_recv(cx, max, out) };
        let shape = self.inner.shape;
        if self.held.is_empty() {
            let most = usize::try_from(bucket.flow(QUANTUM)).unwrap_or(usize::MAX);
            if ready!(self.inner.poll_recv(cx, max.min(most), &mut self.held))? == Recv::End {
                return Poll::Ready(Ok(Recv::End));
            }
        }
        let wanted = wanted(bucket, &self.held, shape);
        let allowed = ready!(bucket.poll_fill(cx, wanted));
        bucket.take(split(&mut self.held, out, allowed, shape));
        Poll::Ready(Ok(Recv::Data))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let Some(bucket) = &mut self.send else { return self.inner.poll_send(cx, queue) };
        let shape = self.inner.shape;
        let allowed = ready!(bucket.poll_fill(cx, wanted(bucket, queue, shape)));
        split(queue, &mut self.part, allowed, shape);
        let sent = self.inner.poll_send(cx, &mut self.part);
        // What was not taken goes back to where it came from, in order.
        while let Some(piece) = self.part.pop_back() {
            queue.push_front(piece);
        }
        let sent = ready!(sent)?;
        bucket.take(sent as u64);
        Poll::Ready(Ok(sent))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_finish(cx)
    }

    fn linger(&self) -> Duration {
        self.inner.linger()
    }

    fn is_readable(&self) -> bool {
        !self.held.is_empty() || self.inner.is_readable()
    }

    fn losses(&self) -> Option<String> {
        self.inner.losses()
    }

    fn stop_recv(&mut self) {
        self.inner.stop_recv();
    }

    fn is_answering(&self) -> bool {
        self.inner.is_answering()
    }

    fn undelivered(&self) -> io::Result<Option<usize>> {
        self.inner.undelivered()
    }

    fn paced(&self) -> Paced {
        let waits = |bucket: &Option<Bucket>| {
            let wait = bucket.as_ref().and_then(|bucket| bucket.wait.as_ref());
            wait.is_some_and(|wait| !wait.is_elapsed())
        };
        Paced { send: waits(&self.send), recv: waits(&self.recv) }
    }
}
