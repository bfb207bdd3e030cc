//! `--eof=NAME`, and the old flags that mean the same.

use testkit::process::{Input, ncat};
use testkit::script::{Ended, Listener};

use crate::stage::ABSENCE;

/// What `--explain` says of a command line.
fn explained(args: &[&str]) -> String {
    let ended = ncat(["--explain"]).args(args).args(["localhost", "1"]).run().expect_code(0);
    String::from_utf8(ended.stdout).unwrap()
}

/// The lines of `--explain` about the end.
fn about_the_end(args: &[&str]) -> Vec<String> {
    let text = explained(args);
    let found: Vec<String> = text
        .lines()
        .filter(|line| line.to_lowercase().contains("eof") || line.contains("end"))
        .map(ToOwned::to_owned)
        .collect();
    assert!(!found.is_empty(), "{text}");
    found
}

#[test]
fn no_flag_is_half_close() {
    assert_eq!(about_the_end(&[]), about_the_end(&["--eof=half-close"]));
}

#[test]
fn no_shutdown_is_wait() {
    assert_eq!(about_the_end(&["--no-shutdown"]), about_the_end(&["--eof=wait"]));
}

#[test]
fn keep_open_is_ncat_7_95() {
    assert_eq!(about_the_end(&["-k"]), about_the_end(&["--eof=ncat-7.95"]));
}

#[test]
fn send_only_is_quit() {
    assert_eq!(about_the_end(&["--send-only"]), about_the_end(&["--send-only", "--eof=quit"]));
}

#[test]
fn unknown_names_are_refused() {
    let ended = ncat(["--eof=never", "localhost", "1"]).run().expect_code(2);
    assert!(ended.stderr.contains("half-close, quit, wait, ncat-7.95"), "{}", ended.stderr);
}

#[test]
fn names_against_flags_are_refused() {
    for args in [
        &["--eof=half-close", "--send-only"][..],
        &["--eof=quit", "--no-shutdown"],
        &["--eof=wait", "-k"],
    ] {
        let ended = ncat(args).args(["localhost", "1"]).run().expect_code(2);
        assert!(ended.first_line().contains("Invalid option combination: --eof="));
    }
}

fn client(name: &str, input: Input) -> (testkit::process::Process, testkit::script::Peer) {
    let listener = Listener::tcp();
    let port = listener.port().to_string();
    let ncat = ncat([name, "127.0.0.1", &port]).input(input).start();
    (ncat, listener.accept())
}

#[test]
fn eof_half_close() {
    let (ncat, mut peer) = client("--eof=half-close", Input::Bytes(b"hello".to_vec()));
    assert_eq!(peer.drain(), (b"hello".to_vec(), Ended::Fin));
    peer.send(b"late");
    drop(peer);
    assert_eq!(ncat.finish().expect_code(0).stdout, b"late");
}

#[test]
fn eof_quit() {
    let (ncat, mut peer) = client("--eof=quit", Input::Bytes(b"hello".to_vec()));
    assert_eq!(peer.drain(), (b"hello".to_vec(), Ended::Fin));
    ncat.finish().expect_code(0);
}

#[test]
fn eof_wait() {
    let (ncat, mut peer) = client("--eof=wait", Input::Bytes(b"hello".to_vec()));
    assert_eq!(peer.take(5), b"hello");
    peer.assert_silent_for(ABSENCE);
    drop(peer);
    ncat.finish().expect_code(0);
}

#[test]
fn eof_ncat_7_95() {
    let (mut ncat, mut peer) = client("--eof=ncat-7.95", Input::Held);
    peer.half_close();
    peer.assert_silent_for(ABSENCE);
    ncat.send(b"more");
    ncat.end_input();
    assert_eq!(peer.drain(), (b"more".to_vec(), Ended::Fin));
    ncat.finish().expect_code(0);
}
