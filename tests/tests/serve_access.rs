//! `--allow`, `--deny` and their files, on every transport.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod serve_support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use serve_support::{PATIENCE, Process, Watch, ncat, scratch};
use socket2::{Domain, Socket, Type};

fn listener(args: &[&str]) -> Process {
    ncat(["-v"]).args(args).held().start()
}

/// A TCP connection from `source` to the listener's port, by IPv4 or IPv6.
fn connect(source: &str, port: u16) -> TcpStream {
    let from: SocketAddr = SocketAddr::new(source.parse().unwrap(), 0);
    let host = if from.is_ipv4() { "127.0.0.1" } else { "::1" };
    let socket = Socket::new(Domain::for_address(from), Type::STREAM, None).unwrap();
    socket.bind(&from.into()).unwrap();
    let to: SocketAddr = SocketAddr::new(host.parse().unwrap(), port);
    socket.connect(&to.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

/// Whether the `-k` listener lets `source` in.
fn lets_in(server: &mut Process, source: &str) -> bool {
    let port = server.port();
    let before = server.wait_output(0).len();
    let mut stream = connect(source, port);
    // One who is let in is heard and waits; one who is not is closed on.
    let _ = stream.write_all(b"x");
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    loop {
        if server.wait_output(0).len() > before {
            return true;
        }
        match stream.read(&mut [0; 1]) {
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => return false,
        }
    }
}

#[track_caller]
fn check(args: &[&str], yes: &[&str], no: &[&str]) {
    let mut server = listener(&[&["-lk", "0"], args].concat());
    server.said("Listening on 0.0.0.0:");
    for source in yes {
        assert!(lets_in(&mut server, source), "{args:?} refuses {source}");
    }
    for source in no {
        assert!(!lets_in(&mut server, source), "{args:?} lets {source} in");
        server.said("New connection denied: not allowed");
    }
    assert!(server.is_running());
}

#[test]
fn one_address_a_range_a_prefix() {
    check(&["--allow", "127.0.0.1"], &["127.0.0.1"], &["127.0.0.2", "::1"]);
    check(&["--deny", "127.0.0.1"], &["127.0.0.2", "::1"], &["127.0.0.1"]);
    check(&["--allow", "127.0.0.0/30"], &["127.0.0.1", "127.0.0.3"], &["127.0.0.4"]);
    check(&["--allow", "127.0.0-1.2-4"], &["127.0.0.2", "127.0.1.4"], &["127.0.0.1", "127.0.2.2"]);
    check(&["--allow", "127.0.*.9"], &["127.0.7.9"], &["127.0.7.8"]);
    check(&["--allow", "::1"], &["::1"], &["127.0.0.1"]);
    check(
        &["--allow", "127.0.0.0/8", "--deny", "127.0.0.128/25"],
        &["127.0.0.5"],
        &["127.0.0.129"],
    );
}

#[test]
fn an_ipv6_prefix_is_for_ipv6_and_covers_all_of_it() {
    check(&["--allow", "::/0"], &["::1"], &["127.0.0.1"]);
    check(&["--deny", "::/0"], &["127.0.0.1"], &["::1"]);
}

#[test]
fn names_stand_for_their_addresses() {
    check(&["--allow", "localhost"], &["127.0.0.1"], &["127.0.0.2"]);
    let ended = ncat(["-n", "-l", "0", "--allow", "localhost"]).run().expect_code(2);
    assert!(!ended.stderr.contains("Listening"), "{}", ended.stderr);
}

#[test]
fn options_add_up_and_deny_wins() {
    let dir = scratch();
    let (allow, deny) = (dir.path().join("allow"), dir.path().join("deny"));
    fs::write(&allow, "127.0.0.3\n\n  127.0.0.4 127.0.0.5\n").unwrap();
    fs::write(&deny, "127.0.0.4").unwrap();
    let (allow, deny) = (allow.to_str().unwrap(), deny.to_str().unwrap());
    let args = ["--allow", "127.0.0.1,127.0.0.2", "--allow", "127.0.0.6", "--allowfile", allow];
    check(
        &args,
        &["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6"],
        &["127.0.0.7"],
    );
    check(
        &[&args[..], &["--denyfile", deny, "--deny", "127.0.0.2"]].concat(),
        &["127.0.0.1", "127.0.0.3", "127.0.0.5"],
        &["127.0.0.2", "127.0.0.4", "127.0.0.8"],
    );
    check(&["--allow", ""], &[], &["127.0.0.1", "::1"]);
}

#[test]
fn a_denied_client_hears_nothing_and_is_not_heard() {
    let mut server = listener(&["-lk", "127.0.0.1", "0", "--deny", "127.0.0.2"]);
    let port = server.port();
    server.send(b"secret");
    let mut denied = connect("127.0.0.2", port);
    let mut got = Vec::new();
    let _ = denied.read_to_end(&mut got);
    assert!(got.is_empty());
    let mut good = connect("127.0.0.1", port);
    let mut buffer = [0; 6];
    good.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"secret");
    assert_eq!(server.wait_output(0).len(), 0);
}

#[test]
fn a_denied_first_client_does_not_use_up_a_single_listener() {
    let mut server = listener(&["-l", "127.0.0.1", "0", "--allow", "127.0.0.1"]);
    let port = server.port();
    for _ in 0..3 {
        let mut denied = connect("127.0.0.2", port);
        assert!(matches!(denied.read(&mut [0; 1]), Ok(0) | Err(_)));
    }
    let mut good = connect("127.0.0.1", port);
    good.write_all(b"it is me").unwrap();
    server.printed("it is me");
    server.send(b"hello");
    let mut buffer = [0; 5];
    good.read_exact(&mut buffer).unwrap();
    drop(good);
    let err = server.wait().expect_code(0).stderr;
    assert_eq!(err.matches("New connection denied: not allowed").count(), 3, "{err}");
}

#[test]
fn datagrams_of_the_denied_are_dropped_and_told_once() {
    for mode in ["-l", "-lk"] {
        let mut server = listener(&[
            "-u",
            mode,
            "127.0.0.1",
            "0",
            "--allow",
            "127.0.0.1",
            "--deny",
            "127.0.0.2",
        ]);
        let to = ("127.0.0.1", server.port());
        let denied = UdpSocket::bind("127.0.0.2:0").unwrap();
        let good = UdpSocket::bind("127.0.0.1:0").unwrap();
        good.set_read_timeout(Some(PATIENCE)).unwrap();
        for _ in 0..3 {
            denied.send_to(b"no ", to).unwrap();
        }
        server.said("New connection denied: not allowed");
        good.send_to(b"yes ", to).unwrap();
        server.printed("yes ");
        denied.send_to(b"no ", to).unwrap();
        good.send_to(b"again", to).unwrap();
        server.printed("yes again");
        assert_eq!(server.output(), "yes again");
        server.send(b"answer");
        let mut buffer = [0; 10];
        assert_eq!(good.recv(&mut buffer).unwrap(), 6);
        denied.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(denied.recv(&mut buffer).is_err());
        assert_eq!(server.messages().matches("denied").count(), 1);
    }
}

#[test]
fn unix_peers_match_no_address() {
    let dir = scratch();
    let path = dir.path().join("socket");
    let text = path.to_str().unwrap();
    let mut server = listener(&["-lk", "-U", "--allow", "0.0.0.0/0,::/0", text]);
    server.said("Listening on");
    let mut client = UnixStream::connect(&path).unwrap();
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "any allow option denies them");
    assert!(server.is_running());
    server.stop();

    let server = listener(&["-lk", "-U", "--deny", "0.0.0.0/0,::/0", text]);
    server.said("Listening on");
    UnixStream::connect(&path).unwrap().write_all(b"hello").unwrap();
    server.printed("hello");
    server.stop();

    let server = listener(&["-lk", "-u", "-U", "--allow", "127.0.0.1", text]);
    server.said("Listening on");
    UnixDatagram::unbound().unwrap().send_to(b"hello", &path).unwrap();
    server.said("New connection denied: not allowed");
    assert_eq!(server.wait_output(0).len(), 0);
}

