//! Peers that stop, cut or reset in the middle, a relay that cuts records anywhere, and the wrong
//! protocol at either end. For each: the first line, the cause, the exit code, and an end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use openssl::ssl::SslVersion;
use testkit::data::{assert_same, bytes};
use testkit::peer::{Peer, listening_port};
use testkit::process::{Finished, ncat};

use crate::peer::{Server, half_close};
use crate::pki::{Identity, Wanted};

/// What the relay does with the server's bytes once it has passed on so many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Then {
    /// Waits until the client has them, then goes on.
    GoesOn,
    /// Sends no more, and keeps the connection.
    Stops,
    /// Ends its direction.
    Ends,
    /// Resets the connection.
    Resets,
}

/// A server behind a relay, for one client after another.
struct Relayed {
    server: Server,
    relay: TcpListener,
    sent: Vec<u8>,
}

/// What came of one client.
struct Seen {
    done: Finished,
    /// The server's bytes, as many as the relay saw.
    wire: Vec<u8>,
}

/// Whether the other end of a loopback connection has taken everything out of its system.
fn is_read(socket: &TcpStream) -> bool {
    let ends = [socket.peer_addr().unwrap(), socket.local_addr().unwrap()];
    let [theirs, ours] = ends.map(|end| format!(":{:04X}", end.port()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let line = table.lines().find(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[1].ends_with(&theirs) && fields[2].ends_with(&ours)
    });
    // A connection that is gone will read no more.
    line.is_none_or(|line| line.split_whitespace().nth(4).unwrap().ends_with(":00000000"))
}

impl Relayed {
    fn new(version: SslVersion) -> Self {
        let own = Identity::alone(&Wanted::name(&["a"]));
        let server = Server::new(&own, |builder| {
            builder.set_max_proto_version(Some(version)).unwrap();
            builder.set_num_tickets(1).unwrap();
        });
        let relay = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { server, relay, sent: bytes(1, 600) }
    }

    /// Runs our client; the server sends its bytes in two records and ends in good order.
    fn run(&self, args: &[&str], after: usize, then: Then) -> Seen {
        let port = self.relay.local_addr().unwrap().port().to_string();
        let client = ncat(["--ssl", "--recv-only"]).args(args).args(["127.0.0.1", &port]).start();
        let (near, _) = self.relay.accept().unwrap();
        let far = TcpStream::connect(("127.0.0.1", self.server.port().parse().unwrap())).unwrap();
        near.set_nodelay(true).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // A client that is cut off makes this fail, which the client tells about.
                let Ok(mut tls) = self.server.try_accept() else { return };
                let (one, two) = self.sent.split_at(200);
                if tls.write_all(one).is_ok() && tls.write_all(two).is_ok() {
                    half_close(&mut tls);
                }
                let _ = tls.get_ref().socket.shutdown(Shutdown::Write);
            });
            let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            scope.spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            let wire = pass(&far, &near, after, then);
            let done = client.finish();
            // The others must see the end, too.
            let _ = near.shutdown(Shutdown::Both);
            let _ = far.shutdown(Shutdown::Both);
            Seen { done, wire }
        })
    }
}

/// Passes bytes on as the plan has it; those the server sent.
fn pass(mut far: &TcpStream, mut near: &TcpStream, after: usize, then: Then) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut passed = 0;
    let mut buf = [0; 4096];
    while let Ok(n @ 1..) = far.read(&mut buf) {
        wire.extend_from_slice(&buf[..n]);
        if wire.len() <= after {
            near.write_all(&wire[passed..]).unwrap();
            passed = wire.len();
            continue;
        }
        if passed <= after {
            near.write_all(&wire[passed..after]).unwrap();
            passed = after;
        }
        match then {
            Then::GoesOn => {
                testkit::eventually("the first part read", || is_read(near).then_some(()));
                if near.write_all(&wire[passed..]).is_err() {
                    break;
                }
                passed = wire.len();
            }
            Then::Stops => return wire,
            Then::Ends => {
                near.shutdown(Shutdown::Write).unwrap();
                return wire;
            }
            Then::Resets => {
                rustix::net::connect_unspec(near).unwrap();
                return wire;
            }
        }
    }
    let _ = near.shutdown(Shutdown::Write);
    wire
}

