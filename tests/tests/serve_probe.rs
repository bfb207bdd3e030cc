//! `-z`: what is there, told by exit code and at `-v`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod serve_support;

use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use serve_support::{PATIENCE, Told, Watch, assert_took, ncat, scratch};

#[test]
fn tcp_open_and_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let quiet = ncat(["-z", "127.0.0.1", &port]).run().expect_code(0);
    assert_eq!((quiet.text(), quiet.stderr), (String::new(), String::new()));
    let told = ncat(["-zv", "127.0.0.1", &port]).run().expect_code(0);
    assert!(
        told.stderr.contains(&format!("Ncat: Connected to 127.0.0.1:{port}.\n")),
        "{}",
        told.stderr
    );
    assert!(told.stderr.contains("Ncat: 0 bytes sent, 0 bytes received in "), "{}", told.stderr);
    // Nothing was said to the server, not even with something to say.
    let (mut first, _) = listener.accept().unwrap();
    assert_eq!(first.read(&mut [0; 10]).unwrap(), 0);
    // Bound, so that nobody else takes it, but not listening.
    let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    held.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    let port = held.local_addr().unwrap().as_socket().unwrap().port().to_string();
    let closed = ncat(["-z", "127.0.0.1", &port]).run().expect_code(1);
    assert!(closed.stderr.starts_with("Ncat: Connection refused.\n"), "{}", closed.stderr);
}

#[test]
fn input_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    ncat(["-z", "127.0.0.1", &port]).bytes("not for you").run().expect_code(0);
    let (mut client, _) = listener.accept().unwrap();
    assert_eq!(client.read(&mut [0; 10]).unwrap(), 0);
}

#[test]
fn unix_stream_open_closed_and_absent() {
    let dir = scratch();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    ncat(["-z", "-U"]).args([&path]).run().expect_code(0);
    drop(listener);
    let closed = ncat(["-z", "-U"]).args([&path]).run().expect_code(1);
    assert!(closed.stderr.starts_with("Ncat: Connection refused.\n"), "{}", closed.stderr);
    let absent = ncat(["-z", "-U"]).args([&dir.path().join("no")]).run().expect_code(1);
    assert!(absent.stderr.starts_with("Ncat: No such file or directory.\n"), "{}", absent.stderr);
}

#[test]
fn udp_no_answer_is_told_as_such() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let began = Instant::now();
    let ended = ncat(["-zuv", "-i", "400ms", "127.0.0.1", &port]).run().expect_code(0);
    assert_took(began, Duration::from_millis(400), Duration::from_millis(10_000));
    assert!(ended.stderr.contains("no answer"), "{}", ended.stderr);
    let mut buffer = [9; 100];
    assert_eq!(socket.recv(&mut buffer).unwrap(), 1);
    assert_eq!(buffer[0], 0);
    // One byte is all there was.
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut buffer).is_err());
}

#[test]
fn udp_silence_is_two_seconds_by_default() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let began = Instant::now();
    let ended = ncat(["-zu", "127.0.0.1", &port]).run().expect_code(0);
    assert_took(began, Duration::from_secs(2), Duration::from_secs(15));
    assert_eq!((ended.text(), ended.stderr), (String::new(), String::new()));
}

#[test]
fn udp_that_answers_is_open_and_its_answer_is_shown() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let probe = ncat(["-zuv", "-i", "400ms", "127.0.0.1", &port]).start();
    let (_, from) = socket.recv_from(&mut [0; 10]).unwrap();
    socket.send_to(b"yes?", from).unwrap();
    let ended = probe.wait().expect_code(0);
    assert_eq!(ended.text(), "yes?");
    assert!(ended.stderr.contains("is open: it answered"), "{}", ended.stderr);
}

#[test]
fn udp_closed_is_1() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    drop(socket);
    for args in [["-zu", "127.0.0.1"], ["-zu", "::1"]] {
        let ended = ncat(args).args([&port]).run().expect_code(1);
        assert!(ended.stderr.starts_with("Ncat: Connection refused.\n"), "{}", ended.stderr);
    }
}

#[test]
fn a_probe_finds_our_own_listeners() {
    let listener = ncat(["-v", "-lk", "127.0.0.1", "0"]).start();
    let port = listener.port().to_string();
    ncat(["-z", "127.0.0.1", &port]).run().expect_code(0);
    ncat(["-z", "127.0.0.1", &port]).run().expect_code(0);
    let listener = ncat(["-v", "-u", "-lk", "127.0.0.1", "0"]).start();
    let port = listener.port().to_string();
    ncat(["-zu", "-i", "100ms", "127.0.0.1", &port]).run().expect_code(0);
    assert_eq!(listener.wait_output(1), [0]);
}
