//! What the safe bindings of OpenSSL leave out: the name of the key exchange's group, sessions and
//! tickets, what counts for the kernel's records, what is particular to DTLS, asking for a passphrase,
//! and reading into memory that nobody has written to.

#![expect(unsafe_code, reason = "some functions of OpenSSL, and the length of a buffer it filled")]

use std::ffi::{CStr, c_char, c_int, c_long};
use std::io::{Read, Write};
use std::ptr;
use std::time::Duration;

use bytes::BytesMut;
use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{Error, SslRef, SslSession, SslStream};
use openssl::x509::{X509, X509Ref};

/// `SSL_CTRL_GET_NEGOTIATED_GROUP` of OpenSSL 3's `ssl.h`, there since 3.0.
const GET_NEGOTIATED_GROUP: c_int = 134;
/// `SSL_CTRL_SET_MTU`, `DTLS_CTRL_GET_TIMEOUT` and `DTLS_CTRL_HANDLE_TIMEOUT` of the same file.
const SET_MTU: c_int = 17;
const GET_TIMEOUT: c_int = 73;
const HANDLE_TIMEOUT: c_int = 74;

/// An address as OpenSSL keeps it (`bio.h`); only ever behind a pointer.
#[repr(C)]
struct BioAddr {
    _opaque: [u8; 0],
}

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
    fn DTLSv1_listen(ssl: *mut openssl_sys::SSL, client: *mut BioAddr) -> c_int;
    fn BIO_ADDR_new() -> *mut BioAddr;
    fn BIO_ADDR_free(address: *mut BioAddr);
    /// Since OpenSSL 3.0; 0 where there is no such thing (before TLS 1.3).
    fn SSL_new_session_ticket(ssl: *mut openssl_sys::SSL) -> c_int;
    /// 0 when something was typed. The buffer holds one byte more than `length`.
    fn EVP_read_pw_string(
        buf: *mut c_char,
        length: c_int,
        prompt: *const c_char,
        verify: c_int,
    ) -> c_int;
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

/// Asks on the terminal, without showing what is typed; `None` when nothing is, or Ctrl-C.
pub(crate) fn ask(prompt: &CStr, buf: &mut [u8]) -> Option<usize> {
    let length = c_int::try_from(buf.len()).ok()?.checked_sub(1).filter(|length| *length > 0)?;
    // SAFETY: the buffer is as long as the call may write, the zero at its end included; the prompt is a
    // string that is only read.
    let result = unsafe { EVP_read_pw_string(buf.as_mut_ptr().cast(), length, prompt.as_ptr(), 0) };
    drop(ErrorStack::get());
    if result != 0 {
        return None;
    }
    Some(CStr::from_bytes_until_nul(buf).ok()?.count_bytes())
}

/// Adds one record's plaintext to `buf`, as far as it fits below `max` bytes. To clear the memory first
/// would cost a twentieth of the whole work.
pub(crate) fn read<S: Read + Write>(
    ssl: &mut SslStream<S>,
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

/// Looks at the datagrams there are for a ClientHello with a cookie; true when there was one, and the
/// handshake may go on from it. False when there was none.
pub(crate) fn listen<S: Read + Write>(ssl: &SslStream<S>) -> Result<bool, ErrorStack> {
    // SAFETY: it takes nothing, and null is looked for below.
    let address = unsafe { BIO_ADDR_new() };
    if address.is_null() {
        return Err(ErrorStack::get());
    }
    // SAFETY: the connection is alive and has its transport (`SslStream::new`); the address is a live
    // one, which is written to at most.
    let result = unsafe { DTLSv1_listen(ssl.ssl().as_ptr(), address) };
    // SAFETY: it was made above, and nothing keeps it.
    unsafe { BIO_ADDR_free(address) };
    match result {
        1.. => Ok(true),
        // Nothing, or nothing that begins a connection; why is of no interest.
        _ => {
            drop(ErrorStack::get());
            Ok(false)
        }
    }
}

/// How large the datagrams of a handshake may be, in bytes. What it is later does not follow it.
pub(crate) fn set_mtu(ssl: &SslRef, mtu: u16) {
    // SAFETY: the pointer is that of a live connection; the command takes a number only.
    unsafe { openssl_sys::SSL_ctrl(ssl.as_ptr(), SET_MTU, c_long::from(mtu), ptr::null_mut()) };
}

/// Until the last flight has to be sent again; `None` when nothing waits for an answer.
pub(crate) fn timeout(ssl: &SslRef) -> Option<Duration> {
    let mut left = libc::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: the pointer is that of a live connection; the command fills in the time, which is the
    // system's own type.
    let is_running =
        unsafe { openssl_sys::SSL_ctrl(ssl.as_ptr(), GET_TIMEOUT, 0, (&raw mut left).cast()) };
    let seconds = u64::try_from(left.tv_sec).unwrap_or(0);
    let micros = u64::try_from(left.tv_usec).unwrap_or(0);
    (is_running > 0).then(|| Duration::from_secs(seconds) + Duration::from_micros(micros))
}

/// Sends the last flight again if its time has come.
///
/// # Errors
/// It was sent too often.
pub(crate) fn handle_timeout(ssl: &SslRef) -> Result<(), ErrorStack> {
    // SAFETY: the pointer is that of a live connection, and the command takes nothing.
    let result = unsafe { openssl_sys::SSL_ctrl(ssl.as_ptr(), HANDLE_TIMEOUT, 0, ptr::null_mut()) };
    if result < 0 { Err(ErrorStack::get()) } else { Ok(()) }
}
