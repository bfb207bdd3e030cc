//! Boundaries: each datagram is one record and comes out as one datagram.

use testkit::data::bytes;
use testkit::process::ncat;

use crate::peer::{Server, client, drain, end, next, send};
use crate::pki::{Identity, Wanted};

fn own() -> Identity {
    Identity::alone(&Wanted::name(&["localhost"]))
}

#[test]
fn datagrams_of_one_byte_and_of_a_whole_record() {
    let ncat = ncat(["-lv", "-u", "--ssl", "-x", "/dev/stderr", "127.0.0.1", "0"]).held().start();
    let mut dtls = client(ncat.listening().port());
    let mut all = Vec::new();
    for len in [1, 1, 2, 1400, 8192, 8193, 16_383, 16_384, 1] {
        let data = bytes(len as u64, len);
        send(&mut dtls, &data);
        all.extend(data);
        assert_eq!(ncat.wait_output(all.len()), all);
    }
    end(&mut dtls);
    ncat.finish().expect_code(0);
}

#[test]
fn boundaries_are_kept_both_ways() {
    let server = Server::new(&own(), |_| {});
    let ncat = ncat(["-u", "--ssl", "--datagram-size", "1000", "127.0.0.1", &server.port()]);
    let sent = bytes(7, 10_500);
    let ncat = ncat.bytes(sent.clone()).start();
    let mut dtls = server.accept();
    for piece in sent.chunks(1000) {
        assert_eq!(next(&mut dtls).unwrap(), piece);
    }
    send(&mut dtls, b"answer");
    assert_eq!(drain(&mut dtls), Vec::<Vec<u8>>::new());
    end(&mut dtls);
    assert_eq!(ncat.finish().expect_code(0).stdout, b"answer");
}

#[test]
fn the_largest_datagram_is_sent_in_one() {
    let server = Server::new(&own(), |_| {});
    let ncat = ncat(["-u", "--ssl", "--datagram-size", "16384", "127.0.0.1", &server.port()]);
    let sent = bytes(8, 16_384);
    let ncat = ncat.bytes(sent.clone()).start();
    let mut dtls = server.accept();
    assert_eq!(next(&mut dtls).unwrap(), sent);
    assert_eq!(next(&mut dtls), None);
    end(&mut dtls);
    ncat.finish().expect_code(0);
}

#[test]
fn what_no_record_holds_is_refused_and_not_cut() {
    let refused = ncat(["-u", "--ssl", "--datagram-size", "16385", "127.0.0.1", "1"]).run();
    let refused = refused.expect_code(2);
    assert!(refused.stderr.contains("a record of DTLS holds 16384 bytes"), "{}", refused.stderr);
}

#[test]
fn a_burst_is_sent_and_received_whole() {
    let server = Server::new(&own(), |_| {});
    let ncat = ncat(["-u", "--ssl", "--datagram-size", "100", "127.0.0.1", &server.port()]);
    // Far less than a socket's buffer, far more than a batch.
    let sent = bytes(9, 20_000);
    let ncat = ncat.bytes(sent.clone()).start();
    let mut dtls = server.accept();
    let got = drain(&mut dtls);
    assert_eq!(got.len(), 200);
    assert_eq!(got.concat(), sent);
    end(&mut dtls);
    ncat.finish().expect_code(0);
}
