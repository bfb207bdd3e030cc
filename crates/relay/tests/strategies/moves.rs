//! No fault: everything arrives, whatever the split, the size of calls and who ends first.

use proptest::collection::vec;
use proptest::prelude::*;
use relay::{EndedBy, Side, Strategy as Way};

use crate::rig::{Case, In, Net, Out, Peer, check, many, numbers, run};

/// Every pair of descriptors, with the ways that must be chosen for it.
pub(crate) const PAIRS: &[(In, Out, Net, Way, Way)] = &[
    (In::File, Out::File, Net::Tcp, Way::Sendfile, Way::SplicePipe),
    (In::File, Out::Null, Net::Unix, Way::Sendfile, Way::SplicePipe),
    (In::File, Out::AppendLater, Net::Tcp, Way::Sendfile, Way::SplicePipe),
    (In::File, Out::Pipe, Net::Tcp, Way::Sendfile, Way::Splice),
    (In::Pipe, Out::Pipe, Net::Tcp, Way::Splice, Way::Splice),
    (In::Pipe, Out::Pipe, Net::Unix, Way::Splice, Way::Splice),
    (In::Pipe, Out::Append, Net::Tcp, Way::Splice, Way::Buffered),
    (In::Socket, Out::Socket, Net::Tcp, Way::Buffered, Way::Buffered),
    (In::Socket, Out::Socket, Net::Unix, Way::Buffered, Way::Buffered),
    (In::Empty, Out::File, Net::Unix, Way::Buffered, Way::SplicePipe),
    (In::Pipe, Out::Discard, Net::Tcp, Way::Splice, Way::Buffered),
];

fn complete(case: &Case, ways: (Way, Way)) {
    let seen = run(case);
    check(case, &seen);
    assert!(seen.outcome.error.is_none(), "{case:?}: {:?}", seen.outcome);
    assert_eq!(seen.outcome.ended_by, EndedBy::RemoteEnd);
    assert_eq!(seen.chosen, ways, "{:?} {:?}", case.input, case.output);
}

#[test]
fn every_strategy_delivers_everything_whoever_ends_first() {
    for &(input, output, net, send, recv) in PAIRS {
        for peer in [Peer::EndsFirst, Peer::EndsLast] {
            complete(&Case { peer, ..Case::new(input, output, net) }, (send, recv));
        }
    }
}

#[test]
fn every_strategy_moves_more_than_any_buffer_holds() {
    for &(input, output, net, send, recv) in PAIRS {
        for peer in [Peer::EndsFirst, Peer::EndsLast] {
            let mut case = Case { peer, ..Case::new(input, output, net) };
            case.recv = many(6_000_011);
            if input != In::Empty {
                case.send = many(5_000_003);
            }
            complete(&case, (send, recv));
        }
    }
}

#[test]
fn the_tail_of_a_bulk_transfer_is_not_held_back_for_more() {
    let pairs = PAIRS.iter().filter(|pair| matches!(pair.1, Out::Pipe | Out::Socket));
    for &(input, output, net, send, recv) in pairs {
        for tail in [0, 1, 300, 100_000] {
            let mut case = Case { peer: Peer::EndsWhenHeard, ..Case::new(input, output, net) };
            case.recv = many(8_000_000).repeat(4);
            case.splits = vec![case.recv.len()];
            case.recv.extend(many(tail));
            complete(&case, (send, recv));
        }
    }
}

#[test]
fn nothing_at_all_is_moved_as_well() {
    for &(input, output, net, send, recv) in PAIRS {
        let case = Case { send: vec![], recv: vec![], ..Case::new(input, output, net) };
        complete(&case, (send, recv));
    }
}

#[test]
fn short_calls_lose_nothing() {
    for &(input, output, net, send, recv) in PAIRS {
        for limit in [1, 2, 3, 7, 64, 999] {
            let mut case = Case { limit: Some(limit), ..Case::new(input, output, net) };
            case.send.truncate(limit * 40);
            case.recv.truncate(limit * 40 + 1);
            complete(&case, (send, recv));
        }
    }
}

#[test]
fn a_full_device_is_our_failure() {
    let seen = run(&Case::new(In::Empty, Out::Full, Net::Tcp));
    let error = seen.outcome.error.expect("a full device takes nothing");
    assert_eq!((error.side, error.error.raw_os_error()), (Side::LocalOutput, Some(28)));
}

#[test]
fn a_reset_is_an_error_however_the_bytes_moved() {
    for &(input, output, net, ..) in PAIRS.iter().filter(|pair| pair.2 == Net::Tcp) {
        for after in [0, 1, 5_000] {
            let mut case = Case::new(input, output, net);
            case.peer = Peer::Resets(after);
            case.send = many(8_000_000);
            case.recv.clear();
            let seen = run(&case);
            check(&case, &seen);
            let error = seen.outcome.error.expect("a reset");
            assert_eq!(error.side, Side::Remote, "{input:?} {output:?}: {error:?}");
        }
    }
}

fn cases() -> impl Strategy<Value = (Case, (Way, Way))> {
    let limit = prop_oneof![2 => Just(None), 1 => (1..5_000_usize).prop_map(Some)];
    let peer = prop_oneof![Just(Peer::EndsFirst), Just(Peer::EndsLast)];
    let sizes = (0..20_000_usize, 0..20_000_usize);
    (0..PAIRS.len(), limit, peer, sizes, vec(0..4_000_usize, 0..6)).prop_map(
        |(pair, limit, peer, (send, recv), splits)| {
            let (input, output, net, to, from) = PAIRS[pair];
            let send = if input == In::Empty { 0 } else { send };
            let mut case = Case { limit, peer, splits, ..Case::new(input, output, net) };
            let least = limit.unwrap_or(usize::MAX).saturating_mul(200);
            case.send = numbers(send.min(least), 21);
            case.recv = numbers(recv.min(least), 22);
            (case, (to, from))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_and_any_size_of_call_gives_the_same((case, ways) in cases()) {
        complete(&case, ways);
    }
}
