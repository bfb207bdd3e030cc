//! Shares one conn among many: what comes out of it goes to every client, what the clients send
//! goes into it. With `-k`, the one conn is standard input and output.
//!
//! Each client has a queue of at most 1 MiB. A client that still moves is waited for, so the source
//! runs at the pace of the slowest; one that takes nothing is handled as [`SlowReader`] says.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, ConnInfo, Duplex, Recv, Shape, datagram_read_max};
use relay::Totals;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep};

/// Bytes that may wait for one client, and in the other direction for the shared conn.
pub const QUEUE_BYTES: u64 = 1024 * 1024;
/// Bytes handed to a client's session at a time.
const SERVING: usize = 256 * 1024;
/// How long a source may pause before it counts as having nothing ready.
const PAUSE: Duration = Duration::from_millis(100);
/// A client whose peer has ended stays until the driver says that the source is quiet, which wakes
/// it: this only has to be long.
const UNKNOWN: Duration = Duration::from_secs(24 * 3600);
/// How often clients with bytes waiting are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What to do with a client that takes nothing while bytes wait for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SlowReader {
    /// Wait for it.
    Wait,
    /// Skip what does not fit.
    Drop,
    /// Disconnect it after this time.
    Disconnect(Duration),
}

/// Told to a session whose client is to be disconnected: the bytes that were waiting.
pub type Cut = oneshot::Receiver<u64>;

/// Attaches clients; cheap to clone.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Mutex<Shared>>,
}

/// Moves the bytes between the shared conn and the clients' queues. A future; it is ready when the
/// shared conn has failed, or never.
pub struct Driver {
    shared: Arc<Mutex<Shared>>,
    local: Conn,
    slow: SlowReader,
    datagram_size: usize,
    tick: Option<Pin<Box<Sleep>>>,
    read: VecDeque<Bytes>,
    writing: VecDeque<Bytes>,
    reads: bool,
    /// A full client has had a turn to take something since the last read.
    yielded: bool,
    /// Runs while the source gives nothing, until it counts as quiet.
    pause: Option<Pin<Box<Sleep>>>,
    /// The source has been quiet since it last gave something or was held back.
    rested: bool,
    /// Some client may have bytes waiting; while none has, nobody needs to be looked at.
    owes: bool,
}

/// Which direction of the shared conn failed.
#[derive(Debug)]
pub enum HubError {
    /// Its output.
    Output(io::Error),
    /// Its input.
    Input(io::Error),
}

#[derive(Default)]
struct Shared {
    clients: BTreeMap<u64, Client>,
    next_id: u64,
    /// Bytes from clients to the shared conn.
    inbox: VecDeque<Bytes>,
    inbox_bytes: u64,
    inbox_waiters: BTreeMap<u64, Waker>,
    driver: Option<Waker>,
    source_ended: bool,
    /// The source was asked and has given nothing for [`PAUSE`]. Only the driver can say so: a source
    /// that a full client holds back has not been asked.
    quiet: bool,
    /// The output side is done with; writers need not wait.
    flushed: Option<Waker>,
}

struct Client {
    queue: VecDeque<Bytes>,
    queued: u64,
    pushed: u64,
    skipped: u64,
    totals: Arc<Totals>,
    waker: Option<Waker>,
    cut: Option<oneshot::Sender<u64>>,
    sent_seen: u64,
    moved_at: Instant,
    /// Its session will take no more; nothing waits for it and nobody waits because of it.
    stopped: bool,
}

impl Client {
    /// Bytes given to this client that its connection has not taken.
    fn waiting(&self) -> u64 {
        if self.stopped {
            return 0;
        }
        (self.pushed - self.skipped).saturating_sub(self.totals.read().0)
    }
}

/// Whether [`Conn::is_readable`] can answer for it.
#[cfg(unix)]
fn is_plain(conn: &Conn) -> bool {
    conn.plain().is_some()
}

/// Whether [`Conn::is_readable`] can answer for it.
#[cfg(not(unix))]
fn is_plain(_conn: &Conn) -> bool {
    false
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn wake_driver(&mut self) {
        if let Some(waker) = self.driver.take() {
            waker.wake();
        }
    }

    fn client(&mut self, id: u64) -> Option<&mut Client> {
        self.clients.get_mut(&id)
    }
}

/// A hub around `local`. `reads` says whether anything is to be taken out of it; `datagram_size`
/// is the longest piece given to clients that keep message boundaries.
pub fn hub(local: Conn, slow: SlowReader, reads: bool, datagram_size: usize) -> (Hub, Driver) {
    let shared = Arc::new(Mutex::new(Shared { source_ended: !reads, ..Shared::default() }));
    let driver = Driver {
        shared: Arc::clone(&shared),
        local,
        slow,
        datagram_size,
        tick: None,
        read: VecDeque::new(),
        writing: VecDeque::new(),
        reads,
        yielded: false,
        pause: None,
        rested: false,
        owes: false,
    };
    (Hub { shared }, driver)
}

