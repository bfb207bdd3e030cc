//! A process that appends is killed at random, and another goes on: 200 times, 20 on each journal.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use audit::{Journal, JournalOptions, RealDisk, read_journal};
use support::{ORIGIN, Random, clock, draft, real};

const RUNS: u64 = 200;
/// Runs on one journal; each reads all of it, so that a journal of all runs would take long.
const RUNS_EACH: u64 = 20;
const DIR: &str = "AUDIT_TEST_JOURNAL";

fn options() -> JournalOptions {
    JournalOptions { segment_bytes: 100_000, reserve_bytes: 0, ..JournalOptions::default() }
}

/// The child: four threads append and say what was acknowledged, for ever. Does nothing as a test of its own.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let (journal, _) = Journal::open(real(), Path::new(&dir), ORIGIN, "host", clock(), options())
        .expect("recovered");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let journal = &journal;
            scope.spawn(move || {
                for number in 0.. {
                    let receipt = journal.append(&draft(thread * 1_000_000 + number)).unwrap();
                    let line = format!("ack {} {}\n", receipt.seq, receipt.hash);
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a child of the test itself, to be killed")]
fn killed_at_random() {
    let mut dir = tempfile::tempdir().unwrap();
    let random = &mut Random(u64::from(std::process::id()));
    let mut acknowledged: HashMap<u64, String> = HashMap::new();
    let mut total = 0;
    for run in 0..RUNS {
        if run % RUNS_EACH == 0 {
            dir = tempfile::tempdir().unwrap();
            acknowledged.clear();
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        // Some are killed while they recover, some after many records.
        let wait = random.below(30);
        let mut seen = 0;
        let mut line = String::new();
        let mut killed = false;
        loop {
            if seen >= wait && !killed {
                child.kill().unwrap();
                killed = true;
            }
            line.clear();
            if lines.read_line(&mut line).unwrap() == 0 {
                break;
            }
            if let Some(("ack", rest)) = line.trim_end().split_once(' ')
                && line.ends_with('\n')
                && let Some((seq, hash)) = rest.split_once(' ')
            {
                acknowledged.insert(seq.parse().unwrap(), hash.to_owned());
                seen += 1;
                total += 1;
            }
        }
        assert!(killed, "run {run}: the child ended by itself: it could not recover");
        child.wait().unwrap();
        let mut stored = HashMap::new();
        read_journal(&RealDisk, dir.path(), |entry| {
            stored.insert(entry.check().unwrap().seq, entry.hash().to_string());
        })
        .unwrap_or_else(|error| panic!("run {run}: {error}"));
        for (seq, hash) in &acknowledged {
            assert_eq!(stored.get(seq), Some(hash), "run {run}: record {seq} was acknowledged");
        }
    }
    assert!(total > RUNS, "{total} records");
}
