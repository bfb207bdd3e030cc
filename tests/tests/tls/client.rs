//! Connecting: whom to trust, what to ask for, what to show.

use std::sync::{Arc, Mutex};

use openssl::ssl::{NameType, SslVerifyMode, SslVersion};
use openssl::x509::store::X509StoreBuilder;
use testkit::process::{Finished, Program, ncat};

use crate::peer::{Server, drain};
use crate::pki::{Identity, Wanted};

/// Runs a client against `server` to its end; the server receives and answers nothing.
fn run(server: &Server, program: Program) -> (Finished, Result<Vec<u8>, String>) {
    let client = program.args(["127.0.0.1", &server.port()]).bytes("hello").start();
    let got = server.try_accept().map(|mut peer| drain(&mut peer).0);
    (client.finish(), got)
}

fn here(root: &Identity) -> Identity {
    root.issue(&Wanted { ips: &["127.0.0.1"], ..Wanted::name(&["here.example"]) })
}

#[test]
fn trust_is_a_file_or_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let root = Identity::root();
    let between = root.issue(&Wanted::authority("Between"));
    let (file, _) = root.files(&dir, "root");
    let hashed = tempfile::tempdir().unwrap();
    let name = format!("{:08x}.0", root.certificate.subject_name_hash());
    std::fs::copy(&file, hashed.path().join(name)).unwrap();
    let server = Server::new(&here(&between), |_| {});
    for trusted in [file.as_path(), hashed.path()] {
        let (done, got) = run(&server, ncat(["-v", "--ssl-trustfile"]).args([trusted]));
        let done = done.expect_code(0);
        assert!(done.stderr.contains("Ncat: Peer: verified: name+chain.\n"), "{}", done.stderr);
        assert!(done.stderr.contains("Certificate 1: CN=Between"), "{}", done.stderr);
        assert_eq!(got.unwrap(), b"hello");
    }
    // The system's store, wherever it is.
    let (done, _) = run(&server, ncat(["--ssl-verify"]).env("SSL_CERT_FILE", &file));
    done.expect_code(0);
    let (done, got) = run(&server, ncat(["--ssl-verify"]));
    let done = done.expect_code(1);
    assert!(got.is_err());
    assert!(done.first_line().starts_with("Ncat: Certificate verification failed ("));
    assert!(done.stderr.contains("--ssl-trustfile"), "{}", done.stderr);
}

#[test]
fn a_bad_certificate_is_told_with_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let root = Identity::root();
    let (trusted, _) = root.files(&dir, "root");
    let named = Wanted { ips: &["127.0.0.1"], ..Wanted::name(&["here.example"]) };
    let old = root.issue(&Wanted { valid: (-20, -10), ..named });
    let young = root.issue(&Wanted { valid: (10, 20), ..named });
    let alone = Identity::alone(&named);
    let mut cut = root.issue(&Wanted::authority("Between")).issue(&named);
    cut.chain.clear();
    for (own, reason, hint) in [
        (&old, "certificate has expired", "must be renewed"),
        (&young, "certificate is not yet valid", "the clock"),
        (&alone, "self-signed certificate", "--ssl-pin"),
        (&cut, "unable to get local issuer certificate", "leaves out a certificate"),
    ] {
        let server = Server::new(own, |_| {});
        let (done, got) = run(&server, ncat(["--ssl-trustfile"]).args([&trusted]));
        let done = done.expect_code(1);
        assert!(got.is_err(), "{reason}");
        let first = format!("Ncat: Certificate verification failed ({reason}).");
        assert_eq!(done.first_line(), first);
        assert!(done.stderr.contains(hint), "{}", done.stderr);
        assert!(done.stderr.contains("CN=here.example"), "{}", done.stderr);
        // Nobody asked: nothing is said, and the data arrives.
        let (done, got) = run(&server, ncat(["--ssl"]));
        assert_eq!(done.expect_code(0).stderr, "");
        assert_eq!(got.unwrap(), b"hello");
        let (done, _) = run(&server, ncat(["-v", "--ssl"]));
        assert!(done.stderr.contains("Ncat: Peer: NOT VERIFIED.\n"), "{}", done.stderr);
    }
}

