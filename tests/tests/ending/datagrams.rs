//! The cells of UDP and Unix datagrams, whose peers never end.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use testkit::process::{Program, ncat};

use crate::stage::ABSENCE;

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
    socket
}

/// A client of `peer`.
fn client(peer: &UdpSocket, args: &[&str]) -> Program {
    let port = peer.local_addr().unwrap().port().to_string();
    ncat(["-u", "127.0.0.1"]).args([port]).args(args)
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, std::net::SocketAddr) {
    let mut buf = [0; 1024];
    let (n, from) = socket.recv_from(&mut buf).unwrap();
    (buf[..n].to_vec(), from)
}

fn nothing_comes(socket: &UdpSocket) -> bool {
    socket.set_read_timeout(Some(ABSENCE)).unwrap();
    socket.recv_from(&mut [0; 16]).is_err()
}

/// The end of input sends nothing (UDP has no end), replies are listened for, then 0.
fn stdin_ends_and_listens(args: &[&str], at_least: Duration) {
    let peer = socket();
    let started = Instant::now();
    let ncat = client(&peer, args).bytes("hello").start();
    let (got, from) = receive(&peer);
    assert_eq!(got, b"hello");
    peer.send_to(b"late", from).unwrap();
    let ended = ncat.finish().expect_code(0);
    assert_eq!(ended.stdout, b"late");
    assert!(started.elapsed() >= at_least);
    assert!(nothing_comes(&peer));
}

#[test]
fn udp_stdin_ends_plain() {
    stdin_ends_and_listens(&[], Duration::from_millis(500));
}

#[test]
fn udp_stdin_ends_no_shutdown() {
    stdin_ends_and_listens(&["--no-shutdown"], Duration::from_millis(500));
}

#[test]
fn udp_stdin_ends_quit() {
    stdin_ends_and_listens(&["-q", "700ms"], Duration::from_millis(700));
}

#[test]
fn udp_stdin_ends_send_only() {
    let peer = socket();
    client(&peer, &["--send-only"]).bytes("hello").run().expect_code(0);
    assert_eq!(receive(&peer).0, b"hello");
}

#[test]
fn udp_stdin_ends_recv_only() {
    let peer = socket();
    let ended = client(&peer, &["--recv-only", "-i", "300ms"]).bytes("hello").run().expect_code(1);
    assert_eq!(ended.first_line(), "Ncat: Idle timeout expired (300 ms).");
    assert!(nothing_comes(&peer));
}

#[test]
fn udp_stdin_ends_idle() {
    // Shorter than the time replies are listened for, so it is what ends the session.
    let peer = socket();
    let ended = client(&peer, &["-i", "200ms"]).bytes("hello").run().expect_code(1);
    assert_eq!(ended.first_line(), "Ncat: Idle timeout expired (200 ms).");
}

#[test]
fn udp_keep_open_is_refused_when_connecting() {
    let ended = client(&socket(), &["-k"]).bytes("hello").run().expect_code(2);
    assert!(ended.first_line().ends_with("QUITTING."), "{}", ended.stderr);
}

fn stdin_ends_listening(args: &[&str]) {
    let ncat = ncat(["-luv", "127.0.0.1", "0"]).args(args).bytes("hello").start();
    let at = ncat.listening();
    let peer = socket();
    peer.send_to(b"first", at).unwrap();
    assert_eq!(receive(&peer).0, b"hello");
    peer.send_to(b"late", at).unwrap();
    assert_eq!(ncat.wait_output(9), b"firstlate");
    ncat.signal(Signal::TERM);
    ncat.finish().expect_code(143);
}

#[test]
fn udp_stdin_ends_listen() {
    stdin_ends_listening(&[]);
}

#[test]
fn udp_stdin_ends_listen_keep() {
    stdin_ends_listening(&["-k"]);
}

#[test]
fn udp_listen_idle_ends_with_1() {
    let ncat = ncat(["-luv", "-i", "300ms", "127.0.0.1", "0"]).bytes("hello").start();
    let at = ncat.listening();
    let peer = socket();
    peer.send_to(b"first", at).unwrap();
    let ended = ncat.finish().expect_code(1);
    assert!(ended.stderr.contains("Ncat: Idle timeout expired (300 ms)."), "{}", ended.stderr);
}

