//! Clients whose connections fail at every point of what they say and hear: only they are hurt.

use super::rig::{CUT, Client, data, join, plain, secs, sender, start};
use endpoint::hub::Broker;
use testkit::scripted::{Give, Script};
use tokio::time::sleep;

const ECONNRESET: i32 = 104;
const EPIPE: i32 = 32;
const EIO: i32 = 5;
const SAID: usize = 300_000;

/// A healthy sender and a healthy listener share the broker with `faulty`, who comes before the sender.
async fn beside(spec: Broker, faulty: Script) -> (Client, Client) {
    let (hub, driver, _) = start(Script::new(), CUT, spec);
    let faulty = join(&hub, faulty);
    let listener = join(&hub, Script::new());
    let sender = join(&hub, sender(SAID));
    sleep(secs(60)).await;
    assert!(!driver.is_finished(), "the broker itself goes on");
    assert_eq!(sender.remote.given(), SAID, "nobody holds the sender up for good");
    let late = join(&hub, Script::new().recv("after all"));
    sleep(secs(1)).await;
    assert!(listener.heard().ends_with("after all"), "the next one is served");
    late.leave();
    (faulty, listener)
}

#[tokio::test(start_paused = true)]
async fn the_nth_send_fails() {
    for errno in [EPIPE, ECONNRESET, EIO] {
        for n in 0..6 {
            let faulty = (0..n).fold(Script::new(), |script, _| script.accept(1_000));
            let (faulty, listener) = beside(plain(), faulty.fail_send(errno)).await;
            assert!(listener.remote.sent().starts_with(&data(SAID)), "at send {n}");
            assert_eq!(faulty.remote.sent(), data(SAID)[..n * 1_000], "at send {n}");
            assert!(faulty.session.is_finished() && !faulty.is_cut());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_nth_receive_fails() {
    for errno in [ECONNRESET, EIO] {
        for n in 0..6 {
            let faulty = (0..n).fold(Script::new(), |script, _| script.recv("spoken"));
            let (faulty, listener) = beside(plain(), faulty.give(Give::Fail(errno))).await;
            let heard = listener.remote.sent();
            // What it had said arrives before it fails, and nothing of anybody else's is lost.
            let spoken = "spoken".repeat(n);
            assert!(heard.starts_with(spoken.as_bytes()), "at receive {n}");
            assert!(heard[spoken.len()..].starts_with(&data(SAID)), "at receive {n}");
            assert!(faulty.session.is_finished());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_cannot_be_told() {
    let spec = || Broker { passes_end: true, ..plain() };
    let (hub, driver, _) = start(Script::new(), CUT, spec());
    let faulty = join(&hub, Script::new().fail_finish(EPIPE));
    let listener = join(&hub, Script::new());
    let _sender = join(&hub, sender(SAID).end());
    sleep(secs(60)).await;
    assert!(listener.remote.sent() == data(SAID) && listener.remote.is_finished());
    assert!(faulty.remote.sent() == data(SAID) && faulty.session.is_finished());
    assert!(!driver.is_finished());
}

#[tokio::test(start_paused = true)]
async fn all_but_one_fail_at_once() {
    let (hub, _driver, _) = start(Script::new(), CUT, plain());
    let crowd: Vec<_> =
        (0..100).map(|n| join(&hub, Script::new().accept(n + 1).fail_send(ECONNRESET))).collect();
    let listener = join(&hub, Script::new());
    let _sender = join(&hub, sender(SAID));
    sleep(secs(60)).await;
    assert!(listener.remote.sent() == data(SAID));
    for (n, client) in crowd.iter().enumerate() {
        assert_eq!(client.remote.taken(), n + 1);
    }
}
