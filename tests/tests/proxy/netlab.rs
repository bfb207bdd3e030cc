//! How long the way through a chain takes, where each round trip is long.

use std::fs;

use crate::serve_support::lab::run;
use crate::serve_support::scratch;

/// One way, in milliseconds.
const DELAY: f64 = 100.0;
/// What the connection and the protocols need: TCP 1, HTTP 1, SOCKS 5 without a password 2, SOCKS 4 1.
const ROUND_TRIPS: f64 = 5.0;

/// All proxies are behind the long link, so that each question and its answer is a round trip over it.
#[test]
fn a_chain_of_three_takes_no_more_round_trips_than_its_protocols() {
    let dir = scratch();
    let a = "serve() { \"$NCAT\" --ready-fd 3 -l \"$@\" 3>\"$DIR/ready\" & all=\"$all $!\"; \
             until [ -s \"$DIR/ready\" ]; do sleep 0.01; done; rm \"$DIR/ready\"; }; \
             serve -k 5003 -c cat; serve --proxy-type socks4 5002; serve --proxy-type socks5 5001; \
             serve --proxy-type http 5000; until [ -e \"$DIR/done\" ]; do sleep 0.1; done; kill $all; exit 0";
    let b = "began=$(date +%s%N); \"$NCAT\" -v -z --proxy http://$NETLAB_PEER:5000 \
             --proxy socks5h://127.0.0.1:5001 --proxy socks4a://127.0.0.1:5002 127.0.0.1 5003; code=$?; \
             echo $(($(date +%s%N) - began)) >\"$DIR/took\"; touch \"$DIR/done\"; exit $code";
    let delay = DELAY.to_string();
    let Some(ended) = run(dir.path(), &["--delay", &delay], a, b) else { return };
    let err = ended.expect_code(0).stderr;
    assert_eq!(err.matches("opened the way").count(), 3, "{err}");
    let took: f64 = fs::read_to_string(dir.path().join("took")).unwrap().trim().parse().unwrap();
    let round_trips = took / 1e6 / (2.0 * DELAY);
    assert!(round_trips > ROUND_TRIPS - 0.1, "the link has no delay? {round_trips} {err}");
    assert!(round_trips <= ROUND_TRIPS + 3.0, "{round_trips} round trips: {err}");
}
