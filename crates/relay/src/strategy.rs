//! How each direction moves its bytes, and why.

use conn::{Conn, Shape};

/// A way of moving bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Strategy {
    /// sendfile(2) from a regular file.
    Sendfile,
    /// One splice(2) between a pipe and something else.
    Splice,
    /// Two splices through a pipe of our own.
    SplicePipe,
    /// Batches of datagrams.
    Batch,
    /// Through a buffer.
    Buffered,
}

impl Strategy {
    /// The word used in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sendfile => "sendfile",
            Self::Splice => "splice",
            Self::SplicePipe => "splice through a pipe",
            Self::Batch => "batch",
            Self::Buffered => "buffered",
        }
    }
}

/// A strategy and the reason for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Choice {
    /// What was chosen.
    pub strategy: Strategy,
    /// Why, in words.
    pub why: &'static str,
}

const fn choice(strategy: Strategy, why: &'static str) -> Choice {
    Choice { strategy, why }
}

/// Chooses for the direction `from` → `to`. Asked once per direction; no option is looked at, only
/// what the two conns are.
pub fn choose(from: &Conn, to: &Conn) -> Choice {
    if from.shape == Shape::Message || to.shape == Shape::Message {
        return choice(Strategy::Batch, "datagrams");
    }
    fast_path(from, to)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn fast_path(_from: &Conn, _to: &Conn) -> Choice {
    choice(Strategy::Buffered, "this system has no splice")
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn fast_path(from: &Conn, to: &Conn) -> Choice {
    use conn::Carrier;
    use std::os::fd::AsFd;
    use sys::fd::FdKind;

    let (Some(from), Some(to)) = (from.source(), to.sink()) else {
        return choice(Strategy::Buffered, "a stage needs the bytes");
    };
    if to.is_discarding() {
        return choice(Strategy::Buffered, "what is received is discarded");
    }
    let (Some(source), Some(sink)) = (from.input(), to.output()) else {
        return choice(Strategy::Buffered, "one end is closed");
    };
    // Both can be spliced, page by page, and every page is copied all the same.
    let copies = |carrier| matches!(carrier, Some(Carrier::Sctp | Carrier::Vsock));
    if copies(from.carrier()) || copies(to.carrier()) {
        return choice(Strategy::Buffered, "the kernel copies what this kind of socket carries");
    }
    if sink.kind() == FdKind::File && sys::fd::is_append(sink.as_fd()) {
        return choice(
            Strategy::Buffered,
            "the kernel does not splice to a file opened for appending",
        );
    }
    let own_socket = |port: &conn::Port| port.kind() == FdKind::Socket && port.is_exclusive();
    match (source.kind(), sink.kind()) {
        (FdKind::File, FdKind::Socket) if own_socket(sink) => {
            choice(Strategy::Sendfile, "regular file to socket")
        }
        (FdKind::Pipe, FdKind::Socket) if own_socket(sink) => {
            choice(Strategy::Splice, "pipe to socket")
        }
        (FdKind::Socket, FdKind::Pipe) if own_socket(source) => {
            choice(Strategy::Splice, "socket to pipe")
        }
        (FdKind::Socket, FdKind::File | FdKind::Device)
            if own_socket(source) && !sink.is_pollable() =>
        {
            choice(Strategy::SplicePipe, "socket to file or null device")
        }
        (FdKind::Terminal, _) | (_, FdKind::Terminal) => {
            choice(Strategy::Buffered, "a terminal is at one end")
        }
        (FdKind::Socket, FdKind::Socket) if own_socket(source) && own_socket(sink) => {
            choice(Strategy::SplicePipe, "socket to socket")
        }
        (FdKind::Socket, FdKind::Socket) => {
            choice(Strategy::Buffered, "the kernel does not splice from socket to socket")
        }
        _ => choice(Strategy::Buffered, "the kernel has no shorter way for this pair"),
    }
}
