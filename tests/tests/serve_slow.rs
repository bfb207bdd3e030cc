//! Standard input for many clients: one that stalls stops nobody, one that is slow loses nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod serve_support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use serve_support::{
    PATIENCE, Process, Watch, assert_same, assert_took, eventually, file, ncat, noise, on_thread,
    scratch,
};
use socket2::{Domain, Socket, Type};

/// Far more than two sockets' buffers and our queue can hold.
const LONG: usize = 24 * 1024 * 1024;

fn data(len: usize) -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let dir = scratch();
    let path = dir.path().join("data");
    let bytes = noise(len, 7);
    std::fs::write(&path, &bytes).unwrap();
    (dir, path, bytes)
}

/// A client with a small receive buffer, so that little is on its way when it stalls.
fn connect(port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(65_536).unwrap();
    let to = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    socket.connect(&to.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

/// Reads to the end on a thread.
fn reader(mut stream: TcpStream) -> Receiver<Vec<u8>> {
    on_thread(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

fn result(reader: &Receiver<Vec<u8>>) -> Vec<u8> {
    reader.recv_timeout(PATIENCE).unwrap()
}

/// A listener whose input the test gives once its clients are in.
fn listener(slow: &str, more: &[&str]) -> Process {
    ncat(["-v", "-lk", "127.0.0.1", "0", &format!("--slow-reader={slow}")])
        .args(more)
        .held()
        .start()
}

fn feed(server: &mut Process, bytes: &[u8]) {
    let (mut input, bytes) = (server.take_stdin(), bytes.to_vec());
    thread::spawn(move || input.write_all(&bytes));
}

fn two_clients(server: &Process) -> (TcpStream, TcpStream) {
    let port = server.port();
    let clients = (connect(port), connect(port));
    eventually("both to be let in", || {
        (server.messages().matches("Connection from").count() == 2).then_some(())
    });
    clients
}

#[test]
fn a_stalled_client_is_cut_and_the_other_gets_every_byte() {
    let mut server = listener("disconnect,300ms", &[]);
    let (good, stalled) = two_clients(&server);
    let bytes = noise(LONG, 1);
    let name = stalled.local_addr().unwrap().to_string();
    let good = reader(good);
    let began = Instant::now();
    feed(&mut server, &bytes);
    assert_same(&result(&good), &bytes, "the good client");
    assert_took(began, Duration::from_millis(300), PATIENCE);
    let line = format!("Ncat: {name} disconnected: it took nothing while bytes waited.\n");
    let err = server.said(&line);
    let count = err.split(&line).nth(1).unwrap().trim_start();
    assert!(count.split_once(" bytes were not delivered to it").is_some(), "{err}");
    assert!(server.is_running());
    // The place is free and the listener goes on.
    drop(stalled);
    connect(server.port()).write_all(b"here").unwrap();
    server.printed("here");
}

#[test]
fn the_default_is_five_seconds() {
    let mut server = ncat(["-v", "-lk", "127.0.0.1", "0"]).held().start();
    let (good, stalled) = two_clients(&server);
    let bytes = noise(LONG, 2);
    let good = reader(good);
    let began = Instant::now();
    feed(&mut server, &bytes);
    assert_same(&result(&good), &bytes, "the good client");
    assert_took(began, Duration::from_secs(5), PATIENCE);
    server.said("disconnected: it took nothing");
    drop(stalled);
}

#[test]
fn wait_waits_and_loses_nothing() {
    let mut server = listener("wait", &[]);
    let (good, stalled) = two_clients(&server);
    let bytes = noise(LONG, 3);
    let good = reader(good);
    feed(&mut server, &bytes);
    // Longer than the looks of the other policies; both clients stand still together.
    assert!(good.recv_timeout(Duration::from_millis(700)).is_err());
    let stalled = reader(stalled);
    assert_same(&result(&good), &bytes, "the good client");
    assert_same(&result(&stalled), &bytes, "the late one");
    assert!(!server.messages().contains("disconnected"));
}

#[test]
fn drop_skips_for_the_slow_one_only_and_says_how_much() {
    let mut server = listener("drop", &[]);
    let (good, stalled) = two_clients(&server);
    let bytes = noise(LONG, 4);
    // A source at the pace of the good client: nobody is waited for, so a faster one would cost
    // that client bytes as well.
    let mut good = good;
    let mut got = vec![0; bytes.len()];
    for (piece, room) in bytes.chunks(256 * 1024).zip(got.chunks_mut(256 * 1024)) {
        server.send(piece);
        good.read_exact(room).unwrap();
    }
    server.end_input();
    assert_same(&got, &bytes, "the good client");
    // What it gets is what was before the gap and what fitted later, and the rest is told.
    let got = result(&reader(stalled)).len();
    assert!(got < bytes.len(), "{got}");
    let err = server.said(" bytes were skipped, since the client took them too slowly");
    let skipped: usize = err
        .split("Warning: ")
        .nth(1)
        .and_then(|tail| tail.split(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap();
    assert_eq!(got + skipped, bytes.len(), "{err}");
}

#[test]
fn a_slow_client_that_moves_is_never_cut_and_loses_nothing() {
    let mut server = listener("disconnect,400ms", &[]);
    let (good, slow) = two_clients(&server);
    let bytes = noise(8 * 1024 * 1024, 5);
    let good = reader(good);
    let slow = on_thread(move || {
        let mut slow = slow;
        let mut all = Vec::new();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match slow.read(&mut buffer).unwrap() {
                0 => return all,
                n => all.extend_from_slice(&buffer[..n]),
            }
            // Slower than the source by far, faster than the time to be cut.
            thread::sleep(Duration::from_millis(25));
        }
    });
    feed(&mut server, &bytes);
    assert_same(&result(&good), &bytes, "the good client");
    assert_same(&result(&slow), &bytes, "the slow client");
    assert!(!server.messages().contains("disconnected"));
}

#[test]
fn accepts_and_the_other_direction_go_on_meanwhile() {
    let mut server = listener("wait", &[]);
    let (mut talker, stalled) = two_clients(&server);
    feed(&mut server, &noise(LONG, 6));
    // Both are stalled now: nobody reads.
    thread::sleep(Duration::from_millis(200));
    talker.write_all(b"I still speak. ").unwrap();
    server.printed("I still speak. ");
    let mut third = connect(server.port());
    third.write_all(b"I have come.").unwrap();
    server.printed("I still speak. I have come.");
    drop(stalled);
}

#[test]
fn a_client_that_stalls_alone_is_cut_too() {
    let mut server = listener("disconnect,300ms", &[]);
    let port = server.port();
    let stalled = connect(port);
    server.said("Connection from");
    feed(&mut server, &noise(LONG, 8));
    server.said("disconnected: it took nothing");
    // Whoever comes next takes what comes next.
    let rest = result(&reader(connect(port)));
    assert!(!rest.is_empty() && rest.len() < LONG, "{}", rest.len());
    drop(stalled);
}

#[test]
fn a_quiet_client_with_nothing_waiting_is_never_cut() {
    let mut server = listener("disconnect,200ms", &[]);
    let (one, two) = two_clients(&server);
    server.send(b"hello");
    for mut client in [&one, &two] {
        let mut buffer = [0; 5];
        client.read_exact(&mut buffer).unwrap();
    }
    thread::sleep(Duration::from_millis(700));
    server.send(b"again");
    for mut client in [&one, &two] {
        let mut buffer = [0; 5];
        client.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"again");
    }
    assert!(!server.messages().contains("disconnected"));
}

#[test]
fn with_send_only_the_end_comes_when_everything_is_taken() {
    let (_dir, path, bytes) = data(LONG);
    let server = ncat(["-v", "-lk", "--send-only", "--slow-reader=disconnect,300ms"])
        .args(["127.0.0.1", "0"])
        .input(file(&path))
        .start();
    let port = server.port();
    let good = reader(connect(port));
    assert_same(&result(&good), &bytes, "the good client");
    server.wait().expect_code(0);
}

#[test]
fn json_tells_why_a_client_was_cut() {
    let mut server = listener("disconnect,300ms", &["--json"]);
    let port = server.port();
    let _stalled = connect(port);
    server.said("\"accepted\"");
    feed(&mut server, &noise(LONG, 9));
    let err = server.said("\"slow_reader\"");
    let line = err.lines().find(|line| line.contains("\"closed\"")).unwrap();
    assert!(line.contains("\"ended_by\":\"slow_reader\""), "{line}");
    // The count of what it did get is in the event as well.
    assert!(!line.contains("\"sent\":0,"), "{line}");
}
