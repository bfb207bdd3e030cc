//! `--rate`: how long transfers take, and that a rate of our own is nobody's fault.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod serve_support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use serve_support::{PATIENCE, Watch, assert_same, ncat, noise, on_thread};

/// Within 5 % of what the rate says, and as much again for a machine that does other things.
#[track_caller]
fn assert_takes(began: Instant, seconds: f64) {
    let took = began.elapsed().as_secs_f64();
    assert!(took >= seconds * 0.95, "took {took:.3} s: faster than {seconds}");
    assert!(took <= seconds * 1.05 + 0.25, "took {took:.3} s: slower than {seconds}");
}

#[test]
fn a_transfer_takes_the_time_its_rate_says() {
    let data = noise(600 * 1024, 1);
    // The sender's rate, the receiver's, and both by name.
    for (client_args, server_args) in [
        (&["--rate", "200K/s"][..], &[][..]),
        (&[], &["--rate", "200K/s"]),
        (&["--rate", "recv=1/s,send=200K/s"], &["--rate", "1/s,200K/s"]),
    ] {
        let server = ncat(["-v", "-l", "127.0.0.1", "0", "--recv-only"]).args(server_args).start();
        let port = server.port().to_string();
        let began = Instant::now();
        let client = ncat(["--send-only", "127.0.0.1", &port]).args(client_args);
        client.bytes(data.clone()).run().expect_code(0);
        let ended = server.wait().expect_code(0);
        assert_takes(began, 3.0);
        assert_same(&ended.stdout, &data, "what arrived");
    }
}

#[test]
fn directions_have_rates_of_their_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let (up, down) = (noise(300 * 1024, 2), noise(1200 * 1024, 3));
    let (sent, wanted) = (down.clone(), up.len());
    let peer = on_thread(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut writer = stream.try_clone().unwrap();
        let writing = on_thread(move || {
            writer.write_all(&sent).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let began = Instant::now();
        let mut got = vec![0; wanted];
        stream.read_exact(&mut got).unwrap();
        let took = began.elapsed().as_secs_f64();
        writing.recv_timeout(PATIENCE).unwrap();
        (got, took)
    });
    let began = Instant::now();
    let client = ncat(["--rate", "200K/s,400K/s", "127.0.0.1", &port]).bytes(up.clone());
    let ended = client.run().expect_code(0);
    assert_takes(began, 3.0);
    let (got, took) = peer.recv_timeout(PATIENCE).unwrap();
    assert!((1.42..2.2).contains(&took), "300K at 200K/s took {took}");
    assert_same(&got, &up, "what was sent");
    assert_same(&ended.stdout, &down, "what was received");
}

#[test]
fn datagrams_stay_whole_and_keep_the_rate() {
    let server = ncat(["-v", "-u", "-l", "127.0.0.1", "0", "-i", "1s"]).start();
    let port = server.port().to_string();
    let data = noise(40 * 1024, 4);
    let began = Instant::now();
    // Each takes 0.4 s: longer than what a bucket holds.
    let client = ncat(["-u", "--send-only", "--rate", "20K/s", "127.0.0.1", &port]);
    client.bytes(data.clone()).run().expect_code(0);
    assert_takes(began, 2.0);
    let ended = server.wait().expect_code(1);
    assert_same(&ended.stdout, &data, "what arrived");

    // In the other direction: held back, cut nowhere.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let began = Instant::now();
    let client = ncat(["-u", "--rate", "recv=4K/s", "127.0.0.1", &port]).bytes("go");
    let client = client.start();
    let (_, from) = socket.recv_from(&mut [0; 10]).unwrap();
    for piece in data[..8 * 1024].chunks(1000) {
        socket.send_to(piece, from).unwrap();
    }
    // The end of a UDP client's run is half a second without anything: what waits is not nothing.
    let ended = client.wait().expect_code(0);
    assert_takes(began, 2.5);
    assert_same(&ended.stdout, &data[..8 * 1024], "what was received");
}

