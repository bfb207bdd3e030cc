//! An open endpoint, and the stages around it.
//!
//! Everything that has bytes becomes a [`Conn`]: standard input and output, a socket, one peer of a
//! UDP listener, a client's end of a hub. A stage takes a `Conn` and returns one. While no stage has
//! wrapped it a conn is *plain*, descriptors and nothing else, and the relay may leave the work to
//! the kernel; [`Conn::plain`] is how it finds out.
//!
//! Directions are seen from the conn: *recv* takes bytes out of it, *send* puts bytes into it.

#![forbid(unsafe_code)]

#[cfg(unix)]
mod lowered;
#[cfg(unix)]
mod plain;
mod pool;
#[cfg(unix)]
mod port;
mod screen;
mod secured;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod records {
    //! What the kernel needs for the TLS records of a conn, see [`Conn::set_record_keys`](crate::Conn).
    pub use sys::ktls::{Cipher, DATA, Keys, Version, Way};
}
pub mod stage;
mod stream;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

#[cfg(unix)]
pub use lowered::{Lowered, Record};
#[cfg(unix)]
pub use plain::{Input, Output, Plain};
pub use pool::Scratch;
#[cfg(unix)]
pub use port::Port;
pub use screen::{Look, Mark, Screen};
pub use secured::{PeerCertificate, Secured};
pub use stream::StreamDuplex;

/// The largest read of a bulk transfer, in bytes.
pub const CHUNK_MAX: usize = 512 * 1024;

/// Whether boundaries between sends mean something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// A stream of bytes: TCP, pipes, files.
    Stream,
    /// Messages, kept whole: UDP, Unix datagrams.
    Message,
}

/// What carries the bytes of a connected stream socket, and so what its system can be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Carrier {
    /// TCP.
    Tcp,
    /// SCTP: one end ends both directions, and a write is one message that must fit the send buffer.
    Sctp,
    /// A Unix stream socket.
    Unix,
    /// A vsock stream socket.
    Vsock,
}

/// Who is at the other end, in words.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConnInfo {
    /// The peer as messages name it: `192.0.2.7:80`, `standard input and output`.
    pub peer: String,
    /// Our own address, where there is one.
    pub local: String,
    /// Bytes that a file source still holds, for progress.
    pub expected: Option<u64>,
    /// How the connection is secured, by the names commands know the facts by; empty without TLS.
    pub secured: Vec<(&'static str, String)>,
    /// The same facts and more, for whoever looks at them one by one; `None` without TLS.
    pub tls: Option<Arc<Secured>>,
}

/// What a receive gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recv {
    /// At least one piece was added to the queue.
    Data,
    /// The peer has ended its direction. Nothing follows.
    End,
}

/// Directions in which bytes wait for their time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Paced {
    /// What is being sent.
    pub send: bool,
    /// What has been received.
    pub recv: bool,
}

/// What a wrapping stage, or an endpoint that is more than descriptors, provides.
///
/// After [`Recv::End`] or an error, receive is not called again; after `poll_finish` is ready, send
/// is not. The two directions are independent: one ending never ends the other.
pub trait Duplex: Send {
    /// Takes bytes out: adds one or more pieces to `out`, none longer than `max` bytes for streams;
    /// each piece of a message conn is one message (and may be empty).
    ///
    /// # Errors
    /// What broke the receiving direction.
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>>;

    /// Puts bytes in: takes at least one byte (or one message) off the front of `queue`, which is
    /// not empty, and returns the bytes taken. What is taken is on its way: no flush is needed.
    ///
    /// # Errors
    /// What broke the sending direction; what was not taken is still in `queue`.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>>;

    /// Ends the sending direction only, telling the peer so where the transport can.
    ///
    /// # Errors
    /// What kept the end from being sent.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether our end is told in bytes, as data is (TLS). A peer that has said all it wanted and closes
    /// without having read them resets the connection, and loses what had not reached us yet.
    fn ends_in_bytes(&self) -> bool {
        false
    }

