//! The kernel's part: records of data, one direction or both (kTLS).
//!
//! The handshake is OpenSSL's, over memory, as always; then the kernel is given the keys of what follows
//! (docs/decisions/0016-the-kernel-does-data-openssl-the-rest.md). Records that are not data stay
//! OpenSSL's: one that the kernel has opened is sealed again for it, one that it has made is opened and
//! passed to the kernel by its type. So closing, alerts and what they mean are decided in one place.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use conn::records::{self, Way};
use conn::{Carrier, Conn, Lowered, Plain, Record, Recv};
use openssl::error::ErrorStack;
use plan::KernelTls;

use super::{Notice, RECORD, Tls, want};
use crate::error::{self, Error};
use crate::facts::Worker;
use crate::keys::{self, Keys, Kind, Suite};
use crate::{ffi, secrets};

/// An alert that is no failure, and the answer to a wish to renegotiate (RFC 5246, section 7.2).
const NO_RENEGOTIATION: [u8; 2] = [1, 100];

/// This system's kernel has said that it has no TLS; to ask again would have it look for a module.
static IS_ABSENT: AtomicBool = AtomicBool::new(false);

/// What the kernel has been given, and what is on its way between it and OpenSSL.
#[derive(Default)]
pub(super) struct Kernel {
    /// The kernel makes the records of data; these open what OpenSSL makes.
    send: Option<Keys>,
    /// The kernel opens all records; these seal what is OpenSSL's.
    recv: Option<Keys>,
    /// What OpenSSL wants sent: types and contents.
    controls: VecDeque<(u8, Vec<u8>)>,
    /// The connection ended in the middle of a record.
    pub(super) is_cut: bool,
    has_told_keys: bool,
}

impl Kernel {
    pub(super) fn sends(&self) -> bool {
        self.send.is_some()
    }

    pub(super) fn receives(&self) -> bool {
        self.recv.is_some()
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.controls.is_empty()
    }

    /// Gives up what could not be sent.
    pub(super) fn forget(&mut self) {
        self.controls.clear();
    }

    pub(super) fn waiting_len(&self) -> usize {
        self.controls.iter().map(|(_, content)| content.len()).sum()
    }
}

/// Why the kernel could not be given the work over this conn; `None` when it may be.
pub(super) fn hindrance(mode: KernelTls, inner: &Conn) -> Option<&'static str> {
    if mode == KernelTls::Off {
        Some("--ssl-ktls off")
    } else if inner.plain().and_then(Plain::carrier) != Some(Carrier::Tcp) {
        Some("only for a TCP socket and nothing in between")
    } else if IS_ABSENT.load(Ordering::Relaxed) {
        Some("this kernel has no TLS")
    } else {
        None
    }
}

impl Keys {
    fn for_kernel(&self) -> records::Keys<'_> {
        let cipher = match self.suite.kind {
            Kind::Aes128Gcm => records::Cipher::Aes128Gcm,
            Kind::Aes256Gcm => records::Cipher::Aes256Gcm,
            Kind::ChaCha20Poly1305 => records::Cipher::ChaCha20Poly1305,
        };
        let version =
            if self.suite.is_13 { records::Version::Tls13 } else { records::Version::Tls12 };
        let (key, nonce) = (&self.key, self.nonce_for_kernel());
        records::Keys { version, cipher, key, nonce, sequence: self.sequence }
    }
}

impl Tls {
    /// Gives the kernel what it takes of the work, once the handshake is done; says who does what.
    pub(crate) fn lower(&mut self, mode: KernelTls) -> (Worker, Worker) {
        self.reads_exactly = false;
        let (send, recv) = match self.try_lower(mode) {
            Ok(recv) => (Worker::Kernel, recv),
            Err(why) => (Worker::User(why), Worker::User(why)),
        };
        if send == Worker::Kernel {
            // To begin again would change keys behind the kernel's back.
            ffi::refuse_renegotiation(self.ssl.ssl());
        }
        (send, recv)
    }

