//! Chains and keys that are not good enough: for each the first line, the cause, what to do, and that
//! a client which asks for no check says nothing and goes on, as in Ncat.

use openssl::hash::MessageDigest;
use openssl::ssl::{SslContextBuilder, SslVersion};
use testkit::process::{Finished, ncat};

use crate::peer::{Server, drain, try_client};
use crate::pki::{Identity, Making, Wanted};

/// A bad one, and what is said about it.
struct Row {
    what: &'static str,
    own: Identity,
    /// In the first line, between the brackets.
    reason: &'static str,
    /// Somewhere below it.
    more: &'static [&'static str],
}

fn here<'a>() -> Wanted<'a> {
    Wanted { ips: &["127.0.0.1"], ..Wanted::name(&["here.example"]) }
}

/// A chain of `length` authorities below the root, and a leaf.
fn long_chain(root: &Identity, length: usize) -> Identity {
    let mut by = root.clone();
    for n in 0..length {
        by = by.issue(&Wanted::authority(&format!("Authority {n}")));
    }
    by.issue(&here())
}

fn rows(root: &Identity) -> Vec<Row> {
    let between = root.issue(&Wanted::authority("Between"));
    let leaf = root.issue(&here());
    // A leaf that signs, which it may not.
    let by_leaf = Identity { chain: vec![leaf.certificate.clone()], ..leaf.issue(&here()) };
    let mut cut = between.issue(&here());
    cut.chain.clear();
    let old = root.issue(&Wanted { valid: (-30, -1), ..Wanted::authority("Old Between") });
    let mut tampered = leaf.certificate.to_der().unwrap();
    // The last byte is of the signature.
    *tampered.last_mut().unwrap() ^= 1;
    let tampered = openssl::x509::X509::from_der(&tampered).unwrap();
    let sha1 = Making { digest: MessageDigest::sha1(), ..Making::usual() };
    let row = |what, own, reason, more| Row { what, own, reason, more };
    vec![
        row(
            "expired",
            root.issue(&Wanted { valid: (-20, -10), ..here() }),
            "certificate has expired",
            &["certificate: CN=here.example", "hint: it must be renewed"],
        ),
        row(
            "not yet valid",
            root.issue(&Wanted { valid: (10, 20), ..here() }),
            "certificate is not yet valid",
            &["hint: it is not valid yet; is the clock of this machine right?"],
        ),
        row(
            "expired in between",
            old.issue(&here()),
            "certificate has expired",
            &["certificate 1 of its chain: CN=Old Between"],
        ),
        row(
            "wrong name",
            root.issue(&Wanted::name(&["there.example"])),
            "IP address mismatch",
            &["for there.example", "hint: --ssl-servername names whom to expect"],
        ),
        row("self-signed", Identity::alone(&here()), "self-signed certificate", &["--ssl-pin"]),
        row(
            "unknown issuer",
            Identity::alone(&Wanted::authority("Stranger")).issue(&here()),
            "unable to get local issuer certificate",
            &["issued by CN=Stranger", "hint: who signed it is not trusted here"],
        ),
        row(
            "missing intermediate",
            cut,
            "unable to get local issuer certificate",
            &["issued by CN=Between", "leaves out a certificate in between"],
        ),
        row("signed by a leaf", by_leaf, "", &["CN=here.example"]),
        row(
            "a signature that is none",
            Identity { certificate: tampered, ..leaf.clone() },
            "certificate signature failure",
            &["CN=here.example"],
        ),
        row(
            "RSA with 512 bits",
            root.issue_as(&here(), Making::rsa(512)),
            "EE certificate key too weak",
            &["hint: too weak to be trusted"],
        ),
        row(
            "RSA with 1,024 bits",
            root.issue_as(&here(), Making::rsa(1024)),
            "EE certificate key too weak",
            &["hint: too weak to be trusted"],
        ),
        row(
            "signed with SHA-1",
            root.issue_as(&here(), sha1),
            "CA signature digest algorithm too weak",
            &["hint: too weak to be trusted"],
        ),
        row("a chain of 100", long_chain(root, 100), "certificate chain too long", &["CN="]),
    ]
}

/// The server may be as weak as its certificate.
fn weak(builder: &mut SslContextBuilder) {
    builder.set_security_level(0);
    builder.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
    builder.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
}

fn server(own: &Identity) -> Server {
    let key = &own.key;
    // Only what is weak needs a weak server: the others are seen in both versions.
    let is_weak = key.rsa().is_ok()
        || own
            .certificate
            .signature_algorithm()
            .object()
            .nid()
            .long_name()
            .is_ok_and(|name| name.contains("SHA1"));
    Server::weakly(own, is_weak.then_some(weak as fn(&mut SslContextBuilder)))
}

fn run(server: &Server, args: &[&str]) -> (Finished, Vec<u8>) {
    let client = ncat(args).args(["127.0.0.1", &server.port()]).bytes("hello").start();
    let got = server.try_accept().map(|mut peer| drain(&mut peer).0);
    (client.finish(), got.unwrap_or_default())
}

#[test]
fn each_bad_certificate_is_refused_with_its_cause() {
    let dir = tempfile::tempdir().unwrap();
    let root = Identity::root();
    let (trusted, _) = root.files(&dir, "root");
    let trusted = trusted.to_str().unwrap();
    for Row { what, own, reason, more } in rows(&root) {
        let server = server(&own);
        let (done, got) = run(&server, &["--ssl-trustfile", trusted]);
        assert_eq!(done.code(), Some(1), "{what}: {}", done.stderr);
        assert_eq!(got, b"", "{what}");
        let first = format!("Ncat: Certificate verification failed ({reason}");
        assert!(done.first_line().starts_with(&first), "{what}: {}", done.stderr);
        assert!(done.first_line().ends_with(")."), "{what}: {}", done.stderr);
        for text in more {
            assert!(done.stderr.contains(text), "{what}, {text:?}: {}", done.stderr);
        }
    }
}

