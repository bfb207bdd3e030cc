//! Unix sockets: streams and datagrams, and paths that are removed when and only when we made them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod serve_support;

use std::fs;
use std::io::Write;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serve_support::{
    PATIENCE, Peer, Process, Signal, Watch, assert_same, assert_took, eventually, ncat, noise,
    peer, scratch,
};
use socket2::{Domain, SockAddr, Socket, Type};

fn listener(args: &[&str], path: &Path) -> Process {
    let program = ncat(["-v", "-U"]).args(args).args([path]).held();
    // Whoever runs the tests in the background has them ignore SIGINT, and us with them.
    let running = program.under(["env", "--default-signal"]).start();
    running.said(&format!("Listening on {}\n", path.display()));
    running
}

/// Connects once the peer listens: the path exists a little earlier than the queue.
fn client(path: &Path) -> Process {
    eventually("the peer to listen", || {
        let client = ncat(["-v", "-U"]).args([path]).held().start();
        let is_up = eventually("an answer", || {
            let err = client.messages();
            let failed = err.contains("refused") || err.contains("No such file");
            (failed || err.contains("Connected to")).then_some(!failed)
        });
        is_up.then_some(client)
    })
}

/// Both directions with more than the sockets hold, then the ends.
fn exchange(mut client: Process, mut server: Process, what: &str) {
    let (question, answer) = (noise(600_000, 1), noise(500_000, 2));
    let mut inputs = Vec::new();
    for (from, to, data) in [(0, 1, question), (1, 0, answer)] {
        let pair = [&mut client, &mut server];
        let mut input = pair[from].take_stdin();
        let sent = data.clone();
        let feed = thread::spawn(move || {
            input.write_all(&sent).unwrap();
            input
        });
        assert_same(&[&client, &server][to].wait_output(data.len()), &data, what);
        inputs.push(feed.join().unwrap());
    }
    drop(inputs);
    client.wait().expect_code(0);
    server.wait().expect_code(0);
}

#[test]
fn streams_between_ourselves() {
    let dir = scratch();
    let path = dir.path().join("socket");
    let server = listener(&["-l"], &path);
    exchange(client(&path), server, "ourselves");
    assert!(!path.exists());
}

#[test]
fn streams_from_every_peer() {
    let dir = scratch();
    let path = dir.path().join("socket");
    let text = path.display().to_string();
    let to = format!("UNIX-CONNECT:{text}");
    for program in [
        peer(Peer::Ncat, ["-U", &text]),
        peer(Peer::NcOpenbsd, ["-N", "-U", &text]),
        peer(Peer::Socat, ["-t", "30", "-", &to]),
    ] {
        let Some(program) = program else { continue };
        let server = listener(&["-l"], &path);
        exchange(program.held().start(), server, "a peer's client");
        assert!(!path.exists(), "removed by the listener");
    }
}

#[test]
fn streams_to_every_peer() {
    let dir = scratch();
    let path = dir.path().join("socket");
    let text = path.display().to_string();
    let at = format!("UNIX-LISTEN:{text}");
    for program in [
        peer(Peer::Ncat, ["-l", "-U", &text]),
        peer(Peer::NcOpenbsd, ["-N", "-l", "-U", &text]),
        peer(Peer::Socat, ["-t", "30", "-", &at]),
    ] {
        let Some(program) = program else { continue };
        let server = program.held().start();
        exchange(client(&path), server, "a peer's server");
        let _ = fs::remove_file(&path);
    }
}

#[test]
fn datagrams_go_both_ways() {
    let dir = scratch();
    let path = dir.path().join("socket");
    for mode in ["-l", "-lk"] {
        let mut server = listener(&["-u", mode], &path);
        let mut client = ncat(["-u", "-U"]).args([&path]).held().start();
        client.send(b"question");
        server.printed("question");
        server.send(b"answer");
        client.printed("answer");
        client.send(b" and again");
        server.printed("question and again");
        client.wait().expect_code(0);
        server.stop();
        assert!(!path.exists());
    }
}

