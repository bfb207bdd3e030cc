//! A program as the local side: what its exit, its output's end and its closed input mean.

use std::sync::Arc;
use std::time::Duration;

use relay::{AfterLocalEnd, EndedBy, OnRemoteEnd, Outcome, Rules, Session, Side, Totals};
use testkit::scripted::{Record, Script};
use tokio::time::{Instant, sleep};

const EPIPE: i32 = 32;
const EIO: i32 = 5;
const ECONNRESET: i32 = 104;

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

struct Seen {
    outcome: Outcome,
    time: Duration,
    local: Record,
    remote: Record,
}

/// Runs a session whose program exits after `exit` (for ever: `None`).
async fn run(local: Script, remote: Script, rules: Rules, exit: Option<Duration>) -> Seen {
    let ((local, local_record), (remote, remote_record)) = (local.conn(), remote.conn());
    let start = Instant::now();
    let rules = Rules { on_remote_end: OnRemoteEnd::Continue, ..rules };
    let mut session = Session::new(local, remote, rules, Arc::new(Totals::default()));
    session.local_is_program(async move {
        match exit {
            Some(time) => sleep(time).await,
            None => std::future::pending().await,
        }
    });
    let outcome = tokio::time::timeout(ms(3_600_000), session.run()).await.expect("an end");
    Seen { outcome, time: start.elapsed(), local: local_record, remote: remote_record }
}

#[tokio::test(start_paused = true)]
async fn its_exit_ends_nothing_while_its_output_goes_on() {
    // It exits at once; what it left behind writes until 500 ms.
    let local = Script::new().recv("early").wait(ms(500)).recv("late").end();
    let seen = run(local, Script::new(), Rules::default(), Some(ms(1))).await;
    assert_eq!(seen.remote.sent(), b"earlylate");
    assert_eq!(seen.outcome.ended_by, EndedBy::LocalEnd);
    assert!((ms(500)..ms(900)).contains(&seen.time), "{:?}", seen.time);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_its_output_ends_nothing_while_it_runs() {
    let remote = Script::new().wait(ms(300)).recv("heard").wait(ms(300)).recv("too late");
    let seen = run(Script::new().end(), remote, Rules::default(), Some(ms(400))).await;
    assert!(seen.remote.is_finished());
    assert_eq!(seen.local.sent(), b"heard");
    // From its exit on the peer is heard out until it is quiet, and not by the program.
    assert_eq!(seen.outcome.received, "heardtoo late".len() as u64);
    assert!((ms(800)..ms(950)).contains(&seen.time), "{:?}", seen.time);
}

#[tokio::test(start_paused = true)]
async fn when_it_reads_no_more_what_comes_is_discarded() {
    for at in 1..5 {
        let local = Script::new().accept(at).fail_send(EPIPE).wait(ms(200)).recv("out").end();
        let remote = Script::new().recv("0123456789").wait(ms(50)).recv("more").end();
        let seen = run(local, remote, Rules::default(), None).await;
        assert!(seen.outcome.error.is_none(), "{:?}", seen.outcome);
        assert_eq!(seen.local.sent().len(), at);
        assert_eq!(seen.outcome.received, 14);
        assert_eq!(seen.remote.sent(), b"out");
    }
}

#[tokio::test(start_paused = true)]
async fn its_input_may_be_closed_when_the_peer_ends() {
    let local = Script::new().fail_finish(EPIPE).wait(ms(100)).recv("out").end();
    let seen = run(local, Script::new().recv("in").end(), Rules::default(), None).await;
    assert!(seen.outcome.error.is_none(), "{:?}", seen.outcome);
    assert_eq!(seen.remote.sent(), b"out");
}

#[tokio::test(start_paused = true)]
async fn another_failure_is_one() {
    let seen =
        run(Script::new().fail_send(EIO), Script::new().recv("x"), Rules::default(), None).await;
    assert_eq!(seen.outcome.error.expect("it failed").error.raw_os_error(), Some(EIO));
}

#[tokio::test(start_paused = true)]
async fn its_exit_ends_a_session_that_only_receives() {
    let rules = Rules { sends: false, ..Rules::default() };
    let seen = run(Script::new(), Script::new(), rules, Some(ms(100))).await;
    assert_eq!(seen.outcome.ended_by, EndedBy::LocalEnd);
    assert!(seen.time < ms(500), "{:?}", seen.time);
}

#[tokio::test(start_paused = true)]
async fn a_time_after_the_end_of_output_is_for_one_that_runs() {
    let rules = Rules { after_local_end: AfterLocalEnd::For(ms(2_000)), ..Rules::default() };
    let seen = run(Script::new().end(), Script::new(), rules, None).await;
    assert_eq!((seen.outcome.ended_by, seen.time), (EndedBy::QuitTimer, ms(2_000)));
    let seen = run(Script::new().end(), Script::new(), rules, Some(ms(100))).await;
    assert_eq!(seen.outcome.ended_by, EndedBy::LocalEnd);
    assert!(seen.time < ms(500), "{:?}", seen.time);
}

#[tokio::test(start_paused = true)]
async fn what_it_does_not_take_does_not_hold_up_a_timer() {
    let local = Script::new().take(testkit::scripted::Take::Never).end();
    let rules = Rules { after_local_end: AfterLocalEnd::For(ms(500)), ..Rules::default() };
    let seen = run(local, Script::new().recv("x").wait(ms(100)).recv("y"), rules, None).await;
    assert_eq!((seen.outcome.ended_by, seen.time), (EndedBy::QuitTimer, ms(500)));
}

/// A program that talks for ever, a second between its words, and takes all it is told.
fn talks(words: usize) -> Script {
    (0..words).fold(Script::new(), |script, _| script.wait(ms(1_000)).recv("word"))
}

fn failed(outcome: &Outcome) -> (Side, Option<i32>) {
    let error = outcome.error.as_ref().expect("it failed");
    (error.side, error.error.raw_os_error())
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_fails_at_the_nth_word_fails_the_session_and_not_later() {
    for n in 0..8 {
        let remote = (0..n).fold(Script::new(), |script, _| script.accept(4));
        let seen = run(talks(100), remote.fail_send(ECONNRESET), Rules::default(), None).await;
        assert_eq!(failed(&seen.outcome), (Side::Remote, Some(ECONNRESET)), "word {n}");
        assert_eq!(seen.remote.sent(), "word".repeat(n).as_bytes());
        // Heard out for a few seconds at most: this peer neither says anything nor ends.
        assert!(seen.time < ms(1_000 * (n as u64 + 7)), "{:?}", seen.time);
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_before_a_reset_is_the_programs() {
    for n in 0..8 {
        let remote = (0..n).fold(Script::new(), |script, _| script.recv("heard").wait(ms(100)));
        let seen = run(talks(100), remote.reset(), Rules::default(), None).await;
        assert_eq!(failed(&seen.outcome), (Side::Remote, Some(ECONNRESET)), "word {n}");
        assert_eq!(seen.local.sent(), "heard".repeat(n).as_bytes());
        assert_eq!(seen.outcome.received, 5 * n as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_whose_output_cannot_be_read_fails_the_session() {
    for n in 1..8 {
        let seen = run(
            talks(n).give(testkit::scripted::Give::Fail(EIO)),
            Script::new().recv("in"),
            Rules::default(),
            None,
        )
        .await;
        assert_eq!(failed(&seen.outcome), (Side::LocalInput, Some(EIO)), "word {n}");
        assert_eq!(seen.remote.sent(), "word".repeat(n).as_bytes());
        assert_eq!(seen.local.sent(), b"in");
    }
}
