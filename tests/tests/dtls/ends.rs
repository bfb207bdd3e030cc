//! The end of datagrams: close_notify is one, told last, since who gets it may say no more.

use std::time::{Duration, Instant};

use testkit::process::{Input, Process, ncat};

use crate::peer::{Dtls, Server, client, drain, end, next, send};
use crate::pki::{Identity, Wanted};

fn own() -> Identity {
    Identity::alone(&Wanted::name(&["a"]))
}

/// Our program as a client of the test.
fn as_client(args: &[&str], input: Input) -> (Process, Dtls) {
    let server = Server::new(&own(), |_| {});
    let ncat = ncat(["-v", "-u", "--ssl"]).args(args).args(["127.0.0.1", &server.port()]);
    let ncat = ncat.input(input).start();
    (ncat, server.accept())
}

/// And as its server.
fn as_server(args: &[&str], input: Input) -> (Process, Dtls) {
    let ncat = ncat(["-lv", "-u", "--ssl"]).args(args).args(["127.0.0.1", "0"]);
    let ncat = ncat.input(input).start();
    let dtls = client(ncat.listening().port());
    (ncat, dtls)
}

fn hello() -> Input {
    Input::Bytes(b"hello".to_vec())
}

#[test]
fn dtls_stdin_ends_plain() {
    let began = Instant::now();
    let (ncat, mut dtls) = as_client(&[], hello());
    assert_eq!(next(&mut dtls).unwrap(), b"hello");
    // Nothing is said for half a second, in which answers are welcome.
    send(&mut dtls, b"answer");
    assert_eq!(next(&mut dtls), None);
    assert!(began.elapsed() >= Duration::from_millis(500));
    // What is on its way still counts, until the peer ends.
    send(&mut dtls, b" and more");
    end(&mut dtls);
    assert_eq!(ncat.finish().expect_code(0).stdout, b"answer and more");
}

#[test]
fn dtls_stdin_ends_and_the_peer_never_does() {
    let (ncat, mut dtls) = as_client(&[], hello());
    assert_eq!(drain(&mut dtls), [b"hello"]);
    ncat.finish_within(Duration::from_secs(20)).expect_code(0);
}

#[test]
fn dtls_stdin_ends_send_only() {
    let (ncat, mut dtls) = as_client(&["--send-only"], hello());
    send(&mut dtls, b"unheard");
    assert_eq!(drain(&mut dtls), [b"hello"]);
    end(&mut dtls);
    assert_eq!(ncat.finish().expect_code(0).stdout, b"");
}

#[test]
fn dtls_stdin_ends_recv_only() {
    let (mut ncat, mut dtls) = as_client(&["--recv-only"], hello());
    assert!(ncat.runs_for(Duration::from_millis(800)));
    send(&mut dtls, b"late");
    end(&mut dtls);
    assert_eq!(ncat.finish().expect_code(0).stdout, b"late");
    assert_eq!(drain(&mut dtls), Vec::<Vec<u8>>::new());
}

#[test]
fn dtls_stdin_ends_no_shutdown() {
    let (ncat, mut dtls) = as_client(&["--no-shutdown"], hello());
    // Told only when we are gone.
    assert_eq!(drain(&mut dtls), [b"hello"]);
    ncat.finish().expect_code(0);
}

#[test]
fn dtls_stdin_ends_quit() {
    let began = Instant::now();
    let (mut ncat, mut dtls) = as_client(&["-q", "3s"], hello());
    assert_eq!(next(&mut dtls).unwrap(), b"hello");
    // Longer than the silence that ends it without -q.
    assert!(ncat.runs_for(Duration::from_millis(800)));
    send(&mut dtls, b"late");
    assert_eq!(next(&mut dtls), None);
    assert!(began.elapsed() >= Duration::from_secs(3));
    end(&mut dtls);
    assert_eq!(ncat.finish().expect_code(0).stdout, b"late");
}

#[test]
fn dtls_stdin_ends_idle() {
    let (ncat, mut dtls) = as_client(&["-i", "300ms"], Input::Held);
    send(&mut dtls, b"hello");
    assert_eq!(next(&mut dtls), None, "nothing else would say that we are gone");
    let done = ncat.finish().expect_code(1);
    assert_eq!(done.stdout, b"hello");
    assert!(done.stderr.contains("Idle timeout expired (300 ms)."), "{}", done.stderr);
}

