//! Listening: one client, many, commands, brokers; who is let in; who is in the way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::pkey::Id;
use openssl::ssl::SslVersion;
use rustix::process::Signal;
use testkit::process::{Input, Process, ncat};

use crate::peer::{Ended, client, drain, half_close, take, try_client};
use crate::pki::{Identity, Wanted};

fn listener(args: &[&str]) -> (Process, u16) {
    let ncat = ncat(["-lv", "--ssl"]).args(args).args(["127.0.0.1", "0"]).held().start();
    let port = ncat.listening().port();
    (ncat, port)
}

fn stop(ncat: Process) -> String {
    ncat.signal(Signal::TERM);
    ncat.finish().expect_code(128 + 15).stderr
}

#[test]
fn a_temporary_certificate_is_for_the_host_listened_on() {
    for (args, id) in [(&[][..], Id::EC), (&["--ssl-keytype", "rsa"], Id::RSA)] {
        let (mut ncat, port) = listener(args);
        let mut tls = client(port);
        let own = tls.ssl().peer_certificate().unwrap();
        let names = own.subject_alt_names().unwrap();
        assert_eq!(names.get(0).unwrap().ipaddress(), Some(&[127, 0, 0, 1][..]));
        assert_eq!(own.public_key().unwrap().id(), id);
        let left = Asn1Time::days_from_now(0).unwrap().diff(own.not_after()).unwrap().days;
        assert!((29..=30).contains(&left), "{left} days");
        let digest = own.digest(openssl::hash::MessageDigest::sha256()).unwrap();
        let shown: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let said = ncat.messages();
        assert!(said.contains(&format!("SHA-256 fingerprint: {}\n", shown.join(":"))), "{said}");
        assert!(said.contains("\nNcat: SHA-1 fingerprint: "), "{said}");
        tls.write_all(b"hello").unwrap();
        half_close(&mut tls);
        ncat.end_input();
        assert_eq!(drain(&mut tls), (Vec::new(), Ended::Told));
        assert_eq!(ncat.finish().expect_code(0).stdout, b"hello");
    }
}

