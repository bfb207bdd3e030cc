//! Listeners: their clients, their messages, and what they are told to use.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use testkit::process::{ncat, shell};
use testkit::script::{Listener, Peer};
use testkit::{data, eventually, procfs};

use crate::{SOON, assert_idle, assert_terminates, fifo, open_both, open_writer, settle};

/// A pipe with a name, as small as they get, that nobody ever reads.
fn unread(path: &Path) -> File {
    let pipe = OpenOptions::new().read(true).write(true).open(path).unwrap();
    rustix::pipe::fcntl_setpipe_size(&pipe, 4096).unwrap();
    pipe
}

#[test]
fn a_fifo_of_a_listener_may_change_writers() {
    let dir = tempfile::tempdir().unwrap();
    let path = fifo(&dir, "fifo");
    let (input, mut first) = open_both(&path);
    let mut ncat = ncat(["-l", "-k", "-v", "127.0.0.1", "0"]).input(input).start();
    let at = ncat.listening();
    // The FIFO is watched once a client has come; with none, nobody reads it.
    let mut client = Peer::connect(at);
    ncat.wait_message("Connection from");
    first.write_all(b"first\n").unwrap();
    assert_eq!(client.take(6), b"first\n");
    drop(client);
    settle(&ncat);
    first.write_all(b"x\n").unwrap();
    drop(first);
    settle(&ncat);
    // Had the end been seen, the second writer might find no reader, which is as good.
    let _second = open_writer(&path);
    let _client = Peer::connect(at);
    assert_idle(&mut ncat);
    assert_terminates(ncat);
}

#[test]
fn clients_one_after_another_are_all_served() {
    const CLIENTS: usize = 1000;
    let ncat = ncat(["-l", "-k", "-v", "127.0.0.1", "0"]).start();
    let at = ncat.listening();
    for _ in 0..CLIENTS {
        Peer::connect(at).send(b"0123456789");
    }
    let turned = |what: &str| ncat.messages().matches(what).count();
    eventually("the last of them", || {
        (turned("denied") > 0 || turned("Connection from") == CLIENTS).then_some(())
    });
    assert_eq!(turned("denied"), 0, "clients turned away although those before had left");
    assert_eq!(ncat.wait_output(CLIENTS * 10).len(), CLIENTS * 10);
    assert_terminates(ncat);
}

/// Short clients, each of which waits for the end of its connection.
fn serves(at: SocketAddr, clients: usize) {
    for i in 0..clients {
        let mut client = Peer::connect(at);
        client.socket().set_read_timeout(Some(SOON)).unwrap();
        client.send(b"hi");
        client.half_close();
        assert_eq!(client.drain().0, b"", "client {i}");
    }
}

#[test]
fn unread_events_do_not_stop_a_listener() {
    let dir = tempfile::tempdir().unwrap();
    let path = fifo(&dir, "events");
    let _unread = unread(&path);
    let line = r#"exec "$NCAT" -l -k -v --json-fd 3 127.0.0.1 0 3>"$EVENTS""#;
    let ncat = shell(line).env("EVENTS", &path).start();
    serves(ncat.listening(), 400);
    ncat.wait_output(800);
    assert_terminates(ncat);
}

#[test]
fn unread_messages_do_not_stop_a_listener() {
    let dir = tempfile::tempdir().unwrap();
    let path = fifo(&dir, "messages");
    let _unread = unread(&path);
    let line = r#"exec "$NCAT" -l -k -v 127.0.0.1 0 2>"$MESSAGES""#;
    let ncat = shell(line).env("MESSAGES", &path).start();
    serves(([127, 0, 0, 1], testkit::peer::listening_port(&ncat)).into(), 300);
    ncat.wait_output(600);
    assert_terminates(ncat);
}

