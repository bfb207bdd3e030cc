//! Names in certificates that are nearly right: wildcards at their edges, other scripts, bytes that
//! end a text in C. Beside the rows of `names`.

use testkit::process::ncat;

use crate::names::ask;
use crate::pki::{Identity, Making, Wanted};

/// What is in subjectAltName, what is asked for, and whether it fits.
const ROWS: &[(&[&str], &str, bool)] = &[
    (&["*.example.com"], "a.example.com", true),
    (&["*.example.com"], "a.example.com.", true),
    (&["*.example.com"], "a.b.example.com", false),
    (&["*.example.com"], "example.com", false),
    (&["*.b.example.com"], "a.b.example.com", true),
    (&["*.example.com"], "*.example.com", true),
    (&["*.example"], "a.example", false),
    (&["*.co.uk"], "example.co.uk", true),
    (&["*.a.example.com", "x.example.com"], "x.example.com", true),
    (&["**.example.com"], "a.example.com", false),
    (&["*a.example.com"], "aa.example.com", false),
    (&["a*.example.com"], "ab.example.com", false),
    (&["a*c.example.com"], "abc.example.com", false),
    (&["www.*.example.com"], "www.a.example.com", false),
    (&["example.com*"], "example.com", false),
    // A trailing dot in the certificate is no name (RFC 5280, section 4.2.1.6, has none).
    (&["a.example.com."], "a.example.com", false),
    // Other scripts are compared as they are on the wire (RFC 9525, section 6.3).
    (&["xn--bcher-kva.example"], "xn--bcher-kva.example", true),
    (&["xn--bcher-kva.example"], "XN--BCHER-KVA.example", true),
    (&["*.example"], "xn--bcher-kva.example", false),
    (&["*.xn--bcher-kva.example"], "a.xn--bcher-kva.example", true),
    (&["xn--*.example.com"], "xn--bcher-kva.example.com", false),
    (&["x*.example.com"], "xn--bcher-kva.example.com", false),
    (&["*.example.com"], "xn--bcher-kva.example.com", true),
    // Addresses are no names, in either direction.
    (&["127.0.0.1"], "127.0.0.1", false),
    (&["*.0.0.1"], "127.0.0.1", false),
    (&["*"], "127.0.0.1", false),
];

#[test]
fn names_that_are_nearly_right_are_wrong() {
    let root = Identity::root();
    for (dns, asked, fits) in ROWS {
        let own = root.issue(&Wanted { common_name: "x", ..Wanted::name(dns) });
        let done = ask(&root, &own, &["--ssl-servername", asked]);
        let what = format!("{asked} for {dns:?}:\n{}", done.stderr);
        assert_eq!(done.code(), Some(i32::from(!fits)), "{what}");
        let is_address = asked.parse::<std::net::IpAddr>().is_ok();
        let first = match (fits, is_address) {
            (true, _) => "Ncat: Peer: verified: name+chain.",
            (false, false) => "Ncat: Certificate verification failed (hostname mismatch).",
            (false, true) => "Ncat: Certificate verification failed (IP address mismatch).",
        };
        assert!(done.stderr.contains(first), "{what}");
    }
}

/// DER: a sequence of one dNSName with these bytes.
fn dns_name(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    [&[0x30, length + 2, 0x82, length], bytes].concat()
}

/// To OpenSSL an empty name is any name, and a dot before one is everything below it.
#[test]
fn a_name_that_is_none_is_refused() {
    for name in ["", ".", ".example.com", "..example.com"] {
        let done = ncat(["--ssl-verify", "--ssl-servername", name, "x", "1"]).run().expect_code(2);
        let first = format!("Ncat: Invalid --ssl-servername value {name:?}. QUITTING.");
        assert_eq!(done.first_line(), first);
    }
}

#[test]
fn a_zero_byte_ends_no_name() {
    let root = Identity::root();
    let plain = Wanted { common_name: "db.example.com", ..Wanted::name(&[]) };
    let with = |name: &[u8]| {
        root.issue_as(&plain, Making { names: Some(dns_name(name)), ..Making::usual() })
    };
    for name in [&b"db.example.com\0.evil.example"[..], b"db.example.com\0", b"\0db.example.com"] {
        let done = ask(&root, &with(name), &["--ssl-servername", "db.example.com"]).expect_code(1);
        let first = "Ncat: Certificate verification failed (hostname mismatch).";
        assert!(done.stderr.contains(first), "{}", done.stderr);
        assert!(done.stderr.contains("\\x00"), "the zero is shown: {}", done.stderr);
    }
    // What is no name at all is shown safely, and does not count.
    for name in [&b"db.example.com\x1b[2J"[..], b"\xff\xfe.example.com", b""] {
        let done = ask(&root, &with(name), &["--ssl-servername", "db.example.com"]).expect_code(1);
        assert!(!done.stderr.contains('\x1b'), "{}", done.stderr);
    }
}

#[test]
fn a_broken_list_of_names_is_no_list() {
    let root = Identity::root();
    let plain = Wanted { common_name: "db.example.com", ..Wanted::name(&[]) };
    for names in
        [&b"\x30\x10\x82\x0edb.exam"[..], b"", b"\x04\x00", b"\x30\x06\x87\x04\x7f\x00\x00"]
    {
        let own = root.issue_as(&plain, Making { names: Some(names.to_vec()), ..Making::usual() });
        let done = ask(&root, &own, &["--ssl-servername", "db.example.com"]).expect_code(1);
        assert!(done.stderr.contains("Ncat: Certificate verification failed ("), "{}", done.stderr);
    }
    // An address of a length that none has.
    let odd = b"\x30\x07\x87\x05\x7f\x00\x00\x01\x00";
    let own = root.issue_as(&plain, Making { names: Some(odd.to_vec()), ..Making::usual() });
    let done = ask(&root, &own, &[]).expect_code(1);
    assert!(done.stderr.contains("(IP address mismatch)"), "{}", done.stderr);
}

#[test]
fn an_address_is_compared_as_one() {
    let root = Identity::root();
    for (ips, asked, fits) in [
        (&["192.0.2.1"][..], "192.0.2.1", true),
        (&["192.0.2.10"], "192.0.2.1", false),
        (&["::1"], "::1", true),
        (&["::1"], "[::1]", true),
        (&["::1"], "0:0:0:0:0:0:0:1", true),
        (&["fe80::1"], "fe80::1%lo", true),
        (&["::ffff:192.0.2.1"], "192.0.2.1", false),
        (&["192.0.2.1", "192.0.2.2"], "192.0.2.2", true),
    ] {
        let own = root.issue(&Wanted { common_name: asked, ips, ..Wanted::name(&[]) });
        let done = ask(&root, &own, &["--ssl-servername", asked]);
        assert_eq!(done.code(), Some(i32::from(!fits)), "{asked} for {ips:?}:\n{}", done.stderr);
    }
}
