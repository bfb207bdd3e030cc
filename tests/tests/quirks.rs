//! Ncat's quirks that we fix, by their row in the behaviour specification, section 16.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test plays the peer, and fails where it stands"
)]

use std::io::{Seek, Write};
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::{NamedTempFile, TempDir};
use testkit::data;
use testkit::process::{Input, Process, ncat};
use testkit::script::{Ended, Listener, Peer};

const MB20: usize = 20 << 20;
const ABSENCE: Duration = Duration::from_millis(300);

fn file(bytes: &[u8]) -> Input {
    let mut file = NamedTempFile::new().unwrap().into_file();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Input::Fd(file.into())
}

fn listener(args: &[&str], input: Input) -> (Process, std::net::SocketAddr) {
    let ncat = ncat(["-lv"]).args(args).args(["127.0.0.1", "0"]).input(input).start();
    let at = ncat.listening();
    (ncat, at)
}

fn client(args: &[&str], input: Input) -> (Process, Peer) {
    let listener = Listener::tcp();
    let port = listener.port().to_string();
    let ncat = ncat(args).args(["127.0.0.1", &port]).input(input).start();
    (ncat, listener.accept())
}

fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
    socket
}

/// A pipe that programs started meanwhile by other tests do not hold open.
fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

#[test]
fn row_01_recv_only_listener_with_one_socket_waits() {
    for keep in [&["--recv-only"][..], &["--recv-only", "-k"]] {
        let (mut ncat, at) = listener(keep, Input::Null);
        assert!(ncat.runs_for(ABSENCE));
        let mut peer = Peer::connect(at);
        peer.send(b"hello");
        assert_eq!(ncat.wait_output(5), b"hello");
        drop(peer);
        if keep.len() == 1 {
            ncat.finish().expect_code(0);
        }
    }
}

#[test]
fn row_01_recv_only_unix_listener_waits() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("s");
    let mut ncat = ncat(["-lvU", "--recv-only"]).args([&path]).start();
    ncat.wait_message("Listening on ");
    assert!(ncat.runs_for(ABSENCE));
    Peer::connect_unix(&path).send(b"hello");
    assert_eq!(ncat.finish().expect_code(0).stdout, b"hello");
}

#[test]
fn row_04_listener_sends_all_after_the_client_half_closed() {
    let sent = data::bytes(4, MB20);
    for keep in [&[][..], &["-k"]] {
        let (ncat, at) = listener(keep, file(&sent));
        let mut peer = Peer::connect(at);
        peer.half_close();
        let (got, ended) = peer.drain();
        assert_eq!(ended, Ended::Fin);
        data::assert_same("to the client", &got, &sent);
        if keep.is_empty() {
            ncat.finish().expect_code(0);
        }
    }
}

#[test]
fn row_04_a_half_closed_client_that_pauses_gets_all() {
    // Longer than a source may pause: here the client did, and held the source back.
    let sent = data::bytes(4, MB20);
    let pauses = || Input::Bytes(sent.clone());
    for args in [&["-k"][..], &[]] {
        let (_ncat, at) = listener(args, pauses());
        let mut peer = Peer::connect(at);
        peer.half_close();
        std::thread::sleep(ABSENCE);
        let mut got = peer.take(3 << 20);
        std::thread::sleep(ABSENCE);
        got.extend(peer.drain().0);
        data::assert_same("to the client", &got, &sent);
    }
}

#[test]
fn row_05_client_sends_all_after_the_server_half_closed() {
    let sent = data::bytes(5, MB20);
    let (ncat, mut peer) = client(&[], file(&sent));
    peer.half_close();
    let (got, ended) = peer.drain();
    assert_eq!(ended, Ended::Fin);
    data::assert_same("to the server", &got, &sent);
    ncat.finish().expect_code(0);
}

#[test]
fn row_05_what_cannot_be_sent_is_an_error() {
    let (ncat, peer) = client(&[], file(&data::bytes(5, MB20)));
    drop(peer);
    ncat.finish().expect_code(1);
}

#[test]
fn row_06_send_only_does_not_cut_its_own_tail() {
    let sent = data::bytes(6, 300_000);
    let (ncat, mut peer) = client(&["--send-only"], file(&sent));
    // Input that nobody wants: closing with it unread is what destroyed the tail.
    peer.send(&[0; 200_000]);
    let (got, _) = peer.drain();
    data::assert_same("to the peer", &got, &sent);
    ncat.finish().expect_code(0);
}

#[test]
fn row_06_send_only_from_a_listener_does_not_cut_its_own_tail() {
    let sent = data::bytes(6, 300_000);
    let (ncat, at) = listener(&["--send-only"], file(&sent));
    let mut peer = Peer::connect(at);
    peer.send(&[0; 200_000]);
    let (got, _) = peer.drain();
    data::assert_same("to the peer", &got, &sent);
    ncat.finish().expect_code(0);
}

#[test]
fn row_10_udp_peers_expire_and_the_limit_refuses_only_the_newcomer() {
    let (mut ncat, at) = listener(&["-ku", "-m", "1", "-i", "400ms"], Input::Null);
    let (first, second) = (udp(), udp());
    first.send_to(b"first", at).unwrap();
    ncat.wait_output(5);
    second.send_to(b"early", at).unwrap();
    ncat.wait_message("New connection denied: connection limit reached (1)");
    first.send_to(b"again", at).unwrap();
    assert_eq!(ncat.wait_output(10), b"firstagain");
    // Its place is free once the first peer was silent for the time of -i.
    let all = testkit::eventually("the second peer", || {
        second.send_to(b"later", at).unwrap();
        let heard = ncat.messages().matches("Connection from").count();
        std::thread::sleep(Duration::from_millis(20));
        (heard >= 3).then(|| ncat.wait_output(15))
    });
    assert_eq!(&all[..15], b"firstagainlater");
    assert!(ncat.is_running());
}

