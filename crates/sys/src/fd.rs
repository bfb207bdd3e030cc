//! Descriptors: what they are, reading and writing them without leaving `O_NONBLOCK` behind.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use bytes::{BufMut, BytesMut};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, OFlags};

use crate::fault::{self, Call};

/// What sort of thing a descriptor refers to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FdKind {
    /// A regular file: always ready.
    File,
    /// A pipe or FIFO.
    Pipe,
    /// Any socket.
    Socket,
    /// A terminal.
    Terminal,
    /// Another character device (`/dev/null`, `/dev/zero`).
    Device,
    /// A block device.
    Block,
    /// A directory; reads fail.
    Directory,
}

impl FdKind {
    /// The word used in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Pipe => "pipe",
            Self::Socket => "socket",
            Self::Terminal => "terminal",
            Self::Device => "device",
            Self::Block => "block device",
            Self::Directory => "directory",
        }
    }
}

/// Finds out what a descriptor refers to.
///
/// # Errors
/// `EBADF` when it is not open.
pub fn kind(fd: BorrowedFd<'_>) -> io::Result<FdKind> {
    Ok(match FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) {
        FileType::Fifo => FdKind::Pipe,
        FileType::Socket => FdKind::Socket,
        FileType::Directory => FdKind::Directory,
        FileType::BlockDevice => FdKind::Block,
        FileType::CharacterDevice if rustix::termios::isatty(fd) => FdKind::Terminal,
        FileType::CharacterDevice => FdKind::Device,
        _ => FdKind::File,
    })
}

/// Whether two descriptors refer to the same file.
pub fn same_file(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> bool {
    match (rustix::fs::fstat(a), rustix::fs::fstat(b)) {
        (Ok(a), Ok(b)) => a.st_dev == b.st_dev && a.st_ino == b.st_ino,
        _ => false,
    }
}

/// Bytes from the descriptor's offset to the end of its file; `None` when it is not a regular file.
pub fn remaining(fd: BorrowedFd<'_>) -> Option<u64> {
    let stat = rustix::fs::fstat(fd).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let at = rustix::fs::seek(fd, rustix::fs::SeekFrom::Current(0)).ok()?;
    u64::try_from(stat.st_size).ok().map(|size| size.saturating_sub(at))
}

/// Whether the descriptor was opened with `O_APPEND` (every `>>`).
pub fn is_append(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::APPEND))
}

/// Whether the descriptor is already in non-blocking mode, set by whoever shares it.
pub fn is_nonblocking(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK))
}

/// Puts a descriptor that we opened ourselves into non-blocking mode.
///
/// # Errors
/// As ioctl(2).
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}

/// Puts a descriptor into blocking mode, or out of it; so it is then for all who share it.
///
/// # Errors
/// As fcntl(2).
pub fn set_blocking(fd: BorrowedFd<'_>, blocks: bool) -> io::Result<()> {
    let mut flags = rustix::fs::fcntl_getfl(fd)?;
    flags.set(OFlags::NONBLOCK, !blocks);
    Ok(rustix::fs::fcntl_setfl(fd, flags)?)
}

/// A pipe, close-on-exec, blocking: its end for reading and its end for writing.
///
/// # Errors
/// `EMFILE`, `ENFILE`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// As [`pipe`], in packet mode: a read gives what one write of up to 4,096 bytes gave, no more, and
/// loses what it has no room for.
///
/// # Errors
/// As [`pipe`].
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn packet_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::pipe::PipeFlags;
    Ok(rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::DIRECT)?)
}

/// Opens the same pipe or terminal once more, non-blocking, through `/proc/self/fd`.
///
/// The flag then belongs to our own open file description and never leaks to whoever shares ours.
///
/// # Errors
/// `EACCES` when the pipe belongs to another user, `ENOENT` without `/proc`; the caller then polls
/// before each call instead.
pub fn reopen_nonblocking(fd: BorrowedFd<'_>, write: bool) -> io::Result<OwnedFd> {
    let mode = if write { OFlags::WRONLY } else { OFlags::RDONLY };
    let flags = mode | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?)
}