#[test]
fn udp_empty_datagram_is_not_an_end() {
    let peer = socket();
    let mut ncat = client(&peer, &[]).held().start();
    ncat.send(b"hello");
    let (_, from) = receive(&peer);
    peer.send_to(b"", from).unwrap();
    peer.send_to(b"more", from).unwrap();
    assert_eq!(ncat.wait_output(4), b"more");
    ncat.end_input();
    ncat.finish().expect_code(0);
}

/// Nobody listens there any more: the peer's system says so.
#[test]
fn udp_peer_gone_plain() {
    let peer = socket();
    let mut ncat = client(&peer, &[]).held().start();
    ncat.send(b"hello");
    receive(&peer);
    drop(peer);
    ncat.send(b"more");
    // A program started meanwhile has the socket until its exec(2) has closed it; then nobody refuses.
    for _ in 0..20 {
        if !ncat.runs_for(Duration::from_millis(500)) {
            break;
        }
        ncat.send(b"more");
    }
    let ended = ncat.finish().expect_code(1);
    assert_eq!(ended.first_line(), "Ncat: Connection refused.");
}

/// A Unix datagram peer.
fn unix(dir: &TempDir) -> UnixDatagram {
    let socket = UnixDatagram::bind(dir.path().join("peer")).unwrap();
    socket.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
    socket
}

fn unix_client(dir: &TempDir, args: &[&str]) -> Program {
    let peer = dir.path().join("peer");
    ncat(args).args(["-uU"]).args([peer]).env("TMPDIR", dir.path())
}

fn unix_stdin_ends(args: &[&str]) {
    let dir = TempDir::new().unwrap();
    let peer = unix(&dir);
    let ncat = unix_client(&dir, args).bytes("hello").start();
    let mut buf = [0; 64];
    let (n, from) = peer.recv_from(&mut buf).unwrap();
    assert_eq!(&buf[..n], b"hello");
    peer.send_to(b"late", from.as_pathname().unwrap()).unwrap();
    assert_eq!(ncat.finish().expect_code(0).stdout, b"late");
}

#[test]
fn unix_datagram_stdin_ends_plain() {
    unix_stdin_ends(&[]);
}

#[test]
fn unix_datagram_stdin_ends_no_shutdown() {
    unix_stdin_ends(&["--no-shutdown"]);
}

#[test]
fn unix_datagram_stdin_ends_quit() {
    unix_stdin_ends(&["-q", "500ms"]);
}

#[test]
fn unix_datagram_stdin_ends_send_only() {
    let dir = TempDir::new().unwrap();
    let peer = unix(&dir);
    unix_client(&dir, &["--send-only"]).bytes("hello").run().expect_code(0);
    let mut buf = [0; 64];
    assert_eq!(peer.recv(&mut buf).unwrap(), 5);
}

#[test]
fn unix_datagram_stdin_ends_idle() {
    let dir = TempDir::new().unwrap();
    let _peer = unix(&dir);
    let ended = unix_client(&dir, &["-i", "200ms"]).bytes("hello").run().expect_code(1);
    assert_eq!(ended.first_line(), "Ncat: Idle timeout expired (200 ms).");
}

#[test]
fn unix_datagram_peer_gone_plain() {
    let dir = TempDir::new().unwrap();
    let peer = unix(&dir);
    let mut ncat = unix_client(&dir, &[]).held().start();
    ncat.send(b"hello");
    peer.recv(&mut [0; 64]).unwrap();
    drop(peer);
    ncat.send(b"more");
    let ended = ncat.finish().expect_code(1);
    assert_eq!(ended.first_line(), "Ncat: Connection refused.");
}

fn unix_listening(args: &[&str]) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ncat");
    let ncat = ncat(["-luUv"]).args([&path]).args(args).bytes("hello").start();
    ncat.wait_message("Listening on ");
    let peer = unix(&dir);
    peer.send_to(b"first", &path).unwrap();
    let mut buf = [0; 64];
    let n = peer.recv(&mut buf).unwrap();
    assert_eq!(&buf[..n], b"hello");
    peer.send_to(b"late", &path).unwrap();
    assert_eq!(ncat.wait_output(9), b"firstlate");
    ncat.signal(Signal::TERM);
    ncat.finish().expect_code(143);
    assert!(!path.exists());
}

#[test]
fn unix_datagram_stdin_ends_listen() {
    unix_listening(&[]);
}

#[test]
fn unix_datagram_stdin_ends_listen_keep() {
    unix_listening(&["-k"]);
}
