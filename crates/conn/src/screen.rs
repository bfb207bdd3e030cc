//! What stands before the conns of a datagram listener: it looks at what strangers send, and at what
//! may be a known sender's new beginning.

use std::net::SocketAddr;

use bytes::Bytes;

/// Tells one session of a sender from the next one from the same address and port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark(pub [u8; 32]);

/// What is done with a datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Look {
    /// It goes to the sender's conn.
    Pass,
    /// It begins a conn; one that the sender has already is over.
    Begin(Mark),
    /// It is answered and forgotten; the answer is not longer than it.
    Answer(Bytes),
    /// It is forgotten.
    Drop,
}

/// Decides about datagrams before they reach a conn, and remembers nothing about who sent them.
pub trait Screen: Send {
    /// `current` is the mark of the conn that the sender has. `Pass` without one is taken as `Drop`.
    fn look(&mut self, from: SocketAddr, datagram: &[u8], current: Option<&Mark>) -> Look;
}
