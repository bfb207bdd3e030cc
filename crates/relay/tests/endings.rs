//! How sessions end: the timers, the drain and the settling, each by itself and to the millisecond,
//! on a clock that stands still.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use relay::{
    AfterLocalEnd, EndedBy, OnLocalEnd, OnRemoteEnd, Outcome, Rules, Session, Side, Totals,
};
use testkit::scripted::{Record, Script, Take};
use tokio::time::Instant;

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

struct Seen {
    outcome: Outcome,
    time: Duration,
    local: Record,
    remote: Record,
}

async fn run(local: Script, remote: Script, rules: Rules) -> Seen {
    let ((local, local_record), (remote, remote_record)) = (local.conn(), remote.conn());
    let start = Instant::now();
    let session = Session::new(local, remote, rules, Arc::new(Totals::default()));
    let outcome = tokio::time::timeout(ms(3_600_000), session.run()).await.expect("an end");
    Seen { outcome, time: start.elapsed(), local: local_record, remote: remote_record }
}

fn after(after_local_end: AfterLocalEnd) -> Rules {
    Rules { after_local_end, ..Rules::default() }
}

/// A conn that is heard every `step` ms, `times` times.
fn ticking(step: u64, times: usize) -> Script {
    (0..times).fold(Script::new(), |script, _| script.wait(ms(step)).recv("x"))
}

#[tokio::test(start_paused = true)]
async fn the_idle_timer_is_set_again_by_either_direction() {
    let rules = Rules { idle: Some(ms(100)), ..Rules::default() };
    let seen = run(Script::new(), Script::new(), rules).await;
    assert_eq!((seen.outcome.ended_by, seen.time), (EndedBy::Idle, ms(100)));

    let seen = run(ticking(99, 10), Script::new(), rules).await;
    assert_eq!((seen.outcome.sent, seen.time), (10, ms(1090)));
    let seen = run(Script::new(), ticking(99, 10), rules).await;
    assert_eq!((seen.outcome.received, seen.time), (10, ms(1090)));
    // Each too slow alone, together fast enough.
    let local = Script::new().recv("x").give_all(ticking(160, 4));
    let remote = Script::new().wait(ms(80)).recv("x").give_all(ticking(160, 4));
    let seen = run(local, remote, rules).await;
    assert_eq!((seen.outcome.sent, seen.outcome.received), (5, 5));
    assert_eq!((seen.outcome.ended_by, seen.time), (EndedBy::Idle, ms(820)));
}

#[tokio::test(start_paused = true)]
async fn an_empty_datagram_is_a_sign_of_life() {
    let rules = Rules { idle: Some(ms(100)), ..Rules::default() };
    let remote = Script::new().messages().wait(ms(90)).recv("").wait(ms(90)).recv("");
    let seen = run(Script::new(), remote, rules).await;
    assert_eq!((seen.outcome.ended_by, seen.time), (EndedBy::Idle, ms(280)));
}

#[tokio::test(start_paused = true)]
async fn quit_after_a_time_counts_from_the_end_of_input_whatever_arrives() {
    let local = || Script::new().wait(ms(40)).end();
    let seen = run(local(), ticking(30, 100), after(AfterLocalEnd::For(ms(500)))).await;
    assert_eq!((seen.outcome.ended_by, seen.time), (EndedBy::QuitTimer, ms(540)));
    assert_eq!(seen.local.sent().len(), 18);
    assert!(seen.remote.is_finished());
    // A peer that ends earlier ends it earlier.
    let seen = run(local(), ticking(30, 3).end(), after(AfterLocalEnd::For(ms(500)))).await;
    assert_eq!((seen.outcome.ended_by, seen.time), (EndedBy::RemoteEnd, ms(90)));
}

