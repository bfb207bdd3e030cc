//! A client's end of the hub: the local conn of its session.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use conn::{Duplex, Recv};
use proto::chat::Speaker;

use super::shared::{Shared, lock};
use super::{QUEUE_BYTES, SERVING, SlowReader};

/// A client whose peer has ended stays until the driver says that the source is quiet, which wakes
/// it: this only has to be long.
const UNKNOWN: Duration = Duration::from_secs(24 * 3600);

pub(super) struct End {
    shared: Arc<Mutex<Shared>>,
    id: u64,
    /// Its voice in a chat.
    speaker: Option<Box<Speaker>>,
    /// Those who are full had a turn to take something since this client last spoke.
    yielded: bool,
}

impl End {
    pub(super) fn new(shared: Arc<Mutex<Shared>>, id: u64, speaker: Option<Speaker>) -> Self {
        Self { shared, id, speaker: speaker.map(Box::new), yielded: false }
    }

    /// To all other clients: waits until there is room with each of them, and then goes on while there
    /// is.
    fn poll_speak(
        &mut self,
        shared: &mut Shared,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<usize> {
        if shared.must_wait_for_company(self.id) {
            shared.turns.wait(self.id, cx);
            return Poll::Pending;
        }
        let skips = shared.slow == SlowReader::Drop;
        if shared.is_any_full(Some(self.id)) && !(skips && self.yielded) {
            // Who is only waiting for a turn is not slow: nothing is skipped before it had one.
            if skips {
                self.yielded = true;
                cx.waker().wake_by_ref();
            } else {
                shared.turns.wait(self.id, cx);
            }
            return Poll::Pending;
        }
        self.yielded = false;
        shared.turns.leave(self.id);
        let mut bytes = 0;
        while let Some(piece) = queue.pop_front() {
            bytes += piece.len();
            shared.say(self.id, self.speaker.as_deref_mut(), piece);
            if shared.is_any_full(Some(self.id)) {
                break;
            }
        }
        shared.grant();
        Poll::Ready(bytes)
    }

    /// Into the shared conn.
    fn poll_inbox(
        &mut self,
        shared: &mut Shared,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<usize> {
        if shared.inbox_bytes >= QUEUE_BYTES {
            shared.turns.wait(self.id, cx);
            return Poll::Pending;
        }
        shared.turns.leave(self.id);
        let bytes: usize = queue.iter().map(Bytes::len).sum();
        shared.inbox.extend(queue.drain(..).filter(|piece| !piece.is_empty()));
        shared.inbox_bytes += bytes as u64;
        if shared.inbox_bytes < QUEUE_BYTES {
            shared.turns.wake_next();
        }
        shared.wake_driver();
        Poll::Ready(bytes)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.finish_line(self.speaker.as_deref_mut(), Some(self.id));
        shared.farewell(self.id);
        if let Some(client) = shared.remove(self.id) {
            shared.gone(self.id, &client);
        }
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
        let ended = shared.source_ended && shared.room.is_none();
        let Some(client) = shared.client(self.id) else { return Poll::Ready(Ok(Recv::End)) };
        if client.take(max.min(SERVING), out) {
            shared.note_room(self.id);
            return Poll::Ready(Ok(Recv::Data));
        }
        if ended || client.closing {
            return Poll::Ready(Ok(Recv::End));
        }
        client.waker = Some(cx.waker().clone());
        shared.note_room(self.id);
        Poll::Pending
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let shared = Arc::clone(&self.shared);
        let mut shared = lock(&shared);
        match shared.room {
            Some(_) => self.poll_speak(&mut shared, cx, queue),
            None => self.poll_inbox(&mut shared, cx, queue),
        }
        .map(Ok)
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.shared);
        shared.finish_line(self.speaker.as_deref_mut(), Some(self.id));
        shared.farewell(self.id);
        shared.end_of(self.id);
        Poll::Ready(Ok(()))
    }

    fn linger(&self) -> Duration {
        let shared = lock(&self.shared);
        if shared.quiet || shared.source_ended { Duration::ZERO } else { UNKNOWN }
    }

    fn stop_recv(&mut self) {
        let mut shared = lock(&self.shared);
        if let Some(client) = shared.client(self.id) {
            client.stop();
        }
        shared.note_room(self.id);
        shared.wake_driver();
    }

    fn losses(&self) -> Option<String> {
        let shared = lock(&self.shared);
        let client = shared.clients.get(&self.id)?;
        let (skipped, unheard) = (client.skipped, shared.unheard(client));
        let skipped = (skipped > 0).then(|| {
            format!("{skipped} bytes were skipped, since the client took them too slowly")
        });
        let unheard = (unheard > 0)
            .then(|| format!("{unheard} bytes reached nobody, since no other client was there"));
        let all: Vec<String> = [skipped, unheard].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}