    /// Nothing but our end follows what is sent next, and [`Duplex::poll_finish`] is called once that is
    /// sent: both may travel as one, so that who reads the one has the other.
    fn end_follows(&mut self) {}

    /// How long to wait for more when nothing is ready, before taking it that no more is coming.
    /// Asked when the other side has ended.
    fn linger(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether something to receive is here already, be it only the end: held by this stage, or
    /// waiting below it. False when only a receive can tell.
    fn is_readable(&self) -> bool {
        false
    }

    /// Ready when nothing waits to be received and nothing will come: the end, seen without receiving
    /// it. Not woken for bytes that wait, which is for a receive to find out; pending for ever when
    /// only a receive can tell.
    fn poll_end(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    /// Bytes or messages this conn had to give up, in words, for the closing summary.
    fn losses(&self) -> Option<String> {
        None
    }

    /// Nothing more will be received from this conn, though it has not ended: whoever keeps bytes for
    /// it need not any longer.
    fn stop_recv(&mut self) {}

    /// Whether the peer's system answers what the transport asks it, be it only that there is no
    /// room: then it is slow, not gone. False when nobody can say.
    fn is_answering(&self) -> bool {
        false
    }

    /// In which directions bytes wait because we let only so many pass in a second: then neither side
    /// is idle, and a peer that gets nothing is not slow.
    fn paced(&self) -> Paced {
        Paced::default()
    }

    /// The connection is about to be let go of because nothing moved (`-i`), for who tells others why.
    fn note_idle(&mut self) {}

    /// When bytes last moved on the wire, where what moves there is not what passes here: a stage may
    /// swallow bytes, and make up others. `None` when all there is passes here.
    fn wire_active(&self) -> Option<Instant> {
        None
    }

    /// Whether the connection is over in both directions, which a receive may never say once we have
    /// ended ours (SCTP). What arrived before may still wait to be received.
    fn is_over(&self) -> bool {
        false
    }

    /// Bytes sent that the peer's system has not acknowledged; `None` when nobody can say.
    ///
    /// # Errors
    /// The connection has failed since.
    fn undelivered(&self) -> io::Result<Option<usize>> {
        Ok(None)
    }

    /// This stage, when the kernel does its work in a direction or both.
    #[cfg(unix)]
    fn lowered(&mut self) -> Option<&mut dyn Lowered> {
        None
    }

    /// The descriptors that bytes may be taken out of past this stage, since the kernel does its work.
    #[cfg(unix)]
    fn lowered_source(&self) -> Option<&Plain> {
        None
    }

    /// The same for putting bytes in.
    #[cfg(unix)]
    fn lowered_sink(&self) -> Option<&Plain> {
        None
    }

    /// As [`Duplex::undelivered`], also of a connection that has failed since: what had not been
    /// acknowledged by then.
    fn unacknowledged(&self) -> Option<usize> {
        None
    }
}

/// An open endpoint.
pub struct Conn {
    /// Who is at the other end.
    pub info: ConnInfo,
    /// Stream or messages.
    pub shape: Shape,
    /// Longest read worth making, in bytes; a transcript asks for Ncat's 8,192.
    pub chunk_max: usize,
    lead: VecDeque<Bytes>,
    body: Body,
}

enum Body {
    #[cfg(unix)]
    Plain(Plain),
    Wrapped(Box<dyn Duplex>),
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = match &self.body {
            #[cfg(unix)]
            Body::Plain(_) => "plain",
            Body::Wrapped(_) => "wrapped",
        };
        write!(f, "Conn({}, {:?}, {body})", self.info.peer, self.shape)
    }
}

impl Conn {
    /// A conn that is descriptors and nothing else.
    #[cfg(unix)]
    pub fn from_plain(info: ConnInfo, shape: Shape, plain: Plain) -> Self {
        Self { info, shape, chunk_max: CHUNK_MAX, lead: VecDeque::new(), body: Body::Plain(plain) }
    }

