//! The rows of TLS.

use super::Row;
use crate::{KeyType, PeerRule, Pin, RawFamily, RawTransport, TlsVersion};

pub(super) const REFUSED: &[Row] = &[
    (
        "--ssl-alpn with a name that is empty or longer than 255 bytes",
        |raw| raw.tls.alpn = Some(vec!["h2".into(), String::new()]),
        "Could not parse ALPN string QUITTING.",
    ),
    (
        "--ssl-alpn with a name that is empty or longer than 255 bytes",
        |raw| raw.tls.alpn = Some(vec!["a".repeat(256)]),
        "Could not parse ALPN string QUITTING.",
    ),
    (
        MISPLACED,
        |raw| raw.tls.allow = vec![PeerRule::Digest(Pin([0; 32]))],
        "Invalid option combination: --ssl-allow with connect. QUITTING.",
    ),
    (
        MISPLACED,
        |raw| {
            raw.listen = true;
            raw.tls.pins = vec![Pin([0; 32])];
        },
        "Invalid option combination: --ssl-pin with -l. QUITTING.",
    ),
    (
        MISPLACED,
        |raw| {
            raw.listen = true;
            raw.tls.session = Some("s".into());
        },
        "Invalid option combination: --ssl-session with -l. QUITTING.",
    ),
    (
        "--safe with a command, in listen mode, without --allow, --allowfile or --ssl-allow",
        |raw| {
            (raw.safe, raw.listen) = (true, true);
            raw.exec.exec.push("/bin/cat".into());
        },
        "--safe: a command needs a list of who may use it. QUITTING.",
    ),
    (
        "--safe with a command, in connect mode, without --ssl",
        |raw| {
            raw.safe = true;
            raw.exec.exec.push("/bin/cat".into());
        },
        "--safe: a command for a server that is not verified. QUITTING.",
    ),
    (
        "--safe with --vsock and -l, without an address",
        |raw| {
            (raw.safe, raw.listen) = (true, true);
            raw.family = Some(crate::RawFamily::Vsock);
            raw.operands = vec!["9".into()];
        },
        "--safe: every guest and the host could connect. QUITTING.",
    ),
    (
        "--ssl-keytype with --ssl-cert",
        |raw| {
            raw.listen = true;
            raw.tls.key_type = Some(KeyType::Rsa);
            (raw.tls.certificate, raw.tls.key) = (Some("a".into()), Some("a".into()));
        },
        "Invalid option combination: --ssl-keytype and --ssl-cert. QUITTING.",
    ),
    (
        "--ssl-passphrase-file without --ssl-key",
        |raw| raw.tls.passphrase_file = Some("a".into()),
        "Invalid option combination: --ssl-passphrase-file without --ssl-key. QUITTING.",
    ),
    (
        "--ssl-allow with a name, without --ssl-verify, --ssl-trustfile or --ssl-client-ca",
        |raw| {
            raw.listen = true;
            raw.tls.allow = vec![PeerRule::CommonName("a".into())];
        },
        "Invalid option combination: --ssl-allow with a name, without --ssl-client-ca. QUITTING.",
    ),
    (
        "--ssl-verify with -U or --vsock, without --ssl-servername",
        |raw| {
            raw.family = Some(RawFamily::Unix);
            raw.tls.verify = true;
        },
        "Invalid option combination: --ssl-verify without a name to expect. QUITTING.",
    ),
    (
        "--ssl-min newer than --ssl-max",
        |raw| (raw.tls.min, raw.tls.max) = (Some(TlsVersion::Tls13), Some(TlsVersion::Tls12)),
        "Invalid option combination: --ssl-min is newer than --ssl-max. QUITTING.",
    ),
    (
        "--ssl with -u and -U or --vsock",
        |raw| {
            (raw.family, raw.transport) = (Some(RawFamily::Unix), Some(RawTransport::Udp));
            raw.tls.wanted = true;
        },
        "Invalid option combination: --ssl with -u and -U or --vsock. QUITTING.",
    ),
    (
        "--ssl-require-pq, --ssl-ciphersuites or --ssl-min tls1.3 with -u",
        |raw| {
            raw.transport = Some(RawTransport::Udp);
            raw.tls.require_pq = true;
        },
        "Invalid option combination: --ssl-require-pq with -u. QUITTING.",
    ),
    (
        "--ssl-require-pq, --ssl-ciphersuites or --ssl-min tls1.3 with -u",
        |raw| {
            raw.transport = Some(RawTransport::Udp);
            raw.tls.min = Some(TlsVersion::Tls13);
        },
        "Invalid option combination: --ssl-min tls1.3 with -u. QUITTING.",
    ),
    (
        "--datagram-size over 16384 with --ssl",
        |raw| {
            raw.transport = Some(RawTransport::Udp);
            raw.datagram_size = Some(16_385);
            raw.tls.wanted = true;
        },
        "Invalid option combination: --datagram-size 16385 with --ssl. QUITTING.",
    ),
];

const MISPLACED: &str = "--ssl-client-ca, --ssl-allow or --ssl-keytype without -l; --ssl-pin or \
                         --ssl-session with -l";
