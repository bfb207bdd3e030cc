//! Random scripts under random rules; proptest prints the seed of what fails.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use relay::{AfterLocalEnd, EndedBy, OnLocalEnd, OnRemoteEnd, Outcome, Rules, Session, Totals};
use testkit::scripted::{Give, Record, Script, Take};
use tokio::time::Instant;

use crate::model::{Half, expect};

// Every wait is a multiple of 10 ms, the peer's first is 3 ms more, and every timer has a last
// digit of its own: nothing ever happens at the same moment, so the model needs no order for it.
const LINGER: u64 = 101;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

fn wait() -> impl Strategy<Value = Duration> {
    prop_oneof![3 => 0..20_u64, 1 => 0..200_u64].prop_map(|tens| ms(tens * 10))
}

fn give() -> impl Strategy<Value = Vec<Give>> {
    let piece = prop_oneof![1 => Just(0_usize), 8 => 1..40_usize]
        .prop_map(|len| bytes::Bytes::from(vec![0; len]));
    let step = prop_oneof![
        4 => vec(piece, 1..4).prop_map(Give::Pieces),
        1 => Just(Give::Pending),
        2 => wait().prop_map(Give::Wait),
    ];
    let last = prop_oneof![
        6 => Just(Some(Give::End)),
        1 => Just(Some(Give::Fail(104))),
        1 => Just(Some(Give::Fail(5))),
        1 => Just(None),
    ];
    (vec(step, 0..8), last).prop_map(|(mut steps, last)| {
        steps.extend(last);
        steps
    })
}

fn take() -> impl Strategy<Value = Vec<Take>> {
    let step = prop_oneof![
        6 => (1..50_usize).prop_map(Take::Bytes),
        2 => Just(Take::Pending),
        2 => wait().prop_map(Take::Wait),
    ];
    let last = prop_oneof![
        8 => Just(None),
        1 => Just(Some(Take::Fail(32))),
        1 => Just(Some(Take::Fail(28))),
        1 => Just(Some(Take::Never)),
    ];
    (vec(step, 0..12), last).prop_map(|(mut steps, last)| {
        steps.extend(last);
        steps
    })
}

fn half(start: u64) -> impl Strategy<Value = Half> {
    (give(), take()).prop_map(move |(mut give, take)| {
        give.insert(0, Give::Wait(ms(start)));
        fill(&mut give);
        Half { give, take }
    })
}

/// Numbers the bytes, so that a lost, doubled or moved one shows.
fn fill(give: &mut [Give]) {
    let mut next = 0_u8;
    for step in give {
        if let Give::Pieces(pieces) = step {
            for piece in pieces {
                let bytes: Vec<u8> = (0..piece.len())
                    .map(|_| {
                        next = (next + 1) % 251;
                        next
                    })
                    .collect();
                *piece = bytes.into();
            }
        }
    }
}

fn rules() -> impl Strategy<Value = Rules> {
    let after = prop_oneof![
        4 => Just(AfterLocalEnd::Stay),
        1 => Just(AfterLocalEnd::Quit),
        2 => (0..60_u64).prop_map(|tens| AfterLocalEnd::For(ms(tens * 10 + 7))),
        2 => (0..60_u64).prop_map(|tens| AfterLocalEnd::Quiet(ms(tens * 10 + 5))),
    ];
    let idle =
        prop_oneof![3 => Just(None), 1 => (1..80_u64).prop_map(|tens| Some(ms(tens * 10 + 6)))];
    let finish = prop_oneof![3 => Just(OnLocalEnd::Finish), 1 => Just(OnLocalEnd::Keep)];
    let remote = prop_oneof![Just(OnRemoteEnd::Drain), Just(OnRemoteEnd::Continue)];
    (prop::bool::weighted(0.9), finish, after, remote, idle).prop_map(
        |(sends, on_local_end, after_local_end, on_remote_end, idle)| Rules {
            sends,
            on_local_end,
            after_local_end,
            on_remote_end,
            idle,
            ..Rules::default()
        },
    )
}

/// What was seen: the outcome, when, and both conns' records.
struct Seen {
    outcome: Option<Outcome>,
    at: u64,
    local: Record,
    remote: Record,
}

fn run(local: Script, remote: Script, rules: Rules) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (local, local_record) = local.linger(ms(LINGER)).conn();
        let (remote, remote_record) = remote.conn();
        let start = Instant::now();
        let session = Session::new(local, remote, rules, Arc::new(Totals::default()));
        let outcome = tokio::time::timeout(DAY, session.run()).await.ok();
        let at = u64::try_from(start.elapsed().as_millis()).expect("a day");
        Seen { outcome, at, local: local_record, remote: remote_record }
    })
}

fn source(half: &Half) -> Vec<u8> {
    let pieces = half.give.iter().filter_map(|step| match step {
        Give::Pieces(pieces) => Some(pieces.concat()),
        _ => None,
    });
    pieces.collect::<Vec<_>>().concat()
}

