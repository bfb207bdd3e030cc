//! The broker: what one says goes to all others, some of which are slow. On a clock that stands still.

mod faults;
mod rig;

use endpoint::hub::{Broker, Chat, QUEUE_BYTES, SlowReader};
use rig::{CUT, Client, MIB, PIECE, data, join, plain, secs, sender, start};
use testkit::scripted::{Script, Take};
use tokio::time::{Duration, Instant, sleep};

#[tokio::test(start_paused = true)]
async fn to_all_others_and_not_back() {
    let (hub, _driver, host) = start(Script::new().wait(secs(2)).recv("all\n"), CUT, plain());
    let one = join(&hub, Script::new().wait(secs(1)).recv("one\n"));
    let two = join(&hub, Script::new());
    let three = join(&hub, Script::new());
    sleep(secs(3)).await;
    assert_eq!(
        (one.heard(), two.heard(), three.heard()),
        ("all\n".into(), "one\nall\n".into(), "one\nall\n".into())
    );
    assert_eq!(host.taken(), 0, "nothing to standard output");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_client_holds_the_sender_until_it_is_cut() {
    let (hub, _driver, _) = start(Script::new(), CUT, plain());
    let fast = join(&hub, Script::new());
    let stalled = join(&hub, Script::new().accept(777).take(Take::Never));
    let begin = Instant::now();
    let sender = join(&hub, sender(8 * MIB));
    sleep(secs(4)).await;
    let bound = QUEUE_BYTES as usize + 3 * PIECE;
    assert!((MIB..bound).contains(&sender.remote.given()), "{}", sender.remote.given());
    assert!(!stalled.is_cut());
    sleep(secs(2)).await;
    let (waiting, at) = *stalled.cut.get().expect("it is cut");
    assert!((secs(5)..Duration::from_millis(5_101)).contains(&(at - begin)));
    assert!(waiting >= QUEUE_BYTES - 777, "{waiting}");
    assert!(fast.remote.sent() == data(8 * MIB), "{}", fast.remote.taken());
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_that_moves_sets_the_pace_and_is_never_cut() {
    let (hub, _driver, _) = start(Script::new(), CUT, plain());
    let drip = (0..100)
        .fold(Script::new(), |script, _| script.accept(1).stall(Duration::from_millis(4_900)));
    let slow = join(&hub, drip);
    let fast = join(&hub, Script::new());
    let sender = join(&hub, sender(3 * MIB));
    sleep(secs(480)).await;
    assert!(!slow.is_cut());
    assert!(sender.remote.given() < 2 * MIB);
    sleep(secs(60)).await;
    assert!(slow.remote.sent() == data(3 * MIB));
    assert!(fast.remote.sent() == data(3 * MIB));
}

#[tokio::test(start_paused = true)]
async fn two_who_send_before_they_read_cost_one_of_them() {
    for slow in [CUT, SlowReader::Wait] {
        let (hub, _driver, _) = start(Script::new(), slow, plain());
        // Neither takes a byte while the hub takes nothing from it.
        let one = join(&hub, sender(4 * MIB).take(Take::Never));
        let two = join(&hub, sender(4 * MIB).stall(Duration::from_millis(5_200)));
        sleep(Duration::from_millis(4_900)).await;
        assert!(!one.is_cut() && !two.is_cut());
        sleep(Duration::from_millis(200)).await;
        assert!(one.is_cut() && !two.is_cut(), "{slow:?}");
        sleep(secs(2)).await;
        // The other one is free again, and whoever comes hears it.
        assert!(!two.is_cut());
        assert_eq!(two.remote.given(), 4 * MIB, "{slow:?}");
        assert!(two.remote.taken() >= MIB);
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_never_reads_is_gone_after_twice_the_time() {
    let (hub, _driver, _) = start(Script::new(), CUT, plain());
    let crowd: Vec<Client> =
        (0..50).map(|_| join(&hub, sender(4 * MIB).take(Take::Never))).collect();
    sleep(Duration::from_millis(10_300)).await;
    // All but one, who filled the others' queues and for whom nothing waits.
    assert_eq!(crowd.iter().filter(|client| client.is_cut()).count(), 49);
    assert_eq!(crowd.iter().map(|client| client.remote.given()).max(), Some(4 * MIB));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_skipped_for_the_slow_one_only() {
    let (hub, _driver, _) = start(Script::new(), SlowReader::Drop, plain());
    let fast = join(&hub, Script::new());
    let slow = join(&hub, Script::new().accept(1000).stall(secs(30)));
    let sender = join(&hub, sender(5 * MIB));
    sleep(secs(1)).await;
    assert_eq!(sender.remote.given(), 5 * MIB, "nobody is waited for");
    assert!(fast.remote.sent() == data(5 * MIB), "{}", fast.remote.taken());
    sleep(secs(60)).await;
    let kept = slow.remote.sent();
    assert!(kept.len() >= MIB && kept.len() < 2 * MIB, "{}", kept.len());
    assert!(data(5 * MIB).starts_with(&kept));
}

#[tokio::test(start_paused = true)]
async fn many_senders_and_one_slow_reader_lose_nothing() {
    let (hub, _driver, _) = start(Script::new(), SlowReader::Wait, plain());
    let pause = Duration::from_millis(3);
    let drip = (0..500).fold(Script::new(), |script, _| script.accept(40_000).stall(pause));
    let slow = join(&hub, drip);
    let senders: Vec<Client> = (0..40).map(|_| join(&hub, sender(512 * 1024))).collect();
    sleep(secs(60)).await;
    assert_eq!(slow.remote.taken(), 40 * 512 * 1024);
    for sender in &senders {
        assert_eq!(sender.remote.given(), 512 * 1024);
        assert_eq!(sender.remote.taken(), 39 * 512 * 1024);
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_late_gets_the_last_of_it_first() {
    let spec = Broker { history_bytes: 10, ..plain() };
    let (hub, _driver, _) = start(Script::new(), CUT, spec);
    let _early = join(&hub, Script::new().recv("0123456789abc").wait(secs(2)).recv("X"));
    sleep(secs(1)).await;
    let late = join(&hub, Script::new());
    sleep(secs(2)).await;
    assert_eq!(late.heard(), "3456789abcX");
}

#[tokio::test(start_paused = true)]
async fn a_long_history_holds_nobody_up() {
    let spec = Broker { history_bytes: 8 * MIB as u64, ..plain() };
    let (hub, _driver, _) = start(Script::new(), CUT, spec);
    let _first = join(&hub, Script::new());
    let sender = join(&hub, sender(6 * MIB).wait(secs(1)).recv(data(MIB / 2)));
    sleep(Duration::from_millis(500)).await;
    let late = join(&hub, Script::new().accept(100).stall(secs(4)));
    sleep(secs(1)).await;
    assert_eq!(sender.remote.given(), 6 * MIB + MIB / 2, "it is not waited for yet");
    sleep(secs(4)).await;
    assert_eq!(late.remote.taken(), 6 * MIB + MIB / 2);
}

#[tokio::test(start_paused = true)]
async fn a_chat_tells_who_says_what() {
    let spec = Broker { chat: Some(Chat::Ours), history_bytes: 1024, ..plain() };
    let host = Script::new().wait(secs(3)).recv("wel").recv("come\n").end();
    let (hub, _driver, _) = start(host, CUT, spec);
    let one = join(&hub, Script::new().wait(secs(1)).recv("h\u{e9}").recv("llo\nbye").end());
    let two = join(&hub, Script::new());
    sleep(secs(2)).await;
    let joined = |n: u32, list: &str| {
        format!(
            "<announce> 192.0.2.1:9 is connected as <user{n}>.\n\
             <announce> already connected: {list}.\n"
        )
    };
    let two_joined = joined(2, "192.0.2.1:9 as <user1>");
    // Who has left speaks no more, but still hears; it is not told of its own leaving.
    sleep(secs(2)).await;
    assert_eq!(one.heard(), format!("{}{two_joined}<user0> welcome\n", joined(1, "nobody")));
    let said = "<user1> h\u{e9}llo\n<user1> bye\n<announce> <user1> is disconnected.\n";
    assert_eq!(two.heard(), format!("{two_joined}{said}<user0> welcome\n"));
    let three = join(&hub, Script::new());
    two.leave();
    sleep(secs(1)).await;
    assert_eq!(
        three.heard(),
        format!(
            "<user1> h\u{e9}llo\n<user1> bye\n<user0> welcome\n{}\
             <announce> <user2> is disconnected.\n",
            joined(3, "192.0.2.1:9 as <user2>")
        )
    );
}

/// Who of these clients was told the end after three seconds.
async fn told(host: Script, clients: impl IntoIterator<Item = Script>) -> Vec<bool> {
    let spec = Broker { passes_end: true, ..plain() };
    let (hub, driver, _) = start(host, CUT, spec);
    let clients: Vec<Client> = clients.into_iter().map(|script| join(&hub, script)).collect();
    sleep(secs(3)).await;
    let told = clients.iter().map(|client| client.remote.is_finished()).collect();
    driver.abort();
    told
}

fn speaks() -> Script {
    Script::new().wait(secs(1)).recv("x")
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_only_sender_is_passed_on() {
    let none = Script::new;
    // Of two: when it has said something. A receiver without input ends before anybody has begun.
    assert_eq!(told(none(), [speaks().end(), none()]).await, [false, true]);
    assert_eq!(told(none(), [none().wait(secs(1)).end(), none()]).await, [false, false]);
    assert_eq!(told(none(), [none().end(), none().wait(secs(1)).end()]).await, [false, false]);
    assert_eq!(told(none(), [none().end(), none(), speaks().end()]).await, [true, true, false]);
    // When all have ended there is nothing left to wait for, for the last one either.
    assert_eq!(told(none(), [none().end(), speaks().end()]).await, [true, true]);
    // Nor does it end one who is speaking.
    assert_eq!(told(none(), [none().wait(secs(2)).end(), speaks()]).await, [false, false]);
    // Of three: when it alone has spoken.
    assert_eq!(told(none(), [speaks().end(), none(), none()]).await, [false, true, true]);
    assert_eq!(told(none(), [none().wait(secs(1)).end(), none(), none()]).await, [false; 3]);
    let later = || speaks().wait(secs(1));
    assert_eq!(told(none(), [later().end(), later(), none()]).await, [false; 3]);
    // The last of two senders.
    let last = Script::new().wait(Duration::from_millis(500)).recv("y").wait(secs(1)).end();
    assert_eq!(told(none(), [speaks().end(), last, none()]).await, [true, false, true]);
    // One that is torn away is not done.
    assert_eq!(told(none(), [speaks().reset(), none()]).await, [false, false]);
    // Alone: whoever comes later has not been told.
    assert_eq!(told(none(), [speaks().end()]).await, [false]);
}

#[tokio::test(start_paused = true)]
async fn standard_input_is_a_sender_too() {
    let none = Script::new;
    assert_eq!(told(speaks().end(), [none(), none()]).await, [true, true]);
    assert_eq!(told(none().end(), [none()]).await, [false]);
    // While it may still speak nobody is told, once it has spoken.
    let late = || none().wait(secs(2)).recv("y").end();
    assert_eq!(told(speaks(), [late(), none()]).await, [false, false]);
}

#[tokio::test(start_paused = true)]
async fn standard_input_waits_for_a_stalled_client_too() {
    let (hub, _driver, host) = start(sender(8 * MIB), CUT, plain());
    let fast = join(&hub, Script::new());
    let stalled = join(&hub, Script::new().accept(10).take(Take::Never));
    sleep(secs(4)).await;
    assert!(host.given() < 2 * MIB && !stalled.is_cut(), "{}", host.given());
    sleep(secs(2)).await;
    assert!(stalled.is_cut());
    assert!(fast.remote.sent() == data(8 * MIB), "{}", fast.remote.taken());
}

#[tokio::test(start_paused = true)]
async fn announcements_wait_for_nobody() {
    let spec = Broker { chat: Some(Chat::Ours), ..plain() };
    let (hub, _driver, _) = start(Script::new(), SlowReader::Wait, spec);
    let talker = join(&hub, sender(MIB));
    let stalled = join(&hub, Script::new().take(Take::Never));
    sleep(secs(1)).await;
    assert!(talker.remote.given() < MIB, "it is held back");
    let third = join(&hub, Script::new());
    sleep(secs(1)).await;
    assert!(third.heard().starts_with("<announce> 192.0.2.1:9 is connected as <user3>.\n"));
    assert!(talker.heard().ends_with("192.0.2.1:9 as <user2>.\n"), "{}", talker.heard());
    stalled.leave();
    sleep(secs(1)).await;
    assert!(third.heard().contains("<announce> <user2> is disconnected.\n"));
    assert_eq!(talker.remote.given(), MIB);
}