#[test]
fn a_pinned_server_is_known_by_its_key() {
    let own = Identity::alone(&Wanted::name(&["anything"]));
    let other = Identity::alone(&Wanted::name(&["anything"]));
    let server = Server::new(&own, |_| {});
    for pin in [own.pin(), own.digest()] {
        let (done, got) = run(&server, ncat(["-v", "--ssl-pin", &pin]));
        let done = done.expect_code(0);
        assert!(done.stderr.contains("Ncat: Peer: pinned.\n"), "{}", done.stderr);
        assert_eq!(got.unwrap(), b"hello");
    }
    let (done, _) = run(&server, ncat(["--ssl-pin", &other.pin(), "--ssl-pin", &own.pin()]));
    done.expect_code(0);
    let (done, got) = run(&server, ncat(["--ssl-pin", &other.pin()]));
    let done = done.expect_code(1);
    assert_eq!(
        done.first_line(),
        "Ncat: Certificate verification failed (it is not the pinned one)."
    );
    assert!(done.stderr.contains(&own.pin()), "{}", done.stderr);
    assert_eq!(got.unwrap_or_default(), b"", "nothing is sent to a stranger");
}

#[test]
fn a_client_certificate_is_wanted_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let root = Identity::root();
    let between = root.issue(&Wanted::authority("Between"));
    let client = between.issue(&Wanted::name(&["client.example"]));
    let (certificate, key) = client.files(&dir, "client");
    let both = dir.path().join("both.pem");
    let joined = [std::fs::read(&certificate).unwrap(), std::fs::read(&key).unwrap()].concat();
    std::fs::write(&both, joined).unwrap();
    let server = Server::new(&here(&root), |builder| {
        let mut store = X509StoreBuilder::new().unwrap();
        store.add_cert(root.certificate.clone()).unwrap();
        builder.set_verify_cert_store(store.build()).unwrap();
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    });
    for (certificate, key) in [(&certificate, &key), (&both, &both)] {
        let program = ncat(["--ssl-cert"]).args([certificate]).args(["--ssl-key"]).args([key]);
        let (done, got) = run(&server, program);
        done.expect_code(0);
        assert_eq!(got.unwrap(), b"hello");
    }
    let (done, got) = run(&server, ncat(["--ssl"]));
    let done = done.expect_code(1);
    assert!(got.is_err());
    assert!(done.stderr.contains("the peer says: certificate required"), "{}", done.stderr);
    assert!(done.stderr.contains("--ssl-cert and --ssl-key"), "{}", done.stderr);
}

#[test]
fn an_encrypted_key_needs_its_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let own = Identity::alone(&Wanted::name(&["client.example"]));
    let (certificate, key) = own.files(&dir, "client");
    own.encrypt_key(&key, b"open sesame");
    let (right, wrong) = (dir.path().join("right"), dir.path().join("wrong"));
    std::fs::write(&right, "open sesame\nand more\n").unwrap();
    std::fs::write(&wrong, "open barley\n").unwrap();
    let server = Server::new(&here(&Identity::root()), |_| {});
    let with = |file: &std::path::Path| {
        let program = ncat(["--ssl-cert"]).args([&certificate]).args(["--ssl-key"]).args([&key]);
        program.args(["--ssl-passphrase-file"]).args([file])
    };
    let (done, _) = run(&server, with(&right));
    done.expect_code(0);
    let done = with(&wrong).args(["127.0.0.1", "1"]).run().expect_code(2);
    assert!(done.stderr.contains("hint: is its passphrase the first line"), "{}", done.stderr);
    assert!(done.first_line().contains(": it cannot be decrypted ("), "{}", done.stderr);
    let done = with(&dir.path().join("none")).args(["127.0.0.1", "1"]).run().expect_code(2);
    assert!(done.stderr.contains("No such file or directory. QUITTING."), "{}", done.stderr);
}

#[test]
fn keys_and_certificates_that_are_none_are_refused_before_anything_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let own = Identity::alone(&Wanted::name(&["a"]));
    let (certificate, key) = own.files(&dir, "own");
    let (_, other) = Identity::alone(&Wanted::name(&["b"])).files(&dir, "other");
    let garbage = dir.path().join("garbage");
    std::fs::write(&garbage, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    for (certificate, key, said) in [
        (&certificate, &other, "it is not the key of the certificate"),
        (&garbage, &key, "--ssl-cert"),
        (&empty, &key, "there is no certificate in it"),
        (&certificate, &certificate, "--ssl-key"),
        (&dir.path().join("none"), &key, "No such file or directory"),
    ] {
        let program = ncat(["--ssl-cert"]).args([certificate]).args(["--ssl-key"]).args([key]);
        let done = program.args(["127.0.0.1", "1"]).run().expect_code(2);
        assert!(done.first_line().ends_with(" QUITTING."), "{}", done.stderr);
        assert!(done.stderr.contains(said), "{}", done.stderr);
    }
}

