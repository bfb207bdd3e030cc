//! Batches of datagrams over real sockets: boundaries, order and emptiness are kept, and where a
//! call fails the kernel has been given a beginning of what there was.
#![cfg(target_os = "linux")]

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use conn::Conn;
use endpoint::{Source, udp};
use gate::Gatekeeper;
use relay::{AfterLocalEnd, Outcome, Rules, Session, Side, Totals};
use socket2::{Domain, Socket, Type};
use sys::fault::{self, Call};
use testkit::scripted::{Give, Record, Script};

const EINTR: i32 = 4;
const EIO: i32 = 5;
const EINVAL: i32 = 22;
const EPERM: i32 = 1;

/// A peer that only holds what it is sent.
fn peer() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a port");
    socket.set_recv_buffer_size(4 * 1024 * 1024).expect("an option");
    socket.set_nonblocking(true).expect("an option");
    let at = socket.local_addr().expect("an address").as_socket().expect("an address");
    (socket, at)
}

fn waiting(mut socket: &Socket) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut buf = vec![0; 65_536];
    while let Ok(n) = socket.read(&mut buf) {
        all.push(buf[..n].to_vec());
    }
    all
}

fn numbered(lens: &[usize]) -> Vec<Bytes> {
    let piece = |(i, len): (usize, &usize)| {
        Bytes::from((0..*len).map(|at| (at + i) as u8).collect::<Vec<_>>())
    };
    lens.iter().enumerate().map(piece).collect()
}

struct Seen {
    outcome: Outcome,
    local: Record,
    at_peer: Vec<Vec<u8>>,
    fired: bool,
}

/// Sends what `local` gives, receives what `answers` says, with the nth call failing.
async fn run(local: Script, answers: &[Bytes], fault: Option<(Call, u64, i32)>) -> Seen {
    let (socket, at) = peer();
    let gate = Gatekeeper::open();
    let remote: Conn = udp::connect(&gate, "peer", at, &Source::default()).expect("a socket");
    let ours: SocketAddr = remote.info.local.parse().expect("an address");
    for answer in answers {
        socket.send_to(answer, &ours.into()).expect("room");
    }
    let (local, record) = local.conn();
    let rules = Rules {
        after_local_end: AfterLocalEnd::Quiet(Duration::from_millis(30)),
        datagram_size: 1000,
        ..Rules::default()
    };
    let session = Session::new(local, remote, rules, Arc::new(Totals::default()));
    if let Some((call, nth, errno)) = fault {
        fault::fail_nth(call, nth, errno);
    }
    let outcome = tokio::time::timeout(Duration::from_secs(20), session.run()).await;
    let fired = fault::reset() > 0;
    let outcome = outcome.expect("an end");
    Seen { outcome, local: record, at_peer: waiting(&socket), fired }
}

const LENS: &[usize] = &[
    1, 0, 0, 500, 500, 500, 200, 1200, 0, 9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000, 65_507, 3,
];

#[tokio::test]
async fn boundaries_order_and_empty_datagrams_are_kept_both_ways() {
    let pieces = numbered(LENS);
    // All at once, and one by one: batches and trains, and neither.
    let at_once = Script::new().messages().give(Give::Pieces(pieces.clone())).end();
    let one_by_one = pieces
        .iter()
        .fold(Script::new().messages(), |script, piece| {
            script.give(Give::Pieces(vec![piece.clone()]))
        })
        .end();
    for local in [at_once, one_by_one] {
        let seen = run(local, &pieces, None).await;
        assert!(seen.outcome.error.is_none(), "{:?}", seen.outcome);
        assert!(seen.at_peer == pieces, "{:?}", lens(&seen.at_peer));
        assert!(seen.local.pieces() == pieces);
    }
}

fn lens(pieces: &[Vec<u8>]) -> Vec<usize> {
    pieces.iter().map(Vec::len).collect()
}

#[tokio::test]
async fn a_stream_is_cut_into_datagrams_and_datagrams_make_a_stream() {
    let data: Vec<u8> = numbered(&[150_300]).concat();
    let answers = numbered(&[10, 0, 2000]);
    let local = Script::new().recv_split(data.clone(), &[100_000, 7]).end();
    let seen = run(local, &answers, None).await;
    assert!(seen.outcome.error.is_none(), "{:?}", seen.outcome);
    assert!(seen.at_peer.concat() == data);
    assert!(lens(&seen.at_peer).iter().all(|len| (1..=1000).contains(len)));
    assert!(seen.local.sent() == answers.concat());
}

async fn each_nth(call: Call, errno: i32, look: impl Fn(&Seen)) -> u64 {
    let pieces = numbered(LENS);
    for n in 1.. {
        let local = Script::new().messages().give(Give::Pieces(pieces.clone())).end();
        let seen = run(local, &pieces, Some((call, n, errno))).await;
        let story = format!("{call:?} {n} fails with {errno}: {:?}", seen.outcome);
        assert!(
            pieces.starts_with(&seen.at_peer.iter().map(|p| p.clone().into()).collect::<Vec<_>>()),
            "{story}"
        );
        assert!(pieces.starts_with(&seen.local.pieces()), "{story}");
        if seen.outcome.error.is_none() {
            assert!(seen.at_peer == pieces && seen.local.pieces() == pieces, "{story}");
        }
        if !seen.fired {
            return n - 1;
        }
        look(&seen);
    }
    0
}

#[tokio::test]
async fn a_failing_call_is_the_peers_error() {
    for call in [Call::Read, Call::Write] {
        let failures = each_nth(call, EPERM, |seen| {
            let error = seen.outcome.error.as_ref().expect("an error");
            assert_eq!((error.side, error.error.raw_os_error()), (Side::Remote, Some(EPERM)));
        });
        assert!(failures.await > 0);
    }
}

#[tokio::test]
async fn an_interrupted_call_is_made_again() {
    for call in [Call::Read, Call::Write] {
        let failures = each_nth(call, EINTR, |seen| assert!(seen.outcome.error.is_none()));
        assert!(failures.await > 0);
    }
}

#[tokio::test]
async fn a_train_that_is_declined_goes_one_by_one() {
    for errno in [EINVAL, EIO] {
        let pieces = numbered(&[500; 40]);
        let local = Script::new().messages().give(Give::Pieces(pieces.clone())).end();
        let seen = run(local, &[], Some((Call::Write, 1, errno))).await;
        assert!(seen.fired && seen.outcome.error.is_none(), "{:?}", seen.outcome);
        assert!(seen.at_peer == pieces);
    }
}