    fn try_lower(&mut self, mode: KernelTls) -> Result<Worker, &'static str> {
        if let Some(why) = self.hindrance {
            return Err(why);
        }
        let suite = Suite::of(self.ssl()).ok_or("the kernel lacks this version or cipher")?;
        if !suite.is_13 && !self.ssl().is_server() && mode != KernelTls::On {
            return Err("a server of TLS 1.2 may renegotiate; --ssl-ktls on");
        }
        if ffi::has_short_records(self.ssl()) {
            return Err("the peer wants short records");
        }
        let keys = self.first_keys(suite).map_err(|_| "the keys cannot be had")?;
        let (send, recv) = keys.ok_or("the keys cannot be had")?;
        self.inner.prepare_records().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                IS_ABSENT.store(true, Ordering::Relaxed);
                "this kernel has no TLS"
            }
            io::ErrorKind::NotConnected => "the peer has closed the connection",
            _ => "the kernel declines",
        })?;
        let declined = "the kernel declines this version or cipher";
        self.inner.set_record_keys(Way::Send, &send.for_kernel()).map_err(|_| declined)?;
        self.kernel.send = Some(send);
        let why_not = if suite.is_13 && mode != KernelTls::On {
            Some("the peer may change its keys, and the kernel would not follow; --ssl-ktls on")
        } else if !self.inner.keeps_unfinished_records() {
            Some("this kernel would not notice a record that is cut")
        } else if self.waiting() > 0 || !self.ssl.get_ref().is_between_records() {
            Some("records were read ahead")
        } else if self.inner.set_record_keys(Way::Recv, &recv.for_kernel()).is_err() {
            Some(declined)
        } else {
            self.kernel.recv = Some(recv);
            None
        };
        Ok(why_not.map_or(Worker::Kernel, Worker::User))
    }

    /// The keys of both directions, ours first, for the records that come next.
    fn first_keys(&self, suite: Suite) -> Result<Option<(Keys, Keys)>, ErrorStack> {
        let ssl = self.ssl();
        let (client, server) = if suite.is_13 {
            let secrets = secrets::take(ssl);
            if secrets.client.is_empty() || secrets.server.is_empty() {
                return Ok(None);
            }
            (Keys::of_13(suite, secrets.client)?, Keys::of_13(suite, secrets.server)?)
        } else {
            keys::both_of_12(ssl, suite)?
        };
        let (mut send, recv) = if ssl.is_server() { (server, client) } else { (client, server) };
        let wire = self.ssl.get_ref();
        send.follow(&wire.last_sent);
        if suite.is_13 && ssl.is_server() {
            // Session tickets, behind the client's Finished.
            send.sequence = wire.sent_last;
        }
        Ok(Some((send, recv)))
    }

    /// Sends what OpenSSL has made, as records of the kernel's.
    pub(super) fn poll_pass_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let made = self.ssl.get_mut().take_outgoing();
        for record in made.iter().flat_map(|made| keys::records(made)) {
            if let Err(stack) = self.pass_on(record) {
                return Poll::Ready(Err(error::internal(stack).into()));
            }
        }
        drop(made);
        self.ssl.get_mut().release();
        while let Some((kind, content)) = self.kernel.controls.front() {
            ready!(self.inner.poll_send_record(cx, *kind, content))?;
            self.kernel.controls.pop_front();
        }
        Poll::Ready(Ok(()))
    }

    fn pass_on(&mut self, record: &[u8]) -> Result<(), ErrorStack> {
        let Some(keys) = &mut self.kernel.send else { return Ok(()) };
        let (kind, content) = keys.open(record)?;
        if kind == keys::HANDSHAKE && keys.suite.is_13 && keys::has_key_update(&content) {
            // OpenSSL has new keys now; the kernel keeps its own, so the peer must not be told.
            *keys = keys.next()?;
            self.tell_keys_kept();
            return Ok(());
        }
        if kind == keys::ALERT && content == NO_RENEGOTIATION {
            (self.tell)(Notice::NoRenegotiation);
        }
        self.kernel.controls.push_back((kind, content));
        Ok(())
    }

    /// Takes note of the peer's wish for new keys, which the kernel does not fulfil.
    pub(super) fn note_key_wish(&mut self) {
        if self.kernel.sends() && ffi::owes_key_update(self.ssl()) {
            self.tell_keys_kept();
        }
    }

    fn tell_keys_kept(&mut self) {
        if !std::mem::replace(&mut self.kernel.has_told_keys, true) {
            (self.tell)(Notice::KeysKept);
        }
    }

    /// Receives from the kernel until there is data or the end.
    pub(super) fn poll_read_opened(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        loop {
            if let Some(recv) = ready!(self.poll_record(cx, max, out))? {
                return Poll::Ready(Ok(recv));
            }
        }
    }

    /// Receives once; `None` when it was something that was not data.
    fn poll_record(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Option<Recv>>> {
        if self.ended {
            return Poll::Ready(self.failure.take().map_or(Ok(Some(Recv::End)), Err));
        }
        match ready!(self.inner.poll_recv_record(cx, max)) {
            Ok(Record::Data(data)) if data.is_empty() => {}
            Ok(Record::Data(data)) => {
                out.push_back(data);
                return Poll::Ready(Ok(Some(Recv::Data)));
            }
            Ok(Record::Other(kind, content)) => self.hear(cx, kind, &content)?,
            Ok(Record::End { is_cut }) => {
                self.kernel.is_cut = is_cut;
                self.ssl.get_mut().ended = true;
                self.heed(cx);
            }
            Err(error) => self.hear_failure(cx, error)?,
        }
        Poll::Ready(Ok(None))
    }

    /// Gives OpenSSL a record that is not data.
    fn hear(&mut self, cx: &mut Context<'_>, kind: u8, content: &[u8]) -> io::Result<()> {
        let Some(keys) = &mut self.kernel.recv else { return Ok(()) };
        if kind == keys::HANDSHAKE && keys.suite.is_13 && keys::has_key_update(content) {
            (self.ended, self.ending) = (true, super::Ending::Failed);
            self.failure = Some(Error::KeysChanged.into());
            return Ok(());
        }
        for part in content.chunks(RECORD) {
            let record = keys.seal(kind, part).map_err(error::internal)?;
            self.ssl.get_mut().incoming.push_back(record.into());
        }
        self.heed(cx);
        Ok(())
    }

    /// A record that fails its check fails OpenSSL's too, which knows what to say to the peer and to us.
    fn hear_failure(&mut self, cx: &mut Context<'_>, failure: io::Error) -> io::Result<()> {
        let Some(keys) = self.kernel.recv.as_mut().filter(|_| is_bad_record(&failure)) else {
            return Err(failure);
        };
        self.inner.forget_failure();
        let mut record = keys.seal(records::DATA, &[]).map_err(error::internal)?;
        if let Some(last) = record.last_mut() {
            *last ^= 1;
        }
        self.ssl.get_mut().incoming.push_back(record.into());
        self.heed(cx);
        Ok(())
    }

    /// Has OpenSSL look at what it was given, which is never data.
    fn heed(&mut self, cx: &mut Context<'_>) {
        let stopped = self.ssl.ssl_read(&mut [0]).err().and_then(|stopped| want(stopped).err());
        self.answer(cx);
        if let Some(stopped) = stopped {
            self.note_stop(stopped);
        }
    }
}

