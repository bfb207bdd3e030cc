//! The hub: one source, many clients, of which some are slow, and the other way about. On a clock
//! that stands still.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use conn::Conn;
use endpoint::hub::{Cut, Hub, HubError, QUEUE_BYTES, SlowReader, hub};
use relay::{AfterLocalEnd, EndedBy, Outcome, Rules, Session, Totals};
use testkit::scripted::{Give, Record, Script, Take};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const PIECE: usize = 64 * 1024;
const MIB: usize = 1024 * 1024;

fn secs(time: u64) -> Duration {
    Duration::from_secs(time)
}

/// Numbered bytes, so that a lost or doubled one shows.
fn data(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// A source that gives `len` bytes as fast as they are taken.
fn source(len: usize) -> Script {
    Script::new().recv_split(data(len), &vec![PIECE; len / PIECE])
}

fn start(local: Script, slow: SlowReader) -> (Hub, Record, JoinHandle<HubError>) {
    let (local, record) = local.conn();
    let (hub, driver) = hub(local, slow, true, 0);
    (hub, record, tokio::spawn(driver))
}

/// A client whose connection is a script.
struct Client {
    remote: Record,
    cut: Cut,
    session: JoinHandle<Outcome>,
}

fn join(hub: &Hub, remote: Script) -> Client {
    let totals = Arc::new(Totals::default());
    let (local, cut) = hub.attach(Arc::clone(&totals), "a client");
    let (remote, record) = remote.conn();
    let rules = Rules { after_local_end: AfterLocalEnd::Quit, ..Rules::default() };
    let session = Session::new(local, remote, rules, totals);
    Client { remote: record, cut, session: tokio::spawn(session.run()) }
}

async fn outcome(client: Client) -> Outcome {
    timeout(secs(3_600), client.session).await.expect("an end").expect("no panic")
}

#[tokio::test(start_paused = true)]
async fn a_stalled_client_holds_the_source_and_memory_stays_bounded() {
    let (hub, source, _driver) = start(source(20 * MIB), SlowReader::Wait);
    let fast = join(&hub, Script::new());
    let mut slow = join(&hub, Script::new().accept(1000).take(Take::Never));
    sleep(secs(600)).await;
    let bound = QUEUE_BYTES as usize + 1000 + PIECE;
    assert!((QUEUE_BYTES as usize..=bound).contains(&source.given()), "{}", source.given());
    assert_eq!(fast.remote.taken(), source.given());
    assert!(slow.cut.try_recv().is_err(), "nobody asked for it to be cut");
    // When it leaves, the others go on.
    slow.session.abort();
    sleep(secs(1)).await;
    assert!(fast.remote.sent() == data(20 * MIB));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_client_is_cut_after_its_time_and_the_others_lose_nothing() {
    let (hub, source, _driver) =
        start(source(5 * MIB).wait(secs(1)).end(), SlowReader::Disconnect(secs(5)));
    let fast = join(&hub, Script::new());
    let stalled = join(&hub, Script::new().accept(777).take(Take::Never));
    let begin = Instant::now();
    let waiting = stalled.cut.await.expect("it is cut");
    let time = begin.elapsed();
    assert!((secs(5)..Duration::from_millis(5_101)).contains(&time), "{time:?}");
    assert_eq!(waiting, source.given() as u64 - 777);
    stalled.session.abort();
    let remote = fast.remote.clone();
    assert!(outcome(fast).await.error.is_none());
    assert!(remote.sent() == data(5 * MIB));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stalls_with_nothing_waiting_is_not_cut() {
    let local = Script::new().recv("a").wait(secs(60)).recv("b").wait(secs(60)).end();
    let (hub, _, _driver) = start(local, SlowReader::Disconnect(secs(5)));
    let mut client = join(&hub, Script::new().accept(1).stall(secs(4)));
    sleep(secs(100)).await;
    assert!(client.cut.try_recv().is_err());
    let remote = client.remote.clone();
    assert!(outcome(client).await.error.is_none());
    assert_eq!(remote.sent(), b"ab");
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_that_moves_is_never_cut() {
    let (hub, source, _driver) = start(source(2 * MIB).end(), SlowReader::Disconnect(secs(5)));
    // One byte every 4.9 seconds for an hour, then everything.
    let drip = (0..700)
        .fold(Script::new(), |script, _| script.accept(1).stall(Duration::from_millis(4_900)));
    let mut slow = join(&hub, drip);
    let fast = join(&hub, Script::new());
    sleep(secs(3_300)).await;
    assert!(slow.cut.try_recv().is_err(), "it moves");
    assert!(source.given() < 2 * MIB, "the source runs at its pace");
    let (remote, other) = (slow.remote.clone(), fast.remote.clone());
    assert!(outcome(slow).await.error.is_none());
    assert!(outcome(fast).await.error.is_none());
    assert!(remote.sent() == data(2 * MIB));
    assert!(other.sent() == data(2 * MIB));
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_counted_and_the_rest_is_in_order() {
    let len = 5 * MIB;
    let (hub, source, _driver) = start(source(len).wait(secs(60)).end(), SlowReader::Drop);
    let fast = join(&hub, Script::new());
    let slow = join(&hub, Script::new().accept(1000).stall(secs(30)));
    sleep(secs(1)).await;
    assert_eq!(source.given(), len, "nobody is waited for");
    let (remote, other) = (slow.remote.clone(), fast.remote.clone());
    let (slow, fast) = (outcome(slow).await, outcome(fast).await);
    assert!(other.sent() == data(len), "{} of {len}", other.taken());
    assert_eq!(fast.losses, None);
    let kept = remote.sent();
    let skipped = len - kept.len();
    assert!(skipped > 3 * MIB && kept.len() >= QUEUE_BYTES as usize, "{skipped}");
    assert!(slow.losses.expect("losses").starts_with(&format!("{skipped} bytes were skipped")));
    assert!(data(len).starts_with(&kept), "what did fit is the beginning, in order");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_joins_after_the_end_sees_the_end() {
    let (hub, _, _driver) = start(Script::new().recv("gone").end(), SlowReader::Wait);
    let first = join(&hub, Script::new());
    let remote = first.remote.clone();
    assert_eq!(outcome(first).await.sent, 4);
    assert_eq!(remote.sent(), b"gone");
    assert!(hub.is_source_ended());
    timeout(secs(1), hub.source_ended()).await.expect("it has ended");
    let begin = Instant::now();
    let late = join(&hub, Script::new());
    let remote = late.remote.clone();
    let outcome = outcome(late).await;
    assert_eq!((outcome.sent, outcome.ended_by), (0, EndedBy::LocalEnd));
    assert!(remote.is_finished());
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_end_of_the_source_is_woken_by_that_alone() {
    let (hub, _, _driver) = start(Script::new().wait(secs(60)).end(), SlowReader::Wait);
    let _client = join(&hub, Script::new());
    let (began, mut polls) = (Instant::now(), 0);
    let mut ended = std::pin::pin!(hub.source_ended());
    let counted = std::future::poll_fn(|cx| {
        polls += 1;
        ended.as_mut().poll(cx)
    });
    timeout(secs(120), counted).await.expect("the end");
    assert_eq!((began.elapsed(), polls), (secs(60), 2));
}

#[tokio::test(start_paused = true)]
async fn a_source_waits_for_the_first_client() {
    let (hub, source, _driver) = start(Script::new().recv("kept").end(), SlowReader::Wait);
    sleep(secs(60)).await;
    assert_eq!(source.given(), 0);
    let client = join(&hub, Script::new());
    let remote = client.remote.clone();
    outcome(client).await;
    assert_eq!(remote.sent(), b"kept");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_clients_each_get_everything_and_are_all_heard() {
    let len = 3 * PIECE;
    let (hub, local, _driver) = start(source(len).wait(secs(1)).end(), SlowReader::Wait);
    let clients: Vec<Client> = (0..1000)
        .map(|i: u32| {
            let slow = Script::new().recv(i.to_le_bytes());
            join(&hub, if i.is_multiple_of(7) { slow.stall(secs(2)) } else { slow })
        })
        .collect();
    let all = data(len);
    for client in clients {
        let remote = client.remote.clone();
        assert!(outcome(client).await.error.is_none());
        assert!(remote.sent() == all);
    }
    timeout(secs(1), hub.flushed()).await.expect("a fast output");
    let heard = local.sent();
    let mut heard: Vec<u32> =
        heard.chunks(4).map(|id| u32::from_le_bytes(id.try_into().expect("four"))).collect();
    heard.sort_unstable();
    assert_eq!(heard, (0..1000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_slow_output_holds_the_clients_and_loses_nothing() {
    let local = Script::new().accept(10).stall(secs(30));
    let (hub, local, _driver) = start(local, SlowReader::Wait);
    let client = join(&hub, source(4 * MIB).end());
    sleep(secs(10)).await;
    let given = client.remote.given();
    assert!((MIB..MIB + 3 * PIECE).contains(&given), "{given}");
    assert!(timeout(secs(1), hub.flushed()).await.is_err(), "bytes wait");
    timeout(secs(60), hub.flushed()).await.expect("it takes them in the end");
    assert!(local.sent() == data(4 * MIB));
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_shared_conn_are_told_apart() {
    let (hub, _, driver) = start(Script::new().recv("x").give(Give::Fail(5)), SlowReader::Wait);
    let _client = join(&hub, Script::new());
    let error = timeout(secs(1), driver).await.expect("it failed").expect("no panic");
    assert!(matches!(error, HubError::Input(e) if e.raw_os_error() == Some(5)));

    let (hub, _, driver) = start(Script::new().fail_send(28), SlowReader::Wait);
    let _client = join(&hub, Script::new().recv("x"));
    let error = timeout(secs(1), driver).await.expect("it failed").expect("no panic");
    assert!(matches!(error, HubError::Output(e) if e.raw_os_error() == Some(28)));
}

struct Counted;

impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_often_is_noted_once() {
    let (hub, _, _driver) = start(Script::new().take(Take::Never), SlowReader::Wait);
    let (mut conn, _cut): (Conn, Cut) = hub.attach(Arc::default(), "a client");
    let counted = Arc::new(Counted);
    let waker = Waker::from(Arc::clone(&counted));
    let mut cx = Context::from_waker(&waker);
    let mut queue = VecDeque::from([Bytes::from(vec![0; MIB])]);
    assert!(conn.poll_send(&mut cx, &mut queue).is_ready());
    queue.push_back(Bytes::from_static(b"one more"));
    for _ in 0..1000 {
        assert!(conn.poll_send(&mut cx, &mut queue).is_pending());
    }
    assert!(Arc::strong_count(&counted) < 10, "{}", Arc::strong_count(&counted));
}
