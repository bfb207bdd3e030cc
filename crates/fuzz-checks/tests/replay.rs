//! Replays every seed, and what fuzzing found on this machine.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(kind).join(target);
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_input_passes() {
    for (target, run) in fuzz_checks::TARGETS {
        let seeds = inputs("seeds", target);
        assert!(!seeds.is_empty(), "no seeds for {target}");
        let found = [inputs("corpus", target), inputs("artifacts", target)].concat();
        for path in seeds.into_iter().chain(found) {
            let data = std::fs::read(&path).unwrap();
            // The name of what fails, since the panic will not say it.
            assert!(std::panic::catch_unwind(|| run(&data)).is_ok(), "{}", path.display());
        }
        // Beginnings of seeds are what a cut connection leaves.
        for path in inputs("seeds", target) {
            let data = std::fs::read(&path).unwrap();
            (0..data.len().min(300)).for_each(|length| run(&data[..length]));
        }
    }
}

#[test]
#[should_panic(expected = "a broken promise")]
fn the_replay_can_fail() {
    let broken: fn(&[u8]) = |data| assert!(data.is_empty(), "a broken promise");
    broken(b"x");
}
