//! Real proxies: every byte through each, and who we are told as each wants it.

use std::net::SocketAddr;

use testkit::data::{assert_same, bytes};
use testkit::process::{Finished, Program, ncat};

use crate::programs::{self, Running, dante, reference, squid, ssh, there_and_back, tinyproxy};
use crate::scripted::echo;

const MB64: usize = 64 << 20;

/// As much as goes through each: 64 MiB, or 2 GB where there is time for it.
fn rounds() -> usize {
    if std::env::var_os("NCAT_BIG").is_some_and(|value| value == "1") { 32 } else { 1 }
}

fn through(options: &[&str], target: SocketAddr) -> Program {
    ncat(options).args(["-v", &target.ip().to_string(), &target.port().to_string()])
}

/// Sends a lot to an echo behind the proxy, and gets it back.
fn carries(what: &str, options: &[&str]) {
    let target = echo();
    let sent = bytes(7, MB64);
    for _ in 0..rounds() {
        let done = through(options, target).bytes(sent.clone()).run().expect_code(0);
        assert_same(what, &done.stdout, &sent);
    }
}

/// As [`carries`], for proxies that take the end of one direction for the end of both: ours ends when
/// everything is back.
fn carries_before_the_end(what: &str, options: &[&str]) {
    let target = echo();
    let sent = bytes(7, MB64);
    for _ in 0..rounds() {
        let done = there_and_back(through(options, target), &sent).expect_code(0);
        assert_same(what, &done.stdout, &sent);
    }
}

fn says(options: &[&str]) -> Finished {
    through(options, echo()).bytes("hello\n").run()
}

#[test]
fn squid_takes_digest_and_basic() {
    for (schemes, word) in [(&["digest", "basic"][..], "Digest"), (&["basic"], "Basic")] {
        let Some(proxy) = squid(schemes) else { return };
        let place = proxy.place();
        let line = through(&["-vv", "--proxy", &place, "--proxy-auth", "user:word"], echo());
        let done = there_and_back(line, b"hello\n").expect_code(0);
        assert_eq!(done.stdout, b"hello\n");
        assert!(done.stderr.contains(&format!("Proxy authentication: {word}.")), "{}", done.stderr);
        // squid keeps the connection after it has asked.
        assert_eq!(done.stderr.matches("Connected to proxy").count(), 1, "{}", done.stderr);
        assert!(done.stderr.contains("keeps the connection"), "{}", done.stderr);

        let done = says(&["--proxy", &place, "--proxy-auth", "user:wrong"]).expect_code(1);
        assert!(done.stderr.contains("Ncat: Proxy returned status code 407."), "{}", done.stderr);
        assert!(done.stderr.contains(&format!("is wrong ({word})")), "{}", done.stderr);
        let done = says(&["--proxy", &place]).expect_code(1);
        assert!(done.stderr.contains("hint: it wants to know who you are"), "{}", done.stderr);
    }
}

#[test]
fn every_byte_through_squid() {
    let Some(proxy) = squid(&[]) else { return };
    carries_before_the_end("squid", &["--proxy", &proxy.place()]);
}

#[test]
fn every_byte_through_tinyproxy() {
    let Some(proxy) = tinyproxy(Some("user word")) else { return };
    let place = proxy.place();
    carries_before_the_end("tinyproxy", &["--proxy", &place, "--proxy-auth", "user:word"]);
    let done = says(&["--proxy", &place, "--proxy-auth", "user:no"]).expect_code(1);
    assert!(done.stderr.contains("Proxy returned status code 4"), "{}", done.stderr);
}

#[test]
fn every_byte_through_dante() {
    let Some(proxy) = dante() else { return };
    for kind in ["socks4", "socks5"] {
        carries("dante", &["--proxy", &proxy.place(), "--proxy-type", kind]);
    }
    // A port where nobody listens.
    let done = ncat(["--proxy", &proxy.place(), "--proxy-type", "socks5", "127.0.0.1", "1"]).run();
    let done = done.expect_code(1);
    assert_eq!(done.first_line(), "Ncat: Error: Connection refused.", "{}", done.stderr);
    assert!(done.stderr.contains("asked for 127.0.0.1:1"), "{}", done.stderr);
}

#[test]
fn datagrams_through_dante_and_ours() {
    let answers = |proxy: Running| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port().to_string();
        let url = proxy.url("socks5");
        let mut client = ncat(["-v", "-u", "--proxy", &url, "127.0.0.1", &port]).held().start();
        socket.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
        for text in [&b"one"[..], b"two\nlines"] {
            client.send(text);
            let mut buf = [0; 2000];
            let (n, from) = socket.recv_from(&mut buf).unwrap();
            assert_eq!(&buf[..n], text);
            socket.send_to(&buf[..n], from).unwrap();
            client.wait_output(n);
        }
        client.end_input();
        let done = client.finish().expect_code(0);
        assert_eq!(done.stdout, b"onetwo\nlines");
        assert!(done.stderr.contains("relays datagrams"), "{}", done.stderr);
    };
    answers(programs::ours("socks5", None));
    if let Some(proxy) = dante() {
        answers(proxy);
    }
}

#[test]
fn an_association_ends_with_its_proxy() {
    let proxy = programs::ours("socks5", None);
    let url = proxy.url("socks5");
    let client = ncat(["-v", "-u", "--proxy", &url, "127.0.0.1", "9"]).held().start();
    client.wait_message("Connected to");
    drop(proxy);
    let done = client.finish().expect_code(1);
    assert!(done.stderr.contains("Ncat: "), "{}", done.stderr);
}

#[test]
fn every_byte_through_debians_ncat() {
    let Some(proxy) = reference(Some("user:word")) else { return };
    let place = proxy.place();
    let options = ["--proxy", &place, "--proxy-auth", "user:word"];
    // That server loses what a slow reader has not read, so little goes.
    let done = there_and_back(through(&options, echo()), b"hello\n").expect_code(0);
    assert!(done.stderr.contains("Proxy authentication: Digest."), "{}", done.stderr);
    // It closes after 407, and is asked again.
    assert_eq!(done.stderr.matches("Connected to proxy").count(), 2, "{}", done.stderr);
}

#[test]
fn every_byte_through_openssh() {
    let Some((_server, client)) = ssh() else { return };
    for scheme in ["socks4", "socks4a", "socks5", "socks5h"] {
        carries(scheme, &["--proxy", &client.url(scheme)]);
    }
}

#[test]
fn every_byte_through_ours() {
    for (kind, scheme) in [("http", "http"), ("socks5", "socks5h"), ("socks4", "socks4a")] {
        let proxy = programs::ours(kind, None);
        carries(kind, &["--proxy", &proxy.url(scheme)]);
    }
    for (kind, user) in [("http", "user:w%20rd@"), ("socks5", "user:w%20rd@")] {
        let proxy = programs::ours(kind, Some("user:w rd"));
        let url = format!("{kind}://{user}{}", proxy.place());
        assert_eq!(says(&["--proxy", &url]).expect_code(0).stdout, b"hello\n", "{kind}");
        let url = format!("{kind}://user:no@{}", proxy.place());
        says(&["--proxy", &url]).expect_code(1);
    }
}
