//! Commands and brokers behind bad links.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod serve_support;

use std::fs;
use std::path::Path;

use serve_support::lab::run;
use serve_support::{assert_same, noise, scratch};

const LOSSY: [&str; 8] = ["--loss", "2", "--reorder", "3", "--delay", "5", "--jitter", "2"];
const SLOW: [&str; 4] = ["--rate", "8", "--delay", "30"];
const CUT_FOR_A_WHILE: [&str; 4] = ["--rate", "8", "--cut", "0.4:1.5"];

fn got(dir: &Path, name: &str) -> Vec<u8> {
    fs::read(dir.join(name)).unwrap_or_default()
}

#[test]
fn a_command_echoes_over_any_link() {
    for (link, seed) in [(&LOSSY[..], 110), (&SLOW, 120), (&CUT_FOR_A_WHILE, 130)] {
        let dir = scratch();
        let data = noise(700_000, seed);
        fs::write(dir.path().join("data"), &data).unwrap();
        let a = "exec \"$NCAT\" -v -l 5000 -e /bin/cat";
        let b = "exec \"$NCAT\" -v $NETLAB_PEER 5000 <\"$DIR/data\" >\"$DIR/got\"";
        let Some(ended) = run(dir.path(), link, a, b) else { return };
        let err = ended.expect_code(0).stderr;
        assert_same(&got(dir.path(), "got"), &data, &err);
    }
}

#[test]
fn a_command_that_ends_at_once_leaves_all_it_said() {
    for (link, seed) in [(&LOSSY[..], 210), (&SLOW, 220), (&CUT_FOR_A_WHILE, 230)] {
        let dir = scratch();
        let data = noise(700_000, seed);
        fs::write(dir.path().join("data"), &data).unwrap();
        let a = "exec \"$NCAT\" -v -l 5000 -c 'cat \"$DIR/data\"'";
        let b = "exec \"$NCAT\" -v $NETLAB_PEER 5000 >\"$DIR/got\" </dev/null";
        let Some(ended) = run(dir.path(), link, a, b) else { return };
        let err = ended.expect_code(0).stderr;
        assert_same(&got(dir.path(), "got"), &data, &err);
    }
}

#[test]
fn a_command_whose_peer_is_cut_off_is_stopped() {
    let dir = scratch();
    let a = "\"$NCAT\" -v -l -i 3s 5000 -c 'echo $$ >\"$DIR/pid\"; exec cat /dev/zero'; \
             echo \"a ended with $?\" >&2; \
             if kill -0 \"$(cat \"$DIR/pid\")\"; then echo 'it lives' >&2; else echo 'it is gone' >&2; fi";
    let b = "timeout 20 \"$NCAT\" -i 3s $NETLAB_PEER 5000 >/dev/null";
    let Some(ended) = run(dir.path(), &["--rate", "8", "--cut", "1"], a, b) else { return };
    assert!(ended.stderr.contains("a ended with 1\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("it is gone\n"), "{}", ended.stderr);
}

#[test]
fn a_file_through_a_broker_reaches_all_over_any_link() {
    // The broker knows nobody's number: it is ended when all the clients have ended by themselves.
    let a = "\"$NCAT\" -v -l --broker --broker-eof 5000 & broker=$!; \
             until [ -e \"$DIR/done\" ]; do sleep 0.1; done; kill $broker; wait $broker; exit 0";
    let b = "for n in 1 2; do \"$NCAT\" -v $NETLAB_PEER 5000 --recv-only >\"$DIR/got$n\" 2>\"$DIR/err$n\" & done; \
             until grep -q Connected \"$DIR/err1\" && grep -q Connected \"$DIR/err2\"; do sleep 0.1; done; \
             \"$NCAT\" -v --send-only $NETLAB_PEER 5000 <\"$DIR/data\"; code=$?; wait; touch \"$DIR/done\"; exit $code";
    for (link, seed) in [(&LOSSY[..], 310), (&SLOW, 320), (&CUT_FOR_A_WHILE, 330)] {
        let dir = scratch();
        let data = noise(400_000, seed);
        fs::write(dir.path().join("data"), &data).unwrap();
        let Some(ended) = run(dir.path(), link, a, b) else { return };
        let err = ended.expect_code(0).stderr;
        assert_same(&got(dir.path(), "got1"), &data, &err);
        assert_same(&got(dir.path(), "got2"), &data, &err);
    }
}
