//! An end that is bytes itself is foretold where it is known when the last bytes are sent.

use std::sync::Arc;

use relay::{OnLocalEnd, Outcome, Rules, Session, Totals};
use testkit::scripted::{Record, Script};

async fn run(local: Script, remote: Script, on_local_end: OnLocalEnd) -> (Outcome, Record) {
    let ((local, _), (remote, record)) = (local.conn(), remote.conn());
    let rules = Rules { on_local_end, ..Rules::default() };
    let session = Session::new(local, remote, rules, Arc::new(Totals::default()));
    (session.run().await, record)
}

fn peer() -> Script {
    Script::new().ends_in_bytes().pending().pending().pending().pending().pending().pending().end()
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_there_is_foretold_before_the_last_bytes() {
    for (local, at) in [
        (Script::new().recv("all").end(), Some(0)),
        (Script::new().recv("a").pending().recv("ll").end(), Some(1)),
        (Script::new().recv("a").recv("ll").pending().end(), None),
        (Script::new().recv("all").pending().end(), None),
        // What comes with the look ahead is sent as well; another look is not taken.
        (Script::new().recv("a").recv("ll").end(), None),
    ] {
        let (outcome, peer) = run(local, peer(), OnLocalEnd::Finish).await;
        assert!(outcome.error.is_none(), "{outcome:?}");
        assert_eq!((peer.sent(), outcome.sent), (b"all".to_vec(), 3));
        assert_eq!(peer.end_foretold_at(), at);
        assert!(peer.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_bytes_may_be_taken_one_by_one() {
    let peer = peer().accept(1).accept(1).take(testkit::scripted::Take::Pending).accept(1);
    let (outcome, peer) = run(Script::new().recv("all").end(), peer, OnLocalEnd::Finish).await;
    assert!(outcome.error.is_none(), "{outcome:?}");
    assert_eq!((peer.sent(), peer.end_foretold_at()), (b"all".to_vec(), Some(0)));
    assert!(peer.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_failure_behind_the_last_bytes_is_told_after_them() {
    let (outcome, peer) = run(Script::new().recv("all").reset(), peer(), OnLocalEnd::Finish).await;
    assert_eq!((peer.sent(), peer.end_foretold_at()), (b"all".to_vec(), None));
    assert!(!peer.is_finished());
    assert_eq!(outcome.error.unwrap().error.raw_os_error(), Some(104));
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_not_told_then_or_is_no_bytes_is_not_foretold() {
    let input = || Script::new().recv("all").end();
    let (_, kept) = run(input(), peer(), OnLocalEnd::Keep).await;
    assert_eq!((kept.sent(), kept.end_foretold_at()), (b"all".to_vec(), None));
    let (_, plain) = run(input(), Script::new().pending().end(), OnLocalEnd::Finish).await;
    assert_eq!((plain.sent(), plain.end_foretold_at()), (b"all".to_vec(), None));
}
