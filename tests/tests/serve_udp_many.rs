//! UDP with `-k`: many peers on one socket, each told apart, none able to lock out the others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod serve_support;

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use serve_support::{PATIENCE, Signal, Watch, eventually, ncat};

fn client(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 70_000];
    let n = socket.recv(&mut buffer).unwrap();
    buffer.truncate(n);
    buffer
}

fn name(socket: &UdpSocket) -> String {
    socket.local_addr().unwrap().to_string()
}

#[test]
fn racing_peers_lose_nothing_and_get_every_reply() {
    const EACH: usize = 400;
    for _ in 0..3 {
        let mut server = ncat(["-v", "-u", "-lk", "127.0.0.1", "0"]).held().start();
        let clients = [client(server.port()), client(server.port())];
        // Both first datagrams, and more, wait together when the listener looks.
        server.signal(Signal::STOP);
        let senders: Vec<_> = clients
            .iter()
            .enumerate()
            .map(|(who, socket)| {
                let socket = socket.try_clone().unwrap();
                thread::spawn(move || {
                    for at in 0..EACH {
                        socket.send(format!("{who}{at:06}\n").as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        server.signal(Signal::CONT);
        let all = server.wait_output(2 * EACH * 8);
        let lines: Vec<&str> = std::str::from_utf8(&all).unwrap().lines().collect();
        for who in ["0", "1"] {
            let mine = lines.iter().filter_map(|line| line.strip_prefix(who));
            let numbers: Vec<usize> = mine.map(|line| line.parse().unwrap()).collect();
            assert_eq!(numbers, Vec::from_iter(0..EACH), "peer {who}");
        }
        server.said_times("Connection from", 2);
        for reply in ["one", "two", "three"] {
            server.send(reply.as_bytes());
            assert_eq!(receive(&clients[0]), reply.as_bytes());
            assert_eq!(receive(&clients[1]), reply.as_bytes());
        }
    }
}

#[test]
fn many_peers_are_served_beside_each_other() {
    let mut server = ncat(["-v", "-u", "-lk", "-m", "200", "127.0.0.1", "0"]).held().start();
    let port = server.port();
    let clients: Vec<_> = (0..150).map(|_| client(port)).collect();
    for (at, socket) in clients.iter().enumerate() {
        socket.send(b"12345678").unwrap();
        server.wait_output((at + 1) * 8);
    }
    server.send(b"to all of you");
    for socket in &clients {
        assert_eq!(receive(socket), b"to all of you");
    }
    // The first one is still known.
    clients[0].send(b"again").unwrap();
    server.printed("again");
    server.said_times("Connection from", 150);
}

#[test]
fn the_limit_refuses_only_the_newcomer() {
    let mut server =
        ncat(["-v", "-u", "-lk", "-m", "2", "-i", "1500ms", "127.0.0.1", "0"]).held().start();
    let port = server.port();
    let (one, two, three) = (client(port), client(port), client(port));
    one.send(b"one ").unwrap();
    two.send(b"two ").unwrap();
    server.printed("one two ");
    three.send(b"three ").unwrap();
    server.said("New connection denied: connection limit reached (2)");
    three.send(b"three ").unwrap();
    one.send(b"ONE ").unwrap();
    two.send(b"TWO ").unwrap();
    server.printed("one two ONE TWO ");
    server.send(b"hello");
    assert_eq!(receive(&one), b"hello");
    assert_eq!(receive(&two), b"hello");
    assert_eq!(server.messages().matches("denied").count(), 1, "told once");
    // The others expire, and the newcomer is let in; the listener has not gone deaf.
    eventually("the newcomer to be let in", || {
        three.send(b"three ").unwrap();
        thread::sleep(Duration::from_millis(50));
        server.output().contains("three").then_some(())
    });
    assert!(server.is_running());
}

#[test]
fn an_idle_peer_is_forgotten_and_the_others_are_not() {
    let mut server =
        ncat(["-v", "--json", "-u", "-lk", "-i", "700ms", "127.0.0.1", "0"]).held().start();
    let port = server.port();
    let (idle, busy) = (client(port), client(port));
    idle.send(b"i").unwrap();
    busy.send(b"b").unwrap();
    let closed = eventually("the idle peer to be forgotten", || {
        busy.send(b"b").unwrap();
        thread::sleep(Duration::from_millis(50));
        let err = server.messages();
        err.lines().find(|line| line.contains("\"closed\"")).map(str::to_string)
    });
    assert!(closed.contains(&name(&idle)) && closed.contains("\"idle\""), "{closed}");
    // It is welcome again, as a new peer.
    idle.send(b"I am back").unwrap();
    server.printed("I am back");
    server.said_times(&format!("Connection from {}.", name(&idle)), 2);
    assert!(server.is_running());
}

#[test]
fn input_before_the_first_peer_waits_for_it() {
    let mut server = ncat(["-v", "-u", "-lk", "127.0.0.1", "0"]).held().start();
    server.send(b"early");
    let socket = client(server.port());
    socket.send(b"x").unwrap();
    assert_eq!(receive(&socket), b"early");
}

#[test]
fn the_end_of_input_leaves_the_listener_open() {
    for mode in ["-l", "-lk"] {
        let mut server = ncat(["-v", "-u", mode, "127.0.0.1", "0"]).held().start();
        let socket = client(server.port());
        socket.send(b"one ").unwrap();
        server.send(b"answer");
        server.end_input();
        assert_eq!(receive(&socket), b"answer");
        socket.send(b"two").unwrap();
        server.printed("one two");
        assert_eq!(server.stop().code(), Some(128 + 15));
    }
}

#[test]
fn both_families_and_the_peers_of_each() {
    let server = ncat(["-v", "-u", "-lk", "0"]).bytes("to both").start();
    let port = server.port();
    server.said("Listening on 0.0.0.0:");
    let v4 = client(port);
    let v6 = UdpSocket::bind("[::1]:0").unwrap();
    v6.set_read_timeout(Some(PATIENCE)).unwrap();
    v6.connect(("::1", port)).unwrap();
    server.signal(Signal::STOP);
    v4.send(b"4").unwrap();
    v6.send(b"6").unwrap();
    server.signal(Signal::CONT);
    server.wait_output(2);
    server.said(&format!("Connection from {}.", name(&v6)));
    server.said(&format!("Connection from {}.", name(&v4)));
}
