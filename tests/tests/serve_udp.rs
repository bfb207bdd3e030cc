//! UDP: every datagram arrives whole, once, and at the right peer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod serve_support;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serve_support::{
    PATIENCE, Signal, Told, Watch, assert_same, assert_took, eventually, file, ncat, noise, scratch,
};

/// A socket of the test's own, with a deadline.
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

/// Whether nothing more is there for `socket`.
fn is_quiet(socket: &UdpSocket, time: Duration) -> bool {
    socket.set_read_timeout(Some(time)).unwrap();
    let quiet = socket.recv(&mut [0; 70_000]).is_err();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    quiet
}

#[test]
fn the_longest_datagram_passes_through_the_client_both_ways() {
    let (server, port) = socket();
    let (question, answer) = (noise(65_507, 1), noise(65_507, 2));
    let mut client = ncat(["-u", "--datagram-size", "65507", "127.0.0.1", &port]).held().start();
    let mut input = client.take_stdin();
    let sent = question.clone();
    let feed = std::thread::spawn(move || {
        std::io::Write::write_all(&mut input, &sent).unwrap();
        input
    });
    let mut got = Vec::new();
    let mut from = None;
    // A pipe is read as it fills, so that several datagrams may come; together they are all of it.
    while got.len() < question.len() {
        let (datagram, sender) = receive(&server);
        got.extend(datagram);
        from = Some(sender);
    }
    assert_same(&got, &question, "sent");
    server.send_to(&answer, from.unwrap()).unwrap();
    assert_same(&client.wait_output(answer.len()), &answer, "received");
    drop(feed.join().unwrap());
    client.wait().expect_code(0);
}

#[test]
fn a_file_is_cut_into_datagrams_of_the_size_asked_for() {
    let dir = scratch();
    for (size, len) in [(65_507, 65_507), (65_507, 100_000), (1000, 20_500), (1, 70)] {
        let (server, port) = socket();
        let data = noise(len, size as u64);
        let path = dir.path().join("data");
        std::fs::write(&path, &data).unwrap();
        let client = ncat(["-u", "--datagram-size", &size.to_string(), "127.0.0.1", &port])
            .input(file(&path))
            .start();
        let mut got = Vec::new();
        for wanted in data.chunks(size) {
            let (datagram, _) = receive(&server);
            assert_eq!(datagram.len(), wanted.len(), "size {size}");
            got.extend(datagram);
        }
        assert_same(&got, &data, "datagrams");
        client.wait().expect_code(0);
    }
}

#[test]
fn without_a_size_a_file_is_cut_as_ncat_cuts_it() {
    let (server, port) = socket();
    let dir = scratch();
    let path = dir.path().join("data");
    std::fs::write(&path, noise(20_000, 3)).unwrap();
    let client = ncat(["-u", "127.0.0.1", &port]).input(file(&path)).start();
    let lens: Vec<usize> = (0..3).map(|_| receive(&server).0.len()).collect();
    assert_eq!(lens, [8192, 8192, 3616]);
    client.wait().expect_code(0);
}

#[test]
fn the_longest_datagram_passes_through_the_listener_both_ways() {
    let dir = scratch();
    let (question, answer) = (noise(65_507, 4), noise(65_507, 5));
    let path = dir.path().join("answer");
    std::fs::write(&path, &answer).unwrap();
    for keep_open in [false, true] {
        let mut args = vec!["-v", "-u", "-l", "--datagram-size", "65507", "127.0.0.1", "0"];
        args.extend(keep_open.then_some("-k"));
        let server = ncat(args).input(file(&path)).start();
        let (client, _) = socket();
        client.connect(("127.0.0.1", server.port())).unwrap();
        client.send(&question).unwrap();
        assert_same(&server.wait_output(question.len()), &question, "received");
        assert_same(&receive(&client).0, &answer, "sent");
    }
}

#[test]
fn an_empty_datagram_is_kept_and_is_not_an_end() {
    // The client.
    let (server, port) = socket();
    let mut client = ncat(["-u", "127.0.0.1", &port]).held().start();
    client.send(b"hello");
    let (_, from) = receive(&server);
    for datagram in [&b""[..], b"one", b"", b"two"] {
        server.send_to(datagram, from).unwrap();
    }
    client.printed("onetwo");
    client.send(b"still here");
    assert_eq!(receive(&server).0, b"still here");
    client.wait().expect_code(0);

    // The listener, single and -k.
    for mode in ["-l", "-lk"] {
        let mut listener = ncat(["-v", "-u", mode, "127.0.0.1", "0"]).held().start();
        let (client, _) = socket();
        client.connect(("127.0.0.1", listener.port())).unwrap();
        for datagram in [&b""[..], b"one", b"", b"two"] {
            client.send(datagram).unwrap();
        }
        listener.printed("onetwo");
        listener.send(b"answer");
        assert_eq!(receive(&client).0, b"answer");
        assert!(listener.is_running());
        assert_eq!(listener.messages().matches("Connection from").count(), 1);
    }
}

#[test]
fn datagrams_are_neither_merged_nor_split() {
    // The transcript begins each transmission at offset 0.
    let dir = scratch();
    for mode in ["-l", "-lk"] {
        let log = dir.path().join(format!("log{mode}"));
        let listener = ncat(["-v", "-u", mode, "127.0.0.1", "0", "-x"]).args([&log]).start();
        let data = noise(50 * 100 + 40, 6);
        let path = dir.path().join("data");
        std::fs::write(&path, &data).unwrap();
        let port = listener.port().to_string();
        ncat(["-u", "--datagram-size", "100", "127.0.0.1", &port])
            .input(file(&path))
            .run()
            .expect_code(0);
        assert_same(&listener.wait_output(data.len()), &data, "received");
        let text = std::fs::read_to_string(&log).unwrap();
        assert_eq!(text.lines().filter(|line| line.starts_with("0000 ")).count(), 51);
        assert_eq!(text.lines().filter(|line| line.starts_with("0060 ")).count(), 50);
        assert_eq!(text.lines().filter(|line| line.starts_with("0070 ")).count(), 0);
    }
}

