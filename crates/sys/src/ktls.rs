//! TLS records made and opened by the kernel. Source: Documentation/networking/tls.rst, linux/tls.h;
//! checked on Linux 6.1.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use bytes::{BufMut, BytesMut};

use crate::fault::{self, Call};

const TCP_ULP: libc::c_int = 31;
const TLS_TX: libc::c_int = 1;
const TLS_RX: libc::c_int = 2;
/// The type of the record to be sent, and of the one that was received (control messages).
const SET_RECORD_TYPE: libc::c_int = 1;
const GET_RECORD_TYPE: libc::c_int = 2;
/// Only kernels with their own parser of records know it (6.0): those leave the bytes of an unfinished
/// record in the socket, where they can be seen.
const TLS_RX_EXPECT_NO_PAD: libc::c_int = 4;

/// The type of records with data (RFC 8446, section 5.1).
pub const DATA: u8 = 23;

/// Versions the kernel has, as records have them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// TLS 1.2.
    Tls12 = 0x0303,
    /// TLS 1.3.
    Tls13 = 0x0304,
}

/// Ciphers of which this module knows how the kernel wants their keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cipher {
    /// AES-GCM with 128 bits (Linux 4.13).
    Aes128Gcm = 51,
    /// AES-GCM with 256 bits (Linux 5.1).
    Aes256Gcm = 52,
    /// ChaCha20-Poly1305 (Linux 5.11).
    ChaCha20Poly1305 = 54,
}

/// A direction of a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// Records are made.
    Send,
    /// Records are opened.
    Recv,
}

/// What the kernel needs to make or open the records of one direction.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// The version agreed on.
    pub version: Version,
    /// The cipher agreed on.
    pub cipher: Cipher,
    /// Its key: 16 or 32 bytes.
    pub key: &'a [u8],
    /// What all nonces have in common, and what they begin with: 12 bytes in all. In TLS 1.2 with
    /// AES-GCM the last 8 are the next record's own part.
    pub nonce: [u8; 12],
    /// The next record's number.
    pub sequence: u64,
}

impl Keys<'_> {
    /// `struct tls12_crypto_info_...` of linux/tls.h: two numbers, then bytes without gaps.
    fn info(&self) -> Vec<u8> {
        let mut info = Vec::with_capacity(56);
        info.extend((self.version as u16).to_ne_bytes());
        info.extend((self.cipher as u16).to_ne_bytes());
        let salt = if self.cipher == Cipher::ChaCha20Poly1305 { 0 } else { 4 };
        info.extend(&self.nonce[salt..]);
        info.extend(self.key);
        info.extend(&self.nonce[..salt]);
        info.extend(self.sequence.to_be_bytes());
        info
    }
}

fn set(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: &[u8]) -> io::Result<()> {
    let len = libc::socklen_t::try_from(value.len()).unwrap_or(0);
    // SAFETY: `value` is readable for its length, which the kernel is told.
    let rc = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value.as_ptr().cast(), len) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Prepares a connected TCP socket for [`set_keys`]; without keys it goes on as it was.
///
/// # Errors
/// `ENOENT` when the kernel has no TLS; `ENOTCONN` when the socket is not, or no longer, connected.
pub fn prepare(fd: BorrowedFd<'_>) -> io::Result<()> {
    set(fd, libc::IPPROTO_TCP, TCP_ULP, b"tls")
}

/// Has the kernel make or open records from now on. What was read from or written to the socket before
/// must have ended where a record does. There is no way back.
///
/// # Errors
/// `EINVAL` or `ENOENT` when it lacks the version or the cipher.
pub fn set_keys(fd: BorrowedFd<'_>, way: Way, keys: &Keys<'_>) -> io::Result<()> {
    let name = if way == Way::Send { TLS_TX } else { TLS_RX };
    set(fd, libc::SOL_TLS, name, &keys.info())
}

/// Whether an end in the middle of a record can be told from one behind it: what is there of the record
/// stays in the socket and is counted (since Linux 6.0). To be asked of a prepared socket.
pub fn keeps_unfinished_records(fd: BorrowedFd<'_>) -> bool {
    let mut value: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the buffer has the stated length, and the kernel writes no more.
    let rc = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_TLS,
            TLS_RX_EXPECT_NO_PAD,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    // It may say that this connection has no such thing; older ones do not know what is asked.
    rc == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL)
}

/// Room for a control message of one byte, aligned as its header is.
#[repr(C)]
union Control {
    header: libc::cmsghdr,
    bytes: [u8; 64],
}

/// Sends one record of the type `kind`, whole or not at all; `content` has at most 16 KiB.
///
/// # Errors
/// As sendmsg(2); `EAGAIN` when there is no room now.
pub fn send_record(fd: BorrowedFd<'_>, kind: u8, content: &[u8]) -> io::Result<()> {
    // Not in one call: a kernel that finds no room for the open record forgets the type of this one.
    close_record(fd)?;
    send_typed(fd, kind, content)
}

/// Has the kernel send a record that it keeps open for more (a sendfile that came to the file's end
/// leaves one).
///
/// # Errors
/// As sendmsg(2); `EAGAIN` when there is no room now.
pub fn close_record(fd: BorrowedFd<'_>) -> io::Result<()> {
    send_typed(fd, DATA, &[])
}

