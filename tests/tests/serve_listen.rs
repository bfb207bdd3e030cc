//! Listening by TCP: what is bound, one client or many, the limit, and those who come late.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod serve_support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serve_support::{
    PATIENCE, Process, Watch, assert_same, eventually, file, is_root, ncat, noise, scratch, skip,
};

fn connect(host: &str, port: u16) -> TcpStream {
    let stream = TcpStream::connect((host, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_all(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn read_some(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Whether the server closes at once, with FIN or reset.
fn is_turned_away(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0; 10]), Ok(0) | Err(_))
}

fn listener(args: &[&str]) -> Process {
    ncat(["-v"]).args(args).held().start()
}

#[test]
fn neither_host_nor_family_is_both_families() {
    for host in ["127.0.0.1", "::1"] {
        let server = listener(&["-l", "0"]);
        let port = server.port();
        let err = server.said("Listening on 0.0.0.0:");
        let lines: Vec<&str> = err.lines().filter(|line| line.contains("Listening on")).collect();
        assert_eq!(lines[0], format!("Ncat: Listening on [::]:{port}"), "IPv6 first");
        drop(connect(host, port));
        server.wait().expect_code(0);
    }
}

#[test]
fn four_or_six_bind_one_family() {
    for (option, wanted, yes, no) in
        [("-4", "0.0.0.0:", "127.0.0.1", "::1"), ("-6", "[::]:", "::1", "127.0.0.1")]
    {
        let server = listener(&[option, "-l", "0"]);
        let port = server.port();
        assert!(TcpStream::connect((no, port)).is_err(), "{option} is reached at {no}");
        drop(connect(yes, port));
        let err = server.wait().expect_code(0).stderr;
        assert!(err.contains(&format!("Listening on {wanted}{port}\n")), "{err}");
        assert_eq!(err.matches("Listening on").count(), 1);
    }
}

#[test]
fn host_and_port_in_every_arrangement() {
    for args in [
        &["-l", "127.0.0.1", "0"][..],
        &["-l", "-p", "0", "127.0.0.1"],
        &["-lp0", "localhost"],
        &["-n", "-l", "127.0.0.1", "0"],
        &["-l", "127.0.0.1", "+0"],
    ] {
        let server = listener(args);
        let port = server.port();
        server.said(&format!("Listening on 127.0.0.1:{port}\n"));
        drop(connect("127.0.0.1", port));
        server.wait().expect_code(0);
    }
    for args in [&["-l", "-p", "0"][..], &["-l", ""], &["-lp", "0"]] {
        let server = listener(args);
        let port = server.port();
        drop(connect("::1", port));
        server.wait().expect_code(0);
    }
    // With -p a word of digits is a host.
    let ended = ncat(["-l", "-p", "0", "45002"]).run().expect_code(2);
    assert!(ended.stderr.starts_with("Ncat: bind to 0.0.175.202:"), "{}", ended.stderr);
}

#[test]
fn the_default_port_is_31337() {
    if !is_root() {
        return skip("a network of one's own needs root (unshare)");
    }
    // In a network namespace of its own, where nobody else can have it.
    let up = "ip link set lo up && exec \"$0\" \"$@\"";
    for (args, wanted) in [
        (&["-v", "-l"][..], "[::]:31337\n"),
        (&["-v", "-l", "127.0.0.1"], "127.0.0.1:31337\n"),
        (&["-v", "-u", "-l"], "[::]:31337\n"),
    ] {
        let server = ncat(args).under(["unshare", "-n", "sh", "-c", up]).start();
        server.said(&format!("Listening on {wanted}"));
    }
}

#[test]
fn a_port_in_use_is_2_with_a_hint() {
    let server = listener(&["-l", "127.0.0.1", "0"]);
    let port = server.port().to_string();
    let ended = ncat(["-l", "127.0.0.1", &port]).run().expect_code(2);
    let wanted = format!("Ncat: bind to 127.0.0.1:{port}: Address already in use. QUITTING.\n");
    assert!(ended.stderr.starts_with(&wanted), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint:"));
}

#[test]
fn without_k_the_first_client_closes_the_door() {
    let mut server = listener(&["-l", "127.0.0.1", "0"]);
    let port = server.port();
    let mut first = connect("127.0.0.1", port);
    server.said("Connection from ");
    eventually("the door to be closed", || TcpStream::connect(("127.0.0.1", port)).err());
    first.write_all(b"hello").unwrap();
    server.printed("hello");
    server.send(b"answer");
    server.end_input();
    assert_eq!(read_all(&mut first), "answer");
    drop(first);
    server.wait().expect_code(0);
}

#[test]
fn one_client_after_another_and_all_at_once() {
    let mut server = listener(&["-lk", "127.0.0.1", "0"]);
    let port = server.port();
    for at in 1..=10 {
        let mut client = connect("127.0.0.1", port);
        client.write_all(b"12345").unwrap();
        drop(client);
        server.wait_output(at * 5);
    }
    let mut clients: Vec<TcpStream> = (0..20).map(|_| connect("127.0.0.1", port)).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        client.write_all(b"abcde").unwrap();
        server.wait_output(50 + (at + 1) * 5);
    }
    server.send(b"to all");
    for client in &mut clients {
        assert_eq!(read_some(client, 6), b"to all");
    }
    // One that leaves, be it with a reset, concerns nobody else.
    socket2::SockRef::from(&clients[0]).set_linger(Some(Duration::ZERO)).unwrap();
    clients.remove(0);
    server.send(b"still");
    for client in &mut clients {
        assert_eq!(read_some(client, 5), b"still");
    }
    assert!(server.is_running());
}

#[test]
fn much_from_many_at_once_is_all_there() {
    let server = listener(&["-lk", "127.0.0.1", "0"]);
    let port = server.port();
    let all: Vec<_> = (0..8u8)
        .map(|who| {
            std::thread::spawn(move || {
                let mut client = connect("127.0.0.1", port);
                client.write_all(&vec![who; 1_000_000]).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
            })
        })
        .collect();
    all.into_iter().for_each(|client| client.join().unwrap());
    let bytes = server.wait_output(8_000_000);
    for who in 0..8u8 {
        assert_eq!(bytes.iter().filter(|byte| **byte == who).count(), 1_000_000);
    }
}

#[test]
fn everything_from_a_file_goes_to_each_client() {
    let dir = scratch();
    let path = dir.path().join("data");
    let data = noise(3_000_000, 1);
    std::fs::write(&path, &data).unwrap();
    let server = ncat(["-v", "-lk", "127.0.0.1", "0"]).input(file(&path)).start();
    let mut client = connect("127.0.0.1", server.port());
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    assert_same(&got, &data, "file");
}

#[test]
fn the_limit_fills_rejects_frees_and_accepts() {
    for limit in [1usize, 10] {
        let server = listener(&["-lk", "-m", &limit.to_string(), "127.0.0.1", "0"]);
        let port = server.port();
        let mut inside: Vec<TcpStream> = (0..limit).map(|_| connect("127.0.0.1", port)).collect();
        for (at, client) in inside.iter_mut().enumerate() {
            client.write_all(b"x").unwrap();
            server.wait_output(at + 1);
        }
        for _ in 0..2 {
            assert!(is_turned_away(&mut connect("127.0.0.1", port)));
        }
        let wanted = format!("Ncat: New connection denied: connection limit reached ({limit})\n");
        server.said_times(&wanted, 2);
        // Freed by an orderly end, then by a reset.
        for is_reset in [false, true] {
            let gone = inside.remove(0);
            if is_reset {
                socket2::SockRef::from(&gone).set_linger(Some(Duration::ZERO)).unwrap();
            }
            drop(gone);
            let next = eventually("a place", || {
                let mut next = connect("127.0.0.1", port);
                let before = server.wait_output(0).len();
                next.write_all(b"y").ok()?;
                let mut buffer = [0; 1];
                next.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                match next.read(&mut buffer) {
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                        server.wait_output(before + 1);
                        Some(next)
                    }
                    _ => None,
                }
            });
            inside.push(next);
            assert!(is_turned_away(&mut connect("127.0.0.1", port)), "the count is right again");
        }
    }
}

#[test]
fn a_limit_of_0_refuses_everybody() {
    let mut server = listener(&["-lk", "-m", "0", "127.0.0.1", "0"]);
    let port = server.port();
    for _ in 0..3 {
        assert!(is_turned_away(&mut connect("127.0.0.1", port)));
    }
    server.said("connection limit reached (0)");
    assert!(server.is_running());
    // Without -k, where Ncat says that it ignores the limit, as well: refused clients do not end it.
    let mut server = listener(&["-l", "-m", "0", "127.0.0.1", "0"]);
    let port = server.port();
    for _ in 0..2 {
        assert!(is_turned_away(&mut connect("127.0.0.1", port)));
    }
    server.said("connection limit reached (0)");
    let warning = "Ncat: Warning: -m 0 is enforced although -k is not given: every client is";
    assert!(server.messages().starts_with(warning), "{}", server.messages());
    assert!(server.is_running());
}

#[test]
fn who_comes_after_the_end_of_input_is_told_so() {
    let mut server = listener(&["-lk", "127.0.0.1", "0"]);
    let port = server.port();
    let mut first = connect("127.0.0.1", port);
    server.said("Connection from ");
    server.send(b"last words");
    server.end_input();
    assert_eq!(read_all(&mut first), "last words");
    for at in 1..=3 {
        let mut late = connect("127.0.0.1", port);
        assert_eq!(read_all(&mut late), "", "FIN at once");
        // It may still speak.
        late.write_all(b"late").unwrap();
        server.wait_output(at * 4);
    }
    first.write_all(b" and first").unwrap();
    server.printed(" and first");
}

#[test]
fn with_no_shutdown_nobody_is_told() {
    let mut server = listener(&["-lk", "--no-shutdown", "127.0.0.1", "0"]);
    let port = server.port();
    let mut first = connect("127.0.0.1", port);
    server.said("Connection from ");
    server.send(b"words");
    server.end_input();
    assert_eq!(read_some(&mut first, 5), b"words");
    for client in [&mut first, &mut connect("127.0.0.1", port)] {
        client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let error = client.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[test]
fn a_client_that_only_looks_ends_the_single_listener_and_not_the_other() {
    let server = listener(&["-l", "127.0.0.1", "0"]);
    drop(connect("127.0.0.1", server.port()));
    server.wait().expect_code(0);
    let mut server = listener(&["-lk", "127.0.0.1", "0"]);
    let port = server.port();
    for _ in 0..50 {
        drop(connect("127.0.0.1", port));
    }
    connect("127.0.0.1", port).write_all(b"here").unwrap();
    server.printed("here");
    assert!(server.is_running());
}

/// The end of input is what ends these runs; that nobody is there to hear it must not hide it.
#[test]
fn input_that_ends_after_the_last_client_has_left_ends_the_run() {
    for option in ["--eof=quit", "-q1ms"] {
        let mut server = listener(&["-v", "-l", "-k", option, "127.0.0.1", "0"]);
        let mut client = connect("127.0.0.1", server.port());
        server.send(b"all");
        assert_eq!(read_some(&mut client, 3), b"all");
        drop(client);
        server.said(" closed (");
        server.wait().expect_code(0);
    }
}
