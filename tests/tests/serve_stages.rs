//! `-C`, `-t`, `-d`: what is done to the bytes on their way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod serve_support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use serve_support::{PATIENCE, Process, Told, Watch, assert_same, ncat, noise};

/// A client of ours with `args`, and the server's end of its connection.
fn client(args: &[&str]) -> (Process, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = ncat(args).args(["127.0.0.1", &port]).held().start();
    (client, ready(listener.accept().unwrap().0))
}

/// A listener of ours with `args`, and the client's end of a connection to it.
fn server(args: &[&str]) -> (Process, TcpStream) {
    let server = ncat(["-v", "-l", "127.0.0.1", "0"]).args(args).held().start();
    let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    server.said("Connection from");
    (server, ready(stream))
}

fn ready(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn take(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

type Start = fn(&[&str]) -> (Process, TcpStream);
const ROLES: [Start; 3] = [client, server, |args| server(&[args, &["-k"]].concat())];

#[test]
fn line_feeds_become_crlf_wherever_the_input_is_split() {
    for start in ROLES {
        let (mut ours, mut peer) = start(&["-C"]);
        // What went before has arrived, so each of these is a read of its own.
        for (input, output) in [
            (&b"one\n"[..], &b"one\r\n"[..]),
            (b"two\r\n", b"two\r\n"),
            (b"split\r", b"split\r"),
            (b"\nlone \r here\r", b"\nlone \r here\r"),
            (b"\r", b"\r"),
            (b"\n\n", b"\n\r\n"),
            (b"\r\r\n\n\n", b"\r\r\n\r\n\r\n"),
            (b"last", b"last"),
            (b"\n", b"\r\n"),
        ] {
            ours.send(input);
            let got = take(&mut peer, output.len());
            assert_eq!(got, output, "{:?}", String::from_utf8_lossy(input));
        }
        drop(ours.take_stdin());
        assert!(rest(peer).is_empty(), "nothing more came");
    }
}

#[test]
fn crlf_counts_every_line_of_a_long_input() {
    let (ours, peer) = client(&["-C"]);
    let text: String = (0..40_000).map(|n| format!("line {n}\n")).collect();
    let mut ours = ours;
    let (mut input, sent) = (ours.take_stdin(), text.clone());
    let feed = std::thread::spawn(move || input.write_all(sent.as_bytes()));
    let got = rest(peer);
    feed.join().unwrap().unwrap();
    assert_same(&got, text.replace('\n', "\r\n").as_bytes(), "converted");
}

#[test]
fn received_line_ends_are_left_alone() {
    for start in ROLES {
        let (ours, mut peer) = start(&["-C"]);
        peer.write_all(b"one\ntwo\r\nthree\r").unwrap();
        ours.printed("three\r");
        assert_eq!(ours.output(), "one\ntwo\r\nthree\r");
    }
}

#[test]
fn crlf_applies_to_datagrams() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let mut ours = ncat(["-u", "-C", "127.0.0.1", &port]).held().start();
    ours.send(b"line\n");
    let mut buffer = [0; 100];
    let n = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"line\r\n");
}

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;
const NOP: u8 = 241;

/// Negotiation, a subnegotiation with a doubled IAC in it, a doubled IAC in the data.
fn conversation() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let mut wire = b"login".to_vec();
    wire.extend([IAC, WILL, 1, IAC, DO, 24, IAC, WONT, 3, IAC, DONT, 5]);
    wire.extend(b": ");
    wire.extend([IAC, SB, 24, 1, b'x', IAC, IAC, b'y', IAC, SE]);
    wire.extend(b"\xff\xff<");
    wire.extend([IAC, NOP]);
    wire.extend(b">done");
    let data = b"login: \xff<>done".to_vec();
    let replies = vec![IAC, DONT, 1, IAC, WONT, 24];
    (wire, data, replies)
}