#[tokio::test(start_paused = true)]
async fn quiet_counts_from_the_last_arrival() {
    let local = Script::new().end();
    let seen = run(local, ticking(90, 5), after(AfterLocalEnd::Quiet(ms(100)))).await;
    assert_eq!((seen.outcome.ended_by, seen.time), (EndedBy::LocalEnd, ms(550)));
    assert_eq!(seen.local.sent().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_quit_delivers_what_was_taken_to_a_slow_output() {
    for rules in [AfterLocalEnd::Quit, AfterLocalEnd::For(ms(20)), AfterLocalEnd::Quiet(ms(20))] {
        let local =
            Script::new().wait(ms(15)).end().accept(1).stall(ms(700)).accept(2).stall(ms(700));
        let remote = Script::new().wait(ms(10)).recv("hello").recv("never taken");
        let seen = run(local, remote, after(rules)).await;
        assert!(seen.outcome.error.is_none());
        assert_eq!(seen.local.sent(), b"hello", "{rules:?}");
        assert_eq!(seen.outcome.received, 5);
        assert_eq!(seen.time, ms(1410));
    }
}

#[tokio::test(start_paused = true)]
async fn an_output_that_fails_while_the_last_bytes_go_is_an_error() {
    let local = Script::new().wait(ms(15)).end().accept(1).stall(ms(700)).fail_send(28);
    let remote = Script::new().wait(ms(10)).recv("hello");
    let seen = run(local, remote, after(AfterLocalEnd::Quit)).await;
    assert_eq!(seen.outcome.ended_by, EndedBy::Error);
    assert_eq!(seen.outcome.error.map(|e| e.side), Some(Side::LocalOutput));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_pauses_is_drained_and_one_that_stops_is_not_waited_for() {
    let remote = || Script::new().wait(ms(10)).end();
    let local = |pause| Script::new().linger(ms(100)).recv("a").wait(ms(pause)).recv("b").end();
    let seen = run(local(99), remote(), Rules::default()).await;
    assert_eq!((seen.remote.sent(), seen.outcome.ended_by), (b"ab".to_vec(), EndedBy::RemoteEnd));
    assert!(seen.remote.is_finished());
    let seen = run(local(101), remote(), Rules::default()).await;
    assert_eq!((seen.remote.sent(), seen.outcome.ended_by), (b"a".to_vec(), EndedBy::RemoteEnd));
    assert_eq!(seen.time, ms(100));
    // Someone at a terminal is not waited for at all.
    let seen = run(Script::new(), remote(), Rules::default()).await;
    assert_eq!(seen.time, ms(10));
    // What was read is sent, however long it takes.
    let slow = remote().accept(1).stall(ms(9_000));
    let seen = run(Script::new().recv("abc"), slow, Rules::default()).await;
    assert_eq!((seen.remote.sent(), seen.time), (b"abc".to_vec(), ms(9_000)));
    assert!(seen.outcome.error.is_none());
}

#[tokio::test(start_paused = true)]
async fn input_goes_on_after_the_peer_has_ended_when_told_to() {
    let rules = Rules { on_remote_end: OnRemoteEnd::Continue, ..Rules::default() };
    let seen = run(ticking(1000, 3).end(), Script::new().end(), rules).await;
    assert_eq!((seen.outcome.sent, seen.time), (3, ms(3000)));
}

#[tokio::test(start_paused = true)]
async fn receiving_only_sends_nothing_not_even_the_end() {
    let rules = Rules { sends: false, ..after(AfterLocalEnd::Quit) };
    let seen = run(Script::new().recv("x").end(), ticking(10, 5).end(), rules).await;
    assert_eq!((seen.outcome.sent, seen.outcome.received), (0, 5));
    assert_eq!(seen.local.given(), 0);
    assert!(!seen.remote.is_finished());
}

#[tokio::test(start_paused = true)]
async fn the_end_is_kept_to_ourselves_when_told_to() {
    let rules = Rules { on_local_end: OnLocalEnd::Keep, ..Rules::default() };
    let seen = run(Script::new().recv("x").end(), ticking(10, 5).end(), rules).await;
    assert_eq!((seen.outcome.sent, seen.outcome.received), (1, 5));
    assert!(!seen.remote.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_cannot_be_sent_to_is_heard_out_but_not_for_ever() {
    let local = || Script::new().recv("x");
    let seen = run(local(), ticking(4_999, 3).fail_send(32), Rules::default()).await;
    assert_eq!((seen.outcome.received, seen.time), (3, ms(3 * 4_999 + 5_000)));
    let error = seen.outcome.error.expect("the failure to send");
    assert_eq!((error.side, error.undelivered), (Side::Remote, 1));
    let seen = run(local(), ticking(10, 3).end().fail_send(32), Rules::default()).await;
    assert_eq!((seen.outcome.received, seen.time), (3, ms(30)));
    assert_eq!(seen.outcome.ended_by, EndedBy::Error);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_be_sent_is_an_error() {
    let seen =
        run(Script::new().end(), Script::new().wait(ms(5)).end().fail_finish(5), Rules::default())
            .await;
    assert_eq!(seen.outcome.error.map(|e| e.side), Some(Side::Remote));
    let seen = run(Script::new().fail_finish(5), Script::new().end(), Rules::default()).await;
    assert_eq!(seen.outcome.error.map(|e| e.side), Some(Side::LocalOutput));
}

#[tokio::test(start_paused = true)]
async fn ends_are_told_and_totals_kept() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let parent = Arc::new(Totals::default());
    let totals = Arc::new(Totals::part_of(&parent));
    let (local, _) = Script::new().recv("abc").end().conn();
    let (remote, _) = ticking(10, 2).end().conn();
    let mut session = Session::new(local, remote, Rules::default(), Arc::clone(&totals));
    let tell = Arc::clone(&told);
    session.on_eof(move |side| tell.lock().unwrap().push(side));
    session.run().await;
    assert_eq!(*told.lock().unwrap(), [Side::LocalInput, Side::Remote]);
    assert_eq!((totals.read(), parent.read()), ((3, 2), (3, 2)));
}

mod settling {
    use super::*;

    fn sent() -> Script {
        Script::new().recv("0123456789").end()
    }

    /// Acknowledges a byte every `step` ms.
    fn acknowledging(remote: Script, step: u128) -> Script {
        remote.undelivered(move |time, taken| {
            Ok(Some(taken.saturating_sub((time.as_millis() / step) as usize)))
        })
    }

    #[tokio::test(start_paused = true)]
    async fn waits_until_all_is_acknowledged() {
        let seen = run(sent(), acknowledging(Script::new().end(), 30), Rules::default()).await;
        assert!(seen.outcome.error.is_none());
        assert_eq!(seen.outcome.ended_by, EndedBy::RemoteEnd);
        assert!((ms(300)..ms(351)).contains(&seen.time), "{:?}", seen.time);
    }

    /// SCTP: our end is told when all is acknowledged and the peer was quiet, and not before.
    #[tokio::test(start_paused = true)]
    async fn an_end_that_ends_both_directions_waits_for_answers() {
        let rules = Rules {
            on_local_end: OnLocalEnd::Last,
            after_local_end: AfterLocalEnd::Quiet(ms(4_000)),
            ..Rules::default()
        };
        // Acknowledged after 300 ms, an answer after 3 s, then nothing; over 5 s after our end.
        let peer = Script::new().wait(ms(3_000)).recv("answer").wait(ms(1_000_000));
        let seen = run(sent(), acknowledging(peer, 30), rules).await;
        assert!(seen.outcome.error.is_none());
        assert_eq!((seen.outcome.sent, seen.outcome.received), (10, 6));
        assert_eq!(seen.outcome.ended_by, EndedBy::LocalEnd);
        assert!((ms(12_000)..ms(12_200)).contains(&seen.time), "{:?}", seen.time);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_a_peer_that_is_slow_but_moves() {
        let seen = run(sent(), acknowledging(Script::new().end(), 4_900), Rules::default()).await;
        assert!(seen.outcome.error.is_none());
        assert!((ms(49_000)..ms(49_051)).contains(&seen.time), "{:?}", seen.time);
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_on_a_peer_that_stops_acknowledging() {
        let remote = Script::new()
            .end()
            .undelivered(|time, taken| Ok(Some(if time < ms(1_000) { taken } else { 4 })));
        let seen = run(sent(), remote, Rules::default()).await;
        let error = seen.outcome.error.expect("it stalled");
        assert_eq!((error.side, error.undelivered), (Side::Remote, 4));
        assert_eq!(error.error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(seen.outcome.ended_by, EndedBy::Error);
        assert!((ms(6_000)..ms(6_101)).contains(&seen.time), "{:?}", seen.time);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_breaks_is_an_error() {
        let remote = Script::new().end().undelivered(|time, _| {
            if time < ms(100) { Ok(Some(7)) } else { Err(io::Error::from_raw_os_error(104)) }
        });
        let seen = run(sent(), remote, Rules::default()).await;
        let error = seen.outcome.error.expect("it broke");
        assert_eq!((error.side, error.undelivered), (Side::Remote, 7));
        assert_eq!(error.error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_sent_is_nothing_to_wait_for() {
        let remote = Script::new().end().undelivered(|_, _| Ok(Some(1)));
        let seen = run(Script::new().end(), remote, Rules::default()).await;
        assert_eq!(seen.time, ms(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_goes_on_is_heard_until_it_is_quiet_or_two_seconds_are_over() {
        let quit = after(AfterLocalEnd::Quit);
        let seen = run(sent(), acknowledging(ticking(100, 5), 1), quit).await;
        assert_eq!(seen.outcome.received, 5);
        assert_eq!(seen.outcome.ended_by, EndedBy::LocalEnd);
        assert!((ms(750)..ms(801)).contains(&seen.time), "{:?}", seen.time);
        let seen = run(sent(), acknowledging(ticking(100, 500), 1), quit).await;
        assert!((ms(2_000)..ms(2_101)).contains(&seen.time), "{:?}", seen.time);
        assert_eq!(seen.local.sent().len() as u64, seen.outcome.received);
        let seen = run(sent(), acknowledging(ticking(100, 1).end(), 1), quit).await;
        assert!(seen.time < ms(150), "{:?}", seen.time);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_faster_than_our_output_does_not_hold_the_end_up() {
        // Every 10 ms a byte more, each taking 15 ms to deliver: something always waits.
        let local = (0..2_000).fold(sent(), |script, _| script.stall(ms(15)).accept(1));
        let seen = run(local, ticking(10, 2_000), after(AfterLocalEnd::Quit)).await;
        assert!(seen.time < ms(2_200), "{:?}", seen.time);
        assert_eq!(seen.local.sent().len() as u64, seen.outcome.received);
        let stuck = sent().take(Take::Never);
        let rules = Rules { idle: Some(ms(9_000)), ..after(AfterLocalEnd::Quit) };
        let seen = run(stuck, ticking(10, 1), rules).await;
        assert_eq!(seen.outcome.ended_by, EndedBy::Idle);
    }
}