fn send_typed(fd: BorrowedFd<'_>, kind: u8, content: &[u8]) -> io::Result<()> {
    fault::check(Call::Write)?;
    let mut control = Control { bytes: [0; 64] };
    let mut vector =
        libc::iovec { iov_base: content.as_ptr().cast_mut().cast(), iov_len: content.len() };
    // SAFETY: all-zero is a valid msghdr; the fields set below are the ones sendmsg reads.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = &raw mut vector;
    msg.msg_iovlen = 1;
    msg.msg_control = (&raw mut control).cast();
    // SAFETY: the macro only computes.
    msg.msg_controllen = unsafe { libc::CMSG_SPACE(1) } as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `control` is aligned and has room for a header and a byte, where CMSG_FIRSTHDR and
    // CMSG_DATA point; `msg` points at live buffers for the length of the call, which reads them.
    let sent = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const msg);
        (*header).cmsg_level = libc::SOL_TLS;
        (*header).cmsg_type = SET_RECORD_TYPE;
        (*header).cmsg_len = libc::CMSG_LEN(1) as _;
        *libc::CMSG_DATA(header) = kind;
        libc::sendmsg(fd.as_raw_fd(), &raw const msg, flags)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Adds at most `max` bytes to `buf`, all out of records of one type; says how many and which. No
/// type: the end of the stream.
///
/// # Errors
/// As recvmsg(2). `EBADMSG` when a record fails its check, `EMSGSIZE` and `EINVAL` when it cannot be
/// one; `EKEYEXPIRED` when the peer has new keys.
pub fn recv_record(
    fd: BorrowedFd<'_>,
    buf: &mut BytesMut,
    max: usize,
) -> io::Result<(usize, Option<u8>)> {
    fault::check(Call::Read)?;
    buf.reserve(max);
    let spare = buf.spare_capacity_mut();
    let len = max.min(spare.len());
    let mut vector = libc::iovec { iov_base: spare.as_mut_ptr().cast(), iov_len: len };
    let mut control = Control { bytes: [0; 64] };
    // SAFETY: all-zero is a valid msghdr; the fields set below are the ones recvmsg reads.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = &raw mut vector;
    msg.msg_iovlen = 1;
    msg.msg_control = (&raw mut control).cast();
    msg.msg_controllen = size_of::<Control>() as _;
    // SAFETY: `msg` points at live buffers of the stated lengths for the length of the call.
    let n = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut msg, libc::MSG_DONTWAIT) };
    let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has just initialised these `n` bytes.
    unsafe { buf.advance_mut(n) };
    // SAFETY: the kernel has set `msg_controllen` to what it wrote of control messages, and
    // CMSG_FIRSTHDR is null when that is too short for one.
    let kind = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const msg);
        let is_ours = !header.is_null()
            && (*header).cmsg_level == libc::SOL_TLS
            && (*header).cmsg_type == GET_RECORD_TYPE;
        is_ours.then(|| *libc::CMSG_DATA(header))
    };
    Ok((n, kind.or((n > 0).then_some(DATA))))
}

/// Has TCP send what it holds. A splice or sendfile into a socket whose records the kernel makes may find
/// no room left before it has told TCP to send anything: then no acknowledgement ever makes room (seen on
/// Linux 6.1). To end a cork that there is not does just that.
pub fn push(fd: BorrowedFd<'_>) {
    let off: libc::c_int = 0;
    // A failure is seen by whoever sends.
    let _ = set(fd, libc::IPPROTO_TCP, libc::TCP_CORK, &off.to_ne_bytes());
}

/// Whether a record waits that is complete. The readiness of a socket counts bytes: it is not enough.
///
/// # Errors
/// What is wrong with the connection; it is not told again.
pub fn has_record(fd: impl AsFd) -> io::Result<bool> {
    let mut byte = 0u8;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: `byte` is valid for a write of one byte.
    let n = unsafe { libc::recv(fd.as_fd().as_raw_fd(), (&raw mut byte).cast(), 1, flags) };
    if n >= 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN) => Ok(false),
        // One without data, whose type this call has no room for.
        Some(libc::EIO) => Ok(true),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_laid_out_as_the_kernel_has_them() {
        let nonce = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let (version, cipher) = (Version::Tls13, Cipher::Aes128Gcm);
        let keys = Keys { version, cipher, key: &[7; 16], nonce, sequence: 258 };
        let info = keys.info();
        assert_eq!(info.len(), 40);
        assert_eq!(info[..4], [4, 3, 51, 0]);
        assert_eq!(info[4..12], [5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(info[28..32], [1, 2, 3, 4]);
        assert_eq!(info[32..], [0, 0, 0, 0, 0, 0, 1, 2]);
        let chacha = Keys { cipher: Cipher::ChaCha20Poly1305, key: &[7; 32], ..keys };
        assert_eq!(chacha.info().len(), 56);
        assert_eq!(chacha.info()[4..16], nonce);
        assert_eq!(Keys { cipher: Cipher::Aes256Gcm, ..chacha }.info().len(), 56);
    }
}