/// What holds whatever the rules and the timing.
fn check_laws(local: &Half, remote: &Half, seen: &Seen) -> Result<(), TestCaseError> {
    prop_assert!(source(local).starts_with(&seen.remote.sent()), "not what we were given");
    prop_assert!(source(remote).starts_with(&seen.local.sent()), "not what the peer gave");
    let Some(outcome) = &seen.outcome else { return Ok(()) };
    prop_assert_eq!(outcome.sent, seen.remote.sent().len() as u64);
    prop_assert_eq!(outcome.received, seen.remote.given() as u64);
    if outcome.error.is_none() && outcome.ended_by != EndedBy::Idle {
        prop_assert_eq!(seen.local.given(), seen.remote.sent().len(), "sent less than was taken");
        prop_assert_eq!(seen.remote.given(), seen.local.sent().len(), "gave less than was taken");
    }
    prop_assert_eq!(outcome.error.is_some(), outcome.ended_by == EndedBy::Error);
    if seen.remote.is_finished() {
        prop_assert_eq!(source(local), seen.remote.sent(), "the end was sent before the data");
    }
    if seen.local.is_finished() {
        prop_assert_eq!(source(remote), seen.local.sent(), "the end was given before the data");
    }
    Ok(())
}

fn check(local: &Half, remote: &Half, rules: Rules, seen: &Seen) -> Result<(), TestCaseError> {
    check_laws(local, remote, seen)?;
    let expected = expect(local, remote, &rules, LINGER);
    if expected.as_ref().is_some_and(|e| e.listening && e.is_stuck) && seen.outcome.is_none() {
        return Ok(());
    }
    let (Some(expected), Some(outcome)) = (&expected, &seen.outcome) else {
        prop_assert_eq!(expected.is_some(), seen.outcome.is_some(), "{:?}", expected);
        return Ok(());
    };
    prop_assert_eq!(outcome.sent, expected.sent as u64);
    prop_assert_eq!(seen.remote.is_finished(), expected.remote_finished);
    let error = outcome.error.as_ref().map(|e| (e.side, e.error.raw_os_error().unwrap_or(0)));
    if expected.listening {
        prop_assert!(outcome.received >= expected.received.min(seen.remote.given()) as u64);
        prop_assert!(expected.error.is_none() || error == expected.error);
        return Ok(());
    }
    prop_assert_eq!(outcome.ended_by, expected.ended_by);
    prop_assert_eq!(error, expected.error);
    prop_assert_eq!(seen.at, expected.at);
    prop_assert_eq!(outcome.received, expected.received as u64);
    prop_assert_eq!(seen.local.is_finished(), expected.local_finished);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_session_does_what_the_model_says(
        local in half(0), remote in half(3), rules in rules()
    ) {
        let script = |half: &Half| Script::of(half.give.clone(), half.take.clone());
        let seen = run(script(&local), script(&remote), rules);
        check(&local, &remote, rules, &seen)?;
    }

    #[test]
    #[should_panic(expected = "not what we were given")]
    fn canary_a_lost_byte_is_noticed(len in 2..100_usize, at in 0..99_usize) {
        let at = at % (len - 1);
        let mut give = vec![Give::Pieces(vec![vec![0; len].into()]), Give::End];
        fill(&mut give);
        let local = Half { give, take: vec![] };
        let remote = Half { give: vec![Give::Wait(ms(3)), Give::End], take: vec![] };
        let seen = run(
            Script::of(local.give.clone(), []),
            Script::of(remote.give.clone(), []).lose_byte(at),
            Rules::default(),
        );
        check_laws(&local, &remote, &seen)?;
    }
}

#[test]
fn every_split_in_two_and_every_short_write_gives_the_same() {
    const DATA: &[u8] = b"The quick brown fox jumps over the lazy dog.";
    for split in 0..=DATA.len() {
        for limit in 1..=DATA.len() {
            let local = (0..100).fold(Script::new().recv_split(DATA, &[split]), |s, _| {
                s.accept(limit).take(Take::Pending)
            });
            let remote = (0..100).fold(Script::new().recv_split(DATA, &[split]), |s, _| {
                s.accept(limit).take(Take::Pending)
            });
            let seen = run(local.end(), remote.wait(ms(3)).end(), Rules::default());
            let outcome = seen.outcome.expect("an end");
            assert!(outcome.error.is_none());
            assert_eq!(outcome.ended_by, EndedBy::RemoteEnd);
            assert_eq!(seen.remote.sent(), DATA, "split {split}, limit {limit}");
            assert_eq!(seen.local.sent(), DATA, "split {split}, limit {limit}");
            assert!(seen.remote.is_finished() && seen.local.is_finished());
        }
    }
}

#[test]
fn random_sessions_reach_every_ending() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let inputs = (half(0), half(3), rules());
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..2000 {
        let (local, remote, rules) = inputs.new_tree(&mut runner).expect("an input").current();
        let name = match expect(&local, &remote, &rules, LINGER) {
            None => "goes on for ever".to_owned(),
            Some(end) => format!("{:?} {:?}", end.ended_by, end.error.map(|(side, _)| side)),
        };
        *seen.entry(name).or_default() += 1;
    }
    for ending in [
        "goes on for ever",
        "Error Some(LocalInput)",
        "Error Some(LocalOutput)",
        "Error Some(Remote)",
        "Idle None",
        "LocalEnd None",
        "QuitTimer None",
        "RemoteEnd None",
    ] {
        assert!(seen.get(ending).is_some_and(|n| *n >= 20), "{ending} in {seen:?}");
    }
}