const EINVAL: i32 = 22;

/// What the kernel says of records that are none, or fail their check.
fn is_bad_record(error: &io::Error) -> bool {
    const EBADMSG: i32 = 74;
    const EMSGSIZE: i32 = 90;
    matches!(error.raw_os_error(), Some(EINVAL | EBADMSG | EMSGSIZE))
}

impl Lowered for Tls {
    fn poll_stopped(
        &mut self,
        cx: &mut Context<'_>,
        stopped: Option<io::Error>,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let read = match stopped {
            // A splice stops so at a record that is not data, and at one that is none: then there is
            // nothing to receive.
            Some(failure) if failure.raw_os_error() == Some(EINVAL) => {
                match self.poll_record(cx, super::CHUNK, out)? {
                    Poll::Pending => self.hear_failure(cx, failure).map(|()| None)?,
                    Poll::Ready(read) => read,
                }
            }
            Some(failure) if failure.kind() != io::ErrorKind::Unsupported => {
                self.hear_failure(cx, failure)?;
                None
            }
            _ => ready!(self.poll_record(cx, super::CHUNK, out))?,
        };
        Poll::Ready(match read {
            Some(read) => Ok(read),
            None if self.ended => self.failure.take().map_or(Ok(Recv::End), Err),
            None => Ok(Recv::Data),
        })
    }

    fn why_not_sent(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Error {
        self.cause(cx, error)
    }

    fn poll_push(&mut self, cx: &mut Context<'_>, has_sent: bool) -> Poll<io::Result<()>> {
        self.has_sent |= has_sent;
        if self.is_held_back {
            // Our end follows at once: as another kind of record it closes this one, and is sent with it.
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_close_record(cx)
    }
}