#[test]
fn datagrams_with_socat_and_openbsd() {
    let dir = scratch();
    let path = dir.path().join("socket");
    let text = path.display().to_string();
    let own = dir.path().join("own").display().to_string();
    let mut socat = Vec::new();
    socat.extend(peer(Peer::Socat, ["-", &format!("UNIX-SENDTO:{text},bind={own}")]));
    socat.extend(peer(Peer::NcOpenbsd, ["-u", "-U", &text]));
    for program in socat {
        let mut server = listener(&["-u", "-l"], &path);
        let mut client = program.held().start();
        client.send(b"question");
        server.printed("question");
        server.send(b"answer");
        client.printed("answer");
        server.stop();
    }
    // The other way: socat receives, and answers to the address it saw.
    let from = format!("UNIX-RECVFROM:{text}");
    let Some(socat) = peer(Peer::Socat, ["-", &from]) else { return };
    let mut socat = socat.held().start();
    eventually("socat's socket", || path.exists().then_some(()));
    let mut ours = ncat(["-u", "-U", &text]).held().start();
    ours.send(b"question");
    socat.printed("question");
    socat.send(b"answer");
    ours.printed("answer");
}

#[test]
fn the_source_path_is_seen_by_the_receiver_and_removed_after() {
    let dir = scratch();
    let (path, own) = (dir.path().join("socket"), dir.path().join("own"));
    let receiver = UnixDatagram::bind(&path).unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = ncat(["-u", "-U", "-s"]).args([&own, &path]).held().start();
    client.send(b"question");
    let mut buffer = [0; 100];
    let (n, from) = receiver.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..n], from.as_pathname()), (&b"question"[..], Some(own.as_path())));
    receiver.send_to(b"answer", &own).unwrap();
    client.printed("answer");
    client.wait().expect_code(0);
    assert!(!own.exists());
}

#[test]
fn the_temporary_source_is_removed_however_the_client_ends() {
    let dir = scratch();
    let path = dir.path().join("socket");
    let left = || fs::read_dir(dir.path()).unwrap().count();
    let start = || {
        let client = ncat(["-v", "-u", "-U"]).args([&path]).env("TMPDIR", dir.path());
        client.held().start()
    };
    // Nothing there.
    start().wait().expect_code(1);
    assert_eq!(left(), 0, "after a failure to connect");
    let receiver = UnixDatagram::bind(&path).unwrap();
    let client = start();
    client.said("Connected to");
    assert_eq!(left(), 2);
    client.wait().expect_code(0);
    assert_eq!(left(), 1, "after a good end");
    let client = start();
    client.said("Connected to");
    assert_eq!(client.stop().code(), None, "killed by the signal");
    assert_eq!(left(), 1, "after a signal");
    let mut client = start();
    client.said("Connected to");
    drop(receiver);
    client.send(b"anybody?");
    client.wait().expect_code(1);
    assert_eq!(left(), 1, "after a refusal");
}

#[test]
fn an_existing_path_is_refused_and_left_alone() {
    let dir = scratch();
    let file = dir.path().join("file");
    fs::write(&file, "precious").unwrap();
    let socket = dir.path().join("socket");
    drop(UnixListener::bind(&socket).unwrap());
    for path in [&file, &socket] {
        for args in [&["-l", "-U"][..], &["-l", "-u", "-U"], &["-lk", "-U"]] {
            let ended = ncat(args).args([path]).run().expect_code(2);
            let wanted =
                format!("Ncat: bind to {}: Address already in use. QUITTING.\n", path.display());
            assert!(ended.stderr.starts_with(&wanted), "{}", ended.stderr);
            assert!(path.exists());
        }
        // Neither is it a source.
        let to = dir.path().join("to");
        let _receiver = UnixDatagram::bind(&to).unwrap();
        assert_ne!(ncat(["-u", "-U", "-s"]).args([path, &to]).run().code(), Some(0));
        assert!(path.exists());
        fs::remove_file(to).unwrap();
    }
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn our_path_is_removed_at_every_end() {
    let dir = scratch();
    let path = dir.path().join("socket");
    for args in [&["-l"][..], &["-lk"], &["-l", "-u"], &["-lk", "-u"]] {
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            let server = listener(args, &path);
            assert!(path.exists());
            server.signal(signal);
            let code = server.finish().code();
            assert!(code > Some(128), "{args:?} {signal:?}: {code:?}");
            assert!(!path.exists(), "{args:?} {signal:?}");
        }
    }
    // The client's good end.
    let server = listener(&["-l"], &path);
    drop(UnixStream::connect(&path).unwrap());
    server.wait().expect_code(0);
    assert!(!path.exists());
}

