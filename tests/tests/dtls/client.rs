//! Our program as a client: who the server is, and what is said when nothing comes of it.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use openssl::ssl::{SslVerifyMode, SslVersion};
use testkit::process::{Finished, ncat};

use crate::peer::{Server, drain, end, next, send};
use crate::pki::{Identity, Wanted};

fn named(name: &'static str) -> Identity {
    Identity::root().issue(&Wanted::name(&[name]))
}

/// Our client's end after a handshake that the server may not survive.
fn against(own: &Identity, args: &[&str]) -> Finished {
    let server = Server::new(own, |_| {});
    let port = server.port();
    let playing = std::thread::spawn(move || {
        if let Ok(mut dtls) = server.try_accept() {
            drain(&mut dtls);
            end(&mut dtls);
        }
    });
    let done = ncat(["-v", "-u", "--ssl"]).args(args).args(["127.0.0.1", &port]).run();
    playing.join().unwrap();
    done
}

#[test]
fn a_server_is_talked_to_and_described() {
    let server = Server::new(&named("dtls.example"), |_| {});
    let args = ["-v", "--json", "-u", "--ssl", "--ssl-servername", "dtls.example", "127.0.0.1"];
    let ncat = ncat(args).args([&server.port()]).bytes("question").start();
    let mut dtls = server.accept();
    assert_eq!(next(&mut dtls).unwrap(), b"question");
    let name = dtls.ssl().servername(openssl::ssl::NameType::HOST_NAME).map(str::to_owned);
    assert_eq!(name.as_deref(), Some("dtls.example"));
    send(&mut dtls, b"answer");
    assert_eq!(next(&mut dtls), None);
    end(&mut dtls);
    let done = ncat.finish().expect_code(0);
    assert_eq!(done.stdout, b"answer");
    for line in ["SSL connection to 127.0.0.1:", "DTLSv1.2, cipher ", "Peer: NOT VERIFIED."] {
        assert!(done.stderr.contains(line), "{line}: {}", done.stderr);
    }
    let event = done.stderr.lines().find(|line| line.contains("\"secured\"")).unwrap();
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["version"], "DTLSv1.2");
    assert_eq!(event["verdict"], "NOT VERIFIED");
    assert!(event["group"].is_string(), "{event}");
}

#[test]
fn a_datagram_server_is_verified_by_chain_and_name() {
    let dir = tempfile::tempdir().unwrap();
    let root = Identity::root();
    let (trusted, _) = root.files(&dir, "root");
    let trusted = trusted.to_str().unwrap();
    let good = root.issue(&Wanted { ips: &["127.0.0.1"], ..Wanted::name(&["dtls.example"]) });

    let done = against(&good, &["--ssl-trustfile", trusted]).expect_code(0);
    assert!(done.stderr.contains("Peer: verified: name+chain."), "{}", done.stderr);
    let named = ["--ssl-trustfile", trusted, "--ssl-servername", "dtls.example"];
    against(&good, &named).expect_code(0);

    let named = ["--ssl-trustfile", trusted, "--ssl-servername", "other.example"];
    let done = against(&good, &named).expect_code(1);
    assert!(
        done.stderr.contains("Certificate verification failed (hostname mismatch)"),
        "{}",
        done.stderr
    );
    let done = against(&self::named("x"), &["--ssl-trustfile", trusted]).expect_code(1);
    assert!(done.stderr.contains("Certificate verification failed ("), "{}", done.stderr);

    let done = against(&good, &["--ssl-pin", &good.pin()]).expect_code(0);
    assert!(done.stderr.contains("Peer: pinned."), "{}", done.stderr);
    let done = against(&good, &["--ssl-pin", &root.pin()]).expect_code(1);
    assert!(done.stderr.contains("it is not the pinned one"), "{}", done.stderr);
}

#[test]
fn a_client_shows_its_certificate_and_agrees_on_a_protocol() {
    let dir = tempfile::tempdir().unwrap();
    let root = Identity::root();
    let (trusted, _) = root.files(&dir, "root");
    let ours = root.issue(&Wanted::name(&["client.example"]));
    let (certificate, key) = ours.files(&dir, "ours");
    let server = Server::new(&named("a"), |builder| {
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        builder.set_ca_file(&trusted).unwrap();
        builder.set_alpn_select_callback(|_, theirs| {
            assert_eq!(theirs, b"\x04coap\x02h2");
            Ok(&theirs[1..5])
        });
    });
    let ncat = ncat(["-v", "-u", "--ssl-alpn", "coap,h2", "--ssl-cert"]).args([&certificate]);
    let ncat = ncat.args(["--ssl-key".as_ref(), key.as_os_str()]);
    let ncat = ncat.args(["127.0.0.1", &server.port()]).start();
    let mut dtls = server.accept();
    assert_eq!(dtls.ssl().peer_certificate().unwrap(), ours.certificate);
    end(&mut dtls);
    let done = ncat.finish().expect_code(0);
    assert!(done.stderr.contains("ALPN coap"), "{}", done.stderr);
}

