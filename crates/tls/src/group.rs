//! The key exchange's group, which the bindings do not tell.

#![expect(unsafe_code, reason = "two functions of OpenSSL that its bindings leave out")]

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use foreign_types::ForeignTypeRef;
use openssl::ssl::SslRef;

/// `SSL_CTRL_GET_NEGOTIATED_GROUP` of OpenSSL 3's `ssl.h`, there since 3.0.
const GET_NEGOTIATED_GROUP: c_int = 134;

unsafe extern "C" {
    /// Since OpenSSL 3.0; null when it does not know the number.
    fn SSL_group_to_name(ssl: *mut openssl_sys::SSL, id: c_int) -> *const c_char;
}

/// The name of the group, such as `x25519` or `X25519MLKEM768`; `None` when keys came another way.
pub(crate) fn name(ssl: &SslRef) -> Option<String> {
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
