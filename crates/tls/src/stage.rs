//! The stage: plaintext on one side, records on the other.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod kernel;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "stage/kernel_absent.rs"]
mod kernel;

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use conn::{Conn, Duplex, Paced, Recv, Scratch};
use openssl::ssl::{self, ErrorCode, Ssl, SslRef, SslStream};
use plan::KernelTls;

use crate::error::{self, Error};
use crate::ffi;
use crate::secrets;
use crate::wire::Wire;
use kernel::Kernel;

/// Plaintext made into records before they are sent: large enough that a system call is nothing
/// beside the encryption, small enough that plaintext and records fit a core's own cache together.
const BATCH: usize = 128 * 1024;
/// Longest read of records from the conn below.
const WIRE_READ: usize = 128 * 1024;
/// Longest piece of plaintext worth passing on at a time.
pub(crate) const CHUNK: usize = 128 * 1024;
/// Largest plaintext of a record (RFC 8446, section 5.1).
const RECORD: usize = 16 * 1024;

/// Reads made to find out why a peer takes nothing any more.
const LOOKS: usize = 16;

/// Plaintext, in bytes, that a peer may send while it keeps us from sending.
const HELD_MAX: usize = 1024 * 1024;

/// Something that is no error and that the user should know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Notice {
    /// The peer closed the connection without saying that it had sent everything.
    Truncated,
    /// The peer asked for new keys, and the kernel goes on with the old ones.
    KeysKept,
    /// The peer wanted to begin again, which cannot be while the kernel has the keys.
    NoRenegotiation,
}

/// Whom to tell.
pub(crate) type Tell = Arc<dyn Fn(Notice) + Send + Sync>;

/// How far our end has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    Open,
    /// close_notify is made and on its way.
    Told,
    Done,
    /// Something failed: to say that everything was sent would be a lie.
    Failed,
}

/// A TLS connection over a conn.
pub(crate) struct Tls {
    ssl: SslStream<Wire>,
    inner: Conn,
    /// Records being sent.
    sending: VecDeque<Bytes>,
    /// Bytes at the front of the sender's queue that are in records already; they are reported as
    /// taken when the records are sent.
    pledged: usize,
    /// Plaintext that came while sending needed an answer of the peer.
    held: VecDeque<Bytes>,
    /// The sender waits for whoever receives to take that, and then for that answer.
    sender_waits: bool,
    scratch: Scratch,
    ending: Ending,
    /// Something was sent that the peer may not have received.
    has_sent: bool,
    /// The size of our close_notify, once it is made.
    farewell: usize,
    /// The last bytes are to travel with it.
    is_held_back: bool,
    /// The connection failed when nothing but our close_notify was left to arrive.
    is_parted: Cell<bool>,
    /// The peer has ended, orderly or not.
    ended: bool,
    /// What broke receiving after the bytes that were given out.
    failure: Option<io::Error>,
    strict_end: bool,
    /// A ticket is still to be sent, before the first data.
    owes_ticket: bool,
    tell: Tell,
    kernel: Kernel,
    /// Why the kernel will do nothing, if that is known before the handshake.
    hindrance: Option<&'static str>,
    /// Records are read one by one, so that the next one is still the kernel's to open.
    reads_exactly: bool,
}

/// What OpenSSL waits for.
enum Want {
    Read,
    Write,
}

fn want(error: ssl::Error) -> Result<Want, ssl::Error> {
    match error.code() {
        ErrorCode::WANT_READ => Ok(Want::Read),
        ErrorCode::WANT_WRITE => Ok(Want::Write),
        _ => Err(error),
    }
}