#[test]
fn a_path_that_somebody_replaced_is_not_ours_to_remove() {
    let dir = scratch();
    let path = dir.path().join("socket");
    for args in [&["-l"][..], &["-l", "-u"]] {
        let server = listener(args, &path);
        // Made beside it and renamed over it, so that the number of the file cannot be used again.
        let other = dir.path().join("other");
        fs::write(&other, "somebody else's").unwrap();
        fs::rename(&other, &path).unwrap();
        server.stop();
        assert_eq!(fs::read(&path).unwrap(), b"somebody else's");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_sender_without_a_name_does_not_end_the_server() {
    let dir = scratch();
    let path = dir.path().join("socket");
    for mode in ["-l", "-lk"] {
        let mut server = listener(&["-u", mode], &path);
        let unnamed = UnixDatagram::unbound().unwrap();
        unnamed.send_to(b"who am I? ", &path).unwrap();
        server.printed("who am I? ");
        server.said("Connection from (unnamed socket).");
        // It cannot be answered; that is no reason to stop listening to it.
        server.send(b"you have no address");
        thread::sleep(Duration::from_millis(50));
        unnamed.send_to(b"still there?", &path).unwrap();
        server.printed("still there?");
        assert!(server.is_running());
        server.stop();
    }
}

#[test]
fn what_cannot_be_answered_is_told_at_the_end() {
    let dir = scratch();
    let path = dir.path().join("socket");
    let mut server = listener(&["-u", "-l", "-i", "300ms"], &path);
    UnixDatagram::unbound().unwrap().send_to(b"hello", &path).unwrap();
    server.printed("hello");
    server.send(b"you have no address");
    server.said("19 bytes were given up, since the peer's socket has no name");
}

#[test]
fn unnamed_and_named_senders_beside_each_other() {
    let dir = scratch();
    let (path, own) = (dir.path().join("socket"), dir.path().join("own"));
    let mut server = listener(&["-u", "-lk"], &path);
    let unnamed = UnixDatagram::unbound().unwrap();
    let named = UnixDatagram::bind(&own).unwrap();
    named.set_read_timeout(Some(PATIENCE)).unwrap();
    unnamed.send_to(b"one ", &path).unwrap();
    server.printed("one ");
    named.send_to(b"two ", &path).unwrap();
    server.printed("one two ");
    let mut buffer = [0; 100];
    for word in ["a", "b"] {
        server.send(word.as_bytes());
        let n = named.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..n], word.as_bytes());
    }
    unnamed.send_to(b"three", &path).unwrap();
    server.printed("one two three");
}

#[test]
fn a_stream_listener_serves_many_with_k() {
    let dir = scratch();
    let path = dir.path().join("socket");
    let server = listener(&["-lk"], &path);
    for at in 1..=5 {
        ncat(["-U", "--send-only"]).args([&path]).bytes("12345").run().expect_code(0);
        server.wait_output(at * 5);
    }
    server.said("Connection from (unnamed socket).");
}

#[test]
fn a_full_queue_ends_at_the_deadline() {
    let dir = scratch();
    let path = dir.path().join("socket");
    let address = SockAddr::unix(&path).unwrap();
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&address).unwrap();
    listener.listen(0).unwrap();
    let mut fill = Vec::new();
    loop {
        let one = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        one.set_nonblocking(true).unwrap();
        if one.connect(&address).is_err() {
            break;
        }
        fill.push(one);
    }
    let began = Instant::now();
    let ended = ncat(["-U", "-w", "500ms"]).args([&path]).run().expect_code(1);
    assert_took(began, Duration::from_millis(500), Duration::from_secs(10));
    assert!(ended.stderr.starts_with("Ncat: TIMEOUT.\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: its queue is full"), "{}", ended.stderr);
    // A place that is freed within the time is taken.
    let client = ncat(["-z", "-U"]).args([&path]).start();
    drop(listener.accept().unwrap());
    client.finish().expect_code(0);
}
