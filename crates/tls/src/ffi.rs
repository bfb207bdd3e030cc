//! What the safe bindings of OpenSSL leave out: the name of the key exchange's group, sessions and
//! tickets, and reading into memory that nobody has written to.

#![expect(unsafe_code, reason = "functions of OpenSSL, and the length of a buffer it filled")]

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use bytes::BytesMut;
use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{Error, SslRef, SslSession, SslStream};
use openssl::x509::{X509, X509Ref};

use crate::wire::Wire;

/// `SSL_CTRL_GET_NEGOTIATED_GROUP` of OpenSSL 3's `ssl.h`, there since 3.0.
const GET_NEGOTIATED_GROUP: c_int = 134;

unsafe extern "C" {
    /// Since OpenSSL 3.0; null when it does not know the number.
    fn SSL_group_to_name(ssl: *mut openssl_sys::SSL, id: c_int) -> *const c_char;
    /// Since OpenSSL 3.0; 0 where there is no such thing (before TLS 1.3).
    fn SSL_new_session_ticket(ssl: *mut openssl_sys::SSL) -> c_int;
    /// The certificate stays the session's; null when it has none.
    fn SSL_SESSION_get0_peer(session: *mut openssl_sys::SSL_SESSION) -> *mut openssl_sys::X509;
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

/// Has a ticket sent before the data that is written next. Before TLS 1.3 there is nothing to do:
/// there it was part of the handshake.
pub(crate) fn schedule_ticket(ssl: &SslRef) {
    // SAFETY: the pointer is that of a live connection, which nobody else uses meanwhile: its owner
    // has lent it to us.
    unsafe { SSL_new_session_ticket(ssl.as_ptr()) };
}

/// Offers the server to go on with a session.
pub(crate) fn resume(ssl: &mut SslRef, session: &SslSession) -> Result<(), ErrorStack> {
    // SAFETY: a session that was read from its encoding belongs to no context that it could outlive.
    unsafe { ssl.set_session(session) }
}

/// The server's certificate, as it was when the session began.
pub(crate) fn session_peer(session: &SslSession) -> Option<X509> {
    let session: &openssl::ssl::SslSessionRef = session;
    // SAFETY: the pointer is that of a live session, which is only read.
    let peer = unsafe { SSL_SESSION_get0_peer(session.as_ptr()) };
    if peer.is_null() {
        return None;
    }
    // SAFETY: it is not null and lives as long as the session, which is borrowed; `to_owned` takes a
    // reference of our own.
    Some(unsafe { X509Ref::from_ptr(peer) }.to_owned())
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
