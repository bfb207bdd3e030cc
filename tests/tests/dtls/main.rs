//! DTLS, with an OpenSSL of the test's own as the peer, with bad links, and with other people's programs.
#![cfg(all(target_os = "linux", feature = "tls"))]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test plays the peer, and fails where it stands"
)]

mod client;
mod datagrams;
mod ends;
mod interop;
mod link;
mod many;
mod peer;
#[path = "../tls/pki.rs"]
#[expect(dead_code, reason = "the tests of TLS want more of it")]
mod pki;
mod relay;
mod server;