#[test]
fn one_who_does_not_read_but_sends_stops_nobody() {
    const BYTES: usize = 16 << 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let ncat = ncat(["-l", "-k", "-v", "--slow-reader=wait", "-U"]).args([&path]).held().start();
    ncat.wait_message("Listening on");
    let connect = || {
        let mut peer = Peer::connect_unix(&path);
        peer.send(b".");
        peer
    };
    let (mut deaf, reader) = (connect(), connect());
    ncat.wait_output(2);
    deaf.socket().shutdown(Shutdown::Read).unwrap();
    reader.socket().set_read_timeout(Some(SOON)).unwrap();
    let sent = data::bytes(11, BYTES);
    std::thread::scope(|scope| {
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        // Once it is cut off nothing more can be sent; until then there is a sign of life.
        scope.spawn(move || {
            while is_done.recv_timeout(Duration::from_millis(100)).is_err_and(|e| {
                e == std::sync::mpsc::RecvTimeoutError::Timeout && deaf.try_send(b".").is_ok()
            }) {}
        });
        let got = scope.spawn(move || {
            let mut got = vec![0; BYTES];
            let mut at = 0;
            let until = Instant::now() + SOON;
            while at < BYTES && Instant::now() < until {
                let rest = (at + 65536).min(BYTES);
                at += Read::read(&mut reader.socket(), &mut got[at..rest]).unwrap_or(0);
            }
            drop((reader, done));
            got.truncate(at);
            got
        });
        let mut input = File::from(ncat.stdin().unwrap().as_fd().try_clone_to_owned().unwrap());
        let of_thread = sent.clone();
        std::thread::spawn(move || input.write_all(&of_thread));
        data::assert_same("what the reader got", &got.join().unwrap(), &sent);
    });
    assert_terminates(ncat);
}

#[test]
fn a_limit_on_udp_senders_is_told_once() {
    let ncat = ncat(["-u", "-l", "-k", "-m", "5", "127.0.0.1", "0"]).held().start();
    let port = eventually("its port", || procfs::udp_ports(ncat.pid()).first().copied());
    let senders: Vec<UdpSocket> =
        (0..10).map(|_| UdpSocket::bind(("127.0.0.1", 0)).unwrap()).collect();
    for round in 1..=2 {
        for sender in &senders {
            sender.send_to(b"line\n", ("127.0.0.1", port)).unwrap();
        }
        // The first five are served each time, and what they send comes after what is refused.
        senders[0].send_to(b"last\n", ("127.0.0.1", port)).unwrap();
        ncat.wait_output(30 * round);
    }
    ncat.signal(Signal::TERM);
    let ended = ncat.finish_within(SOON);
    assert_eq!(ended.stdout.len(), 60);
    assert_eq!(
        ended.stderr.lines().filter(|line| line.contains("limit")).count(),
        1,
        "{}",
        ended.stderr
    );
}

#[test]
fn an_allowfile_that_is_no_text_is_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("allowed");
    fs::write(&path, b"10.0.0.1\n\xff\xfe127.0.0.1\n").unwrap();
    let ended = ncat(["-l", "--allowfile", path.to_str().unwrap(), "127.0.0.1", "0"]).run();
    let ended = ended.expect_code(2);
    assert!(ended.stderr.contains(path.to_str().unwrap()), "{}", ended.stderr);
    assert!(ended.stderr.contains("line 2") || ended.stderr.contains(":2"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("open"), "{}", ended.stderr);
}

#[test]
fn a_taken_path_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plain");
    fs::write(&path, "precious").unwrap();
    let ended = ncat(["-l", "-U", path.to_str().unwrap()]).run();
    assert_ne!(ended.code(), Some(0));
    assert!(ended.stderr.contains("exists"), "{}", ended.stderr);
    assert!(ended.stderr.contains("socket"), "{}", ended.stderr);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    let path = dir.path().join("stale");
    drop(Listener::unix(&path));
    let ended = ncat(["-l", "-U", path.to_str().unwrap()]).run();
    assert_ne!(ended.code(), Some(0));
    assert!(ended.stderr.contains("socket"), "{}", ended.stderr);
    assert!(ended.stderr.contains("remove") || ended.stderr.contains("rm "), "{}", ended.stderr);
}