/// Where records end.
fn ends(wire: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    let mut at = 0;
    while let Some(head) = wire.get(at..at + 5) {
        at += 5 + usize::from(u16::from_be_bytes([head[3], head[4]]));
        ends.push(at);
    }
    ends
}

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

#[test]
fn records_may_be_cut_anywhere() {
    for version in VERSIONS {
        let relayed = Relayed::new(version);
        let total = relayed.run(&[], usize::MAX, Then::GoesOn).wire.len();
        assert!(total > 1000, "{total}");
        for after in (1..total).step_by(13) {
            let Seen { done, .. } = relayed.run(&[], after, Then::GoesOn);
            assert_eq!((done.code(), done.stderr.as_str()), (Some(0), ""), "{after}");
            assert_same(&format!("cut at {after}"), &done.stdout, &relayed.sent);
        }
    }
}

#[test]
fn a_connection_that_ends_anywhere_is_told_from_one_that_was_over() {
    const CLOSED: &str = "Ncat: The peer closed the connection during the TLS handshake.";
    const CUT: &str = "Ncat: The peer closed the connection in the middle of a TLS record.";
    const WARNING: &str = "closed the connection without a TLS close_notify";
    for version in VERSIONS {
        let relayed = Relayed::new(version);
        let total = relayed.run(&[], usize::MAX, Then::GoesOn).wire.len();
        let mut counts = [0; 3];
        for after in (0..total).step_by(7) {
            let Seen { done, wire } = relayed.run(&["-v"], after, Then::Ends);
            let what = format!("{version:?} cut at {after}: {}", done.stderr);
            assert!(relayed.sent.starts_with(&done.stdout), "{what}");
            let is_between = ends(&wire).contains(&after);
            match done.code() {
                Some(0) => {
                    assert!(is_between && done.stderr.contains(WARNING), "{what}");
                    counts[0] += 1;
                }
                Some(1) if done.stderr.contains(CLOSED) => {
                    assert_eq!(done.stdout, b"", "{what}");
                    counts[1] += 1;
                }
                Some(1) => {
                    assert!(!is_between && done.stderr.contains(CUT), "{what}");
                    counts[2] += 1;
                }
                _ => panic!("{what}"),
            }
        }
        assert!(counts[1] > 10 && counts[2] > 10, "{counts:?}");
    }
}

#[test]
fn a_connection_that_is_reset_anywhere_is_told() {
    for version in VERSIONS {
        let relayed = Relayed::new(version);
        let total = relayed.run(&[], usize::MAX, Then::GoesOn).wire.len();
        for after in (0..total).step_by(41) {
            let Seen { done, .. } = relayed.run(&["--no-shutdown"], after, Then::Resets);
            let what = format!("{version:?} reset at {after}: {}", done.stderr);
            assert_eq!(done.code(), Some(1), "{what}");
            assert_eq!(done.first_line(), "Ncat: Connection reset by peer.", "{what}");
            assert!(done.stderr.lines().nth(1).unwrap().contains("127.0.0.1:"), "{what}");
            assert!(relayed.sent.starts_with(&done.stdout), "{what}");
        }
    }
}

#[test]
fn a_peer_that_stops_anywhere_holds_nobody() {
    for version in VERSIONS {
        let relayed = Relayed::new(version);
        let total = relayed.run(&[], usize::MAX, Then::GoesOn).wire.len();
        let mut firsts = Vec::new();
        for after in (0..total).step_by(113) {
            let limits = ["-w", "400ms", "-i", "400ms"];
            let Seen { done, .. } = relayed.run(&limits, after, Then::Stops);
            let what = format!("{version:?} stops at {after}: {}", done.stderr);
            assert_eq!(done.code(), Some(1), "{what}");
            assert!(relayed.sent.starts_with(&done.stdout), "{what}");
            firsts.push(done.first_line().to_owned());
        }
        assert!(firsts.iter().any(|line| line == "Ncat: TIMEOUT."), "{firsts:?}");
        assert!(firsts.iter().any(|line| line.starts_with("Ncat: Idle timeout")), "{firsts:?}");
    }
}

