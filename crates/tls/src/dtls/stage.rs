//! The stage: datagrams on one side, records on the other.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, Duplex, Paced, Recv, Scratch};
use openssl::ssl::{self, ErrorCode, Ssl, SslRef, SslStream};
use proto::dtls::Hello;
use tokio::time::{Instant, Sleep, sleep_until};

use super::packets::Packets;
use super::{MTU, MTU_NARROW, RECORD};
use crate::error::{self, Error};
use crate::ffi;

/// Records made before they are sent, as many as the system takes in one call.
const SEND_BATCH: usize = 64;
/// Records opened before what was in them is passed on.
const RECV_BATCH: usize = 64;
/// Batches of datagrams looked at in one go, where none of them is a record of the peer's.
const LOOKS: usize = 16;
/// Bytes that a protected record of a handshake has at least, with any cipher: Finished, 24 bytes with a
/// tag and a nonce or two tags. Shorter ones that overtake it are lost.
const FLOOR: usize = 40;
/// Flights sent again before they are cut smaller.
const NARROW_AFTER: u32 = 1;
/// How long a peer has to answer our end with its own before it is taken for gone. Either may be lost,
/// and is not sent again.
const PARTING: Duration = Duration::from_millis(500);

/// How far we have come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// A server that waits for all of the ClientHello with the cookie.
    Waiting,
    Handshake,
    Open,
    /// close_notify is made and on its way, or sent.
    Told(Instant),
    /// Something failed, or we never were secure: the peer has to be told nothing.
    Failed,
}

/// A DTLS connection over a conn that keeps messages.
pub(crate) struct Dtls {
    ssl: SslStream<Packets>,
    inner: Conn,
    phase: Phase,
    /// A client's first message, until it is whole.
    hello: Hello,
    /// Messages at the front of the sender's queue that are in records already; they are reported as
    /// taken when the records are sent.
    pledged: usize,
    scratch: Scratch,
    /// The peer has ended, and was heard to the end.
    ended: bool,
    /// What broke receiving after the messages that were given out.
    failure: Option<io::Error>,
    /// When the last flight is to be sent again, and how often it was.
    timer: Option<Pin<Box<Sleep>>>,
    repeats: u32,
    /// Empty messages, which a record cannot be.
    unsent: u64,
}

/// Bytes that a record protected by this cipher has at least: its nonce and its tag. Names are OpenSSL's.
fn floor(cipher: &str) -> usize {
    match cipher {
        _ if cipher.contains("CHACHA20") || cipher.contains("CCM8") => 16,
        _ if cipher.contains("GCM") || cipher.contains("CCM") => 24,
        // The old ones in blocks: OpenSSL takes forged ones of other lengths amiss too.
        _ => 0,
    }
}

/// Whether OpenSSL only waits for datagrams; it never waits to send them.
fn waits(error: &ssl::Error) -> bool {
    matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE)
}

impl Dtls {
    /// Over `inner`; `listens` for a server, whose first datagram is a ClientHello with its cookie.
    pub(crate) fn new(ssl: Ssl, inner: Conn, listens: bool) -> Result<Self, Error> {
        ffi::set_mtu(&ssl, MTU);
        let ssl = SslStream::new(ssl, Packets { floor: FLOOR, ..Packets::default() })
            .map_err(error::internal)?;
        let phase = if listens { Phase::Waiting } else { Phase::Handshake };
        Ok(Self {
            ssl,
            inner,
            phase,
            hello: Hello::default(),
            pledged: 0,
            scratch: Scratch::default(),
            ended: false,
            failure: None,
            timer: None,
            repeats: 0,
            unsent: 0,
        })
    }

    pub(crate) fn ssl(&self) -> &SslRef {
        self.ssl.ssl()
    }

    pub(crate) fn inner(&self) -> &Conn {
        &self.inner
    }

