//! Socket options that have no safe function elsewhere; Linux only.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Multipath TCP's own options (linux/mptcp.h; since 5.16).
const SOL_MPTCP: libc::c_int = 284;
const MPTCP_INFO: libc::c_int = 1;
/// The peer did not answer as an MPTCP host, or a middlebox took the option out.
const MPTCP_INFO_FLAG_FALLBACK: u32 = 1;

fn set(
    fd: impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: *const libc::c_void,
    len: usize,
) -> io::Result<()> {
    let len =
        libc::socklen_t::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: every caller in this module passes a value that is readable for `len` bytes.
    let rc = unsafe { libc::setsockopt(fd.as_fd().as_raw_fd(), level, name, value, len) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn set_int(fd: impl AsFd, level: libc::c_int, name: libc::c_int, value: u32) -> io::Result<()> {
    set(fd, level, name, (&raw const value).cast(), size_of::<u32>())
}

fn set_text(fd: impl AsFd, level: libc::c_int, name: libc::c_int, value: &str) -> io::Result<()> {
    set(fd, level, name, value.as_ptr().cast(), value.len())
}

/// Uses only this interface (`SO_BINDTODEVICE`, socket(7)).
///
/// # Errors
/// `ENODEV` when there is none, `EPERM` when it is not allowed.
pub fn bind_device(fd: impl AsFd, name: &str) -> io::Result<()> {
    set_text(fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name)
}

/// Marks every packet (`SO_MARK`, socket(7)).
///
/// # Errors
/// `EPERM` without `CAP_NET_ADMIN` (or, since 5.17, `CAP_NET_RAW`).
pub fn set_mark(fd: impl AsFd, mark: u32) -> io::Result<()> {
    set_int(fd, libc::SOL_SOCKET, libc::SO_MARK, mark)
}

/// Sets a buffer's size in bytes; past the system's limit (`net.core.wmem_max`, `rmem_max`) where we
/// may. The kernel doubles the number.
///
/// # Errors
/// As setsockopt(2).
pub fn set_buffer(fd: impl AsFd, is_send: bool, bytes: u32) -> io::Result<()> {
    // Half of what an int holds: the kernel doubles it.
    let bytes = bytes.min(i32::MAX as u32 / 2);
    let (forced, asked) = if is_send {
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)
    } else {
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF)
    };
    let fd = fd.as_fd();
    set_int(fd, libc::SOL_SOCKET, forced, bytes)
        .or_else(|_| set_int(fd, libc::SOL_SOCKET, asked, bytes))
}

/// The traffic class of IPv6 packets (`IPV6_TCLASS`, ipv6(7)).
///
/// # Errors
/// As setsockopt(2).
pub fn set_traffic_class_v6(fd: impl AsFd, class: u8) -> io::Result<()> {
    set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, class.into())
}

/// The congestion control algorithm (`TCP_CONGESTION`, tcp(7)).
///
/// # Errors
/// `ENOENT` when the kernel has none of that name, `EPERM` when it is not for everybody.
pub fn set_congestion(fd: impl AsFd, name: &str) -> io::Result<()> {
    set_text(fd, libc::IPPROTO_TCP, libc::TCP_CONGESTION, name)
}

/// Longest time in milliseconds without an acknowledgement (`TCP_USER_TIMEOUT`, tcp(7)).
///
/// # Errors
/// As setsockopt(2).
pub fn set_user_timeout(fd: impl AsFd, millis: u32) -> io::Result<()> {
    set_int(fd, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, millis)
}

/// Has connect(2) wait for the first data where the peer has given us a cookie
/// (`TCP_FASTOPEN_CONNECT`, tcp(7); Linux 4.11).
///
/// # Errors
/// `EOPNOTSUPP` when `net.ipv4.tcp_fastopen` does not allow it to clients.
pub fn set_fastopen_connect(fd: impl AsFd) -> io::Result<()> {
    set_int(fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1)
}

/// Lets clients send data with their first segment; `queue` of them at once (`TCP_FASTOPEN`).
///
/// # Errors
/// As setsockopt(2). That `net.ipv4.tcp_fastopen` does not allow it to servers is no error to it.
pub fn set_fastopen_queue(fd: impl AsFd, queue: u32) -> io::Result<()> {
    set_int(fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, queue)
}

/// Sends the first segment of a connection that waits for data, without any.
///
/// # Errors
/// As sendto(2); that it is under way is none.
pub fn start_connecting(fd: impl AsFd) -> io::Result<()> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: no bytes are read from the null pointer, since the length is 0.
    let rc = unsafe { libc::send(fd.as_fd().as_raw_fd(), std::ptr::null(), 0, flags) };
    let error = io::Error::last_os_error();
    let passing = [Some(libc::EINPROGRESS), Some(libc::EAGAIN)].contains(&error.raw_os_error());
    if rc >= 0 || passing { Ok(()) } else { Err(error) }
}

/// Whether the peer of a connection speaks Multipath TCP; false after it fell back to TCP.
/// Source: linux/mptcp.h, `struct mptcp_info`: six bytes, two of padding, then the flags.
pub fn is_multipath(fd: impl AsFd) -> bool {
    let mut info = [0u32; 64];
    let mut len = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the buffer has the stated length, and the kernel writes no more.
    let rc = unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            SOL_MPTCP,
            MPTCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    // A socket that fell back is a TCP socket to this call, which TCP does not know.
    rc == 0 && info[2] & MPTCP_INFO_FLAG_FALLBACK == 0
}