#[test]
fn a_chain_is_sent_and_a_protocol_chosen_in_our_order() {
    let dir = tempfile::tempdir().unwrap();
    let between = Identity::root().issue(&Wanted::authority("Between"));
    let (certificate, key) = between.issue(&Wanted::name(&["a"])).files(&dir, "own");
    let ncat = ncat(["-lkv", "--ssl-alpn", "h2,http/1.1", "--ssl-cert"])
        .args([&certificate])
        .args(["--ssl-key"])
        .args([&key])
        .args(["127.0.0.1", "0"])
        .held()
        .start();
    let port = ncat.listening().port();
    let tls = try_client(port, |builder, name| {
        builder.set_alpn_protos(b"\x08http/1.1\x02h2").unwrap();
        *name = Some("a.example");
    });
    let tls = tls.unwrap();
    assert_eq!(tls.ssl().selected_alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(tls.ssl().peer_cert_chain().unwrap().len(), 2);
    ncat.wait_message("ALPN h2, server name a.example.");
    let refused = try_client(port, |builder, _| builder.set_alpn_protos(b"\x03ftp").unwrap());
    assert!(refused.unwrap_err().contains("no application protocol"));
    stop(ncat);
}

/// A silent client, garbage, plain HTTP and one who leaves in the middle: others do not notice.
#[test]
fn who_makes_no_handshake_is_in_nobodys_way() {
    let (ncat, port) = listener(&["-k", "-m", "3", "-w", "700ms"]);
    let mut silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut http = TcpStream::connect(("127.0.0.1", port)).unwrap();
    http.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    ncat.wait_message("TLS handshake failed: http request");
    let mut garbage = TcpStream::connect(("127.0.0.1", port)).unwrap();
    garbage.write_all(&testkit::data::bytes(3, 4096)).unwrap();
    ncat.wait_message("TLS handshake failed: wrong version number");
    drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
    ncat.wait_message("closed the connection during the TLS handshake");
    let mut tls = client(port);
    tls.write_all(b"hello").unwrap();
    assert_eq!(ncat.wait_output(5), b"hello");
    // Its place is free again: with the silent one gone, two more fit beside the first.
    silent.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
    assert_eq!(silent.read(&mut [0; 8]).unwrap_or(0), 0);
    ncat.wait_message("TIMEOUT");
    let (mut second, mut third) = (client(port), client(port));
    second.write_all(b" two").unwrap();
    third.write_all(b"").unwrap();
    ncat.wait_output(9);
    stop(ncat);
}

#[test]
fn a_single_listener_ends_when_its_client_makes_no_handshake() {
    let (ncat, port) = listener(&[]);
    let mut http = TcpStream::connect(("127.0.0.1", port)).unwrap();
    http.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let done = ncat.finish().expect_code(1);
    assert!(
        done.stderr.contains("\nNcat: Failed SSL connection from 127.0.0.1:"),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("speaks plain HTTP"), "{}", done.stderr);
    let (ncat, port) = listener(&["-w", "300ms"]);
    let _silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let done = ncat.finish_within(Duration::from_secs(20)).expect_code(1);
    assert!(done.stderr.contains("TIMEOUT"), "{}", done.stderr);
}

fn with_certificate(port: u16, own: &Identity) -> Result<Vec<u8>, String> {
    let mut tls = try_client(port, |builder, _| {
        builder.set_certificate(&own.certificate).unwrap();
        builder.set_private_key(&own.key).unwrap();
        for above in &own.chain {
            builder.add_extra_chain_cert(above.clone()).unwrap();
        }
        // So that a refusal is seen during the handshake.
        builder.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
    })?;
    half_close(&mut tls);
    let (got, ended) = drain(&mut tls);
    if ended == Ended::Told { Ok(got) } else { Err("cut".into()) }
}

#[test]
fn clients_are_let_in_by_name_or_key() {
    let dir = tempfile::tempdir().unwrap();
    let root = Identity::root();
    let (trusted, _) = root.files(&dir, "root");
    let trusted = trusted.to_str().unwrap();
    let between = root.issue(&Wanted::authority("Between"));
    let known = between.issue(&Wanted::name(&["known.example"]));
    let unknown = between.issue(&Wanted::name(&["unknown.example"]));
    let alone = Identity::alone(&Wanted::name(&["known.example"]));
    let old = root.issue(&Wanted { valid: (-20, -10), ..Wanted::name(&["known.example"]) });
    let pin = alone.pin();
    for (args, let_in, kept_out) in [
        (&["--ssl-client-ca", trusted][..], vec![&known, &unknown], vec![&alone, &old]),
        (&["--ssl-verify", "--ssl-trustfile", trusted], vec![&known], vec![&alone]),
        (
            &["--ssl-client-ca", trusted, "--ssl-allow", "CN=known.example"],
            vec![&known],
            vec![&unknown, &alone, &old],
        ),
        (
            &["--ssl-client-ca", trusted, "--ssl-allow", "SAN=KNOWN.example"],
            vec![&known],
            vec![&unknown, &alone],
        ),
        (&["--ssl-allow", &pin], vec![&alone], vec![&known]),
    ] {
        let (ncat, port) = listener(&[&["-k", "-c", "echo welcome"], args].concat());
        for own in let_in {
            assert_eq!(with_certificate(port, own), Ok(b"welcome\n".to_vec()), "{args:?}");
        }
        for own in kept_out {
            assert!(with_certificate(port, own).is_err(), "{args:?}");
            ncat.wait_message("Certificate verification failed (");
        }
        let mut nobody = client(port);
        assert_eq!(drain(&mut nobody), (Vec::new(), Ended::Cut), "{args:?}");
        ncat.wait_message("peer did not return a certificate");
        stop(ncat);
    }
}

#[test]
fn a_command_knows_how_its_connection_is_secured() {
    let line = "cat; echo $NCAT_TLS_VERSION $NCAT_TLS_SERVER_NAME $NCAT_TLS_ALPN $NCAT_TLS_PEER";
    for keep in [&[][..], &["-k"]] {
        let (ncat, port) = listener(&[keep, &["--ssl-alpn", "a b", "-c", line]].concat());
        let mut tls = try_client(port, |builder, name| {
            builder.set_alpn_protos(b"\x03a b").unwrap();
            *name = Some("db.example");
        })
        .unwrap();
        let sent = testkit::data::bytes(5, 300_000);
        let half = sent.len() / 2;
        tls.write_all(&sent[..half]).unwrap();
        let first = take(&mut tls, half);
        tls.write_all(&sent[half..]).unwrap();
        half_close(&mut tls);
        let (rest, ended) = drain(&mut tls);
        let tail = b"TLSv1.3 db.example a b NOT VERIFIED\n";
        let wanted = [&sent[..], tail].concat();
        testkit::data::assert_same("echo", &[first, rest].concat(), &wanted);
        assert_eq!(ended, Ended::Told);
        if keep.is_empty() {
            ncat.finish().expect_code(0);
        } else {
            stop(ncat);
        }
    }
}

#[test]
fn a_broker_and_a_chat_carry_between_tls_clients() {
    let (ncat, port) = listener(&["--broker"]);
    let (mut one, mut two) = (client(port), client(port));
    ncat.wait_message("Connection from");
    testkit::eventually("two clients", || {
        (ncat.messages().matches("cipher").count() == 2).then_some(())
    });
    let sent = testkit::data::bytes(6, 200_000);
    let writing = sent.clone();
    let writer = std::thread::spawn(move || {
        one.write_all(&writing).unwrap();
        one
    });
    testkit::data::assert_same("broker", &take(&mut two, sent.len()), &sent);
    drop(writer.join().unwrap());
    stop(ncat);

    let (ncat, port) = listener(&["--chat"]);
    let (mut one, mut two) = (client(port), client(port));
    testkit::eventually("two clients", || {
        (ncat.messages().matches("cipher").count() == 2).then_some(())
    });
    let mut seen = String::new();
    while !seen.contains("hello") {
        one.write_all(b"hello\n").unwrap();
        seen.push_str(&String::from_utf8_lossy(&take(&mut two, 1)));
        while !seen.ends_with('\n') {
            seen.push_str(&String::from_utf8_lossy(&take(&mut two, 1)));
        }
    }
    stop(ncat);
}

#[test]
fn unix_sockets_carry_tls_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (root, sent) = (Identity::root(), testkit::data::bytes(7, 3 << 20));
    let (trusted, _) = root.files(&dir, "root");
    let (certificate, key) = root.issue(&Wanted::name(&["db.example"])).files(&dir, "own");
    let server = ncat(["-lvU", "--ssl-cert"])
        .args([&certificate])
        .args(["--ssl-key"])
        .args([&key])
        .args([&path])
        .input(Input::Bytes(sent.clone()))
        .start();
    server.wait_message("Listening on ");
    let done = ncat(["-vU", "--ssl-servername", "db.example", "--ssl-trustfile"])
        .args([&trusted])
        .args([&path])
        .bytes(sent.clone())
        .run()
        .expect_code(0);
    assert!(done.stderr.contains("verified: name+chain"), "{}", done.stderr);
    testkit::data::assert_same("to the client", &done.stdout, &sent);
    let done = server.finish().expect_code(0);
    testkit::data::assert_same("to the server", &done.stdout, &sent);
}

#[test]
fn a_probe_makes_the_handshake() {
    let (ncat, port) = listener(&["-k"]);
    let port = port.to_string();
    let args = ["127.0.0.1", &port];
    assert_eq!(self::ncat(["-z", "--ssl"]).args(args).run().expect_code(0).stderr, "");
    let done = self::ncat(["-z", "--ssl-verify"]).args(args).run().expect_code(1);
    assert!(done.stderr.contains("self-signed certificate"), "{}", done.stderr);
    stop(ncat);
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port().to_string();
    let done = self::ncat(["-z", "--ssl", "-w", "300ms", "127.0.0.1", &port]).run().expect_code(1);
    assert_eq!(done.first_line(), "Ncat: TIMEOUT.");
}
