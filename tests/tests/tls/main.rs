//! TLS, with an OpenSSL of the test's own as the peer, and with other people's programs.
#![cfg(all(target_os = "linux", feature = "tls"))]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test plays the peer, and fails where it stands"
)]

mod bad_certs;
mod bad_names;
mod bad_wire;
mod big;
mod client;
mod daemon;
mod ends;
mod interop;
mod keylog;
mod ktls;
mod last;
mod names;
mod own;
mod passphrase;
mod peer;
mod pki;
mod renewal;
mod server;
mod session;
mod start;
mod starttls;
mod starttls_peers;
mod trouble;
mod web;
