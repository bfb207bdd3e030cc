//! Batches of datagrams: recvmmsg(2), sendmmsg(2), and segmentation in the kernel (GSO, GRO).

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};

use bytes::Bytes;
use socket2::SockAddr;

use crate::fault::{self, Call};

/// Datagrams asked for in one call.
pub const BATCH: usize = 32;
/// Bytes of buffer for each; also the largest datagram.
pub const SLOT: usize = 65_536;
/// Segments the kernel takes in one GSO send (`UDP_MAX_SEGMENTS`; 64 before Linux 6.9).
pub const SEGMENTS_MAX: usize = 64;

/// Room for one recvmmsg call: allocate once, use for every call.
pub struct RecvBatch {
    data: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
}

/// Ancillary data of one message, aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

/// One datagram of a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Datagram {
    /// The payload.
    pub data: Bytes,
    /// Who sent it; a Unix socket without a name has an address without one.
    pub from: SockAddr,
    /// Whether the sender's datagram was longer than the buffer.
    pub truncated: bool,
}

impl Default for RecvBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl RecvBatch {
    /// Allocates the buffers, about 2 MiB, of which only what is used becomes resident.
    pub fn new() -> Self {
        // SAFETY: all-zero is a valid socket address storage (AF_UNSPEC).
        let name: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        Self {
            data: vec![0; BATCH * SLOT],
            names: vec![name; BATCH],
            controls: vec![Control([0; 64]); BATCH],
        }
    }

    /// Receives what waits, up to [`BATCH`] datagrams, without waiting. A datagram that the kernel
    /// joined from several (GRO) is given back as those several.
    ///
    /// # Errors
    /// As recvmmsg(2); `EAGAIN` when nothing waits.
    pub fn recv(&mut self, fd: BorrowedFd<'_>, out: &mut Vec<Datagram>) -> io::Result<usize> {
        fault::check(Call::Read)?;
        let mut iovs: [libc::iovec; BATCH] = std::array::from_fn(|i| libc::iovec {
            iov_base: self.data[i * SLOT..].as_mut_ptr().cast(),
            iov_len: SLOT,
        });
        let mut msgs: [libc::mmsghdr; BATCH] = std::array::from_fn(|i| {
            // SAFETY: all-zero is a valid header; the fields used are set below.
            let mut msg: libc::mmsghdr = unsafe { std::mem::zeroed() };
            msg.msg_hdr.msg_name = (&raw mut self.names[i]).cast();
            msg.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            msg.msg_hdr.msg_iov = &raw mut iovs[i];
            msg.msg_hdr.msg_iovlen = 1;
            msg.msg_hdr.msg_control = self.controls[i].0.as_mut_ptr().cast();
            msg.msg_hdr.msg_controllen = 64;
            msg
        });
        // SAFETY: every header points at buffers of this object that outlive the call.
        let n = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                msgs.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        let mut bytes = 0;
        for (i, msg) in msgs.iter().take(n).enumerate() {
            let len = (msg.msg_len as usize).min(SLOT);
            let from = peer(&self.names[i], msg.msg_hdr.msg_namelen);
            let truncated = msg.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let all = Bytes::copy_from_slice(&self.data[i * SLOT..i * SLOT + len]);
            let segment = segment_size(&msg.msg_hdr).filter(|s| *s > 0 && *s < len);
            bytes += len;
            match segment {
                None => out.push(Datagram { data: all, from, truncated }),
                Some(size) => {
                    for at in (0..len).step_by(size) {
                        let data = all.slice(at..len.min(at + size));
                        out.push(Datagram { data, from: from.clone(), truncated: false });
                    }
                }
            }
        }
        Ok(bytes)
    }
}

fn peer(name: &libc::sockaddr_storage, len: libc::socklen_t) -> SockAddr {
    // socket2 has its own name for the same C type.
    let mut storage = socket2::SockAddrStorage::zeroed();
    // SAFETY: sockaddr_storage is what the storage is a view of, and the kernel filled `len` bytes.
    unsafe {
        *storage.view_as::<libc::sockaddr_storage>() = *name;
        SockAddr::new(storage, len)
    }
}