#[test]
fn what_the_server_says_against_us_is_shown() {
    let server = Server::new(&named("a"), |builder| {
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    });
    let port = server.port();
    let playing = std::thread::spawn(move || server.try_accept().is_err());
    let done = ncat(["-u", "--ssl", "127.0.0.1", &port]).run().expect_code(1);
    assert!(playing.join().unwrap());
    assert!(
        done.stderr.starts_with("Ncat: TLS handshake failed: the peer says: "),
        "{}",
        done.stderr
    );
}

#[test]
fn a_version_that_is_not_had_is_told() {
    let server = Server::new(&named("a"), |builder| {
        builder.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
        builder.set_max_proto_version(Some(SslVersion::DTLS1)).unwrap();
    });
    let port = server.port();
    let playing = std::thread::spawn(move || server.try_accept().is_err());
    let done = ncat(["-u", "--ssl", "--ssl-min", "tls1.2", "127.0.0.1", &port]).run();
    assert!(playing.join().unwrap());
    assert!(done.expect_code(1).stderr.contains("TLS handshake failed: "));

    let server = Server::new(&named("a"), |_| {});
    let args = ["-v", "-u", "--ssl-min", "tls1.0", "--ssl-max", "tls1.1", "127.0.0.1"];
    let weak = ncat(args).args(["--ssl-ciphers", "ALL:@SECLEVEL=0", &server.port()]).start();
    // It agrees on nothing older than 1.2 itself.
    assert!(server.try_accept().is_err());
    weak.finish().expect_code(1);
}

#[test]
fn nobody_there_is_told_at_once_and_in_words() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let began = Instant::now();
    for args in [&["-u", "--ssl"][..], &["-z", "-u", "--ssl"]] {
        let done = ncat(args).args(["-w", "30s", "127.0.0.1", &port]).run().expect_code(1);
        assert_eq!(done.first_line(), "Ncat: Connection refused.");
        assert!(done.stderr.contains("hint: nothing listens there"), "{}", done.stderr);
    }
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[test]
fn silence_ends_at_the_deadline_of_w() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let began = Instant::now();
    let done = ncat(["-u", "--ssl", "-w", "1500ms", "127.0.0.1", &port]).run().expect_code(1);
    assert!(began.elapsed() >= Duration::from_millis(1500));
    assert_eq!(done.first_line(), "Ncat: TIMEOUT.");
    // What was not answered was sent again.
    let mut sent = 0;
    silent.set_nonblocking(true).unwrap();
    while silent.recv(&mut [0; 2000]).is_ok() {
        sent += 1;
    }
    assert_eq!(sent, 2, "once, and again after a second");
}

#[test]
fn a_port_is_looked_at_with_a_handshake() {
    let server = Server::new(&named("a"), |_| {});
    let ncat = ncat(["-z", "-v", "-u", "--ssl", "127.0.0.1", &server.port()]).start();
    let mut dtls = server.accept();
    assert_eq!(next(&mut dtls), None, "nothing but the end");
    assert!(ncat.finish().expect_code(0).stderr.contains("DTLSv1.2"));
}

#[test]
fn secrets_of_datagrams_are_written_on_demand() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secrets");
    against(&named("a"), &["--ssl-keylog", path.to_str().unwrap()]).expect_code(0);
    assert!(std::fs::read_to_string(path).unwrap().starts_with("CLIENT_RANDOM "));
}

#[test]
fn what_datagrams_cannot_have_is_refused() {
    for (args, words) in [
        (&["--ssl-require-pq"][..], "--ssl-require-pq with -u"),
        (&["--ssl-min", "tls1.3"], "--ssl-min tls1.3 with -u"),
        (&["--ssl-ciphersuites", "TLS_AES_128_GCM_SHA256"], "--ssl-ciphersuites with -u"),
    ] {
        let done = ncat(["-u", "--ssl"]).args(args).args(["a", "1"]).run();
        let done = done.expect_code(2);
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
    let done = ncat(["-u", "-U", "--ssl", "path"]).run().expect_code(2);
    assert!(done.stderr.contains("--ssl with -u and -U or --vsock"), "{}", done.stderr);
}
