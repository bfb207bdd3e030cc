//! Facts about sockets that the standard library does not tell.

/// Bytes written to a stream socket that the peer's kernel has not acknowledged (`SIOCOUTQ`; the
/// FIN counts one). `None` where the system or the socket cannot say.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn unacknowledged(fd: std::os::fd::BorrowedFd<'_>) -> Option<usize> {
    use std::os::fd::AsRawFd;
    let mut bytes: libc::c_int = 0;
    // SAFETY: TIOCOUTQ (SIOCOUTQ on sockets) writes one int.
    let rc = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    (rc == 0).then(|| usize::try_from(bytes).unwrap_or(0))
}

/// Bytes written to a stream socket that the peer has not acknowledged; not known on this system.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub fn unacknowledged(_fd: std::os::fd::BorrowedFd<'_>) -> Option<usize> {
    None
}

/// Asks for a receive buffer of `bytes`, past the system's limit where we may; returns what we got.
pub fn grow_receive_buffer(socket: &socket2::Socket, bytes: usize) -> usize {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use std::os::fd::AsRawFd;
        let want = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
        // SAFETY: the option takes one int; failing without privilege is expected.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUFFORCE,
                (&raw const want).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
    }
    if socket.recv_buffer_size().is_ok_and(|now| now < bytes) {
        let _ = socket.set_recv_buffer_size(bytes);
    }
    socket.recv_buffer_size().unwrap_or(0)
}

/// The error waiting on a socket, taken off it (`SO_ERROR`).
#[cfg(unix)]
pub fn take_error(fd: std::os::fd::BorrowedFd<'_>) -> Option<std::io::Error> {
    rustix::net::sockopt::socket_error(fd).ok()?.err().map(std::io::Error::from)
}

/// Makes close(2) send a reset instead of lingering: for clients that are cut, never for others.
#[cfg(unix)]
pub fn reset_on_close(fd: std::os::fd::BorrowedFd<'_>) {
    let _ = rustix::net::sockopt::set_socket_linger(fd, Some(std::time::Duration::ZERO));
}

/// Has a waiting error reported as an urgent condition besides (`SO_SELECT_ERR_QUEUE`, socket(7)).
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn report_errors_as_urgent(fd: std::os::fd::BorrowedFd<'_>) {
    use std::os::fd::AsRawFd;
    const SO_SELECT_ERR_QUEUE: libc::c_int = 45;
    let on: libc::c_int = 1;
    // SAFETY: the option takes one int; a kernel without it is no worse off.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_SELECT_ERR_QUEUE,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

/// Has the socket report that it is readable only from `bytes` on (`SO_RCVLOWAT`), or at the end of
/// the stream. Lowering the mark reports what waits already. Says whether the system agreed.
/// Source: socket(7); honoured by poll since Linux 2.6.28.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn report_at(fd: std::os::fd::BorrowedFd<'_>, bytes: i32) -> bool {
    use std::os::fd::AsRawFd;
    // SAFETY: the option takes one int.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const bytes).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        ) == 0
    }
}

/// Whether bytes wait on a stream socket at this moment. Unlike a splice, a peek steps over the mark
/// of urgent data.
#[cfg(unix)]
pub fn has_data(fd: std::os::fd::BorrowedFd<'_>) -> bool {
    use std::os::fd::AsRawFd;
    let mut byte = 0u8;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: `byte` is valid for a write of one byte.
    unsafe { libc::recv(fd.as_raw_fd(), (&raw mut byte).cast(), 1, flags) > 0 }
}

/// What TCP knows about a connection (tcp(7), `TCP_INFO`).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn tcp_info(fd: std::os::fd::BorrowedFd<'_>) -> Option<libc::tcp_info> {
    use std::os::fd::AsRawFd;
    // SAFETY: all-zero is a valid tcp_info.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the buffer has the stated length, and the kernel writes no more.
    let rc = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut len,
        )
    };
    (rc == 0).then_some(info)
}

/// Whether the peer's system has answered everything TCP has asked it lately: no retransmission and
/// no window probe is without an answer. A peer whose program does not read still answers.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn is_answering(fd: std::os::fd::BorrowedFd<'_>) -> bool {
    tcp_info(fd).is_some_and(|info| info.tcpi_retransmits == 0 && info.tcpi_probes == 0)
}

/// Whether a TCP connection has been asked for and not been answered. One that waits for its first
/// data is then asked for without any.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn is_connecting(fd: std::os::fd::BorrowedFd<'_>) -> bool {
    /// linux/tcp.h, `TCP_SYN_SENT`.
    const SYN_SENT: u8 = 2;
    let is_connecting = tcp_info(fd).is_some_and(|info| info.tcpi_state == SYN_SENT);
    if is_connecting {
        // A failure is seen by whoever receives.
        let _ = crate::option::start_connecting(fd);
    }
    is_connecting
}

/// Whether a connection is under way; connecting ends before there is a conn on this system.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub fn is_connecting(_fd: std::os::fd::BorrowedFd<'_>) -> bool {
    false
}

/// Whether the peer's system answers; not known on this system.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub fn is_answering(_fd: std::os::fd::BorrowedFd<'_>) -> bool {
    false
}

/// The libc crate does not have it for every system.
#[cfg(any(target_os = "linux", target_os = "android"))]
const IP_OPTIONS: libc::c_int = 4;
/// As 4.2BSD has it.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
const IP_OPTIONS: libc::c_int = 1;

/// Has every packet of an IPv4 socket carry these options (`IP_OPTIONS`, ip(7)); at most 40 bytes.
///
/// # Errors
/// `EINVAL` when the kernel finds them malformed, `ENOPROTOOPT` for sockets of other families.
#[cfg(unix)]
pub fn set_ip_options(fd: std::os::fd::BorrowedFd<'_>, options: &[u8]) -> std::io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: the buffer has the stated length, and the kernel only reads it.
    let rc = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_IP,
            IP_OPTIONS,
            options.as_ptr().cast(),
            libc::socklen_t::try_from(options.len()).unwrap_or(0),
        )
    };
    if rc == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
