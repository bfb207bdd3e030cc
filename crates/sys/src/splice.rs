//! Moving bytes inside the kernel: splice(2), sendfile(2) and the pipes they need.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags};

use crate::fault::{self, Call};

/// Makes a non-blocking pipe, as near to `bytes` of capacity as the system allows; says how near.
///
/// # Errors
/// `EMFILE`, `ENFILE`.
pub fn pipe(bytes: usize) -> io::Result<(OwnedFd, OwnedFd, usize)> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let capacity = grow_pipe(&write, bytes);
    Ok((read, write, capacity))
}

/// Grows a pipe towards `bytes` of capacity (at most `/proc/sys/fs/pipe-max-size` without
/// privilege); returns the capacity now.
pub fn grow_pipe(fd: impl std::os::fd::AsFd, bytes: usize) -> usize {
    let now = rustix::pipe::fcntl_getpipe_size(&fd).unwrap_or(65_536);
    if now >= bytes {
        return now;
    }
    rustix::pipe::fcntl_setpipe_size(&fd, bytes).unwrap_or(now)
}

/// Moves up to `len` bytes between two descriptors, one of them a pipe, without waiting for a pipe.
/// Returns 0 at the end of `from`.
///
/// # Errors
/// `EAGAIN` when either side is not ready; `EINVAL` when the kernel declines the pair (socket to
/// socket, an `O_APPEND` target): nothing has been moved then.
/// Source: splice(2).
pub fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    fault::check(Call::Splice)?;
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    Ok(rustix::pipe::splice(from, None, to, None, fault::clamp(len), flags)?)
}

/// Moves up to `len` bytes from a regular file at its own offset to a socket or pipe. Returns 0 at
/// the end of the file.
///
/// # Errors
/// `EAGAIN` when `to` takes nothing now; `EINVAL` or `ENOSYS` when the kernel declines the pair.
/// Source: sendfile(2).
pub fn sendfile(from: BorrowedFd<'_>, to: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    fault::check(Call::Splice)?;
    Ok(rustix::fs::sendfile(to, from, None, fault::clamp(len))?)
}

/// Bytes that wait in a pipe.
///
/// # Errors
/// As ioctl(2), `FIONREAD`.
pub fn waiting(fd: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(rustix::io::ioctl_fionread(fd)?)
}
