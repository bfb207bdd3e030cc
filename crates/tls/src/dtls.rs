//! DTLS 1.2 (RFC 6347): the same contexts, certificates and checks over a conn that keeps messages.
//!
//! A listener's conns begin behind [`Cookies`], which answers strangers without keeping anything; the
//! stage then goes on from the ClientHello that had the right cookie. Each datagram to send is one
//! record, and each record received is one datagram.

mod cookies;
mod packets;
mod stage;

use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslOptions, SslVersion};
use plan::TlsVersion;

pub use self::cookies::Cookies;
pub(crate) use self::stage::Dtls;

/// The largest plaintext of a record, and so the largest datagram (RFC 5246, section 6.2.1).
pub(crate) const RECORD: usize = plan::DTLS_DATAGRAM_MAX;
/// Payload of the handshake's datagrams, in bytes: what IPv6 carries everywhere, 1,280 bytes less the
/// headers of IPv6 and UDP (RFC 8200, section 5).
pub(crate) const MTU: u16 = 1232;
/// And after the second of a flight was lost, where the path may be narrower and not say so: what IPv4
/// carries everywhere, 576 bytes less the longest header of IPv4 and that of UDP (RFC 791).
pub(crate) const MTU_NARROW: u16 = 508;

/// Sets what is particular to DTLS.
pub(crate) fn prepare(builder: &mut SslContextBuilder) {
    // The size of datagrams is ours to know; a flight without tickets is shorter, and nobody keeps
    // them; a handshake in the middle would need its timers there too.
    builder.set_options(
        SslOptions::NO_QUERY_MTU | SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION,
    );
    // Asked for by the library only about what `Cookies` has let through.
    builder.set_cookie_verify_cb(|_, _| true);
    builder.set_cookie_generate_cb(|_, _| Err(ErrorStack::get()));
}

/// The version of DTLS that has the abilities of this one of TLS. There was no DTLS 1.1, and 1.3 is
/// more than the library has.
pub(crate) fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::Tls10 | TlsVersion::Tls11 => SslVersion::DTLS1,
        TlsVersion::Tls12 | TlsVersion::Tls13 => SslVersion::DTLS1_2,
    }
}
