//! `cargo xtask counts`: how many instructions ten small, fixed workloads cost, and how large the program is.
//!
//! A second is noisy, a count is not: callgrind counts what the program executes (user space only; the
//! system's part is the bench's business), so a change that costs a few percent shows, also on a busy
//! machine. The numbers are kept in `docs/reference/counts.txt`; a change that costs more than the
//! tolerance must change them, on purpose, with `--update`.
//!
//! They are comparable only for the same compiler, libraries and processor features, which the file names:
//! elsewhere the comparison is skipped, and says so.

mod file;
mod rig;
mod workloads;

use std::path::PathBuf;

use crate::step::{self, cargo_daily, complain, find_program, root, target_dir};
use file::{Count, Counts};

/// The task.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let update = match args {
        [] => false,
        [word] if word == "--update" => true,
        _ => return Err("usage: cargo xtask counts [--update]".into()),
    };
    if find_program("valgrind").is_none() {
        complain("SKIPPED counts: valgrind is not installed");
        return Ok(());
    }
    step::run(cargo_daily(["build", "--quiet", "--release", "-p", "ncat"]))?;
    let counted = measure()?;
    let path = root().join("docs/reference/counts.txt");
    if update {
        return std::fs::write(&path, counted.render())
            .map_err(|e| format!("{}: {e}", path.display()));
    }
    let stored = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    compare(&Counts::parse(&stored)?, &counted)
}

/// The release build, by the daily OpenSSL.
fn program() -> PathBuf {
    target_dir().join("release").join("ncat")
}

fn measure() -> Result<Counts, String> {
    let mut counts = Vec::new();
    for workload in workloads::ALL {
        let told = |error: std::io::Error| format!("{}: {error}", workload.name);
        let value = rig::count(&program(), workload).map_err(told)?;
        counts.push(Count { name: workload.name.to_owned(), value, percent: workload.percent });
    }
    let size = std::fs::metadata(program()).map_err(|e| e.to_string())?.len();
    counts.push(Count { name: "binary-bytes".to_owned(), value: size, percent: 5 });
    Ok(Counts { facts: file::facts(), counts })
}

/// Every workload must cost what it did; cheaper by more than the tolerance must be told too, else the next
/// change may eat the gain unseen.
fn compare(stored: &Counts, counted: &Counts) -> Result<(), String> {
    if stored.facts != counted.facts {
        complain(&format!(
            "SKIPPED counts: stored for {:?}, this is {:?}",
            stored.facts, counted.facts
        ));
        return Ok(());
    }
    let mut wrong = Vec::new();
    for now in &counted.counts {
        let Some(then) = stored.counts.iter().find(|count| count.name == now.name) else {
            wrong.push(format!("{}: not stored", now.name));
            continue;
        };
        let change = (now.value as f64 / then.value as f64 - 1.0) * 100.0;
        println!("{:16} {:>12} {change:+6.1} %", now.name, now.value);
        if change.abs() > f64::from(now.percent) {
            let Count { name, value, percent } = now;
            wrong.push(format!("{name}: {} to {value}, {change:+.1} % (±{percent} %)", then.value));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{}\n  hint: mend it, or store it on purpose: cargo xtask counts --update",
            wrong.join("\n")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(facts: &str, value: u64) -> Counts {
        let count = Count { name: "probe".to_owned(), value, percent: 3 };
        Counts { facts: facts.to_owned(), counts: vec![count] }
    }

    #[test]
    fn a_change_beyond_the_tolerance_is_an_error_both_ways() {
        let stored = counts("here", 1000);
        assert_eq!(compare(&stored, &counts("here", 1029)), Ok(()));
        assert_eq!(compare(&stored, &counts("here", 971)), Ok(()));
        let told = compare(&stored, &counts("here", 1031)).unwrap_err();
        assert!(told.starts_with("probe: 1000 to 1031, +3.1 % (±3 %)"), "{told}");
        assert!(compare(&stored, &counts("here", 900)).is_err());
    }

    #[test]
    fn what_is_not_stored_is_an_error() {
        let stored = Counts { facts: "here".to_owned(), counts: Vec::new() };
        assert!(compare(&stored, &counts("here", 1)).is_err());
    }

    #[test]
    fn other_compilers_are_not_compared() {
        assert_eq!(compare(&counts("there", 1000), &counts("here", 5000)), Ok(()));
    }
}
