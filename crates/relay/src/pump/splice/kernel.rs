//! One call into the kernel: what its answers mean, and whose they are.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use conn::Conn;
use sys::fd::FdKind;

use super::super::PumpError;
use super::PIPE_BYTES;

/// A splice from a socket stops at the mark of urgent data, and says 0 there once the peer has ended:
/// that is the end only when nothing waits behind it.
pub(super) fn take(
    is_socket: bool,
    from: BorrowedFd<'_>,
    spliced: io::Result<usize>,
) -> io::Result<usize> {
    match spliced {
        Ok(0) if is_socket && sys::socket::has_data(from) => Err(io::ErrorKind::Unsupported.into()),
        result => result,
    }
}

/// A kernel that makes TLS records may stop before TCP has been told to send what it was given.
pub(super) fn give(
    makes_records: bool,
    to: BorrowedFd<'_>,
    moved: io::Result<usize>,
) -> io::Result<usize> {
    if makes_records && matches!(&moved, Err(e) if e.kind() == io::ErrorKind::WouldBlock) {
        sys::ktls::push(to);
    }
    moved
}

/// Gives a pipe room for larger pieces; whoever is at its other end only waits less.
pub(super) fn widen(port: Option<&conn::Port>) {
    if let Some(pipe) = port.filter(|port| port.kind() == FdKind::Pipe) {
        sys::splice::grow_pipe(pipe.as_fd(), PIPE_BYTES);
    }
}

/// The answers that mean "not this pair", as opposed to "this failed".
pub(super) fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || matches!(error.raw_os_error(), Some(EINVAL | ENOSYS | EOPNOTSUPP | EPERM))
}

const EPERM: i32 = 1;
const EINVAL: i32 = 22;
const ENOSYS: i32 = 38;
const EOPNOTSUPP: i32 = 95;

/// One call touches both ends and its error names neither; what it is tells whose it was.
pub(super) fn blame(error: io::Error, to: &Conn) -> PumpError {
    let is_sink_socket =
        to.sink().and_then(conn::Plain::output).is_some_and(|port| port.kind() == FdKind::Socket);
    let at_sink = match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::StorageFull => true,
        io::ErrorKind::IsADirectory => false,
        _ if error.raw_os_error() == Some(EIO) => false,
        // What is left is the socket's.
        _ => is_sink_socket,
    };
    if at_sink { PumpError::Sink(error) } else { PumpError::Source(error) }
}

const EIO: i32 = 5;
