//! What an SCTP association tells about itself. Checked on Linux 6.1; docs/decisions has the findings.

use std::os::fd::{AsRawFd, BorrowedFd};

/// SCTP's protocol number, which is the level of its options.
const SOL_SCTP: libc::c_int = 132;
const SO_MEMINFO: libc::c_int = 55;
const MEMINFO_WORDS: usize = 9;
/// Index of the bytes queued for sending, which stay until the peer's system has acknowledged them.
const MEMINFO_WMEM_QUEUED: usize = 5;
const SCTP_NODELAY: libc::c_int = 3;
const SCTP_STATUS: libc::c_int = 14;
const SCTP_DELAYED_SACK: libc::c_int = 16;
/// How long an acknowledgement may be put off, in milliseconds; Linux has 200, the most that RFC 9260
/// allows.
const SACK_DELAY: u32 = 20;
const SCTP_ACTIVE: i32 = 2;
/// A peer that announces less room than this, in bytes, has stopped reading: Linux sends no fragment
/// that does not fit, and none is larger.
const NO_ROOM: u32 = 65_536;

/// `struct sctp_status` as far as it is read here, with room for the rest.
#[derive(Clone, Copy)]
#[repr(C)]
struct Status {
    association: i32,
    state: i32,
    rwnd: u32,
    unacknowledged: u16,
    pending: u16,
    in_streams: u16,
    out_streams: u16,
    fragment: u32,
    primary_association: i32,
    primary_address: [u8; 128],
    primary_state: i32,
    more: [u32; 8],
}

/// Bytes queued on the socket that the peer's system has not acknowledged, with what the kernel needs
/// to keep them, so more than the payload; 0 when there are none. `None` before Linux 4.12.
/// Source: socket(7) has no word of it; `SO_MEMINFO` in include/uapi/linux/sock_diag.h.
pub fn unacknowledged(fd: BorrowedFd<'_>) -> Option<usize> {
    let mut words = [0u32; MEMINFO_WORDS];
    let mut len = size_of_val(&words) as libc::socklen_t;
    // SAFETY: the buffer has the stated length, and the kernel writes no more.
    let rc = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            words.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    (rc == 0).then(|| usize::try_from(words[MEMINFO_WMEM_QUEUED]).unwrap_or(usize::MAX))
}

/// Sends the last, short fragment of a message at once. Otherwise it waits until the peer's system has
/// acknowledged the others, which that may put off by 200 ms. Source: RFC 6458, section 8.1.5.
pub fn send_at_once(fd: BorrowedFd<'_>) {
    let on: libc::c_int = 1;
    // SAFETY: the option takes one int; without it the connection is slower, not worse.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            SOL_SCTP,
            SCTP_NODELAY,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

/// Puts off acknowledgements for a shorter time: peers that do not send at once what we do wait for
/// them with every short message. To be set before the socket listens or connects.
/// Source: RFC 6458, section 8.1.19.
pub fn acknowledge_soon(fd: BorrowedFd<'_>) {
    // The association, or 0 for those to come; the time; after how many packets, or 0 for as before.
    let words = [0, SACK_DELAY, 0];
    // SAFETY: the option takes three words; without it the connection is slower, not worse.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            SOL_SCTP,
            SCTP_DELAYED_SACK,
            words.as_ptr().cast(),
            size_of_val(&words) as libc::socklen_t,
        );
    }
}

fn status(fd: BorrowedFd<'_>) -> Option<Status> {
    // SAFETY: all-zero is a valid value of a struct of numbers.
    let mut status: Status = unsafe { std::mem::zeroed() };
    let mut len = size_of::<Status>() as libc::socklen_t;
    // SAFETY: the buffer has the stated length, and the kernel writes no more.
    let rc = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            SOL_SCTP,
            SCTP_STATUS,
            (&raw mut status).cast(),
            &raw mut len,
        )
    };
    (rc == 0).then_some(status)
}

/// Whether the association is over: both ends have everything, or it was aborted. After our own
/// shutdown nothing else tells; a receive says "would block" for ever.
pub fn is_over(fd: BorrowedFd<'_>) -> bool {
    status(fd).is_none()
}

/// Whether the peer's system is there and only has no room: its program reads slowly or not at all.
pub fn is_answering(fd: BorrowedFd<'_>) -> bool {
    status(fd).is_some_and(|status| status.primary_state == SCTP_ACTIVE && status.rwnd < NO_ROOM)
}
