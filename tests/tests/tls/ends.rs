//! The end of a stream: half-close, close, cut; records split at every byte; 20 MB each way.

use std::io::Write;
use std::time::Duration;

use openssl::ssl::SslVersion;
use testkit::data::{assert_same, bytes};
use testkit::process::{Input, Process, ncat};

use crate::peer::{Ended, Server, Tls, client, drain, half_close, take, try_client};
use crate::pki::{Identity, Wanted};

const MB20: usize = 20 << 20;

fn own() -> Identity {
    Identity::alone(&Wanted::name(&["a"]))
}

/// Our program as a client of the test, or as its server.
fn both_ways(args: &[&str], input: impl Fn() -> Input, check: impl Fn(Process, Tls)) {
    let server = Server::new(&own(), |_| {});
    let ncat = ncat(["-v", "--ssl"]).args(args).args(["127.0.0.1", &server.port()]);
    let ncat = ncat.input(input()).start();
    check(ncat, server.accept());
    let ncat = self::ncat(["-lv", "--ssl"]).args(args).args(["127.0.0.1", "0"]);
    let ncat = ncat.input(input()).start();
    let tls = client(ncat.listening().port());
    check(ncat, tls);
}

#[test]
fn a_record_may_arrive_byte_by_byte() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let ncat = ncat(["-l", "--ssl", "-v", "127.0.0.1", "0"]).held().start();
        let port = ncat.listening().port();
        let tls = try_client(port, |builder, _| {
            builder.set_max_proto_version(Some(version)).unwrap();
        });
        let mut tls = tls.unwrap();
        tls.get_mut().piece = 1;
        tls.write_all(b"hello").unwrap();
        assert_eq!(ncat.wait_output(5), b"hello");
        let sent = bytes(1, 20_000);
        tls.write_all(&sent).unwrap();
        half_close(&mut tls);
        let wanted = [b"hello", &sent[..]].concat();
        assert_same("byte by byte", &ncat.wait_output(wanted.len()), &wanted);
        let mut ncat = ncat;
        ncat.end_input();
        assert_eq!(drain(&mut tls).1, Ended::Told);
        ncat.finish().expect_code(0);
    }
}

/// Both records of a pair, in two segments that are split at every place.
#[test]
fn records_may_be_split_at_every_byte() {
    both_ways(
        &[],
        || Input::Held,
        |ncat, mut tls| {
            let mut wanted = Vec::new();
            for piece in 1..60 {
                tls.get_mut().piece = piece;
                tls.write_all(&[piece as u8; 30]).unwrap();
                wanted.extend([piece as u8; 30]);
                assert_eq!(ncat.wait_output(wanted.len()), wanted, "split at {piece}");
            }
            half_close(&mut tls);
            let mut ncat = ncat;
            ncat.end_input();
            assert_eq!(drain(&mut tls).1, Ended::Told);
            ncat.finish().expect_code(0);
        },
    );
}

#[test]
fn our_end_is_told_and_the_peer_goes_on() {
    both_ways(
        &[],
        || Input::Bytes(b"question".to_vec()),
        |ncat, mut tls| {
            assert_eq!(drain(&mut tls), (b"question".to_vec(), Ended::Told));
            let answer = bytes(2, 1 << 20);
            tls.write_all(&answer).unwrap();
            half_close(&mut tls);
            assert_same("answer", &ncat.finish().expect_code(0).stdout, &answer);
        },
    );
}

#[test]
fn the_peers_end_leaves_our_direction_open() {
    let sent = bytes(3, MB20);
    both_ways(
        &[],
        || Input::Bytes(sent.clone()),
        |ncat, mut tls| {
            half_close(&mut tls);
            let (got, ended) = drain(&mut tls);
            assert_same("after its end", &got, &sent);
            assert_eq!(ended, Ended::Told);
            ncat.finish().expect_code(0);
        },
    );
}

#[test]
fn twenty_megabytes_each_way_at_once() {
    let sent = bytes(4, MB20);
    both_ways(
        &[],
        || Input::Bytes(sent.clone()),
        |ncat, mut tls| {
            let theirs = bytes(5, MB20);
            let (mut got, mut at) = (Vec::new(), 0);
            while at < theirs.len() {
                at += tls.ssl_write(&theirs[at..theirs.len().min(at + 100_000)]).unwrap();
                let want = (at.min(sent.len())).saturating_sub(got.len());
                got.extend(take(&mut tls, want));
            }
            half_close(&mut tls);
            let (rest, ended) = drain(&mut tls);
            got.extend(rest);
            assert_same("sent", &got, &sent);
            assert_eq!(ended, Ended::Told);
            assert_same("received", &ncat.finish().expect_code(0).stdout, &theirs);
        },
    );
}

#[test]
fn an_end_without_close_notify_is_told() {
    let warning = "closed the connection without a TLS close_notify";
    both_ways(
        &[],
        || Input::Held,
        |ncat, mut tls| {
            tls.write_all(b"hello").unwrap();
            drop(tls);
            let done = ncat.finish().expect_code(0);
            assert_eq!(done.stdout, b"hello");
            assert!(done.stderr.contains(warning), "{}", done.stderr);
        },
    );
    both_ways(
        &["--ssl-strict-eof"],
        || Input::Held,
        |ncat, mut tls| {
            tls.write_all(b"hello").unwrap();
            drop(tls);
            let done = ncat.finish().expect_code(1);
            assert_eq!(done.stdout, b"hello");
            assert!(done.stderr.contains(warning), "{}", done.stderr);
        },
    );
    // An orderly end is none of this.
    both_ways(
        &["--ssl-strict-eof"],
        || Input::Held,
        |ncat, mut tls| {
            tls.write_all(b"hello").unwrap();
            half_close(&mut tls);
            let done = ncat.finish().expect_code(0);
            assert!(!done.stderr.contains("close_notify"), "{}", done.stderr);
            assert_eq!(drain(&mut tls).1, Ended::Told, "an orderly end is answered");
        },
    );
}