#[test]
fn dtls_stdin_ends_listen() {
    let (mut ncat, mut dtls) = as_server(&[], hello());
    assert_eq!(next(&mut dtls).unwrap(), b"hello");
    assert!(ncat.runs_for(Duration::from_millis(800)));
    send(&mut dtls, b"late");
    end(&mut dtls);
    assert_eq!(next(&mut dtls), None);
    assert_eq!(ncat.finish().expect_code(0).stdout, b"late");
}

#[test]
fn dtls_stdin_ends_listen_send_only() {
    let (ncat, mut dtls) = as_server(&["--send-only"], hello());
    assert_eq!(drain(&mut dtls), [b"hello"]);
    end(&mut dtls);
    ncat.finish().expect_code(0);
}

#[test]
fn dtls_stdin_ends_listen_keep() {
    let (mut ncat, mut dtls) = as_server(&["-k"], hello());
    assert_eq!(next(&mut dtls).unwrap(), b"hello");
    assert!(ncat.runs_for(Duration::from_millis(800)));
    send(&mut dtls, b"late");
    assert_eq!(ncat.wait_output(4), b"late");
}

#[test]
fn dtls_peer_ends_plain() {
    for (ncat, mut dtls) in [as_client(&[], Input::Held), as_server(&[], Input::Held)] {
        send(&mut dtls, b"all");
        end(&mut dtls);
        assert_eq!(ncat.finish().expect_code(0).stdout, b"all");
        assert_eq!(drain(&mut dtls), Vec::<Vec<u8>>::new(), "an end is answered");
    }
}

/// One that has ended would never refuse what is sent to it, however much there is.
#[test]
fn dtls_peer_ends_more_is_ready() {
    let zeros = || Input::Fd(std::fs::File::open("/dev/zero").unwrap().into());
    for (ncat, mut dtls) in [as_client(&[], zeros()), as_server(&[], zeros())] {
        next(&mut dtls).unwrap();
        end(&mut dtls);
        ncat.finish().expect_code(0);
    }
}

#[test]
fn dtls_peer_ends_send_only() {
    let (mut ncat, mut dtls) = as_client(&["--send-only"], Input::Held);
    ncat.send(b"before");
    assert_eq!(next(&mut dtls).unwrap(), b"before");
    end(&mut dtls);
    ncat.finish().expect_code(0);
}

#[test]
fn dtls_peer_ends_listen_keep() {
    let (mut ncat, mut dtls) = as_server(&["-k"], Input::Held);
    send(&mut dtls, b"all");
    end(&mut dtls);
    assert_eq!(next(&mut dtls), None);
    assert_eq!(ncat.wait_output(3), b"all");
    assert!(ncat.runs_for(Duration::from_millis(300)));
    let mut next = client(ncat.listening().port());
    send(&mut next, b" more");
    assert_eq!(ncat.wait_output(8), b"all more");
}

#[test]
fn dtls_peer_silent_listen_keep() {
    let (mut ncat, mut dtls) = as_server(&["-k", "-i", "400ms"], Input::Held);
    send(&mut dtls, b"all");
    // Forgotten, and told so: what it would send now nobody could read.
    assert_eq!(next(&mut dtls), None);
    assert!(ncat.is_running());
}

#[test]
fn dtls_peer_gone_plain() {
    let (mut ncat, mut dtls) = as_client(&[], Input::Held);
    send(&mut dtls, b"before");
    assert_eq!(ncat.wait_output(6), b"before");
    drop(dtls);
    ncat.send(b"question");
    let done = ncat.finish().expect_code(1);
    assert_eq!(done.stdout, b"before");
    assert!(done.stderr.contains("Ncat: Connection refused."), "{}", done.stderr);
}

#[test]
fn dtls_signal_listen_keep() {
    let (ncat, mut dtls) = as_server(&["-k"], Input::Held);
    send(&mut dtls, b"hello");
    assert_eq!(ncat.wait_output(5), b"hello");
    ncat.signal(rustix::process::Signal::TERM);
    assert_eq!(next(&mut dtls), None);
    ncat.finish().expect_code(128 + 15);
}