    /// Talks until both sides agree, sending again what may have been lost.
    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.phase == Phase::Waiting {
            ready!(self.poll_hello(cx))?;
            self.phase = Phase::Handshake;
        }
        loop {
            self.repeat()?;
            let shaken = self.ssl.do_handshake();
            if let Err(failed) = &shaken
                && !waits(failed)
            {
                // The alert that says why, when there is room for it.
                let _ = self.poll_drain(cx);
                self.phase = Phase::Failed;
                return Poll::Ready(Err(error::handshake(failed)));
            }
            ready!(self.poll_drain(cx)).map_err(Error::Io)?;
            if shaken.is_ok() {
                (self.phase, self.timer) = (Phase::Open, None);
                let floor =
                    self.ssl.ssl().current_cipher().map_or(FLOOR, |cipher| floor(cipher.name()));
                self.ssl.get_mut().floor = floor;
                return Poll::Ready(Ok(()));
            }
            match self.poll_fill(cx) {
                Poll::Ready(filled) => filled.map_err(Error::Io)?,
                Poll::Pending => ready!(self.poll_again(cx)),
            }
        }
    }

    /// Ready when OpenSSL has the ClientHello; what came with it waits.
    fn poll_hello(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            ready!(self.poll_fill(cx)).map_err(Error::Io)?;
            let packets = self.ssl.get_mut();
            let Some(datagram) = packets.incoming.pop_front() else { continue };
            let Some(whole) = self.hello.take(&datagram) else { continue };
            let later = std::mem::replace(&mut packets.incoming, [Bytes::from(whole)].into());
            let is_heard = ffi::listen(&self.ssl).map_err(error::internal)?;
            self.ssl.get_mut().incoming.extend(later);
            if is_heard {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Has the last flight made again if nothing has come of it for too long. Before the library is asked
    /// to go on: it would do the same itself, and not smaller.
    fn repeat(&mut self) -> Result<(), Error> {
        if ffi::timeout(self.ssl.ssl()).is_none_or(|left| !left.is_zero()) {
            return Ok(());
        }
        self.repeats += 1;
        if self.repeats > NARROW_AFTER {
            ffi::set_mtu(self.ssl.ssl(), MTU_NARROW);
        }
        ffi::handle_timeout(self.ssl.ssl())
            .map_err(|stack| Error::Handshake { reason: error::reason_of(&stack), hint: None })
    }

    /// Ready when the last flight may have to be made again.
    fn poll_again(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(left) = ffi::timeout(self.ssl.ssl()) else { return Poll::Pending };
        let until = Instant::now() + left;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        ready!(timer.as_mut().poll(cx));
        self.timer = None;
        Poll::Ready(())
    }

    /// Gets datagrams unless there are some.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let packets = self.ssl.get_mut();
        if !packets.incoming.is_empty() {
            return Poll::Ready(Ok(()));
        }
        match ready!(self.inner.poll_recv(cx, usize::MAX, &mut packets.incoming)) {
            Ok(Recv::Data) => Poll::Ready(Ok(())),
            Ok(Recv::End) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Sends every datagram there is.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let packets = self.ssl.get_mut();
        if packets.outgoing.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_send_all(cx, &mut packets.outgoing)
    }

    /// Sends what OpenSSL answers the peer by itself, unless records of ours are under way, which
    /// whoever waits for them sends. A peer that cannot be answered is still heard.
    fn answer(&mut self, cx: &mut Context<'_>) {
        if self.pledged == 0 && matches!(self.poll_drain(cx), Poll::Ready(Err(_))) {
            self.ssl.get_mut().outgoing.clear();
        }
    }

    /// Opens what is here, each record into a message of its own.
    fn open(&mut self, out: &mut VecDeque<Bytes>) -> Option<ssl::Error> {
        let (mut buf, _) = self.scratch.take(RECORD * 4);
        let before = out.len();
        let stopped = loop {
            if out.len() - before >= RECV_BATCH {
                break None;
            }
            // There is room for the longest, so that none is cut.
            match ffi::read(&mut self.ssl, &mut buf, RECORD) {
                Ok(_) => out.push_back(buf.split().freeze()),
                Err(stopped) => break Some(stopped),
            }
        };
        // An idle conn holds no buffer.
        if out.len() > before {
            self.scratch.keep(buf, false)
        } else {
            self.scratch.give_back(buf)
        }
        stopped
    }

    /// Takes note of the peer's end, or of what broke; what was received before comes first.
    fn note_stop(&mut self, stopped: &ssl::Error) {
        self.ended = true;
        if stopped.code() != ErrorCode::ZERO_RETURN {
            self.failure = Some(self.fail(error::broken(stopped).into()));
        }
    }

    fn fail(&mut self, error: io::Error) -> io::Error {
        self.phase = Phase::Failed;
        error
    }

    /// Puts messages from the front of `queue` into records, as many as are sent at once.
    fn seal(&mut self, queue: &VecDeque<Bytes>) -> Result<(), io::Error> {
        for message in queue.iter().take(SEND_BATCH) {
            if message.len() > RECORD {
                // What comes before it is sent first.
                return match self.pledged {
                    0 => Err(self.fail(Error::TooLong { len: message.len() }.into())),
                    _ => Ok(()),
                };
            }
            if message.is_empty() {
                self.unsent += 1;
            } else if let Err(failed) = self.ssl.ssl_write(message) {
                return Err(self.fail(error::broken(&failed).into()));
            }
            self.pledged += 1;
        }
        Ok(())
    }
}

impl Duplex for Dtls {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        _max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        for _ in 0..LOOKS {
            if self.ended {
                return Poll::Ready(self.failure.take().map_or(Ok(Recv::End), Err));
            }
            let before = out.len();
            let stopped = self.open(out);
            self.answer(cx);
            let is_waiting = stopped.as_ref().is_some_and(waits);
            if let Some(stopped) = stopped.filter(|_| !is_waiting) {
                self.note_stop(&stopped);
            }
            if out.len() > before {
                return Poll::Ready(Ok(Recv::Data));
            }
            if is_waiting && let Err(error) = ready!(self.poll_fill(cx)) {
                return Poll::Ready(Err(self.fail(error)));
            }
        }
        // Whoever floods us with what is nothing does not keep the others waiting.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Err(error) = ready!(self.poll_drain(cx)) {
                return Poll::Ready(Err(self.fail(error)));
            }
            if self.pledged > 0 {
                let sent = queue.drain(..self.pledged.min(queue.len()));
                let bytes = sent.map(|message| message.len()).sum();
                self.pledged = 0;
                return Poll::Ready(Ok(bytes));
            }
            self.seal(queue)?;
        }
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.phase == Phase::Open {
            if let Err(failed) = self.ssl.shutdown() {
                let broken = error::broken(&failed).into();
                return Poll::Ready(Err(self.fail(broken)));
            }
            self.phase = Phase::Told(Instant::now());
        }
        match ready!(self.poll_drain(cx)) {
            // The peer is gone; there is no one to tell.
            Err(_) if self.ended => Poll::Ready(Ok(())),
            drained => Poll::Ready(drained),
        }
    }

    fn linger(&self) -> Duration {
        self.inner.linger()
    }

    fn is_readable(&self) -> bool {
        self.ended || !self.ssl.get_ref().incoming.is_empty() || self.inner.is_readable()
    }

    fn losses(&self) -> Option<String> {
        let unsent = (self.unsent > 0)
            .then(|| format!("{} empty datagrams were not sent: DTLS has none", self.unsent));
        let all: Vec<String> = [unsent, self.inner.losses()].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn stop_recv(&mut self) {
        self.inner.stop_recv();
    }

    fn is_answering(&self) -> bool {
        self.inner.is_answering()
    }

    fn paced(&self) -> Paced {
        self.inner.paced()
    }

    /// Once our end is told, the peer's own may never come: it may be lost, or nobody be there.
    fn is_over(&self) -> bool {
        self.ended || matches!(self.phase, Phase::Told(at) if at.elapsed() >= PARTING)
    }

    fn undelivered(&self) -> io::Result<Option<usize>> {
        self.inner.undelivered()
    }
}

impl Drop for Dtls {
    /// The peer is told that we are gone, whatever the reason: nothing else would tell it, and it
    /// would go on sending to nobody.
    fn drop(&mut self) {
        if self.phase == Phase::Open && self.ssl.shutdown().is_ok() {
            let _ = self.poll_drain(&mut Context::from_waker(Waker::noop()));
        }
    }
}
