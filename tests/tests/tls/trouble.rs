//! Peers that are slow, silent, or not what they were taken for.

use std::io::Write;
use std::net::TcpListener;
use std::time::Instant;

use testkit::process::ncat;

use crate::peer::{Server, drain};
use crate::pki::{Identity, Wanted};

#[test]
fn the_time_for_connecting_covers_the_handshake() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let began = Instant::now();
    let done = ncat(["--ssl", "-w", "400ms", "127.0.0.1", &port]).run().expect_code(1);
    assert!(began.elapsed().as_millis() >= 400);
    assert_eq!(done.first_line(), "Ncat: TIMEOUT.");
    assert!(
        done.stderr.contains("the TLS handshake was not done within 0.4 s (-w)"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_plain_server_is_told_from_a_silent_one() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port().to_string();
    let client = ncat(["--ssl", "127.0.0.1", &port]).start();
    plain.accept().unwrap().0.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
    let done = client.finish().expect_code(1);
    assert_eq!(done.first_line(), "Ncat: TLS handshake failed: wrong version number.");
    assert!(done.stderr.contains("hint: the peer does not seem to speak TLS"), "{}", done.stderr);
    let client = ncat(["--ssl", "127.0.0.1", &port]).start();
    let (mut accepted, _) = plain.accept().unwrap();
    // Until its hello is here, closing would be a reset.
    std::io::Read::read(&mut accepted, &mut [0; 4096]).unwrap();
    drop(accepted);
    let done = client.finish().expect_code(1);
    assert!(
        done.stderr.contains("closed the connection") || done.stderr.contains("reset"),
        "{}",
        done.stderr
    );
}

/// Two listeners on one port of both loopback addresses, so that `localhost` has two ways.
fn both_loopbacks() -> Option<(TcpListener, TcpListener)> {
    let hosts = std::fs::read_to_string("/etc/hosts").ok()?;
    let has_six = hosts.lines().any(|line| {
        line.starts_with("::1") && line.split_whitespace().any(|word| word == "localhost")
    });
    for _ in 0..20 {
        let four = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = four.local_addr().unwrap().port();
        if let Ok(six) = TcpListener::bind(("::1", port)) {
            return has_six.then_some((four, six));
        }
    }
    None
}

#[test]
fn another_address_is_tried_unless_the_peer_was_not_who_it_should_be() {
    let Some((four, six)) = both_loopbacks() else {
        let line = b"SKIPPED: localhost does not have both addresses here\n";
        std::io::stderr().write_all(line).unwrap();
        return;
    };
    let port = four.local_addr().unwrap().port().to_string();
    let client = ncat(["-v", "--ssl", "-w", "5s", "localhost", &port]).start();
    let both = [four, six].map(|listener| {
        std::thread::spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            socket.write_all(b"no TLS here, whatever you say\r\n").unwrap();
        })
    });
    let first = client.finish().expect_code(1);
    both.into_iter().for_each(|one| one.join().unwrap());
    assert_eq!(first.stderr.matches("Connected to").count(), 2, "{}", first.stderr);
    assert!(first.stderr.contains("Trying next address..."), "{}", first.stderr);
}

#[test]
fn a_stranger_ends_it_and_nobody_else_is_asked() {
    let server = Server::new(&Identity::alone(&Wanted::name(&["a"])), |_| {});
    let client = ncat(["-v", "--ssl-verify", "localhost", &server.port()]).start();
    assert!(server.try_accept().is_err());
    let done = client.finish().expect_code(1);
    assert!(!done.stderr.contains("Trying next address... \nNcat: Connected"), "{}", done.stderr);
    assert!(done.stderr.contains("Certificate verification failed ("), "{}", done.stderr);
}

#[test]
fn key_updates_pass_unnoticed() {
    let Some(openssl) = testkit::peer::Peer::Openssl.find() else { return };
    let ncat = ncat(["-lv", "--ssl", "127.0.0.1", "0"]).held().start();
    let at = ncat.listening().to_string();
    // A line of K has s_client ask for new keys both ways, k for its own.
    let mut client = openssl.args(["s_client", "-connect", &at]).held().start();
    let mut wanted = String::new();
    let mut ncat = ncat;
    for (done, letter, text) in [(1, "K", "one"), (2, "k", "two"), (3, "K", "three")] {
        client.send(format!("{letter}\n").as_bytes());
        testkit::eventually("new keys", || {
            (client.messages().matches("KEYUPDATE").count() == done).then_some(())
        });
        client.send(format!("{text}\n").as_bytes());
        wanted.push_str(&format!("{text}\n"));
        assert_eq!(ncat.wait_output(wanted.len()), wanted.as_bytes());
        ncat.send(format!("answer to {text}\n").as_bytes());
        testkit::eventually("the answer", || {
            String::from_utf8_lossy(&client.wait_output(0))
                .contains(&format!("answer to {text}"))
                .then_some(())
        });
    }
    ncat.end_input();
    drop(client);
    ncat.finish();
}

/// A server of TLS 1.2 may begin again in the middle; a client's wish to is refused.
#[test]
fn a_server_may_renegotiate_and_a_client_may_not() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = Identity::alone(&Wanted::name(&["a"])).files(&dir, "own");
    let Some(openssl) = testkit::peer::Peer::Openssl.find() else { return };
    let mut server = openssl
        .args(["s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-cert"])
        .args([&certificate])
        .args(["-key"])
        .args([&key])
        .held()
        .start();
    let port = testkit::peer::listening_port(&server).to_string();
    let mut client = ncat(["-v", "--ssl", "127.0.0.1", &port]).held().start();
    client.send(b"before\n");
    testkit::eventually("it", || {
        String::from_utf8_lossy(&server.wait_output(0)).contains("before").then_some(())
    });
    server.send(b"r\n");
    client.send(b"during\n");
    testkit::eventually("a new handshake", || {
        String::from_utf8_lossy(&server.wait_output(0)).contains("SSL_do_handshake").then_some(())
    });
    server.send(b"text for the client\n");
    let got = client.wait_output(b"text for the client\n".len());
    assert!(String::from_utf8_lossy(&got).contains("text for the client"), "{got:?}");
    client.send(b"after\n");
    // Ours may be stopped by the handshake and has to go on when that ends, be it with no data.
    testkit::eventually("the rest", || {
        let text = String::from_utf8_lossy(&server.wait_output(0)).into_owned();
        (text.contains("during") && text.contains("after")).then_some(())
    });
    client.end_input();
    drop(server);
    client.finish();

    let Some(openssl) = testkit::peer::Peer::Openssl.find() else { return };
    let ncat = ncat(["-lkv", "--ssl", "127.0.0.1", "0"]).held().start();
    let at = ncat.listening().to_string();
    let mut client = openssl.args(["s_client", "-tls1_2", "-connect", &at]).held().start();
    client.send(b"hello\n");
    assert_eq!(ncat.wait_output(6), b"hello\n");
    client.send(b"R\n");
    client.wait_message("RENEGOTIATING");
    client.finish();
    // The listener serves on.
    let mut tls = crate::peer::client(ncat.listening().port());
    tls.write_all(b"others").unwrap();
    ncat.wait_output(12);
    crate::peer::half_close(&mut tls);
    drop(ncat);
    drain(&mut tls);
}
