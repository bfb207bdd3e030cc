//! UDP with the options that end it, bind it or close one of its directions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod serve_support;

use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use serve_support::{
    PATIENCE, Process, Watch, assert_same, assert_took, file, ncat, noise, scratch,
};

fn socket() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    (socket, port)
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 70_000];
    let (n, from) = socket.recv_from(&mut buffer).unwrap();
    buffer.truncate(n);
    (buffer, from)
}

fn listener(args: &[&str]) -> Process {
    ncat(["-v", "-u", "127.0.0.1", "0"]).args(args).held().start()
}

#[test]
fn the_source_is_what_was_asked_for() {
    let (server, port) = socket();
    // A port that was free a moment ago; taken meanwhile, another is tried.
    let from = (0..5).find_map(|_| {
        let from = socket().1;
        let client = ncat(["-u", "-s", "127.0.0.7", "-p", &from, "127.0.0.1", &port]);
        (client.bytes("x").run().code() == Some(0)).then_some(from)
    });
    let (_, seen) = receive(&server);
    assert_eq!(seen.to_string(), format!("127.0.0.7:{}", from.unwrap()));
}

#[test]
fn send_only_ends_with_the_input() {
    let (server, port) = socket();
    let began = Instant::now();
    ncat(["-u", "--send-only", "127.0.0.1", &port]).bytes("x").run().expect_code(0);
    assert_took(began, Duration::ZERO, Duration::from_secs(10));
    assert_eq!(receive(&server).0, b"x");
    // The listener's input ends as well; what it had is sent first.
    for mode in ["-l", "-lk"] {
        let mut ours = listener(&[mode, "--send-only"]);
        let (client, _) = socket();
        client.connect(("127.0.0.1", ours.port())).unwrap();
        client.send(b"not shown").unwrap();
        ours.send(b"words");
        let ended = ours.wait().expect_code(0);
        assert_eq!(receive(&client).0, b"words");
        assert!(ended.stdout.is_empty());
    }
}

#[test]
fn recv_only_sends_nothing() {
    let (server, port) = socket();
    let client = ncat(["-u", "--recv-only", "-i", "300ms", "127.0.0.1", &port]).bytes("x");
    client.run().expect_code(1);
    server.set_nonblocking(true).unwrap();
    assert!(server.recv(&mut [0; 1]).is_err());
    for mode in ["-l", "-lk"] {
        let ours = listener(&[mode, "--recv-only"]);
        let (client, _) = socket();
        client.send_to(b"words", ("127.0.0.1", ours.port())).unwrap();
        ours.printed("words");
    }
}

#[test]
fn quit_ends_a_listener_after_its_input() {
    for mode in ["-l", "-lk"] {
        let mut ours = listener(&[mode, "-q", "400ms"]);
        let (client, _) = socket();
        client.connect(("127.0.0.1", ours.port())).unwrap();
        client.send(b"one ").unwrap();
        ours.printed("one ");
        let began = Instant::now();
        ours.end_input();
        client.send(b"two").unwrap();
        ours.printed("one two");
        ours.finish().expect_code(0);
        assert_took(began, Duration::from_millis(400), Duration::from_secs(10));
    }
}

#[test]
fn idle_ends_a_single_listener_with_1_and_only_once_it_has_a_peer() {
    let mut ours = listener(&["-l", "-i", "300ms"]);
    let port = ours.port();
    assert!(ours.runs_for(Duration::from_millis(700)));
    socket().0.send_to(b"x", ("127.0.0.1", port)).unwrap();
    let ended = ours.finish().expect_code(1);
    assert!(ended.stderr.contains("Ncat: Idle timeout expired (300 ms)"), "{}", ended.stderr);
}

#[test]
fn a_file_goes_to_every_peer_in_whole_datagrams() {
    let dir = scratch();
    let (path, data) = (dir.path().join("data"), noise(50_500, 1));
    std::fs::write(&path, &data).unwrap();
    for (mode, size) in [("-l", 1000), ("-lk", 1000), ("-lk", 5000), ("-lk", 8192)] {
        let ours = ncat(["-v", "-u", mode, "--datagram-size", &size.to_string()])
            .args(["127.0.0.1", "0"])
            .input(file(&path))
            .start();
        let (client, _) = socket();
        client.send_to(b"x", ("127.0.0.1", ours.port())).unwrap();
        let mut got = Vec::new();
        for wanted in data.chunks(size) {
            let datagram = receive(&client).0;
            assert_eq!(datagram.len(), wanted.len(), "{mode} {size}");
            got.extend(datagram);
        }
        assert_same(&got, &data, mode);
    }
}

#[test]
fn the_transcript_shows_sent_datagrams_one_by_one() {
    let dir = scratch();
    let (path, log) = (dir.path().join("data"), dir.path().join("log"));
    std::fs::write(&path, noise(1050, 2)).unwrap();
    let (_server, port) = socket();
    ncat(["-u", "--datagram-size", "100", "127.0.0.1", &port, "-x"])
        .args([&log])
        .input(file(&path))
        .run()
        .expect_code(0);
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("0000 ")).count(), 11);
    assert_eq!(text.lines().filter(|line| line.starts_with("0060 ")).count(), 10);
}

#[test]
fn a_datagram_too_long_for_anybody_is_told_and_not_cut_in_silence() {
    // Only Unix sockets carry such.
    let dir = scratch();
    for mode in ["-l", "-lk"] {
        let path = dir.path().join(mode);
        let ours = ncat(["-v", "-u", "-U", "-i", "300ms", mode]).args([&path]).held().start();
        ours.said("Listening on");
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(&noise(100_000, 3), &path).unwrap();
        ours.said("1 datagrams were longer than 65,536 bytes and were cut");
        assert_eq!(ours.wait_output(65_536).len(), 65_536);
    }
}
