//! TLS and DTLS as a stage around a conn: the handshake, the stream, who the peer is.
//!
//! One library does the cryptography, OpenSSL, and nothing above this crate knows which. It never
//! touches a descriptor: records come from the conn below and go back to it, so that TLS runs over
//! whatever a conn is, another TLS stage included (docs/decisions/0010-tls-over-any-conn.md).

pub mod aead;
mod context;
mod dtls;
mod error;
mod facts;
mod ffi;
mod handshake;
mod identity;
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), expect(dead_code))]
mod keys;
mod secrets;
mod session;
mod stage;
mod trust;
mod wire;

pub use context::{Client, Keylog, Server};
pub use dtls::Cookies;
pub use error::{Error, SetupError};
pub use facts::{Certificate, Facts, Verdict, Worker};
pub use handshake::{Secured, Waiting};
pub use identity::Fingerprints;
pub use session::Resumption;
pub use stage::Notice;

/// The library and its version, as it names itself.
pub fn library() -> &'static str {
    openssl::version::version()
}