#[test]
fn an_end_in_the_middle_of_a_record_is_always_an_error() {
    both_ways(
        &[],
        || Input::Held,
        |ncat, mut tls| {
            tls.write_all(b"hello").unwrap();
            ncat.wait_output(5);
            // The beginning of a record of 100 bytes.
            tls.get_mut().socket.write_all(&[23, 3, 3, 0, 100, 1, 2, 3]).unwrap();
            drop(tls);
            let done = ncat.finish().expect_code(1);
            assert_eq!(done.stdout, b"hello");
            assert!(done.stderr.contains("in the middle of a TLS record"), "{}", done.stderr);
        },
    );
}

#[test]
fn a_record_that_cannot_be_is_an_error() {
    both_ways(
        &[],
        || Input::Held,
        |ncat, mut tls| {
            tls.write_all(b"hello").unwrap();
            ncat.wait_output(5);
            let forged = [&[23, 3, 3, 0, 100][..], &[7; 100]].concat();
            tls.get_mut().socket.write_all(&forged).unwrap();
            let done = ncat.finish().expect_code(1);
            assert_eq!(done.stdout, b"hello");
            assert!(done.stderr.contains("TLS failed: "), "{}", done.stderr);
        },
    );
}

#[test]
fn what_was_sent_has_arrived_before_we_end() {
    for args in [&["--send-only"][..], &["-q", "200ms"]] {
        let sent = bytes(6, MB20);
        both_ways(
            args,
            || Input::Bytes(sent.clone()),
            |ncat, mut tls| {
                let (got, ended) = drain(&mut tls);
                assert_same("all of it", &got, &sent);
                assert_eq!(ended, Ended::Told);
                drop(tls);
                ncat.finish().expect_code(0);
            },
        );
    }
}

#[test]
fn no_shutdown_tells_the_peer_nothing() {
    both_ways(
        &["--no-shutdown"],
        || Input::Bytes(b"hello".to_vec()),
        |mut ncat, mut tls| {
            assert_eq!(take(&mut tls, 5), b"hello");
            assert!(ncat.runs_for(Duration::from_millis(300)));
            tls.write_all(b"late").unwrap();
            half_close(&mut tls);
            assert_eq!(ncat.finish().expect_code(0).stdout, b"late");
            assert_eq!(drain(&mut tls), (Vec::new(), Ended::Told));
        },
    );
}

#[test]
fn an_idle_timeout_does_not_claim_that_this_was_all() {
    both_ways(
        &["-i", "400ms"],
        || Input::Held,
        |mut ncat, mut tls| {
            ncat.send(b"hello");
            assert_eq!(drain(&mut tls), (b"hello".to_vec(), Ended::Cut));
            let done = ncat.finish().expect_code(1);
            assert!(done.stderr.contains("Idle timeout expired (400 ms)."), "{}", done.stderr);
        },
    );
}

/// A server that answers, ends and closes without looking at what we say any more, as web servers do:
/// its system resets the connection when our close_notify comes, and nothing is lost by it.
#[test]
fn a_server_that_closes_without_reading_our_end_has_lost_nothing() {
    let server = Server::new(&own(), |_| {});
    for told in [true, false] {
        let mut ncat = ncat(["-v", "--ssl", "127.0.0.1", &server.port()]).held().start();
        let mut tls = server.accept();
        ncat.send(b"question");
        assert_eq!(take(&mut tls, 8), b"question");
        tls.write_all(b"answer").unwrap();
        if told {
            half_close(&mut tls);
        }
        let closes = tls.get_ref().socket.try_clone().unwrap();
        drop(tls);
        closes.shutdown(std::net::Shutdown::Both).unwrap();
        drop(closes);
        ncat.wait_output(6);
        ncat.end_input();
        let done = ncat.finish().expect_code(0);
        assert_eq!(done.stdout, b"answer");
        assert_eq!(done.stderr.contains("without a TLS close_notify"), !told, "{}", done.stderr);
    }
}

/// The same, with an answer that its system takes back: that is told, with what helps.
#[test]
fn a_reset_after_our_end_is_told_with_what_helps() {
    let server = Server::new(&own(), |_| {});
    let ncat = ncat(["--ssl", "127.0.0.1", &server.port()]).bytes("question").start();
    let mut tls = server.accept();
    assert_eq!(take(&mut tls, 8), b"question");
    tls.write_all(b"half an ans").unwrap();
    // Our end is here and not read, so that closing is a reset.
    let socket = tls.get_ref().socket.try_clone().unwrap();
    testkit::eventually("our end", || {
        let mut peeked = [0; 64];
        socket.peek(&mut peeked).is_ok_and(|n| n > 0).then_some(())
    });
    drop((tls, socket));
    let done = ncat.finish().expect_code(1);
    assert_eq!(done.first_line(), "Ncat: Connection reset by peer.");
    assert!(done.stderr.contains("hint: the input had ended"), "{}", done.stderr);
    assert!(done.stderr.contains("--no-shutdown"), "{}", done.stderr);
    assert_eq!(done.stdout, b"half an ans");
}