#[test]
fn the_idle_timer_does_not_count_our_own_pauses() {
    let server = ncat(["-v", "-u", "-l", "127.0.0.1", "0", "--recv-only"]).start();
    let port = server.port().to_string();
    let client =
        ncat(["-u", "--send-only", "--rate", "1K/s", "-i", "500ms", "--datagram-size", "1024"]);
    let client = client.args(["127.0.0.1", &port]).bytes(vec![7; 3 * 1024]);
    let began = Instant::now();
    client.run().expect_code(0);
    assert_takes(began, 3.0);
    server.wait_output(3 * 1024);
    // And still counts those of others.
    let client = ncat(["-u", "--rate", "1K/s", "-i", "300ms", "127.0.0.1", &port]).held().start();
    client.said("Idle timeout expired (300 ms).");
}

#[test]
fn every_client_has_its_own_rate_and_none_is_cut_for_it() {
    // Each datagram waits two seconds for its time: twice what a client may take nothing.
    let mut server = ncat(["-v", "-u", "-l", "-k", "127.0.0.1", "0", "--datagram-size", "4096"])
        .args(["--rate", "send=2K/s", "--slow-reader=disconnect,1s"])
        .held()
        .start();
    let port = server.port();
    let clients: Vec<UdpSocket> = (0..2)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.send_to(b"x", ("127.0.0.1", port)).unwrap();
            socket
        })
        .collect();
    server.said_times("Connection from", 2);
    server.wait_output(2);
    let began = Instant::now();
    server.send(&[5; 8 * 1024]);
    for client in &clients {
        for _ in 0..2 {
            assert_eq!(client.recv_from(&mut [0; 8192]).unwrap().0, 4096);
        }
    }
    assert!(began.elapsed() >= Duration::from_millis(3800), "{:?}", began.elapsed());
    assert!(!server.messages().contains("disconnected"), "{}", server.messages());

    // Streams likewise; one that takes nothing is still cut.
    let mut server = ncat(["-v", "-l", "-k", "127.0.0.1", "0", "--rate", "send=100K/s"])
        .args(["--slow-reader=disconnect,1s", "--sndbuf", "4K"])
        .held()
        .start();
    let port = server.port();
    let mut reader = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let stuck = socket2::Socket::from(TcpStream::connect(("127.0.0.1", port)).unwrap());
    stuck.set_recv_buffer_size(4096).unwrap();
    server.said_times("Connection from", 2);
    let data = noise(300 * 1024, 5);
    let mut input = server.take_stdin();
    let feeding = {
        let data = data.clone();
        on_thread(move || input.write_all(&data))
    };
    let mut got = vec![0; data.len()];
    reader.set_read_timeout(Some(PATIENCE)).unwrap();
    reader.read_exact(&mut got).unwrap();
    assert_same(&got, &data, "what the reader got");
    feeding.recv_timeout(PATIENCE).unwrap().unwrap();
    server.said("disconnected: it took nothing while bytes waited.");
}

#[test]
fn an_idle_connection_with_a_rate_wakes_nobody() {
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "--rate", "1K/s"]).held().start();
    let port = server.port().to_string();
    let mut client = ncat(["-v", "127.0.0.1", &port, "--rate", "1K/s"]).held().start();
    client.send(b"hello");
    assert_eq!(server.wait_output(5), b"hello");
    let before = [&server, &client].map(|process| testkit::procfs::wakeups(process.pid()));
    assert!(client.runs_for(Duration::from_secs(1)));
    let after = [&server, &client].map(|process| testkit::procfs::wakeups(process.pid()));
    for (before, after) in before.iter().zip(after) {
        assert!(after - before <= 2, "{} wakeups in a second", after - before);
    }
}

#[test]
fn telnet_and_a_rate_go_together() {
    // The rate is nearest the wire: it counts what telnet's escapes add.
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "--recv-only"]).start();
    let port = server.port().to_string();
    let began = Instant::now();
    let client = ncat(["-t", "--send-only", "--rate", "100K/s", "127.0.0.1", &port]);
    client.bytes(vec![0xff; 100 * 1024]).run().expect_code(0);
    assert_takes(began, 2.0);
    assert_eq!(server.wait().expect_code(0).stdout, vec![0xff; 200 * 1024]);
}