#[test]
fn what_cannot_be_read_or_understood_is_2_before_anything_is_bound() {
    let dir = scratch();
    let bad = dir.path().join("bad");
    fs::write(&bad, "127.0.0.1 999.1.1.1\n").unwrap();
    let bad = bad.to_str().unwrap();
    let absent = dir.path().join("absent");
    let absent = absent.to_str().unwrap();
    let directory = dir.path().to_str().unwrap();
    for args in [
        ["--allow", "127.0.0.1/33"],
        ["--deny", "::1/129"],
        ["--allow", "1.2.3"],
        ["--allow", "no such host"],
        ["--allowfile", bad],
        ["--denyfile", absent],
        ["--allowfile", directory],
    ] {
        let ended = ncat(["-v", "-l", "127.0.0.1", "0"]).args(args).run().expect_code(2);
        assert!(!ended.stderr.contains("Listening on"), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.lines().count() > 1, "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn files_may_have_comments_and_octet_lists() {
    let dir = scratch();
    let file = dir.path().join("allow");
    fs::write(&file, "# who may come in\n127.0.0.1,3\n::1 # us\n").unwrap();
    let file = file.to_str().unwrap();
    check(&["--allowfile", file], &["127.0.0.1", "127.0.0.3", "::1"], &["127.0.0.2"]);
}
