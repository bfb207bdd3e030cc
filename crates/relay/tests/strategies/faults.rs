//! The nth call fails, for every n, every kind of call, every way of moving bytes.

use std::time::Duration;

use relay::{Side, Strategy as Way};
use sys::fault::Call;

use crate::moves::PAIRS;
use crate::rig::{Case, In, Net, Out, Seen, check, many, run};

const EPERM: i32 = 1;
const EINTR: i32 = 4;
const EIO: i32 = 5;
const EAGAIN: i32 = 11;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const EPIPE: i32 = 32;
const ENOSYS: i32 = 38;
const EOPNOTSUPP: i32 = 95;
const ECONNRESET: i32 = 104;

type Pair = (In, Out, Net, Way, Way);

fn case(pair: &Pair) -> Case {
    let mut case = Case::new(pair.0, pair.1, pair.2);
    case.send.truncate(3_500);
    case.recv.truncate(3_100);
    case.limit = Some(1_000);
    case.splits = vec![1_500, 700];
    case
}

/// Runs with the nth call failing, for every n there is, and looks at each run; says how many
/// failures there were.
fn each_nth(case: &Case, call: Call, errno: i32, look: impl Fn(u64, &Seen)) -> u64 {
    for n in 1.. {
        let case = Case { faults: vec![(call, n, errno)], ..case.clone() };
        let seen = run(&case);
        check(&case, &seen);
        if !seen.fired {
            return n - 1;
        }
        assert!(n < 300, "a session this small does not make {n} calls: {case:?}");
        look(n, &seen);
    }
    0
}

fn is_spliced(way: Way) -> bool {
    matches!(way, Way::Sendfile | Way::Splice | Way::SplicePipe)
}

/// Whose fault a failing call can be.
fn suspects(pair: &Pair, call: Call, errno: i32) -> Vec<Side> {
    let (input, output, _, send, recv) = *pair;
    let sends = input != In::Empty;
    let mut sides = Vec::new();
    match call {
        Call::Read => {
            sides.push(Side::Remote);
            if sends {
                sides.push(Side::LocalInput);
            }
        }
        Call::Write => {
            if sends {
                sides.push(Side::Remote);
            }
            if !matches!(output, Out::Discard) {
                sides.push(Side::LocalOutput);
            }
        }
        _ => {
            // One call has both ends, and its error tells which.
            if matches!(send, Way::Sendfile | Way::Splice) {
                sides.push(if errno == EIO { Side::LocalInput } else { Side::Remote });
            }
            match recv {
                Way::Splice if matches!(errno, EPIPE | ENOSPC) => sides.push(Side::LocalOutput),
                Way::Splice => sides.push(Side::Remote),
                Way::SplicePipe => sides.extend([Side::Remote, Side::LocalOutput]),
                _ => {}
            }
        }
    }
    sides
}

#[test]
fn a_failing_call_is_an_error_of_the_right_side() {
    let mut failures = 0;
    for pair in PAIRS {
        for call in [Call::Read, Call::Write, Call::Splice] {
            for errno in [EIO, ECONNRESET, EINVAL, ENOSPC, EPIPE] {
                if (call, errno) == (Call::Splice, EINVAL) {
                    continue;
                }
                let sides = suspects(pair, call, errno);
                failures += each_nth(&case(pair), call, errno, |n, seen| {
                    let story = format!("{pair:?}, {call:?} {n} fails with {errno}");
                    let error = seen.outcome.error.as_ref();
                    let error = error.unwrap_or_else(|| panic!("no error: {story}"));
                    assert!(sides.contains(&error.side), "{:?} blamed: {story}", error.side);
                    assert_eq!(error.error.raw_os_error(), Some(errno), "{story}");
                });
            }
        }
    }
    assert!(failures > 300, "{failures}");
}