#[test]
fn telnet_commands_are_answered_and_taken_out_however_they_are_split() {
    let (wire, data, replies) = conversation();
    for start in ROLES {
        for step in [1, 2, 3, 5, 7, wire.len()] {
            let (ours, mut peer) = start(&["-t"]);
            for piece in wire.chunks(step) {
                peer.write_all(piece).unwrap();
                // Gives most pieces a read of their own; the result must not depend on it.
                std::thread::sleep(Duration::from_millis(2));
            }
            assert_eq!(ours.wait_output(data.len()), data, "in steps of {step}");
            assert_eq!(take(&mut peer, replies.len()), replies);
            // WONT and DONT are not answered: the next thing that comes is ours.
            let mut ours = ours;
            ours.send(b"me\xff!");
            assert_eq!(take(&mut peer, 5), b"me\xff\xff!", "outgoing IAC is doubled");
            peer.write_all(&[IAC, WONT, 1, IAC, DONT, 24]).unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            drop(ours.take_stdin());
            assert!(rest(peer).is_empty(), "no reply to a refusal");
            assert_eq!(ours.wait_output(0).len(), data.len());
        }
    }
}

#[test]
fn telnet_replies_go_out_with_recv_only_and_with_nothing_to_say() {
    let (wire, data, replies) = conversation();
    let (ours, mut peer) = client(&["-t"]);
    peer.write_all(&wire).unwrap();
    assert_eq!(take(&mut peer, replies.len()), replies);
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(ours.wait().expect_code(0).stdout, data);
}

#[test]
fn a_peer_that_only_negotiates_cannot_make_us_grow() {
    let (mut ours, mut peer) = client(&["-t"]);
    let flood: Vec<u8> = (0..200_000u32).flat_map(|n| [IAC, WILL, n as u8 % 200]).collect();
    // It never reads our replies.
    peer.write_all(&flood).unwrap();
    peer.write_all(b"end").unwrap();
    ours.printed("end");
    assert!(ours.is_running());
}

#[test]
fn many_bytes_pass_through_telnet_unharmed() {
    let (mut ours, mut peer) = client(&["-t"]);
    let bytes = noise(2_000_000, 1);
    let (mut input, sent) = (ours.take_stdin(), bytes.clone());
    let feed = std::thread::spawn(move || {
        input.write_all(&sent).unwrap();
        input
    });
    let doubled: Vec<u8> = double(&bytes);
    assert_same(&take(&mut peer, doubled.len()), &doubled, "to the wire");
    peer.write_all(&doubled).unwrap();
    assert_same(&ours.wait_output(bytes.len()), &bytes, "from the wire");
    drop(feed.join().unwrap());
}

fn double(bytes: &[u8]) -> Vec<u8> {
    let mut doubled = Vec::with_capacity(bytes.len() + bytes.len() / 100);
    for byte in bytes {
        doubled.push(*byte);
        if *byte == IAC {
            doubled.push(IAC);
        }
    }
    doubled
}

#[test]
fn each_direction_waits_for_the_delay() {
    const PAUSE: Duration = Duration::from_millis(400);
    for start in ROLES {
        let (mut ours, mut peer) = start(&["-d", "400ms"]);
        let began = Instant::now();
        ours.send(b"out");
        assert_eq!(take(&mut peer, 3), b"out");
        let took = began.elapsed();
        assert!(took >= PAUSE && took < 20 * PAUSE, "sending took {took:?}");
        let began = Instant::now();
        peer.write_all(b"in").unwrap();
        ours.printed("in");
        let took = began.elapsed();
        assert!(took >= PAUSE && took < 20 * PAUSE, "receiving took {took:?}");
    }
}

#[test]
fn a_delay_loses_nothing_at_the_end() {
    let (ours, mut peer) = client(&["-d", "100ms"]);
    let mut ours = ours;
    ours.send(&noise(30_000, 2));
    drop(ours.take_stdin());
    peer.write_all(b"last words").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_same(&rest(peer), &noise(30_000, 2), "sent");
    assert_eq!(ours.wait().expect_code(0).text(), "last words");
}

#[test]
fn stages_work_together() {
    let (mut ours, mut peer) = client(&["-C", "-t", "-d", "10ms"]);
    ours.send(b"line\xff\n");
    assert_eq!(take(&mut peer, 8), b"line\xff\xff\r\n");
    peer.write_all(&[b'a', IAC, DO, 1, b'\n']).unwrap();
    ours.printed("a\n");
    assert_eq!(take(&mut peer, 3), [IAC, WONT, 1]);
}