/// What other protocols say first, taken for TLS by our client.
#[test]
fn a_plain_server_is_told_by_what_it_says() {
    for says in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail.example ESMTP\r\n",
        b"+OK\r\n",
        b"\0\0\0\0\0\0\0\0",
        b"\x15\x03\x01\xff\xff\xff\xff",
        b"\x16\x03\x03\0\x04\x02\0\0\0",
        &[0xff; 64],
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let client = ncat(["--ssl", "127.0.0.1", &port]).start();
        let (mut socket, _) = listener.accept().unwrap();
        socket.read_exact(&mut [0; 5]).unwrap();
        socket.write_all(says).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let done = client.finish().expect_code(1);
        let what = format!("{}: {}", says.escape_ascii(), done.stderr);
        let first = ["Ncat: TLS handshake failed: ", "Ncat: The peer closed the connection"];
        assert!(first.iter().any(|first| done.first_line().starts_with(first)), "{what}");
        assert!(done.stderr.contains("securing the connection to 127.0.0.1:"), "{what}");
        let is_text = says.is_ascii() && says[0] > 31;
        assert!(!is_text || done.stderr.contains("hint: "), "{what}");
    }
}

/// The same to our listener, which serves on.
#[test]
fn a_plain_client_is_told_by_what_it_says() {
    let ncat = ncat(["-lkvv", "--ssl", "127.0.0.1", "0", "-c", "echo welcome"]).start();
    let port = ncat.listening().port();
    for (says, told) in [
        (&b"GET / HTTP/1.0\r\n\r\n"[..], "hint: the client speaks plain HTTP"),
        (b"CONNECT x:443 HTTP/1.1\r\n\r\n", "https proxy request"),
        (b"EHLO me\r\n", "does not seem to speak TLS"),
        (b"\x16\x03\x01\0\x05\x01\0\0\x01\0", "Failed SSL connection"),
        (&[0; 64], "does not seem to speak TLS"),
    ] {
        let before = ncat.messages().len();
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.write_all(says).unwrap();
        let _ = socket.shutdown(Shutdown::Write);
        testkit::eventually(told, || ncat.messages()[before..].contains(told).then_some(()));
    }
    let mut tls = crate::peer::client(port);
    half_close(&mut tls);
    assert_eq!(crate::peer::drain(&mut tls).0, b"welcome\n");
}

/// Key updates as a client sees them (RFC 8446, section 4.6.3).
#[test]
fn a_servers_key_updates_pass_unnoticed() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = Identity::alone(&Wanted::name(&["a"])).files(&dir, "own");
    let Some(openssl) = Peer::Openssl.find() else { return };
    let mut server = openssl
        .args(["s_server", "-msg", "-accept", "127.0.0.1:0", "-cert"])
        .args([&certificate])
        .args(["-key"])
        .args([&key])
        .held()
        .start();
    let port = listening_port(&server).to_string();
    let mut client = ncat(["-v", "--ssl", "127.0.0.1", &port]).held().start();
    client.wait_message("Peer: ");
    let mut wanted = String::new();
    for (n, letter) in ["K", "k", "K", "k"].iter().enumerate() {
        client.send(format!("question {n}\n").as_bytes());
        testkit::eventually("the question", || {
            let seen = String::from_utf8_lossy(&server.wait_output(0)).into_owned();
            seen.contains(&format!("question {n}")).then_some(())
        });
        server.send(format!("{letter}\n").as_bytes());
        // Only what it reads at once and alone is a command.
        testkit::eventually("the command read", || {
            let waiting = rustix::io::ioctl_fionread(server.stdin().unwrap()).unwrap();
            (waiting == 0).then_some(())
        });
        wanted.push_str(&format!("answer {n}\n"));
        server.send(format!("answer {n}\n").as_bytes());
        assert_eq!(client.wait_output(wanted.len()), wanted.as_bytes());
    }
    let seen = String::from_utf8_lossy(&server.wait_output(0)).into_owned();
    assert!(seen.matches(", KeyUpdate").count() >= 4, "{seen}");
    server.send(b"Q\n");
    client.finish().expect_code(0);
}