#[test]
fn an_interrupted_call_is_made_again() {
    let mut failures = 0;
    for pair in PAIRS {
        for call in [Call::Read, Call::Write, Call::Splice] {
            failures += each_nth(&case(pair), call, EINTR, |n, seen| {
                let error = &seen.outcome.error;
                assert!(error.is_none(), "{pair:?}, {call:?} {n}: {error:?}");
            });
        }
    }
    assert!(failures > 60, "{failures}");
}

#[test]
fn a_kernel_that_declines_to_splice_costs_no_byte() {
    let mut failures = 0;
    for pair in PAIRS.iter().filter(|pair| is_spliced(pair.3) || is_spliced(pair.4)) {
        for errno in [EINVAL, ENOSYS, EOPNOTSUPP, EPERM] {
            failures += each_nth(&case(pair), Call::Splice, errno, |n, seen| {
                let error = &seen.outcome.error;
                assert!(error.is_none(), "{pair:?}, splice {n} declined: {error:?}");
            });
        }
    }
    assert!(failures > 60, "{failures}");
}

/// A real `EAGAIN` is followed by an event and a made-up one is not, so only where the session asks
/// for itself whether it was meant can one be made up.
#[test]
fn a_splice_that_finds_nothing_tries_again() {
    let mut failures = 0;
    let pairs = || PAIRS.iter().filter(|pair| pair.4 != Way::SplicePipe && is_spliced(pair.3));
    for pair in pairs() {
        failures += each_nth(&case(pair), Call::Splice, EAGAIN, |n, seen| {
            let error = &seen.outcome.error;
            assert!(error.is_none(), "{pair:?}, splice {n}: {error:?}");
        });
    }
    assert!(failures > 15, "{failures}");
}

#[test]
fn bytes_in_the_pipe_survive_a_refusal_in_the_middle() {
    // Enough for the pipe to be full; one of the first splices goes out of it and is declined.
    for output in [Out::File, Out::Null] {
        let mut case = Case::new(In::Empty, output, Net::Unix);
        case.recv = many(3_000_000);
        for read in [None, Some((1, EINTR)), Some((2, EINTR))] {
            assert!((2..60).any(|nth| {
                let mut case = case.clone();
                case.faults = vec![(Call::Splice, nth, EINVAL)];
                case.faults.extend(read.map(|(n, errno)| (Call::Read, n, errno)));
                let seen = run(&case);
                check(&case, &seen);
                assert!(seen.outcome.error.is_none(), "{:?}", seen.outcome);
                seen.fired
            }));
        }
    }
}

#[test]
fn bytes_lost_in_the_pipe_are_an_error() {
    assert!((2..60).any(|nth| {
        let mut case = case(&(In::Empty, Out::File, Net::Unix, Way::Buffered, Way::SplicePipe));
        case.faults = vec![(Call::Splice, nth, EINVAL), (Call::Read, 1, EIO)];
        let seen = run(&case);
        check(&case, &seen);
        assert!(!seen.fired || seen.outcome.error.is_some());
        seen.fired
    }));
}

#[test]
fn a_target_that_begins_to_append_gets_every_byte() {
    for net in [Net::Tcp, Net::Unix] {
        let mut case = Case::new(In::Empty, Out::AppendLater, net);
        case.recv = many(3_000_000);
        let seen = run(&case);
        check(&case, &seen);
        assert!(seen.outcome.error.is_none(), "{:?}", seen.outcome);
    }
}

#[test]
fn a_failing_session_ends_at_once() {
    let start = std::time::Instant::now();
    let mut case = case(&(In::Pipe, Out::Pipe, Net::Tcp, Way::Splice, Way::Splice));
    case.faults = vec![(Call::Splice, 1, ECONNRESET)];
    let seen = run(&case);
    assert!(seen.outcome.error.is_some());
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
#[should_panic(expected = "the peer got something else")]
fn canary_a_changed_byte_is_noticed() {
    let case = case(&PAIRS[0]);
    let mut seen = run(&case);
    seen.at_peer.swap(0, 1);
    check(&case, &seen);
}
