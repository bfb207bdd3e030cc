//! Bad links, made by the lab's `netlab`: lost, late, doubled, slow and cut packets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test runs real programs")]

mod serve_support;

use std::fs;
use std::time::{Duration, Instant};

use serve_support::lab::{netlab, run};
use serve_support::{Program, assert_same, assert_took, ncat_path, noise, scratch};

/// Files in both directions at once over `link`, by IPv4 and IPv6.
fn both_ways(link: &[&str], len: usize, seed: u64) {
    for address in ["$NETLAB_PEER", "$NETLAB_PEER6"] {
        let dir = scratch();
        let (up, down) = (noise(len, seed), noise(len, seed + 1));
        fs::write(dir.path().join("up"), &up).unwrap();
        fs::write(dir.path().join("down"), &down).unwrap();
        let a = "exec \"$NCAT\" -v -l 5000 <\"$DIR/down\" >\"$DIR/up.got\"";
        let b = format!("exec \"$NCAT\" -v {address} 5000 <\"$DIR/up\" >\"$DIR/down.got\"");
        let Some(ended) = run(dir.path(), link, a, &b) else { return };
        let err = ended.expect_code(0).stderr;
        assert_same(&fs::read(dir.path().join("up.got")).unwrap(), &up, &err);
        assert_same(&fs::read(dir.path().join("down.got")).unwrap(), &down, &err);
    }
}

#[test]
fn a_link_that_loses_doubles_and_reorders() {
    let link = ["--loss", "2", "--dup", "1", "--reorder", "3", "--delay", "5", "--jitter", "2"];
    both_ways(&link, 1_500_000, 10);
}

#[test]
fn a_slow_link_with_a_long_way() {
    both_ways(&["--rate", "20", "--delay", "40"], 1_500_000, 20);
}

#[test]
fn a_link_that_is_slow_one_way_only() {
    both_ways(&["--rate", "50,2", "--delay", "1,30", "--loss", "0,1"], 300_000, 30);
}

#[test]
fn a_link_that_is_cut_for_a_while() {
    both_ways(&["--rate", "8", "--cut", "0.4:1.5"], 1_000_000, 40);
}

#[test]
fn a_flipped_bit_is_never_delivered() {
    both_ways(&["--corrupt", "1", "--delay", "3"], 500_000, 50);
}

#[test]
fn a_long_file_one_way_ended_by_either_side() {
    let dir = scratch();
    let data = noise(4_000_000, 60);
    fs::write(dir.path().join("data"), &data).unwrap();
    let link = ["--loss", "1", "--delay", "10", "--rate", "100"];
    let push = (
        "exec \"$NCAT\" -l --recv-only 5000 >\"$DIR/got\"",
        "exec \"$NCAT\" --send-only $NETLAB_PEER 5000 <\"$DIR/data\"",
    );
    let pull = (
        "exec \"$NCAT\" -l --send-only 5000 <\"$DIR/data\"",
        "exec \"$NCAT\" --recv-only $NETLAB_PEER 5000 >\"$DIR/got\"",
    );
    for (a, b) in [push, pull] {
        let Some(ended) = run(dir.path(), &link, a, b) else { return };
        let err = ended.expect_code(0).stderr;
        assert_same(&fs::read(dir.path().join("got")).unwrap(), &data, &err);
        fs::remove_file(dir.path().join("got")).unwrap();
    }
}

#[test]
fn a_link_that_stays_cut_is_never_called_a_success() {
    let dir = scratch();
    fs::write(dir.path().join("data"), noise(2_000_000, 70)).unwrap();
    // The sender is told nothing by the network; what it knows is that nothing was acknowledged.
    let a = "exec \"$NCAT\" -l -i 4s 5000 >\"$DIR/got\"";
    let b = "\"$NCAT\" -v -i 3s $NETLAB_PEER 5000 <\"$DIR/data\"; echo \"b ended with $?\" >&2";
    let Some(ended) = run(dir.path(), &["--rate", "8", "--cut", "0.5"], a, b) else { return };
    assert!(ended.stderr.contains("b ended with 1\n"), "{}", ended.stderr);
    assert!(fs::read(dir.path().join("got")).unwrap().len() < 2_000_000);
}

#[test]
fn a_short_message_into_a_cut_link_is_not_called_sent() {
    let dir = scratch();
    // The connection stands, then the link is cut; the message is in the system's hands only.
    let a = "exec \"$NCAT\" -l -i 9s 5000";
    let b = "(sleep 1; echo message) | \"$NCAT\" -v --send-only $NETLAB_PEER 5000; \
             echo \"b ended with $?\" >&2";
    let began = Instant::now();
    let Some(ended) = run(dir.path(), &["--cut", "0.5"], a, b) else { return };
    assert!(ended.stderr.contains("b ended with 1\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("are not known to have arrived"), "{}", ended.stderr);
    assert_took(began, Duration::from_secs(5), Duration::from_secs(60));
}

#[test]
fn connecting_through_a_cut_link_ends_at_the_deadline() {
    let dir = scratch();
    let a = "exec timeout 4 \"$NCAT\" -l 5000";
    let b = "\"$NCAT\" -w 1500ms $NETLAB_PEER 5000; echo \"b ended with $?\" >&2";
    let Some(ended) = run(dir.path(), &["--cut", "0"], a, b) else { return };
    assert!(ended.stderr.contains("Ncat: TIMEOUT.\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("b ended with 1\n"), "{}", ended.stderr);
}

#[test]
fn datagrams_over_a_long_way_arrive_as_they_were_sent() {
    let dir = scratch();
    let data = noise(100_000, 80);
    fs::write(dir.path().join("data"), &data).unwrap();
    // Larger than the link's packets: fragments, put together again by the systems.
    let a = "exec timeout 4 \"$NCAT\" -v -u -l 5000 -x \"$DIR/log\" >\"$DIR/got\"";
    let b = "exec \"$NCAT\" -u --datagram-size 5000 $NETLAB_PEER 5000 <\"$DIR/data\"";
    let Some(lab) = netlab() else { return };
    let words = ["--delay", "20", "--timeout", "60", "--ready", "udp:5000", a, b];
    let ended =
        Program::new(&lab).args(words).env("NCAT", ncat_path()).env("DIR", dir.path()).run();
    assert_same(&fs::read(dir.path().join("got")).unwrap(), &data, &ended.stderr);
    let log = fs::read_to_string(dir.path().join("log")).unwrap();
    assert_eq!(log.lines().filter(|line| line.starts_with("0000 ")).count(), 20);
}
