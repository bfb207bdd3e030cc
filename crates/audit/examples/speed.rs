//! Measures what docs/guide/audit-log.md promises: `cargo run --release -p audit --example speed [EVENTS]`.
//!
//! Builds a log of EVENTS (1,000,000) in a temporary directory, verifies it, makes proofs, and drives a
//! journal with 64 threads beside the disk's own rate of syncs.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Instant;

use audit::json::Json;
use audit::{
    Disk, Draft, Head, Journal, JournalOptions, KeyRing, Log, RealDisk, Signer, Source, Stamp,
    VerifyOptions, verify,
};

const ORIGIN: &str = "speed.example/audit";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = std::env::args().nth(1).map_or(Ok(1_000_000), |arg| arg.parse::<u64>())?;
    // Not in memory: /tmp may be.
    let root = std::env::current_dir()?.join(format!("target/audit-speed-{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    let result = measure(&root, events);
    std::fs::remove_dir_all(&root)?;
    result
}

fn measure(root: &std::path::Path, events: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = io::stdout();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let begun = Instant::now();
    let clock = Arc::new(move || {
        let up_us = begun.elapsed().as_micros() as i64;
        Stamp { at: 1_795_000_000_000_000 + up_us, up_us, boot: [7; 16] }
    });
    let signer = Signer::generate(ORIGIN)?;
    let keys = KeyRing::of(signer.verifier().clone());
    let (dir, high) = (root.join("log"), root.join("high-water"));

    let mut log = Log::create(disk.clone(), &dir, &high, signer)?;
    let mut sources: Vec<Source> = (0..10)
        .map(|n| Source::new(ORIGIN, &format!("host-{n}"), Head::START, clock.clone()))
        .collect();
    let start = Instant::now();
    let mut written = 0;
    while written < events {
        let mut batch = Vec::new();
        for number in written..events.min(written + 4096) {
            let source = &mut sources[(number % 10) as usize];
            batch.extend(source.seal(&draft(number))?);
        }
        written += batch.len() as u64;
        log.append(&batch)?;
    }
    log.stable()?;
    rate(&mut out, "sealed and appended, by 4,096", written, start)?;

    let start = Instant::now();
    let report = verify(&*disk, &dir, &VerifyOptions::new(keys), |_| {});
    rate(&mut out, "verified", report.leaves, start)?;
    write!(out, "{report}")?;
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("");
        writeln!(out, "peak memory, building included: {peak}")?;
    }
    let start = Instant::now();
    for number in 0..100 {
        log.prove(number * written / 100)?;
    }
    rate(&mut out, "proofs", 100, start)?;

    let start = Instant::now();
    let mut file = disk.create(&root.join("syncs"))?;
    for _ in 0..300 {
        file.write(&[0; 600])?;
        file.sync()?;
    }
    rate(&mut out, "the disk's own syncs", 300, start)?;
    let options = JournalOptions { reserve_bytes: 0, ..JournalOptions::default() };
    let (journal, _) = Journal::open(disk, &root.join("journal"), ORIGIN, "host", clock, options)?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..64 {
            let journal = &journal;
            scope.spawn(move || {
                (0..200).try_for_each(|n| journal.append(&draft(thread * 200 + n)).map(drop))
            });
        }
    });
    rate(&mut out, "journal, 64 writers", journal.head().seq, start)?;
    Ok(())
}

/// As large as a real one.
fn draft(number: u64) -> Draft {
    let mut draft = Draft::of("conn.open");
    draft.actor = Some([3; 16]);
    draft.session = Some("019abcde-0000-7000-8000-000000000002".into());
    draft.outcome = Some("permit".into());
    draft.x =
        vec![("port".into(), Json::Int((number % 65_536) as i64)), ("proto".into(), "tcp".into())];
    draft.payload = Some(Json::object([
        ("dest", Json::from(format!("host-{number}.example"))),
        ("user", "alice".into()),
        ("purpose", "a purpose of some length, as people write it".into()),
        ("argv", "ncat -v --ssl host.example 443".into()),
    ]));
    draft
}

fn rate(out: &mut impl io::Write, what: &str, count: u64, start: Instant) -> io::Result<()> {
    let seconds = start.elapsed().as_secs_f64();
    writeln!(out, "{what}: {count} in {seconds:.2} s, {:.0}/s", count as f64 / seconds)
}