fn segment_size(msg: &libc::msghdr) -> Option<usize> {
    // SAFETY: the kernel has written well-formed control messages of the stated length, and the
    // macros stay within it.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(msg);
        while !at.is_null() {
            if (*at).cmsg_level == libc::SOL_UDP && (*at).cmsg_type == libc::UDP_GRO {
                let size = libc::CMSG_DATA(at).cast::<libc::c_int>().read_unaligned();
                return usize::try_from(size).ok();
            }
            at = libc::CMSG_NXTHDR(msg, at);
        }
    }
    None
}

/// Lets the kernel hand over trains of equal datagrams as one (GRO). Says whether it will.
pub fn enable_gro(fd: BorrowedFd<'_>) -> bool {
    let on: libc::c_int = 1;
    // SAFETY: the option takes one int.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_GRO,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        ) == 0
    }
}

/// Sends the pieces as datagrams in one call: the kernel joins them and cuts every `segment` bytes,
/// so all but the last must have that length. At most [`SEGMENTS_MAX`] pieces, 65,507 bytes in all.
///
/// # Errors
/// `EINVAL` or `EIO` when the kernel or the device cannot segment: nothing was sent then.
/// Source: udp(7), `UDP_SEGMENT`, Linux 4.18.
pub fn send_segments(
    fd: BorrowedFd<'_>,
    to: Option<&SockAddr>,
    pieces: &[IoSlice<'_>],
    segment: u16,
) -> io::Result<usize> {
    fault::check(Call::Write)?;
    let mut control = Control([0; 64]);
    // SAFETY: all-zero is a valid header; the fields used are set below.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    if let Some(name) = to {
        msg.msg_name = name.as_ptr().cast_mut().cast();
        msg.msg_namelen = name.len();
    }
    // IoSlice is ABI-compatible with iovec (documented in std).
    msg.msg_iov = pieces.as_ptr().cast_mut().cast();
    msg.msg_iovlen = pieces.len() as _;
    msg.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: the buffer is aligned and larger than one header with two bytes of data; the kernel
    // reads what the macros point at.
    let n = unsafe {
        msg.msg_controllen = libc::CMSG_SPACE(2) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const msg);
        (*header).cmsg_level = libc::SOL_UDP;
        (*header).cmsg_type = libc::UDP_SEGMENT;
        (*header).cmsg_len = libc::CMSG_LEN(2) as _;
        libc::CMSG_DATA(header).cast::<u16>().write_unaligned(segment);
        libc::sendmsg(fd.as_raw_fd(), &raw const msg, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Sends several datagrams to one peer; returns how many were taken.
///
/// # Errors
/// As sendmmsg(2), when not even the first was taken.
pub fn send_many(
    fd: BorrowedFd<'_>,
    to: Option<&SockAddr>,
    pieces: &[IoSlice<'_>],
) -> io::Result<usize> {
    fault::check(Call::Write)?;
    let count = pieces.len().min(BATCH);
    let mut msgs: [libc::mmsghdr; BATCH] = std::array::from_fn(|i| {
        // SAFETY: all-zero is a valid header; the fields used are set below.
        let mut msg: libc::mmsghdr = unsafe { std::mem::zeroed() };
        if let (Some(name), true) = (to, i < count) {
            msg.msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
            msg.msg_hdr.msg_namelen = name.len();
        }
        if i < count {
            // IoSlice is ABI-compatible with iovec (documented in std).
            msg.msg_hdr.msg_iov = (&raw const pieces[i]).cast_mut().cast();
            msg.msg_hdr.msg_iovlen = 1;
        }
        msg
    });
    // SAFETY: the first `count` headers point at live data for the length of the call.
    let n = unsafe {
        libc::sendmmsg(
            fd.as_raw_fd(),
            msgs.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}