    /// A conn whose bytes pass through code.
    pub fn from_duplex(info: ConnInfo, shape: Shape, duplex: Box<dyn Duplex>) -> Self {
        let body = Body::Wrapped(duplex);
        Self { info, shape, chunk_max: CHUNK_MAX, lead: VecDeque::new(), body }
    }

    /// Puts a stage around this conn.
    pub fn wrap<D: Duplex + 'static>(self, stage: impl FnOnce(Conn) -> D) -> Self {
        let info = self.info.clone();
        let (shape, chunk_max) = (self.shape, self.chunk_max);
        let body = Body::Wrapped(Box::new(stage(self)));
        Self { info, shape, chunk_max, lead: VecDeque::new(), body }
    }

    /// Bytes already read from this conn (a handshake's leftovers), to be received first.
    pub fn push_lead(&mut self, bytes: Bytes) {
        self.lead.push_back(bytes);
    }

    /// The descriptors, when nothing stands between them and the user.
    #[cfg(unix)]
    pub fn plain(&self) -> Option<&Plain> {
        match &self.body {
            Body::Plain(plain) if self.lead.is_empty() => Some(plain),
            _ => None,
        }
    }

    /// See [`Duplex::poll_recv`].
    ///
    /// # Errors
    /// As there.
    pub fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        if !self.lead.is_empty() {
            out.append(&mut self.lead);
            return Poll::Ready(Ok(Recv::Data));
        }
        let max = max.min(self.chunk_max);
        match &mut self.body {
            #[cfg(unix)]
            Body::Plain(plain) => plain.poll_recv(cx, max, self.shape, out),
            Body::Wrapped(duplex) => duplex.poll_recv(cx, max, out),
        }
    }

    /// See [`Duplex::poll_send`].
    ///
    /// # Errors
    /// As there.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        match &mut self.body {
            #[cfg(unix)]
            Body::Plain(plain) => plain.poll_send(cx, queue, self.shape),
            Body::Wrapped(duplex) => duplex.poll_send(cx, queue),
        }
    }

    /// Sends until `queue` is empty.
    ///
    /// # Errors
    /// As [`Duplex::poll_send`].
    pub fn poll_send_all(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<()>> {
        while !queue.is_empty() {
            ready!(self.poll_send(cx, queue))?;
        }
        Poll::Ready(Ok(()))
    }

    /// See [`Duplex::poll_finish`].
    ///
    /// # Errors
    /// As there.
    pub fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.body {
            #[cfg(unix)]
            Body::Plain(plain) => plain.poll_finish(cx),
            Body::Wrapped(duplex) => duplex.poll_finish(cx),
        }
    }

    /// See [`Duplex::ends_in_bytes`].
    pub fn ends_in_bytes(&self) -> bool {
        match &self.body {
            #[cfg(unix)]
            Body::Plain(_) => false,
            Body::Wrapped(duplex) => duplex.ends_in_bytes(),
        }
    }

    /// See [`Duplex::end_follows`].
    pub fn end_follows(&mut self) {
        if let Body::Wrapped(duplex) = &mut self.body {
            duplex.end_follows();
        }
    }

    /// With `true` a TCP socket's system keeps what does not fill a packet, for what is sent next; with
    /// `false` it sends that. It keeps nothing longer than 200 ms (tcp(7), `TCP_CORK`), and nothing where
    /// there is no such thing.
    pub fn hold_back(&self, holds: bool) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Body::Plain(plain) = &self.body {
            plain.hold_back(holds);
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = holds;
    }

    /// Closes it so that the peer sees a failure, not an end, where the transport can say so. What the
    /// peer's system has not acknowledged is lost.
    pub fn reset(self) {
        #[cfg(unix)]
        if let Body::Plain(plain) = &self.body {
            plain.reset_on_close();
        }
    }

    /// See [`Duplex::is_readable`].
    pub fn is_readable(&self) -> bool {
        match &self.body {
            #[cfg(unix)]
            Body::Plain(plain) => plain.is_readable(),
            Body::Wrapped(duplex) => duplex.is_readable(),
        }
    }

    /// See [`Duplex::poll_end`].
    pub fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.body {
            _ if !self.lead.is_empty() => Poll::Pending,
            #[cfg(unix)]
            Body::Plain(plain) => plain.poll_end(cx),
            Body::Wrapped(duplex) => duplex.poll_end(cx),
        }
    }

    /// See [`Duplex::linger`].
    pub fn linger(&self) -> Duration {
        match &self.body {
            #[cfg(unix)]
            Body::Plain(plain) => plain.linger(),
            Body::Wrapped(duplex) => duplex.linger(),
        }
    }

    /// See [`Duplex::losses`].
    pub fn losses(&self) -> Option<String> {
        match &self.body {
            #[cfg(unix)]
            Body::Plain(_) => None,
            Body::Wrapped(duplex) => duplex.losses(),
        }
    }

    /// See [`Duplex::stop_recv`].
    pub fn stop_recv(&mut self) {
        match &mut self.body {
            #[cfg(unix)]
            Body::Plain(_) => {}
            Body::Wrapped(duplex) => duplex.stop_recv(),
        }
    }

    /// See [`Duplex::is_answering`].
    pub fn is_answering(&self) -> bool {
        match &self.body {
            #[cfg(unix)]
            Body::Plain(plain) => plain.is_answering(),
            Body::Wrapped(duplex) => duplex.is_answering(),
        }
    }

    /// See [`Duplex::paced`].
    pub fn paced(&self) -> Paced {
        match &self.body {
            #[cfg(unix)]
            Body::Plain(_) => Paced::default(),
            Body::Wrapped(duplex) => duplex.paced(),
        }
    }

    /// See [`Duplex::note_idle`].
    pub fn note_idle(&mut self) {
        match &mut self.body {
            #[cfg(unix)]
            Body::Plain(_) => {}
            Body::Wrapped(duplex) => duplex.note_idle(),
        }
    }

    /// See [`Duplex::wire_active`].
    pub fn wire_active(&self) -> Option<Instant> {
        match &self.body {
            #[cfg(unix)]
            Body::Plain(_) => None,
            Body::Wrapped(duplex) => duplex.wire_active(),
        }
    }

    /// See [`Duplex::is_over`].
    pub fn is_over(&self) -> bool {
        match &self.body {
            #[cfg(unix)]
            Body::Plain(plain) => plain.is_over(),
            Body::Wrapped(duplex) => duplex.is_over(),
        }
    }

    /// See [`Duplex::undelivered`].
    ///
    /// # Errors
    /// As there.
    pub fn undelivered(&self) -> io::Result<Option<usize>> {
        match &self.body {
            #[cfg(unix)]
            Body::Plain(plain) => plain.undelivered(),
            Body::Wrapped(duplex) => duplex.undelivered(),
        }
    }

    /// See [`Duplex::unacknowledged`].
    pub fn unacknowledged(&self) -> Option<usize> {
        match &self.body {
            #[cfg(unix)]
            Body::Plain(plain) => plain.unacknowledged(),
            Body::Wrapped(duplex) => duplex.unacknowledged(),
        }
    }
}

/// Longest read from a stream that is cut into datagrams of `size` bytes: a whole number of them, in
/// about 64 KiB, so that no short one appears where a read ended.
pub const fn datagram_read_max(size: usize) -> usize {
    const READ: usize = 64 * 1024;
    if size == 0 || size >= READ { READ } else { READ / size * size }
}

/// Takes `n` bytes off the front of a queue of pieces, and every piece that is then empty.
pub fn advance(queue: &mut VecDeque<Bytes>, mut n: usize) {
    while let Some(front) = queue.front_mut() {
        if n < front.len() {
            bytes::Buf::advance(front, n);
            return;
        }
        n -= front.len();
        queue.pop_front();
    }
}