impl Tls {
    pub(crate) fn new(
        mut ssl: Ssl,
        inner: Conn,
        strict_end: bool,
        owes_ticket: bool,
        kernel: KernelTls,
        tell: Tell,
    ) -> Result<Self, Error> {
        let hindrance = kernel::hindrance(kernel, &inner);
        if hindrance.is_none() {
            secrets::keep(&mut ssl);
        }
        let ssl = SslStream::new(ssl, Wire::default()).map_err(error::internal)?;
        Ok(Self {
            ssl,
            inner,
            sending: VecDeque::new(),
            pledged: 0,
            held: VecDeque::new(),
            sender_waits: false,
            scratch: Scratch::default(),
            ending: Ending::Open,
            has_sent: false,
            farewell: 0,
            is_held_back: false,
            is_parted: Cell::new(false),
            ended: false,
            failure: None,
            strict_end,
            owes_ticket,
            tell,
            kernel: Kernel::default(),
            hindrance,
            reads_exactly: hindrance.is_none(),
        })
    }

    pub(crate) fn ssl(&self) -> &SslRef {
        self.ssl.ssl()
    }

    pub(crate) fn inner(&self) -> &Conn {
        &self.inner
    }

    /// Talks until both sides agree.
    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            match self.ssl.do_handshake().map_err(want) {
                Ok(()) => {
                    self.ssl.get_mut().note_sending(true);
                    return self.poll_tell(cx);
                }
                Err(Ok(Want::Write)) => ready!(self.poll_tell(cx))?,
                Err(Ok(Want::Read)) => {
                    ready!(self.poll_tell(cx))?;
                    ready!(self.poll_fill(cx)).map_err(Error::Io)?;
                }
                Err(Err(failed)) => {
                    // The alert that says why, when there is room for it.
                    let _ = self.poll_drain(cx);
                    self.ending = Ending::Failed;
                    if error::is_end(&failed) {
                        return Poll::Ready(Err(Error::Closed));
                    }
                    return Poll::Ready(Err(error::handshake(&failed)));
                }
            }
        }
    }

    /// Sends our part of the handshake. A peer that will not have it may have said why.
    fn poll_tell(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Err(broken) = ready!(self.poll_drain(cx)) else { return Poll::Ready(Ok(())) };
        let _ = self.poll_fill(cx);
        match self.ssl.do_handshake() {
            Err(failed) if error::is_alert(&failed) => Poll::Ready(Err(error::handshake(&failed))),
            _ => Poll::Ready(Err(Error::Io(broken))),
        }
    }

    /// Why nothing can be sent any more: an alert of the peer's that has arrived says it better than
    /// the system, to which it is a reset. Data that came before the alert is kept.
    fn cause(&mut self, cx: &mut Context<'_>, broken: io::Error) -> io::Error {
        self.ending = Ending::Failed;
        for _ in 0..LOOKS {
            if self.ended {
                break;
            }
            let mut held = std::mem::take(&mut self.held);
            let read = self.poll_read(cx, WIRE_READ, &mut held);
            self.held = held;
            match read {
                Poll::Ready(Ok(Recv::Data)) => {}
                Poll::Ready(Err(error)) if Error::within(&error).is_some() => return error,
                Poll::Ready(Err(error)) => {
                    (self.ended, self.failure) = (true, Some(error));
                }
                _ => break,
            }
        }
        broken
    }

    /// Sends every record there is.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.kernel.sends() {
            return self.poll_pass_on(cx);
        }
        if self.reads_exactly {
            self.ssl.get_mut().note_sending(false);
        }
        self.sending.extend(self.ssl.get_mut().take_outgoing());
        if self.sending.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let sent = ready!(self.inner.poll_send_all(cx, &mut self.sending));
        self.ssl.get_mut().release();
        Poll::Ready(sent)
    }

    /// Gets more records, or the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.ssl.get_mut();
        if wire.ended {
            return Poll::Ready(Ok(()));
        }
        let size = if self.reads_exactly { wire.missing() } else { WIRE_READ };
        match ready!(self.inner.poll_recv(cx, size, &mut wire.incoming)) {
            Ok(got) => {
                wire.ended = got == Recv::End;
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(self.explained(error))),
        }
    }

    /// A server that has answered may close without having read our close_notify; its system then
    /// takes back what it had not sent yet, and resets the connection.
    fn explained(&self, error: io::Error) -> io::Error {
        let has_ended = matches!(self.ending, Ending::Told | Ending::Done);
        match error.kind() {
            io::ErrorKind::ConnectionReset if has_ended => Error::ResetAfterEnd.into(),
            _ => error,
        }
    }

    /// Bytes that are here, be they plaintext or records: no less than the plaintext to be had.
    fn waiting(&self) -> usize {
        let records: usize = self.ssl.get_ref().incoming.iter().map(Bytes::len).sum();
        records + self.ssl.ssl().pending()
    }

    /// Answers the peer's key updates and requests, unless records of ours are under way, which
    /// whoever waits for them sends. A peer that cannot be answered is still heard.
    fn answer(&mut self, cx: &mut Context<'_>) {
        let is_ours = self.pledged > 0 || self.ending == Ending::Told;
        if !is_ours && matches!(self.poll_drain(cx), Poll::Ready(Err(_))) {
            self.sending.clear();
            self.kernel.forget();
            self.ssl.get_mut().discard_outgoing();
        }
    }

    /// Decrypts until `buf` has `size` bytes or more records are needed; what stopped it.
    fn read(&mut self, buf: &mut BytesMut, size: usize) -> Option<ssl::Error> {
        while buf.len() < size {
            if let Err(stopped) = ffi::read(&mut self.ssl, buf, size) {
                return Some(stopped);
            }
        }
        None
    }

    /// Takes note of the peer's end, or of what broke; what was received before comes first.
    fn note_stop(&mut self, stopped: ssl::Error) {
        self.ended = true;
        if stopped.code() == ErrorCode::ZERO_RETURN {
            return;
        }
        self.failure = if !error::is_end(&stopped) {
            self.ending = Ending::Failed;
            Some(error::broken(&stopped).into())
        } else if self.kernel.is_cut || !self.ssl.get_ref().is_between_records() {
            Some(Error::CutRecord.into())
        } else if self.strict_end {
            Some(Error::Truncated.into())
        } else {
            (self.tell)(Notice::Truncated);
            None
        };
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        if self.kernel.receives() {
            return self.poll_read_opened(cx, max, out);
        }
        loop {
            if self.ended {
                return Poll::Ready(self.failure.take().map_or(Ok(Recv::End), Err));
            }
            let waiting = self.waiting();
            if waiting == 0 && !self.ssl.get_ref().ended {
                self.answer(cx);
                ready!(self.poll_fill(cx))?;
                continue;
            }
            let (mut buf, size) = self.scratch.take(max);
            let stopped = self.read(&mut buf, size.min(waiting.max(1)));
            self.answer(cx);
            self.note_key_wish();
            let wanted = stopped.and_then(|stopped| match want(stopped) {
                Ok(wanted) => Some(wanted),
                Err(stopped) => {
                    self.note_stop(stopped);
                    None
                }
            });
            if !buf.is_empty() {
                let is_full = buf.len() == size;
                out.push_back(buf.split().freeze());
                self.scratch.keep(buf, is_full);
                return Poll::Ready(Ok(Recv::Data));
            }
            self.scratch.give_back(buf);
            match wanted {
                Some(Want::Read) => ready!(self.poll_fill(cx))?,
                // Only answers fill the way out to its limit; they must leave before more is made.
                Some(Want::Write) => {
                    ready!(self.poll_drain(cx))?;
                    // With them went what the sender waits for.
                    cx.waker().wake_by_ref();
                }
                None => {}
            }
        }
    }

    /// Puts the front of `queue` into records, about a batch of it.
    fn write(&mut self, queue: &VecDeque<Bytes>) -> Result<(), ssl::Error> {
        if std::mem::take(&mut self.owes_ticket) {
            // Who reads the data reads the ticket before it; who closes with the data unread resets
            // the connection with or without a ticket.
            ffi::schedule_ticket(self.ssl.ssl());
        }
        let mut pieces = queue.iter().filter(|piece| !piece.is_empty()).peekable();
        let mut gathered = BytesMut::new();
        while let Some(piece) = pieces.next() {
            let is_short = |more: &&Bytes, len: usize| len + more.len() <= RECORD;
            if pieces.peek().is_some_and(|more| is_short(more, piece.len())) {
                // Short pieces share a record.
                gathered.clear();
                gathered.extend_from_slice(piece);
                while let Some(more) = pieces.next_if(|more| is_short(more, gathered.len())) {
                    gathered.extend_from_slice(more);
                }
                self.put(&gathered)?;
            } else {
                self.put(piece)?;
            }
            if self.pledged >= BATCH {
                break;
            }
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ssl::Error> {
        let mut at = 0;
        while at < bytes.len() && self.pledged < BATCH {
            let n = self.ssl.ssl_write(&bytes[at..])?;
            at += n;
            self.pledged += n;
        }
        Ok(())
    }

    /// Ready when the peer may have come to the end of what keeps us from sending: it renegotiates (TLS
    /// 1.2), or is in the middle of a message of its own. It may send data meanwhile.
    fn poll_agree(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.iter().map(Bytes::len).sum::<usize>() >= HELD_MAX {
            self.sender_waits = true;
            return Poll::Pending;
        }
        let mut held = std::mem::take(&mut self.held);
        let read = self.poll_read(cx, RECORD, &mut held);
        self.held = held;
        // The message's end may be all that came; who waited for it was this sender.
        if read.is_pending() && self.ssl().is_init_finished() {
            return Poll::Ready(Ok(()));
        }
        let got = ready!(read)?;
        // Whoever receives has not seen it come.
        cx.waker().wake_by_ref();
        if got == Recv::End {
            let gone = io::Error::from(io::ErrorKind::BrokenPipe);
            return Poll::Ready(Err(self.is_broken(gone)));
        }
        Poll::Ready(Ok(()))
    }

    /// Whether all that the peer missed is our close_notify. One that has ended and closed, as servers
    /// do when they have answered, resets the connection when that comes, and has lost nothing by it.
    fn is_only_farewell_lost(&self) -> bool {
        let is_over = self.ended && matches!(self.ending, Ending::Told | Ending::Done);
        let unsent = self.unsent();
        let left = self.inner.unacknowledged().map(|bytes| bytes + unsent);
        let is_parted = is_over && left.is_some_and(|left| left <= self.farewell);
        self.is_parted.set(self.is_parted.get() || is_parted);
        self.is_parted.get()
    }

    /// Bytes of records that the conn below has not taken yet.
    fn unsent(&self) -> usize {
        let records = self.ssl.get_ref().outgoing_len() + self.kernel.waiting_len();
        records + self.sending.iter().map(Bytes::len).sum::<usize>()
    }

    fn is_broken(&mut self, error: io::Error) -> io::Error {
        self.ending = Ending::Failed;
        error
    }
}

impl Duplex for Tls {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        if !self.held.is_empty() {
            out.append(&mut self.held);
            return Poll::Ready(Ok(Recv::Data));
        }
        let read = self.poll_read(cx, max, out);
        if self.sender_waits && self.ssl().is_init_finished() {
            self.sender_waits = false;
            cx.waker().wake_by_ref();
        }
        read
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Err(error) = ready!(self.poll_drain(cx)) {
                return Poll::Ready(Err(self.cause(cx, error)));
            }
            if self.kernel.sends() {
                return match ready!(self.inner.poll_send(cx, queue)) {
                    Ok(sent) => {
                        self.has_sent |= sent > 0;
                        Poll::Ready(Ok(sent))
                    }
                    Err(error) => Poll::Ready(Err(self.cause(cx, error))),
                };
            }
            if self.pledged > 0 {
                let sent = std::mem::take(&mut self.pledged);
                self.has_sent = true;
                conn::advance(queue, sent);
                return Poll::Ready(Ok(sent));
            }
            if queue.iter().all(Bytes::is_empty) {
                queue.clear();
                return Poll::Ready(Ok(0));
            }
            match self.write(queue).map_err(want) {
                Ok(()) | Err(Ok(Want::Write)) => {}
                Err(Ok(Want::Read)) if self.pledged == 0 => ready!(self.poll_agree(cx))?,
                Err(Ok(Want::Read)) => {}
                Err(Err(failed)) => {
                    let broken = error::broken(&failed).into();
                    return Poll::Ready(Err(self.is_broken(broken)));
                }
            }
        }
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ending == Ending::Open {
            while !self.ended && !self.ssl().is_init_finished() {
                ready!(self.poll_agree(cx))?;
            }
            // Only our direction: the connection below stays open for what the peer still sends
            // (RFC 8446, section 6.1).
            let before = self.unsent();
            if let Err(failed) = self.ssl.shutdown() {
                let broken = error::broken(&failed).into();
                return Poll::Ready(Err(self.is_broken(broken)));
            }
            self.farewell = self.unsent() - before;
            self.ending = Ending::Told;
        }
        let drained = ready!(self.poll_drain(cx));
        self.ending = Ending::Done;
        if std::mem::take(&mut self.is_held_back) {
            self.inner.hold_back(false);
        }
        match drained {
            // The peer is gone and missed nothing; there is no one to tell.
            Err(_) if self.ended && !self.has_sent => Poll::Ready(Ok(())),
            Err(_) if self.is_only_farewell_lost() => Poll::Ready(Ok(())),
            drained => Poll::Ready(drained),
        }
    }

    fn ends_in_bytes(&self) -> bool {
        true
    }

    /// Some servers read a request with what there is behind it and then nothing more: a close_notify that
    /// comes later resets their connection (docs/decisions/0017-the-end-travels-with-the-last-bytes.md).
    fn end_follows(&mut self) {
        self.is_held_back = true;
        self.inner.hold_back(true);
    }

    fn linger(&self) -> Duration {
        self.inner.linger()
    }

    fn is_readable(&self) -> bool {
        let has_some = !self.held.is_empty() || self.ended || self.waiting() > 0;
        has_some || self.inner.is_readable()
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

    fn paced(&self) -> Paced {
        self.inner.paced()
    }

    fn is_over(&self) -> bool {
        self.inner.is_over()
    }

    fn undelivered(&self) -> io::Result<Option<usize>> {
        if self.is_parted.get() {
            return Ok(Some(0));
        }
        match self.inner.undelivered() {
            Err(_) if self.is_only_farewell_lost() => Ok(Some(0)),
            below => Ok(below?.map(|below| below + self.unsent())),
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn lowered(&mut self) -> Option<&mut dyn conn::Lowered> {
        let is_lowered = self.kernel.sends() || self.kernel.receives();
        is_lowered.then_some(self as &mut dyn conn::Lowered)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn lowered_source(&self) -> Option<&conn::Plain> {
        let is_passable = self.kernel.receives() && self.held.is_empty() && !self.ended;
        self.inner.plain().filter(|_| is_passable)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn lowered_sink(&self) -> Option<&conn::Plain> {
        let is_passable = self.kernel.sends() && !self.kernel.is_waiting();
        self.inner.plain().filter(|_| is_passable)
    }
}

impl Drop for Tls {
    /// A peer that has ended orderly is answered so, when there is room for it. To one that has not,
    /// being cut off and being told that this was all are different things.
    fn drop(&mut self) {
        if self.ending == Ending::Open && self.ended && self.ssl.shutdown().is_ok() {
            let _ = self.poll_drain(&mut Context::from_waker(Waker::noop()));
        }
    }
}
