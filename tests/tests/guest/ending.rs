//! The end-of-stream contract over SCTP, whose one end ends both directions.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use testkit::data;
use testkit::process::{Input, Process, ncat};
use testkit::script::{Ended, Listener, Peer};

use crate::vsock;

/// Long enough to see that something does not happen.
const ABSENCE: Duration = Duration::from_millis(500);
/// How long a client waits for answers.
const ANSWERS: Duration = Duration::from_secs(4);

/// Our client and the peer that it reached.
fn client(args: &[&str], input: Input) -> (Process, Peer) {
    let listener = Listener::sctp();
    let port = listener.port().to_string();
    let ncat = ncat(["--sctp"]).args(args).args(["127.0.0.1", &port]).input(input).start();
    (ncat, listener.accept())
}

/// Our listener and the peer that reached it.
fn server(args: &[&str], input: Input) -> (Process, Peer) {
    let ncat = ncat(["--sctp", "-lv"]).args(args).args(["127.0.0.1", "0"]).input(input).start();
    let peer = Peer::connect_sctp(ncat.listening());
    (ncat, peer)
}

fn hello() -> Input {
    Input::Bytes(b"hello".to_vec())
}

/// A `-k` listener that still serves is stopped.
fn stop(ncat: Process) -> String {
    drop(Peer::connect_sctp(ncat.listening()));
    testkit::eventually("the next client", || {
        (ncat.messages().matches("Connection from").count() >= 2).then_some(())
    });
    ncat.signal(Signal::TERM);
    ncat.finish().expect_code(143).stderr
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_stdin_ends_plain() {
    let (ncat, mut peer) = client(&[], hello());
    assert_eq!(peer.take(5), b"hello");
    // Each answer is awaited anew.
    for answer in [b"late1", b"late2"] {
        peer.assert_silent_for(ANSWERS * 5 / 8);
        peer.send(answer);
    }
    let waited = Instant::now();
    assert_eq!(peer.drain(), (Vec::new(), Ended::Fin));
    assert!(waited.elapsed() >= ANSWERS * 3 / 4, "{:?}", waited.elapsed());
    assert_eq!(ncat.finish().expect_code(0).stdout, b"late1late2");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_peer_ends_after_its_answer() {
    let (ncat, mut peer) = client(&[], hello());
    assert_eq!(peer.take(5), b"hello");
    let answer = data::bytes(2, 300_000);
    // One send is one message, which must fit the send buffer.
    answer.chunks(100_000).for_each(|part| peer.send(part));
    drop(peer);
    data::assert_same("the answer", &ncat.finish().expect_code(0).stdout, &answer);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_keep_open_is_refused_when_connecting() {
    let ended = ncat(["--sctp", "-k", "127.0.0.1", "1"]).run().expect_code(2);
    assert!(ended.first_line().ends_with("QUITTING."), "{}", ended.stderr);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_stdin_ends_send_only() {
    let sent = data::bytes(3, 3_000_000);
    let (ncat, mut peer) = client(&["--send-only"], Input::Bytes(sent.clone()));
    // Unread by ours, and still no reason to destroy what it sent.
    peer.send(b"nobody reads this");
    let (got, ended) = peer.drain();
    data::assert_same("to the peer", &got, &sent);
    assert_eq!(ended, Ended::Fin);
    assert!(ncat.finish().expect_code(0).stdout.is_empty());
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_stdin_ends_recv_only() {
    let (ncat, mut peer) = client(&["--recv-only"], hello());
    peer.assert_silent_for(ANSWERS + ABSENCE);
    peer.send(b"late");
    drop(peer);
    assert_eq!(ncat.finish().expect_code(0).stdout, b"late");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_stdin_ends_no_shutdown() {
    let (ncat, mut peer) = client(&["--no-shutdown"], hello());
    assert_eq!(peer.take(5), b"hello");
    peer.assert_silent_for(ANSWERS + ABSENCE);
    peer.send(b"late");
    drop(peer);
    assert_eq!(ncat.finish().expect_code(0).stdout, b"late");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_stdin_ends_quit() {
    let started = Instant::now();
    let (ncat, mut peer) = client(&["-q", "900ms"], hello());
    assert_eq!(peer.take(5), b"hello");
    peer.send(b"late");
    assert_eq!(peer.drain(), (Vec::new(), Ended::Fin));
    assert_eq!(ncat.finish().expect_code(0).stdout, b"late");
    assert!(started.elapsed() < ANSWERS + Duration::from_secs(3), "{:?}", started.elapsed());
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_stdin_ends_idle() {
    let (ncat, mut peer) = client(&["-i", "700ms"], hello());
    assert_eq!(peer.take(5), b"hello");
    let ended = ncat.finish().expect_code(1);
    assert_eq!(ended.first_line(), "Ncat: Idle timeout expired (700 ms).");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_stdin_ends_listen() {
    let (ncat, mut peer) = server(&[], hello());
    assert_eq!(peer.take(5), b"hello");
    peer.assert_silent_for(ANSWERS + ABSENCE);
    peer.send(b"late");
    drop(peer);
    assert_eq!(ncat.finish().expect_code(0).stdout, b"late");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_stdin_ends_listen_keep() {
    let (ncat, mut peer) = server(&["-k"], hello());
    assert_eq!(peer.take(5), b"hello");
    peer.assert_silent_for(ABSENCE);
    peer.send(b"late");
    assert_eq!(ncat.wait_output(4), b"late");
    drop(peer);
    stop(ncat);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_stdin_ends_listen_send_only() {
    let sent = data::bytes(4, 3_000_000);
    let (ncat, mut peer) = server(&["--send-only"], Input::Bytes(sent.clone()));
    let (got, ended) = peer.drain();
    data::assert_same("to the client", &got, &sent);
    assert_eq!(ended, Ended::Fin);
    ncat.finish().expect_code(0);
}

/// The peer ends, which leaves nobody to send to.
fn close_ready(ncat: &Process, mut peer: Peer) {
    peer.send(b"first");
    ncat.wait_output(5);
    peer.half_close();
    // Read to the end: closing with bytes unread would abort.
    peer.drain();
}

/// What the kernel says when one sends to a peer that has ended.
const NOBODY: [&str; 2] = ["Broken pipe.", "Cannot send after transport endpoint shutdown."];

#[ignore = "needs SCTP"]
#[test]
fn sctp_close_ready_plain() {
    let (ncat, peer) = client(&[], Input::Bytes(data::bytes(5, 16 << 20)));
    close_ready(&ncat, peer);
    let ended = ncat.finish().expect_code(1);
    assert!(NOBODY.iter().any(|words| ended.first_line().ends_with(words)), "{}", ended.stderr);
    assert_eq!(ended.stdout, b"first");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_close_ready_listen() {
    let (ncat, peer) = server(&[], Input::Bytes(data::bytes(5, 16 << 20)));
    close_ready(&ncat, peer);
    let ended = ncat.finish().expect_code(1);
    assert!(NOBODY.iter().any(|words| ended.stderr.contains(words)), "{}", ended.stderr);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_close_ready_listen_keep() {
    let (ncat, peer) = server(&["-k"], Input::Bytes(data::bytes(5, 16 << 20)));
    close_ready(&ncat, peer);
    testkit::eventually("the failure", || {
        NOBODY.iter().any(|words| ncat.messages().contains(words)).then_some(())
    });
    stop(ncat);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_close_silent_plain() {
    let (ncat, mut peer) = client(&[], Input::Held);
    peer.send(b"first");
    drop(peer);
    assert_eq!(ncat.finish().expect_code(0).stdout, b"first");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_close_silent_listen() {
    let (ncat, mut peer) = server(&[], Input::Held);
    peer.send(b"first");
    drop(peer);
    assert_eq!(ncat.finish().expect_code(0).stdout, b"first");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_close_silent_listen_keep() {
    let (ncat, mut peer) = server(&["-k"], Input::Held);
    peer.send(b"first");
    drop(peer);
    assert_eq!(ncat.wait_output(5), b"first");
    stop(ncat);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_abort_plain() {
    let (ncat, mut peer) = client(&[], Input::Held);
    peer.send(b"first");
    ncat.wait_output(5);
    peer.reset();
    let ended = ncat.finish().expect_code(1);
    assert_eq!(ended.first_line(), "Ncat: Connection reset by peer.");
    assert_eq!(ended.stdout, b"first");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_abort_listen() {
    let (ncat, mut peer) = server(&[], Input::Held);
    peer.send(b"first");
    ncat.wait_output(5);
    peer.reset();
    let ended = ncat.finish().expect_code(1);
    assert!(ended.stderr.contains("Ncat: Connection reset by peer."), "{}", ended.stderr);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_abort_listen_keep() {
    let (ncat, mut peer) = server(&["-k"], Input::Held);
    peer.send(b"first");
    ncat.wait_output(5);
    peer.reset();
    ncat.wait_message("Connection reset by peer.");
    stop(ncat);
}

/// A peer whose program takes nothing for longer than an unanswered peer is waited for.
#[ignore = "needs SCTP"]
#[test]
fn sctp_slow_reader_is_waited_for() {
    let sent = data::bytes(6, 4_000_000);
    let (mut ncat, mut peer) = client(&["--send-only"], Input::Bytes(sent.clone()));
    assert!(ncat.runs_for(Duration::from_secs(8)));
    let (got, ended) = peer.drain();
    data::assert_same("to the peer", &got, &sent);
    assert_eq!(ended, Ended::Fin);
    ncat.finish().expect_code(0);
}

/// What the peer's program has written before our end is on its way still.
#[ignore = "needs SCTP"]
#[test]
fn sctp_what_was_sent_before_our_end_arrives() {
    let (mut ncat, mut peer) = client(&["-q", "1ms"], Input::Held);
    let sent = data::bytes(7, 200_000);
    peer.send(&sent);
    ncat.end_input();
    assert_eq!(peer.drain().1, Ended::Fin);
    data::assert_same("to the client", &ncat.finish().expect_code(0).stdout, &sent);
}

#[ignore = "needs vsock"]
#[test]
fn vsock_half_close_either_way() {
    let (server, port) = vsock::listener(&["local", "0"]);
    let mut client = ncat(["--vsock", "local", &port]).held().start();
    // The server's input is empty, so its end is here, and the other direction goes on.
    client.send(b"request");
    assert_eq!(server.wait_output(7), b"request");
    client.end_input();
    client.finish().expect_code(0);
    server.finish().expect_code(0);

    let mut server = ncat(["--vsock", "-lv", "0"]).held().start();
    let port = vsock::port(&server);
    let client = ncat(["--vsock", "1", &port]).bytes("request").start();
    assert_eq!(server.wait_output(7), b"request");
    server.send(b"answer");
    server.end_input();
    assert_eq!(client.finish().expect_code(0).stdout, b"answer");
}

#[ignore = "needs vsock"]
#[test]
fn vsock_send_only_delivers_all() {
    let sent = data::bytes(23, 3_000_000);
    let (server, port) = vsock::listener(&["any", "0"]);
    ncat(["--vsock", "--send-only", "1", &port]).bytes(sent.clone()).run().expect_code(0);
    data::assert_same("sent", &server.finish().expect_code(0).stdout, &sent);
}

/// While our output takes nothing the peer is not silent, however long that lasts.
#[ignore = "needs SCTP"]
#[test]
fn sctp_an_output_that_is_slow_is_no_silence() {
    let listener = Listener::sctp();
    let port = listener.port().to_string();
    let line = format!("\"$NCAT\" --sctp 127.0.0.1 {port} </dev/null | (sleep 7; md5sum)");
    let slow = testkit::process::shell(&line).start();
    let mut peer = listener.accept();
    let sent = data::bytes(8, 3_000_000);
    sent.chunks(100_000).for_each(|part| peer.send(part));
    drop(peer);
    let want = testkit::process::Program::new("md5sum").bytes(sent).run();
    assert_eq!(slow.finish().expect_code(0).stdout, want.stdout);
}
