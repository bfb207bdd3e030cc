//! Rules about TLS.

use super::rules::{Facts, Rule, rule, rule_with};
use super::safe;
use crate::{DTLS_DATAGRAM_MAX, PeerRule, TlsVersion};

/// What a name of ALPN may have, in bytes (RFC 7301, section 3.1), and their list with its lengths.
const ALPN_NAME_MAX: usize = 255;
const ALPN_LIST_MAX: usize = 65_534;

fn is_bad_alpn(facts: &Facts<'_>) -> bool {
    let Some(names) = &facts.raw.tls.alpn else { return false };
    let size: usize = names.iter().map(|name| 1 + name.len()).sum();
    size > ALPN_LIST_MAX || names.iter().any(|name| !(1..=ALPN_NAME_MAX).contains(&name.len()))
}

/// An option that belongs to the other side.
fn misplaced(facts: &Facts<'_>) -> Option<(&'static str, &'static str, &'static str)> {
    let tls = &facts.raw.tls;
    let servers = [
        (tls.client_ca.is_some(), "--ssl-client-ca", "it says whose clients are let in"),
        (!tls.allow.is_empty(), "--ssl-allow", "it says which clients are let in"),
        (tls.key_type.is_some(), "--ssl-keytype", "clients make no certificate"),
    ];
    let clients = [
        (!tls.pins.is_empty(), "--ssl-pin", "clients are let in by --ssl-allow"),
        (tls.session.is_some(), "--ssl-session", "-k gives clients tickets without being told"),
    ];
    let (mode, options): (_, &[_]) =
        if facts.listen { ("-l", &clients) } else { ("connect", &servers) };
    let found = options.iter().find(|(given, ..)| *given);
    found.map(|(_, option, why)| (*option, mode, *why))
}

/// Names in a certificate that nobody has vouched for.
fn allows_unverified_names(facts: &Facts<'_>) -> bool {
    let tls = &facts.raw.tls;
    let verifies = tls.verify || tls.client_ca.is_some() || !tls.trust_files.is_empty();
    !verifies && tls.allow.iter().any(|rule| !matches!(rule, PeerRule::Digest(_)))
}

/// A check of a name without a name.
fn verifies_nobody(facts: &Facts<'_>) -> bool {
    let tls = &facts.raw.tls;
    let verifies = tls.verify || !tls.trust_files.is_empty() || safe::verifies(facts);
    !facts.listen && (facts.unix || facts.vsock) && verifies && tls.server_name.is_none()
}

fn is_dtls(facts: &Facts<'_>) -> bool {
    facts.raw.tls.is_wanted() && facts.keeps_datagrams()
}

/// An option of TLS 1.3.
fn newer(facts: &Facts<'_>) -> Option<&'static str> {
    let tls = &facts.raw.tls;
    let options = [
        (tls.require_pq, "--ssl-require-pq"),
        (tls.ciphersuites.is_some(), "--ssl-ciphersuites"),
        (tls.min == Some(TlsVersion::Tls13), "--ssl-min tls1.3"),
    ];
    options.iter().find(|(given, _)| *given).map(|(_, option)| *option)
}

/// In the order in which they are looked for, after Ncat's.
pub(super) const RULES: &[Rule] = &[
    rule(
        "--ssl-alpn with a name that is empty or longer than 255 bytes",
        is_bad_alpn,
        "Could not parse ALPN string QUITTING.\n  hint: names of 1 to 255 bytes with commas between \
         them, as h2,http/1.1",
    ),
    rule_with(
        "--ssl-client-ca, --ssl-allow or --ssl-keytype without -l; --ssl-pin or --ssl-session with -l",
        |f| misplaced(f).is_some(),
        |f| {
            let (option, mode, why) = misplaced(f).unwrap_or_default();
            format!("Invalid option combination: {option} with {mode}. QUITTING.\n  {why}")
        },
    ),
    rule(
        "--ssl-keytype with --ssl-cert",
        |f| f.raw.tls.key_type.is_some() && f.raw.tls.certificate.is_some(),
        "Invalid option combination: --ssl-keytype and --ssl-cert. QUITTING.\n  it is about a \
         certificate made for the run, and there is one",
    ),
    rule(
        "--ssl-passphrase-file without --ssl-key",
        |f| f.raw.tls.passphrase_file.is_some() && f.raw.tls.key.is_none(),
        "Invalid option combination: --ssl-passphrase-file without --ssl-key. QUITTING.\n  it opens \
         that key",
    ),
    rule(
        "--ssl-allow with a name, without --ssl-verify, --ssl-trustfile or --ssl-client-ca",
        allows_unverified_names,
        "Invalid option combination: --ssl-allow with a name, without --ssl-client-ca. QUITTING.\n  \
         anybody can put any name in a certificate of their own\n  hint: --ssl-client-ca says whose \
         certificates count; sha256/DIGEST needs nobody's word",
    ),
    rule(
        "--ssl-verify with -U or --vsock, without --ssl-servername",
        verifies_nobody,
        "Invalid option combination: --ssl-verify without a name to expect. QUITTING.\n  -U and \
         --vsock have none\n  hint: --ssl-servername names whom to expect, --ssl-pin needs no name",
    ),
    rule(
        "--ssl-min newer than --ssl-max",
        |f| {
            let tls = &f.raw.tls;
            tls.min.zip(tls.max).is_some_and(|(min, max)| min > max)
        },
        "Invalid option combination: --ssl-min is newer than --ssl-max. QUITTING.\n  no version is left",
    ),
    rule(
        "--ssl with -u and -U or --vsock",
        |f| is_dtls(f) && (f.unix || f.vsock),
        "Invalid option combination: --ssl with -u and -U or --vsock. QUITTING.\n  DTLS is for UDP: \
         it needs addresses to answer to\n  hint: without -u it is TLS over the stream",
    ),
    rule_with(
        "--ssl-require-pq, --ssl-ciphersuites or --ssl-min tls1.3 with -u",
        |f| is_dtls(f) && newer(f).is_some(),
        |f| {
            let option = newer(f).unwrap_or_default();
            format!(
                "Invalid option combination: {option} with -u. QUITTING.\n  it is about TLS 1.3, and \
                 DTLS 1.2 is the newest there is here"
            )
        },
    ),
    rule_with(
        "--datagram-size over 16384 with --ssl",
        |f| is_dtls(f) && f.raw.datagram_size.is_some_and(|size| size > DTLS_DATAGRAM_MAX),
        |f| {
            let size = f.raw.datagram_size.unwrap_or_default();
            format!(
                "Invalid option combination: --datagram-size {size} with --ssl. QUITTING.\n  a record \
                 of DTLS holds {DTLS_DATAGRAM_MAX} bytes"
            )
        },
    ),
];