impl Hub {
    /// A client's end of the hub, and the signal that the client is to be disconnected. `totals`
    /// is what the client's session counts into: its progress is how a slow client is told from a
    /// stalled one.
    pub fn attach(&self, totals: Arc<Totals>) -> (Conn, Cut) {
        let (cut, signal) = oneshot::channel();
        let mut shared = lock(&self.shared);
        shared.next_id += 1;
        let id = shared.next_id;
        // While nobody was there the source was not asked.
        shared.quiet &= !shared.clients.is_empty();
        let client = Client {
            queue: VecDeque::new(),
            queued: 0,
            pushed: 0,
            skipped: 0,
            totals,
            waker: None,
            cut: Some(cut),
            sent_seen: 0,
            moved_at: Instant::now(),
            stopped: false,
        };
        shared.clients.insert(id, client);
        shared.wake_driver();
        drop(shared);
        let end = End { shared: Arc::clone(&self.shared), id };
        let info = ConnInfo { peer: "standard input and output".into(), ..ConnInfo::default() };
        (Conn::from_duplex(info, Shape::Stream, Box::new(end)), signal)
    }

    /// Whether the shared conn has no more to give.
    pub fn is_source_ended(&self) -> bool {
        lock(&self.shared).source_ended
    }

    /// Waits until everything the clients sent has gone into the shared conn.
    pub async fn flushed(&self) {
        std::future::poll_fn(|cx| {
            let mut shared = lock(&self.shared);
            if shared.inbox_bytes == 0 {
                return Poll::Ready(());
            }
            shared.flushed = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits until the source has ended; with `-q` and `--send-only` that ends the listener.
    pub async fn source_ended(&self) {
        // Asked rarely and answered once: a short timer is simpler than one more list of wakers.
        while !self.is_source_ended() {
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Driver {
    /// From the clients into the shared conn.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.writing.is_empty() {
                std::mem::swap(&mut lock(&self.shared).inbox, &mut self.writing);
                if self.writing.is_empty() {
                    return Poll::Pending;
                }
            }
            let sent = match self.local.poll_send(cx, &mut self.writing) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => return Poll::Pending,
            };
            let mut shared = lock(&self.shared);
            shared.inbox_bytes -= sent as u64;
            for waker in std::mem::take(&mut shared.inbox_waiters).into_values() {
                waker.wake();
            }
            if shared.inbox_bytes == 0
                && let Some(waker) = shared.flushed.take()
            {
                waker.wake();
            }
        }
    }

    /// From the shared conn to every client.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..64 {
            {
                let mut shared = lock(&self.shared);
                let full = self.owes
                    && shared.clients.values().any(|client| client.waiting() >= QUEUE_BYTES);
                if shared.source_ended || shared.clients.is_empty() {
                    return Poll::Pending;
                }
                if full && self.slow != SlowReader::Drop {
                    (shared.quiet, self.rested, self.pause) = (false, false, None);
                    return Poll::Pending;
                }
                // Who is only waiting for a turn is not slow: nothing is dropped before it had one.
                if full && !self.yielded {
                    self.yielded = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            self.yielded = false;
            let max = if self.datagram_size == 0 {
                SERVING
            } else {
                datagram_read_max(self.datagram_size)
            };
            let polled = self.local.poll_recv(cx, max, &mut self.read);
            if polled.is_pending() {
                self.poll_quiet(cx);
                return Poll::Pending;
            }
            let mut shared = lock(&self.shared);
            (shared.quiet, self.rested, self.pause) = (false, false, None);
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(Recv::End)) => {
                    shared.source_ended = true;
                    self.reads = false;
                }
                Poll::Ready(Ok(Recv::Data)) => {
                    self.owes = true;
                    for piece in self.read.drain(..) {
                        for client in shared.clients.values_mut() {
                            give(client, &piece, self.slow, self.datagram_size);
                        }
                    }
                }
            }
            wake_all(&mut shared);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The source has nothing at this moment: decides whether it is quiet, and if so tells the
    /// clients, since those whose peer has ended wait for that.
    fn poll_quiet(&mut self, cx: &mut Context<'_>) {
        if lock(&self.shared).quiet {
            return;
        }
        // The poller may be behind; it will wake us.
        if self.local.is_readable() {
            self.pause = None;
            return;
        }
        // A descriptor that has rested can be asked; of anything else only time can tell.
        if !(self.rested && is_plain(&self.local)) {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
            if pause.as_mut().poll(cx).is_pending() {
                return;
            }
        }
        (self.pause, self.rested) = (None, true);
        let mut shared = lock(&self.shared);
        shared.quiet = true;
        wake_all(&mut shared);
    }

    /// Looks for clients that take nothing.
    fn poll_slow(&mut self, cx: &mut Context<'_>) {
        while self.owes {
            let tick = self.tick.get_or_insert_with(|| Box::pin(sleep(LOOK)));
            if tick.as_mut().poll(cx).is_pending() {
                return;
            }
            self.tick = None;
            self.owes = self.look();
        }
    }

    /// Disconnects clients that have taken nothing for too long; says whether any has bytes waiting.
    fn look(&self) -> bool {
        let now = Instant::now();
        let mut waiting = false;
        for client in lock(&self.shared).clients.values_mut() {
            let sent = client.totals.read().0;
            if sent != client.sent_seen || client.waiting() == 0 {
                (client.sent_seen, client.moved_at) = (sent, now);
                waiting |= client.waiting() > 0;
                continue;
            }
            waiting = true;
            if let SlowReader::Disconnect(time) = self.slow
                && now >= client.moved_at + time
                && let Some(cut) = client.cut.take()
            {
                let _ = cut.send(client.waiting());
            }
        }
        waiting
    }
}

fn wake_all(shared: &mut Shared) {
    for client in shared.clients.values_mut() {
        if let Some(waker) = client.waker.take() {
            waker.wake();
        }
    }
}

/// Queues a piece for one client, in datagrams' lengths.
fn give(client: &mut Client, piece: &Bytes, slow: SlowReader, datagram_size: usize) {
    if client.stopped {
        return;
    }
    let len = piece.len() as u64;
    if client.waiting() == 0 {
        (client.sent_seen, client.moved_at) = (client.totals.read().0, Instant::now());
    }
    client.pushed += len;
    if slow == SlowReader::Drop && client.waiting() > QUEUE_BYTES + len {
        client.skipped += len;
        return;
    }
    client.queued += len;
    let step = if datagram_size == 0 { piece.len().max(1) } else { datagram_size };
    for at in (0..piece.len()).step_by(step) {
        client.queue.push_back(piece.slice(at..piece.len().min(at + step)));
    }
}

impl Future for Driver {
    type Output = HubError;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<HubError> {
        let this = self.get_mut();
        lock(&this.shared).driver = Some(cx.waker().clone());
        if let Poll::Ready(Err(error)) = this.poll_output(cx) {
            return Poll::Ready(HubError::Output(error));
        }
        if this.reads
            && let Poll::Ready(Err(error)) = this.poll_input(cx)
        {
            return Poll::Ready(HubError::Input(error));
        }
        this.poll_slow(cx);
        Poll::Pending
    }
}

/// A client's end of the hub.
struct End {
    shared: Arc<Mutex<Shared>>,
    id: u64,
}

impl Drop for End {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.clients.remove(&self.id);
        shared.inbox_waiters.remove(&self.id);
        // The source may have waited for this client.
        shared.wake_driver();
    }
}

impl Duplex for End {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let mut shared = lock(&self.shared);
        let ended = shared.source_ended;
        let Some(client) = shared.client(self.id) else { return Poll::Ready(Ok(Recv::End)) };
        let mut taken = 0;
        while let Some(piece) = client.queue.pop_front() {
            taken += piece.len();
            out.push_back(piece);
            if taken >= max.min(SERVING) {
                break;
            }
        }
        client.queued -= taken as u64;
        if taken > 0 {
            shared.wake_driver();
            return Poll::Ready(Ok(Recv::Data));
        }
        if ended {
            return Poll::Ready(Ok(Recv::End));
        }
        client.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let mut shared = lock(&self.shared);
        if shared.inbox_bytes >= QUEUE_BYTES {
            shared.inbox_waiters.insert(self.id, cx.waker().clone());
            return Poll::Pending;
        }
        let bytes: usize = queue.iter().map(Bytes::len).sum();
        shared.inbox.extend(queue.drain(..).filter(|piece| !piece.is_empty()));
        shared.inbox_bytes += bytes as u64;
        shared.wake_driver();
        Poll::Ready(Ok(bytes))
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn linger(&self) -> Duration {
        let shared = lock(&self.shared);
        if shared.quiet || shared.source_ended { Duration::ZERO } else { UNKNOWN }
    }

    fn stop_recv(&mut self) {
        let mut shared = lock(&self.shared);
        if let Some(client) = shared.client(self.id) {
            client.stopped = true;
            client.queue.clear();
        }
        shared.wake_driver();
    }

    fn losses(&self) -> Option<String> {
        let mut shared = lock(&self.shared);
        let skipped = shared.client(self.id)?.skipped;
        (skipped > 0)
            .then(|| format!("{skipped} bytes were skipped, since the client took them too slowly"))
    }
}
