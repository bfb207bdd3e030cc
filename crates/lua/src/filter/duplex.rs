//! The user's end of a stack, as a conn.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, Duplex, Paced, Recv};
use tokio::time::Instant;

use super::code::Failure;
use super::link::{Begin, Link, State};

/// What the session has of a connection with filters.
pub(crate) struct Top(pub(crate) Arc<Link>);

/// Why nothing more can be sent: the first time as it was, then in words.
fn again(state: &mut State) -> io::Error {
    if let Some(failed) = state.failed.take() {
        state.send_end.get_or_insert_with(|| Failure::from(&failed));
        return failed;
    }
    match &state.fault {
        Some(fault) => io::Error::other(fault.clone()),
        None => match &state.send_end {
            Some(failure) => io::Error::new(io::ErrorKind::BrokenPipe, failure.to_string()),
            None => io::ErrorKind::BrokenPipe.into(),
        },
    }
}

/// There is something for the outbound pump, which the driver starts with the first.
fn wake_outbound(link: &Link, state: &mut State) {
    match state.outbound.take() {
        Some(waker) => waker.wake(),
        None => link.driver.ring(),
    }
}

impl Duplex for Top {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let mut state = self.0.lock();
        if !state.inbox.is_empty() {
            let cuts = state.shape == conn::Shape::Stream;
            let piece = match state.inbox.front_mut() {
                Some(front) if cuts && front.len() > max.max(1) => front.split_to(max.max(1)),
                _ => state.inbox.pop_front().unwrap_or_default(),
            };
            out.push_back(piece);
            if state.inbox.is_empty() {
                state.deliverer.take().into_iter().for_each(Waker::wake);
            }
            return Poll::Ready(Ok(Recv::Data));
        }
        if state.inbox_end.is_some() {
            state.is_told_end = true;
        }
        match state.inbox_end.take() {
            Some(Ok(())) => Poll::Ready(Ok(Recv::End)),
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => {
                state.taker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if matches!(state.begin, Begin::Dealt) {
            // The filter has dealt with this client: nothing of the user's is for it.
            return Poll::Ready(Ok(queue.drain(..).map(|piece| piece.len()).sum()));
        }
        let is_refused = matches!(state.begin, Begin::Refused(_));
        if state.fault.is_some() || state.failed.is_some() || is_refused || state.shut {
            return Poll::Ready(Err(again(&mut state)));
        }
        if state.outbox.is_some() || state.in_send || !matches!(state.begin, Begin::Ready) {
            state.giver = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Some(piece) = queue.pop_front() else { return Poll::Ready(Ok(0)) };
        let len = piece.len();
        if len > 0 || state.shape == conn::Shape::Message {
            state.outbox = Some(piece);
            wake_outbound(&self.0, &mut state);
        }
        Poll::Ready(Ok(len))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        if state.fault.is_some() || state.failed.is_some() {
            return Poll::Ready(Err(again(&mut state)));
        }
        let is_begun = matches!(state.begin, Begin::Running | Begin::Ready);
        if state.shut || !is_begun || self.0.facts.probes {
            return Poll::Ready(Ok(()));
        }
        state.outbox_end = true;
        wake_outbound(&self.0, &mut state);
        state.giver = Some(cx.waker().clone());
        Poll::Pending
    }

    fn linger(&self) -> Duration {
        self.0.lock().conn.as_ref().map_or(Duration::ZERO, Conn::linger)
    }

    fn is_readable(&self) -> bool {
        let state = self.0.lock();
        let ours =
            !state.inbox.is_empty() || state.inbox_end.is_some() || !state.received.is_empty();
        let is_open = state.read_end.is_none();
        ours || (is_open && state.conn.as_ref().is_some_and(Conn::is_readable))
    }

    fn losses(&self) -> Option<String> {
        self.0.lock().conn.as_ref().and_then(Conn::losses)
    }

    fn is_answering(&self) -> bool {
        let answers = self.0.lock().conn.as_ref().is_some_and(Conn::is_answering);
        answers || (!self.0.lock().is_there() && self.0.sockets.are_answering())
    }

    fn paced(&self) -> Paced {
        self.0.lock().conn.as_ref().map(Conn::paced).unwrap_or_default()
    }

    fn note_idle(&mut self) {
        self.0.lock().is_idle = true;
    }

    fn wire_active(&self) -> Option<Instant> {
        let active = self.0.lock().active;
        Some(self.0.sockets.active().map_or(active, |other| active.max(other)))
    }

    fn is_over(&self) -> bool {
        let mut state = self.0.lock();
        if !state.conn.as_ref().is_some_and(Conn::is_over) {
            return false;
        }
        if !state.is_told_end {
            // The filters learn that nothing more comes, and may have something to say to that.
            state.wake_reader();
            self.0.driver.ring();
        }
        state.is_told_end
    }

    fn undelivered(&self) -> io::Result<Option<usize>> {
        // Without a root it is filters' own connections that all goes by.
        let is_rooted = self.0.lock().is_there();
        let elsewhere = if is_rooted { 0 } else { self.0.sockets.undelivered()? };
        let state = self.0.lock();
        let ours = state.outbox.as_ref().map_or(0, Bytes::len)
            + usize::from(state.in_send)
            + elsewhere
            + state.sending.iter().map(Bytes::len).sum::<usize>();
        let below = state.conn.as_ref().map_or(Ok(Some(0)), Conn::undelivered)?;
        Ok(below.map(|below| below + ours).or((ours > 0).then_some(ours)))
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        self.0.lock().is_left = true;
        self.0.driver.ring();
    }
}