#[test]
fn without_verification_a_bad_certificate_is_shown_and_taken() {
    let root = Identity::root();
    for Row { what, own, .. } in rows(&root) {
        let server = server(&own);
        let weak = ["--ssl-ciphers", "ALL:@SECLEVEL=0"];
        let args: &[&str] = &[&["--ssl"][..], &weak].concat();
        let (done, got) = run(&server, args);
        assert_eq!((done.code(), done.stderr.as_str()), (Some(0), ""), "{what}");
        assert_eq!(got, b"hello", "{what}");
        let (done, _) = run(&server, &[&["-v"][..], args].concat());
        assert!(done.stderr.contains("Ncat: Peer: NOT VERIFIED.\n"), "{what}: {}", done.stderr);
        assert!(done.stderr.contains("Ncat: Certificate 0: CN="), "{what}: {}", done.stderr);
    }
}

/// A key that is too short to be safe is refused by the level of security, verified or not.
#[test]
fn a_key_that_is_too_short_is_told_with_what_takes_it() {
    let root = Identity::root();
    let own = root.issue_as(&here(), Making::rsa(512));
    let server = server(&own);
    let (done, got) = run(&server, &["--ssl"]);
    if done.code() == Some(0) {
        // Nobody asked who it is, and the library lets it pass.
        assert_eq!(got, b"hello");
    } else {
        assert!(done.stderr.contains("@SECLEVEL=0"), "{}", done.stderr);
    }
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = own.files(&dir, "weak");
    let done = ncat(["-l", "127.0.0.1", "0", "--ssl-cert"])
        .args([&certificate])
        .args(["--ssl-key"])
        .args([&key])
        .run()
        .expect_code(2);
    assert!(done.stderr.contains("ee key too small"), "{}", done.stderr);
    assert!(done.stderr.contains("@SECLEVEL=0"), "{}", done.stderr);
}

/// The longest chain that is looked at, and one more.
#[test]
fn a_chain_has_a_longest_length() {
    let dir = tempfile::tempdir().unwrap();
    let root = Identity::root();
    let (trusted, _) = root.files(&dir, "root");
    for (length, fits) in [(0, true), (1, true), (15, true), (16, true), (17, false), (40, false)] {
        let own = long_chain(&root, length);
        let (done, _) = run(&server(&own), &["--ssl-trustfile", trusted.to_str().unwrap()]);
        assert_eq!(done.code(), Some(i32::from(!fits)), "{length}: {}", done.stderr);
    }
}

/// A client's certificate of 100 authorities, to our listener.
#[test]
fn a_client_with_a_long_chain_is_refused_and_others_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let root = Identity::root();
    let (trusted, _) = root.files(&dir, "root");
    let ncat = ncat(["-lkv", "127.0.0.1", "0", "-c", "echo welcome", "--ssl-client-ca"])
        .args([&trusted])
        .start();
    let port = ncat.listening().port();
    let connect = |own: &Identity| {
        try_client(port, |builder, _| {
            builder.set_certificate(&own.certificate).unwrap();
            builder.set_private_key(&own.key).unwrap();
            own.chain.iter().for_each(|c| builder.add_extra_chain_cert(c.clone()).unwrap());
            builder.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        })
    };
    assert!(connect(&long_chain(&root, 100)).is_err());
    let line = ncat.wait_message("Failed SSL connection from 127.0.0.1:");
    assert!(line.contains("certificate chain too long"), "{line}");
    assert_eq!(drain(&mut connect(&root.issue(&here())).unwrap()).0, b"welcome\n");
}

/// Files that are not what an option wants: told before anything is opened, at either end.
#[test]
fn files_that_are_none_of_these_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let own = Identity::root();
    let (certificate, key) = own.files(&dir, "own");
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let pem = std::fs::read(&certificate).unwrap();
    let broken = String::from_utf8(pem.clone()).unwrap().replacen("MII", "AAA", 1);
    let bad = [
        write("empty", b""),
        write("garbage", &[0xff; 300]),
        write("broken", broken.as_bytes()),
        write("cut", &pem[..pem.len() / 2]),
        write("der", &own.certificate.to_der().unwrap()),
        write("lines", b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
        key.clone(),
        dir.path().join("none"),
        dir.path().join("none").join("below"),
    ];
    for path in &bad {
        let rows = [
            (vec!["127.0.0.1", "1"], "--ssl-trustfile"),
            (vec!["-l", "127.0.0.1", "0"], "--ssl-client-ca"),
            (vec!["127.0.0.1", "1", "--ssl-key", key.to_str().unwrap()], "--ssl-cert"),
            (vec!["-l", "127.0.0.1", "0", "--ssl-key", key.to_str().unwrap()], "--ssl-cert"),
        ];
        for (args, option) in rows {
            let done = ncat(args).args([option]).args([path]).run();
            let what = format!("{option} {}: {}", path.display(), done.stderr);
            assert_eq!(done.code(), Some(2), "{what}");
            assert!(done.first_line().starts_with(&format!("Ncat: {option} ")), "{what}");
            assert!(done.first_line().ends_with(". QUITTING."), "{what}");
            assert!(done.first_line().contains(path.to_str().unwrap()), "{what}");
        }
    }
}
