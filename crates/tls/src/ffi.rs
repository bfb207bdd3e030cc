//! What the safe bindings of OpenSSL leave out: the name of the key exchange's group, what counts for
//! the kernel's records, and reading into memory that nobody has written to.

#![expect(unsafe_code, reason = "some functions of OpenSSL, and the length of a buffer it filled")]

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use bytes::BytesMut;
use foreign_types::ForeignTypeRef;
use openssl::ssl::{Error, SslRef, SslStream};

use crate::wire::Wire;

/// `SSL_CTRL_GET_NEGOTIATED_GROUP` of OpenSSL 3's `ssl.h`, there since 3.0.
const GET_NEGOTIATED_GROUP: c_int = 134;

/// `SSL_OP_NO_RENEGOTIATION` of `ssl.h`, there since 1.1.1.
const NO_RENEGOTIATION: u64 = 1 << 30;

unsafe extern "C" {
    /// Since OpenSSL 3.0 with 64 bits.
    fn SSL_set_options(ssl: *mut openssl_sys::SSL, options: u64) -> u64;
    /// Since OpenSSL 1.1.1; -1 when no key update is due.
    fn SSL_get_key_update_type(ssl: *const openssl_sys::SSL) -> c_int;
    /// Since OpenSSL 1.1.1; 0 when the peers did not agree on a length.
    fn SSL_SESSION_get_max_fragment_length(session: *const openssl_sys::SSL_SESSION) -> u8;
    /// Since OpenSSL 3.0; null when it does not know the number.
    fn SSL_group_to_name(ssl: *mut openssl_sys::SSL, id: c_int) -> *const c_char;
}

/// The name of the group, such as `x25519` or `X25519MLKEM768`; `None` when keys came another way.
pub(crate) fn group_name(ssl: &SslRef) -> Option<String> {
    let ssl = ssl.as_ptr();
    // SAFETY: the pointer is that of a live connection, and this command only reads from it and
    // ignores its other arguments.
    let id = unsafe { openssl_sys::SSL_ctrl(ssl, GET_NEGOTIATED_GROUP, 0, ptr::null_mut()) };
    let id = c_int::try_from(id).ok().filter(|id| *id != 0)?;
    // SAFETY: the pointer is as above; any number may be asked about.
    let name = unsafe { SSL_group_to_name(ssl, id) };
    if name.is_null() {
        return None;
    }
    // SAFETY: it is not null and points to a string in one of OpenSSL's tables, which outlive us.
    let name = unsafe { CStr::from_ptr(name) };
    Some(name.to_string_lossy().into_owned())
}

/// Refuses to begin again (TLS 1.2) from now on.
pub(crate) fn refuse_renegotiation(ssl: &SslRef) {
    // SAFETY: the pointer is that of a live connection, which nobody else uses during the call.
    unsafe { SSL_set_options(ssl.as_ptr(), NO_RENEGOTIATION) };
}

/// Whether the peer has asked for new keys of ours and not got them.
pub(crate) fn owes_key_update(ssl: &SslRef) -> bool {
    // SAFETY: the pointer is that of a live connection, and the call only reads from it.
    unsafe { SSL_get_key_update_type(ssl.as_ptr()) >= 0 }
}

/// Whether records must be shorter than usual (RFC 6066, section 4).
pub(crate) fn has_short_records(ssl: &SslRef) -> bool {
    // SAFETY: the pointer is that of a session that `ssl` keeps, and the call only reads from it.
    ssl.session().is_some_and(|session| unsafe {
        SSL_SESSION_get_max_fragment_length(session.as_ptr()) != 0
    })
}

/// Adds one record's plaintext to `buf`, as far as it fits below `max` bytes. To clear the memory first
/// would cost a twentieth of the whole work.
pub(crate) fn read(
    ssl: &mut SslStream<Wire>,
    buf: &mut BytesMut,
    max: usize,
) -> Result<usize, Error> {
    let len = buf.len();
    let room = max.saturating_sub(len);
    buf.reserve(room);
    let n = ssl.ssl_read_uninit(&mut buf.spare_capacity_mut()[..room])?;
    assert!(n <= room, "OpenSSL wrote beyond its buffer");
    // SAFETY: the first `len` bytes were there, and the call has written the `n` after them, which
    // are within the capacity.
    unsafe { buf.set_len(len + n) };
    Ok(n)
}
