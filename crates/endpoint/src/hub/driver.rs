//! Moves the bytes of the shared conn, and looks after slow clients.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, Recv, datagram_read_max};
use tokio::time::{Sleep, sleep};

use super::broker::cut;
use super::shared::{Shared, compact, lock};
use super::{HubError, SERVING, SlowReader};

/// How long a source may pause before it counts as having nothing ready.
const PAUSE: Duration = Duration::from_millis(100);
/// How often clients with bytes waiting are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Reads in one poll before others get their turn.
const TURN: usize = 64;

/// Moves the bytes between the shared conn and the clients' queues. A future; it is ready when the
/// shared conn has failed, or never.
pub struct Driver {
    shared: Arc<Mutex<Shared>>,
    local: Conn,
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

impl Driver {
    pub(super) fn new(
        shared: Arc<Mutex<Shared>>,
        local: Conn,
        reads: bool,
        datagram_size: usize,
    ) -> Self {
        Self {
            shared,
            local,
            datagram_size,
            tick: None,
            read: VecDeque::new(),
            writing: VecDeque::new(),
            reads,
            yielded: false,
            pause: None,
            rested: false,
        }
    }

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
            shared.turns.wake_next();
            if shared.inbox_bytes == 0
                && let Some(waker) = shared.flushed.take()
            {
                waker.wake();
            }
        }
    }

    /// Whether the source may be read; otherwise somebody will wake us.
    fn may_read(&mut self, cx: &mut Context<'_>) -> bool {
        let mut shared = lock(&self.shared);
        if shared.source_ended || shared.clients.is_empty() {
            return false;
        }
        if !shared.is_any_full(None) {
            return true;
        }
        if shared.slow != SlowReader::Drop {
            shared.driver_is_held = true;
            (shared.quiet, self.rested, self.pause) = (false, false, None);
            return false;
        }
        // Who is only waiting for a turn is not slow: nothing is dropped before it had one.
        if !self.yielded {
            cx.waker().wake_by_ref();
        }
        std::mem::replace(&mut self.yielded, true)
    }

    /// From the shared conn to every client.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..TURN {
            if !self.may_read(cx) {
                self.poll_deserted(cx);
                return Poll::Pending;
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
                    shared.end_source();
                    self.reads = false;
                }
                Poll::Ready(Ok(Recv::Data)) => {
                    for piece in self.read.drain(..) {
                        if shared.room.is_some() {
                            shared.say_as_host(piece);
                            continue;
                        }
                        for piece in cut(&compact(piece), self.datagram_size) {
                            let _ = shared.publish(piece, None, false);
                        }
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// With nobody there the source is not read, so that nothing is lost. Once somebody has been there,
    /// its end is seen all the same: it may be what ends the run.
    fn poll_deserted(&mut self, cx: &mut Context<'_>) {
        let is_deserted = {
            let shared = lock(&self.shared);
            !shared.source_ended && shared.is_deserted()
        };
        if is_deserted && self.local.poll_end(cx).is_ready() {
            lock(&self.shared).end_source();
            self.reads = false;
        }
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
        // In a broker nobody waits for that.
        if shared.room.is_none() {
            shared.wake_clients();
        }
    }

    /// Looks for clients that take nothing.
    fn poll_slow(&mut self, cx: &mut Context<'_>) {
        while lock(&self.shared).owes {
            let tick = self.tick.get_or_insert_with(|| Box::pin(sleep(LOOK)));
            if tick.as_mut().poll(cx).is_pending() {
                return;
            }
            self.tick = None;
            lock(&self.shared).look();
        }
    }
}

impl Drop for Driver {
    /// The run is over: that the clients leave now is nobody's news.
    fn drop(&mut self) {
        lock(&self.shared).room = None;
    }
}

impl Future for Driver {
    type Output = HubError;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<HubError> {
        let this = self.get_mut();
        {
            let mut shared = lock(&this.shared);
            shared.driver = Some(cx.waker().clone());
            if let Some(error) = shared.failure.take() {
                return Poll::Ready(HubError::Output(error));
            }
        }
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
