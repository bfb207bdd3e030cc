//! TLS, with an OpenSSL of the test's own as the peer, and with other people's programs.
#![cfg(all(target_os = "linux", feature = "tls"))]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test plays the peer, and fails where it stands"
)]

mod client;
mod ends;
mod interop;
mod ktls;
mod names;
mod peer;
mod pki;
mod server;
mod trouble;
