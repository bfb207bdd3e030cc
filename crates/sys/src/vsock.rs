//! Sockets between a virtual machine and its host.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// `AF_VSOCK` and its option level have the same number.
const SO_VM_SOCKETS_CONNECT_TIMEOUT: libc::c_int = 6;

/// Lets connecting take as long as `limit`, and a little longer, so that whoever has a limit of their
/// own is first; the kernel's is 2 s. Source: vsock(7).
pub fn set_connect_timeout(fd: BorrowedFd<'_>, limit: Duration) {
    let limit = limit.saturating_add(Duration::from_secs(1));
    let time = libc::timeval {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: limit.subsec_micros() as libc::suseconds_t,
    };
    // SAFETY: the option takes one timeval; a kernel that refuses it keeps its own limit.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::AF_VSOCK,
            SO_VM_SOCKETS_CONNECT_TIMEOUT,
            (&raw const time).cast(),
            size_of::<libc::timeval>() as libc::socklen_t,
        );
    }
}
