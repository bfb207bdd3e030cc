//! `--safe`: what it keeps in, what it refuses, and that it says nothing otherwise.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test plays the peer")]

mod serve_support;

use std::io::{Read, Write};
use std::net::TcpStream;

use serve_support::ncat;

#[test]
fn safe_listens_on_this_machine_only() {
    let open = ncat(["-v", "-l", "0"]).held().start();
    open.wait_message("Listening on 0.0.0.0:");
    let safe = ncat(["-v", "--safe", "-l", "-k", "0"]).held().start();
    let line = safe.wait_message("Listening on 127.0.0.1:");
    let port: u16 = line.rsplit(':').next().unwrap().trim().parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    let said = safe.messages();
    assert!(!said.contains("0.0.0.0") && !said.contains(" :::"), "{said}");
    // An address that is named is meant.
    let named = ncat(["-v", "--safe", "-l", "0.0.0.0", "0"]).held().start();
    named.wait_message("Listening on 0.0.0.0:");
}

#[test]
fn safe_runs_no_command_for_strangers() {
    for args in [
        &["--safe", "-l", "-c", "echo no", "127.0.0.1", "0"][..],
        &["--safe", "-l", "-k", "-e", "/bin/cat", "127.0.0.1", "0"],
        &["--safe", "-c", "echo no", "127.0.0.1", "1"],
    ] {
        let ended = ncat(args.iter().copied()).run().expect_code(2);
        assert!(ended.first_line().starts_with("Ncat: --safe: a command"), "{}", ended.stderr);
        assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
    }
    let args = ["-v", "--safe", "-l", "--allow", "127.0.0.1", "-c", "echo yes", "0"];
    let named = ncat(args).held().start();
    let line = named.wait_message("Listening on 127.0.0.1:");
    let port: u16 = line.rsplit(':').next().unwrap().trim().parse().unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "yes\n");
}

#[test]
fn safe_says_nothing_when_there_is_nothing_to_refuse() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = ncat(["--safe", "127.0.0.1", &port]).bytes("hello").start();
    let (mut peer, _) = listener.accept().unwrap();
    let mut text = String::new();
    peer.read_to_string(&mut text).unwrap();
    peer.write_all(b"bye").unwrap();
    drop(peer);
    let ended = client.finish().expect_code(0);
    assert_eq!((text.as_str(), ended.stderr.as_str()), ("hello", ""));
}