#[test]
fn row_13_idle_is_per_client_and_exits_with_1() {
    let (mut ncat, at) = listener(&["-k", "-i", "500ms"], Input::Held);
    let mut busy = Peer::connect(at);
    let mut idle = Peer::connect(at);
    let until = Instant::now() + Duration::from_millis(1200);
    while Instant::now() < until {
        busy.send(b"x");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Our input is open, so this end is the cut.
    assert_eq!(idle.drain(), (Vec::new(), Ended::Fin));
    busy.send(b"y");
    testkit::eventually("the last byte", || ncat.wait_output(1).ends_with(b"y").then_some(()));
    assert!(ncat.is_running());

    let (ncat, at) = listener(&["-i", "300ms"], Input::Held);
    let _peer = Peer::connect(at);
    let ended = ncat.finish().expect_code(1);
    assert!(ended.stderr.contains("Ncat: Idle timeout expired (300 ms)."), "{}", ended.stderr);
}

#[test]
fn row_13_long_times_do_not_overflow() {
    for time in ["4295s", "4294967ms", "2147484ms"] {
        let (mut ncat, at) = listener(&["-i", time], Input::Held);
        let _peer = Peer::connect(at);
        ncat.wait_message("Connection from");
        assert!(ncat.runs_for(Duration::from_millis(200)), "-i {time} ran out");
    }
}

#[test]
fn row_14_quit_after_eof_is_no_idle_timeout_and_no_failure() {
    let input = || Input::Bytes(b"hello".to_vec());
    let quits = |ncat: Process, mut peer: Peer| {
        assert_eq!(peer.drain(), (b"hello".to_vec(), Ended::Fin));
        let ended = ncat.finish().expect_code(0);
        assert!(ended.stderr.contains("Quit timer expired"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("Idle"), "{}", ended.stderr);
    };
    let (ncat, peer) = client(&["-v", "-q", "200ms"], input());
    quits(ncat, peer);
    for args in [&["-q", "200ms"][..], &["-k", "-q", "200ms"]] {
        let (ncat, at) = listener(args, input());
        quits(ncat, Peer::connect(at));
    }
}

#[test]
fn row_15_late_clients_are_told_of_the_end_too() {
    let (_ncat, at) = listener(&["-k"], Input::Bytes(b"hello".to_vec()));
    let mut first = Peer::connect(at);
    assert_eq!(first.drain(), (b"hello".to_vec(), Ended::Fin));
    let mut second = Peer::connect(at);
    assert_eq!(second.drain(), (Vec::new(), Ended::Fin));
    drop(first);
    let mut third = Peer::connect(at);
    assert_eq!(third.drain(), (Vec::new(), Ended::Fin));
}

/// Output that takes little at a time and says "not now" in between.
fn slow_output(output: OwnedFd, read: OwnedFd) {
    rustix::fs::fcntl_setfl(&output, rustix::fs::OFlags::NONBLOCK).unwrap();
    let sent = data::bytes(33, 3 << 20);
    let listener = Listener::tcp();
    let port = listener.port().to_string();
    let ncat = ncat(["127.0.0.1", &port]).held().output(output).start();
    let mut peer = listener.accept();
    let reader = std::thread::spawn(move || {
        let (mut all, mut buf) = (Vec::new(), [0; 7919]);
        loop {
            match rustix::io::read(read.as_fd(), &mut buf).unwrap() {
                0 => return all,
                n => all.extend_from_slice(&buf[..n]),
            }
        }
    });
    peer.send(&sent);
    drop(peer);
    ncat.finish().expect_code(0);
    data::assert_same("to standard output", &reader.join().unwrap(), &sent);
}

#[test]
fn row_33_a_full_non_blocking_pipe_is_waited_for() {
    let (read, write) = pipe();
    slow_output(write, read);
}

#[test]
fn row_33_a_full_non_blocking_socket_is_waited_for() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    slow_output(theirs.into(), ours.into());
}

#[test]
fn row_44_every_end_has_its_summary() {
    let summary = |text: &str| {
        let last = text.lines().last().unwrap_or_default().to_owned();
        assert!(last.starts_with("Ncat: ") && last.contains(" bytes sent, "), "{text}");
    };
    let (ncat, peer) = client(&["-v"], Input::Held);
    peer.reset();
    summary(&ncat.finish().expect_code(1).stderr);

    let (ncat, _peer) = client(&["-v", "-i", "200ms"], Input::Held);
    summary(&ncat.finish().expect_code(1).stderr);

    let (ncat, _peer) = client(&["-v", "-q", "200ms"], Input::Null);
    summary(&ncat.finish().expect_code(0).stderr);

    let (ncat, at) = listener(&["-k"], Input::Held);
    Peer::connect(at).send(b"hello");
    ncat.wait_output(5);
    ncat.signal(Signal::TERM);
    let ended = ncat.finish().expect_code(143);
    summary(&ended.stderr);
    assert!(ended.stderr.contains("0 bytes sent, 5 bytes received"), "{}", ended.stderr);
}

#[test]
fn row_48_a_udp_client_waits_for_the_replies() {
    let server = udp();
    let port = server.local_addr().unwrap().port().to_string();
    let ncat = ncat(["-u", "127.0.0.1", &port]).bytes("question").start();
    let (_, from) = server.recv_from(&mut [0; 64]).unwrap();
    for part in ["one", "two", "three"] {
        // Each answer within the time replies are listened for; together longer than it.
        std::thread::sleep(Duration::from_millis(200));
        server.send_to(part.as_bytes(), from).unwrap();
    }
    assert_eq!(ncat.finish().expect_code(0).stdout, b"onetwothree");
}