/// Whether a read would return now (data, end or error).
pub fn is_readable(fd: BorrowedFd<'_>) -> bool {
    ready_now(fd, PollFlags::IN)
}

/// Bytes that wait to be read: in a pipe, a socket, a terminal, or the rest of a file (`FIONREAD`).
///
/// # Errors
/// `ENOTTY` where that cannot be said (`/dev/null`).
pub fn bytes_waiting(fd: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(rustix::io::ioctl_fionread(fd)?)
}

/// Whether a small write (up to `PIPE_BUF`) would be taken now.
pub fn is_writable(fd: BorrowedFd<'_>) -> bool {
    ready_now(fd, PollFlags::OUT)
}

/// Whether a small write would be taken within `millis` milliseconds (less than 1,000). Blocks.
pub fn is_writable_within(fd: BorrowedFd<'_>, millis: u16) -> bool {
    ready_within(fd, PollFlags::OUT, millis)
}

/// Whether `from` has something to read, or an end, and a small write to `to` would be taken, now.
pub fn are_ready(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> (bool, bool) {
    let want = [(from, PollFlags::IN), (to, PollFlags::OUT)];
    let mut fds = want.map(|(fd, want)| PollFd::from_borrowed_fd(fd, want));
    let time = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    match rustix::event::poll(&mut fds, Some(&time)) {
        Ok(_) => (!fds[0].revents().is_empty(), !fds[1].revents().is_empty()),
        // As in `ready_within`.
        Err(_) => (true, true),
    }
}

fn ready_now(fd: BorrowedFd<'_>, want: PollFlags) -> bool {
    ready_within(fd, want, 0)
}

fn ready_within(fd: BorrowedFd<'_>, want: PollFlags, millis: u16) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, want)];
    let time = rustix::event::Timespec { tv_sec: 0, tv_nsec: i64::from(millis) * 1_000_000 };
    match rustix::event::poll(&mut fds, Some(&time)) {
        Ok(n) => n > 0,
        // A failed poll must not look like "wait": the call itself will say what is wrong.
        Err(_) => true,
    }
}

/// Reads at most `max` bytes behind what `buf` holds; 0 at the end.
///
/// # Errors
/// As read(2).
pub fn read(fd: BorrowedFd<'_>, buf: &mut BytesMut, max: usize) -> io::Result<usize> {
    fault::check(Call::Read)?;
    let max = fault::clamp(max);
    buf.reserve(max);
    let spare = buf.spare_capacity_mut();
    let len = max.min(spare.len());
    // SAFETY: `spare` is valid for writes of `len` bytes, and read(2) initialises what it returns.
    let n = unsafe { libc::read(fd.as_raw_fd(), spare.as_mut_ptr().cast(), len) };
    let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has just initialised these `n` bytes.
    unsafe { buf.advance_mut(n) };
    Ok(n)
}

/// Receives from a socket without waiting, whatever its mode; `flags` are added to `MSG_DONTWAIT`.
///
/// # Errors
/// As recv(2).
pub fn recv(fd: BorrowedFd<'_>, buf: &mut BytesMut, max: usize) -> io::Result<usize> {
    fault::check(Call::Read)?;
    let max = fault::clamp(max);
    buf.reserve(max);
    let spare = buf.spare_capacity_mut();
    let len = max.min(spare.len());
    // SAFETY: `spare` is valid for writes of `len` bytes, and recv(2) initialises what it returns.
    let n =
        unsafe { libc::recv(fd.as_raw_fd(), spare.as_mut_ptr().cast(), len, libc::MSG_DONTWAIT) };
    let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has just initialised these `n` bytes.
    unsafe { buf.advance_mut(n) };
    Ok(n)
}

/// Writes from several buffers; returns the bytes taken.
///
/// # Errors
/// As writev(2).
pub fn write(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    fault::check(Call::Write)?;
    if let Some(n) = clamped(bufs, |one| Ok(rustix::io::write(fd, one)?)) {
        return n;
    }
    Ok(rustix::io::writev(fd, bufs)?)
}

/// Sends from several buffers without waiting, whatever the socket's mode, and without `SIGPIPE`.
///
/// # Errors
/// As sendmsg(2).
pub fn send(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    fault::check(Call::Write)?;
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    let flags = libc::MSG_DONTWAIT;
    let one = |buf: &[u8]| {
        // SAFETY: `buf` is valid for reads of its length.
        let n = unsafe { libc::send(fd.as_raw_fd(), buf.as_ptr().cast(), buf.len(), flags) };
        usize::try_from(n).map_err(|_| io::Error::last_os_error())
    };
    if let Some(n) = clamped(bufs, one) {
        return n;
    }
    if let [buf] = bufs {
        return one(buf);
    }
    // SAFETY: all-zero is a valid msghdr; the fields set below are the ones sendmsg reads.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSlice is ABI-compatible with iovec (documented in std).
    msg.msg_iov = bufs.as_ptr().cast_mut().cast();
    msg.msg_iovlen = bufs.len().min(1024) as _;
    // SAFETY: `msg` points at live buffers for the length of the call.
    let n = unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const msg, flags) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Under a byte limit set by a test, writes the limited piece of the first buffer alone.
fn clamped(
    bufs: &[IoSlice<'_>],
    write: impl FnOnce(&[u8]) -> io::Result<usize>,
) -> Option<io::Result<usize>> {
    let first = bufs.iter().find(|b| !b.is_empty())?;
    let len = fault::clamp(first.len());
    (fault::clamp(usize::MAX) != usize::MAX).then(|| write(&first[..len]))
}

/// Raises the soft limit on open descriptors to `wanted`, or as near as the hard one allows;
/// returns the limit now in force, `None` when there is none.
pub fn raise_descriptor_limit(wanted: u64) -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current?;
    if current >= wanted {
        return Some(current);
    }
    let raised = limit.maximum.map_or(wanted, |most| most.min(wanted));
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }) {
        Ok(()) => Some(raised),
        Err(_) => Some(current),
    }
}