#[test]
fn a_late_reply_arrives_after_the_end_of_input() {
    let (server, port) = socket();
    let began = Instant::now();
    let client = ncat(["-u", "127.0.0.1", &port]).bytes("question").start();
    let (_, from) = receive(&server);
    // The end of input has come with the question; each reply prolongs the wait.
    for reply in ["one ", "two ", "three"] {
        std::thread::sleep(Duration::from_millis(200));
        server.send_to(reply.as_bytes(), from).unwrap();
    }
    let ended = client.wait().expect_code(0);
    assert_eq!(ended.text(), "one two three");
    assert_took(began, Duration::from_millis(600), Duration::from_secs(10));
}

#[test]
fn quit_time_replaces_the_linger() {
    let (server, port) = socket();
    let began = Instant::now();
    let client = ncat(["-u", "-q", "1200ms", "127.0.0.1", &port]).bytes("question").start();
    let (_, from) = receive(&server);
    std::thread::sleep(Duration::from_millis(800));
    server.send_to(b"late", from).unwrap();
    assert_eq!(client.wait().expect_code(0).text(), "late");
    assert_took(began, Duration::from_millis(1200), Duration::from_secs(10));
}

#[test]
fn a_refusal_ends_the_client_with_1() {
    let (server, port) = socket();
    drop(server);
    let ended = ncat(["-u", "127.0.0.1", &port]).bytes("anybody?").run().expect_code(1);
    assert!(ended.stderr.starts_with("Ncat: Connection refused.\n"), "{}", ended.stderr);
}

#[test]
fn a_peer_that_vanishes_ends_the_single_listener_with_1_and_leaves_the_others() {
    let mut listener = ncat(["-v", "-u", "-l", "127.0.0.1", "0"]).held().start();
    let (client, _) = socket();
    client.send_to(b"hello", ("127.0.0.1", listener.port())).unwrap();
    listener.printed("hello");
    drop(client);
    listener.send(b"answer");
    let ended = listener.finish().expect_code(1);
    assert!(ended.stderr.contains("Ncat: Connection refused.\n"), "{}", ended.stderr);

    let mut listener = ncat(["-v", "-u", "-lk", "127.0.0.1", "0"]).held().start();
    let (one, _) = socket();
    let (two, _) = socket();
    for client in [&one, &two] {
        client.send_to(b"hello", ("127.0.0.1", listener.port())).unwrap();
    }
    listener.printed("hellohello");
    drop(one);
    for word in ["a", "b", "c"] {
        listener.send(word.as_bytes());
        assert_eq!(receive(&two).0, word.as_bytes());
    }
    assert!(listener.is_running());
}

#[test]
fn a_second_listener_on_the_port_is_refused() {
    for host in ["127.0.0.1", "::1"] {
        let first = ncat(["-v", "-u", "-l", host, "0"]).start();
        let port = first.port().to_string();
        let ended = ncat(["-u", "-l", host, &port]).run().expect_code(2);
        let wanted = "Address already in use. QUITTING.\n";
        assert!(
            ended.stderr.starts_with("Ncat: bind to ") && ended.stderr.contains(wanted),
            "{ended:?}"
        );
    }
}

#[test]
fn port_0_is_one_port_said_once() {
    let listener = ncat(["-v", "-u", "-lk", "127.0.0.1", "0"]).start();
    let port = listener.port();
    assert_ne!(port, 0);
    for at in 1..=5 {
        let (client, _) = socket();
        client.send_to(b"x", ("127.0.0.1", port)).unwrap();
        listener.wait_output(at);
    }
    assert_eq!(listener.messages().matches("Listening on").count(), 1);

    // Both families get the same one.
    let dual = ncat(["-v", "-u", "-l", "0"]).start();
    let port = dual.port();
    let err = dual.said("Listening on 0.0.0.0:");
    assert!(err.contains(&format!("Listening on [::]:{port}\n")), "{err}");
    eventually("the second line", || {
        dual.messages().contains(&format!("0.0.0.0:{port}\n")).then_some(())
    });
}

#[test]
fn an_idle_client_ends_with_1() {
    let (_server, port) = socket();
    let client = ncat(["-u", "-i", "300ms", "127.0.0.1", &port]).held().start();
    let ended = client.finish().expect_code(1);
    assert!(ended.stderr.starts_with("Ncat: Idle timeout expired (300 ms).\n"), "{}", ended.stderr);
}

#[test]
fn the_first_peer_keeps_the_single_listener() {
    let mut listener = ncat(["-v", "-u", "-l", "127.0.0.1", "0"]).held().start();
    let to = ("127.0.0.1", listener.port());
    let ((one, _), (two, _)) = (socket(), socket());
    // All of these wait in the socket together when the listener looks.
    listener.signal(Signal::STOP);
    for (client, word) in [(&one, "A1 "), (&two, "B1 "), (&one, "A2 "), (&two, "B2 ")] {
        client.send_to(word.as_bytes(), to).unwrap();
    }
    listener.signal(Signal::CONT);
    listener.printed("A1 A2 ");
    listener.send(b"reply");
    assert_eq!(receive(&one).0, b"reply");
    one.send_to(b"A3", to).unwrap();
    listener.printed("A1 A2 A3");
    assert!(is_quiet(&two, Duration::from_millis(100)));
    assert!(!listener.output().contains('B'));
}