#[test]
fn the_server_is_asked_for_by_name() {
    let asked: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let noted = Arc::clone(&asked);
    let server = Server::new(&Identity::alone(&Wanted::name(&["a"])), |builder| {
        builder.set_servername_callback(move |ssl, _| {
            let name = ssl.servername(NameType::HOST_NAME).map(str::to_owned);
            noted.lock().unwrap().push(name);
            Ok(())
        });
    });
    run(&server, ncat(["--ssl-servername", "db.example"])).0.expect_code(0);
    run(&server, ncat(["--ssl"])).0.expect_code(0);
    let client = ncat(["-4", "--ssl", "localhost", &server.port()]).start();
    drain(&mut server.accept());
    client.finish().expect_code(0);
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked, [Some("db.example".into()), None, Some("localhost".into())]);
}

#[test]
fn a_protocol_is_agreed_on() {
    let own = Identity::alone(&Wanted::name(&["a"]));
    let server = Server::new(&own, |builder| {
        builder.set_alpn_select_callback(|_, theirs| {
            assert_eq!(theirs, b"\x02h2\x08http/1.1");
            Ok(&theirs[4..])
        });
    });
    let (done, _) = run(&server, ncat(["-v", "--ssl-alpn", "h2,http/1.1"]));
    assert!(done.expect_code(0).stderr.contains("ALPN http/1.1"));
}

#[test]
fn versions_ciphers_and_groups_are_chosen() {
    let own = Identity::alone(&Wanted::name(&["a"]));
    let any = Server::new(&own, |_| {});
    for (args, said) in [
        (&["--ssl-max", "tls1.2"][..], "Ncat: TLSv1.2, cipher TLS_ECDHE_ECDSA_WITH_"),
        (&["--ssl-min", "tls1.3"], "Ncat: TLSv1.3, cipher"),
        (
            &["--ssl-max", "tls1.2", "--ssl-ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256"],
            "cipher TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, group",
        ),
        (
            &["--ssl-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
            "cipher TLS_CHACHA20_POLY1305_SHA256, group",
        ),
        (&["--ssl-groups", "P-384"], "group secp384r1 (not post-quantum)"),
    ] {
        let (done, got) = run(&any, ncat(["-v"]).args(args));
        let done = done.expect_code(0);
        assert!(done.stderr.contains(said), "{args:?}:\n{}", done.stderr);
        assert_eq!(got.unwrap(), b"hello");
        assert_eq!(done.stdout, b"", "nothing is said on standard output");
    }
    let old = Server::new(&own, |builder| {
        builder.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
    });
    let (done, _) = run(&old, ncat(["--ssl-min", "tls1.3"]));
    let done = done.expect_code(1);
    assert!(done.stderr.contains("(--ssl-min, --ssl-max)"), "{}", done.stderr);
    for bad in [
        &["--ssl-ciphers", "NOPE"][..],
        &["--ssl-ciphersuites", "NOPE"],
        &["--ssl-groups", "NOPE"],
        &["--ssl-min", "tls1.4"],
    ] {
        let done = ncat(bad).args(["127.0.0.1", "1"]).run().expect_code(2);
        assert!(done.stderr.contains(bad[0]), "{}", done.stderr);
    }
}

#[test]
fn a_key_exchange_that_is_not_post_quantum_can_be_refused() {
    // A group that both have, whatever their version, and that is not one.
    let server = Server::new(&Identity::alone(&Wanted::name(&["a"])), |builder| {
        builder.set_groups_list("P-256").unwrap();
    });
    let (done, got) = run(&server, ncat(["--ssl-require-pq"]));
    let done = done.expect_code(1);
    assert!(
        done.first_line().contains("the key exchange is not post-quantum ("),
        "{}",
        done.stderr
    );
    assert_eq!(got.unwrap_or_default(), b"", "nothing is sent");
    if openssl::version::number() >= 0x3050_0000 {
        let server = Server::new(&Identity::alone(&Wanted::name(&["a"])), |_| {});
        run(&server, ncat(["--ssl-require-pq"])).0.expect_code(0);
    }
}

#[test]
fn events_carry_what_v_shows() {
    let own = Identity::alone(&Wanted::name(&["a.example"]));
    let server = Server::new(&own, |_| {});
    let (done, _) = run(&server, ncat(["--json", "--ssl-pin", &own.pin()]));
    let lines = done.expect_code(0).stderr;
    let event = lines.lines().find(|line| line.contains(r#""event":"secured""#)).unwrap();
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["version"], "TLSv1.3");
    assert_eq!(event["verdict"], "pinned");
    assert_eq!(event["chain"][0]["names"][0], "a.example");
    assert_eq!(event["chain"][0]["pin"], own.pin());
}