/// Duplicates a descriptor, close-on-exec.
///
/// # Errors
/// As fcntl(2), `F_DUPFD_CLOEXEC`.
pub fn duplicate(fd: impl AsFd) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, 3)?)
}

/// Tells the kernel that a file will be read from here to its end.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn advise_sequential(fd: BorrowedFd<'_>) {
    let _ = rustix::fs::fadvise(fd, 0, None, rustix::fs::Advice::Sequential);
}

/// A file in memory that holds `bytes` and that nobody can change any more (memfd_create(2)).
///
/// # Errors
/// `EMFILE`, `ENOMEM`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn memory_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    use rustix::fs::{MemfdFlags, SealFlags};
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = std::fs::File::from(rustix::fs::memfd_create(c"ncat", flags)?);
    io::Write::write_all(&mut file, bytes)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

/// Duplicates a descriptor that the caller of the program passed by number.
///
/// # Errors
/// `EBADF` when it is not open.
pub fn duplicate_number(fd: u32) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    let number = i32::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: F_DUPFD_CLOEXEC takes any number; the result is new and ours.
    unsafe {
        let copy = libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3);
        if copy < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(copy))
    }
}

/// Whether this is the master side of a pseudo-terminal.
pub fn is_terminal_master(fd: BorrowedFd<'_>) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let mut number: libc::c_uint = 0;
        // SAFETY: TIOCGPTN writes one unsigned int, and fails on anything but a master.
        unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGPTN, &raw mut number) == 0 }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = fd;
        false
    }
}
