//! `cargo xtask fuzz [SECONDS [TARGET]...]`: replay what is known, then look for more.

use crate::step::{Steps, cargo_daily, find_program, root};

/// Seconds for each target when none are given.
const SECONDS: u32 = 10;
/// Longest input, in bytes: long enough for every limit of the formats.
const INPUT_MAX: u32 = 4096;

/// Replays seeds and corpora on stable, then runs cargo-fuzz on each target, or on those that are named,
/// if it is installed.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (seconds, named) = match args {
        [] => (SECONDS, &[][..]),
        [seconds, named @ ..] => {
            let number = seconds.parse();
            (number.map_err(|_| format!("{seconds:?} is no number of seconds"))?, named)
        }
    };
    let all = targets()?;
    if let Some(unknown) = named.iter().find(|name| !all.contains(name)) {
        return Err(format!("{unknown:?} is no target; there are {}", all.join(", ")));
    }
    let mut steps = Steps::default();
    steps.command("replay", cargo_daily(["test", "-q", "-p", "fuzz-checks"]));
    if find_program("cargo-fuzz").is_none() {
        steps.skip("fuzzing: cargo-fuzz is not installed (cargo install cargo-fuzz)");
        return steps.finish();
    }
    let is_wanted = |target: &String| named.is_empty() || named.contains(target);
    for target in all.into_iter().filter(is_wanted) {
        // Found inputs go to the first directory; the seeds are only read.
        let (corpus, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
        std::fs::create_dir_all(root().join(&corpus))
            .map_err(|error| format!("{corpus}: {error}"))?;
        let time = format!("-max_total_time={seconds}");
        let length = format!("-max_len={INPUT_MAX}");
        // Without the address sanitizer: safe code does not need it, and stable's std lacks it.
        let options = ["fuzz", "run", "--sanitizer", "none", &target, &corpus, &seeds, "--"];
        let mut command = cargo_daily(options.into_iter().chain([&time[..], &length]));
        command.env("RUSTC_BOOTSTRAP", "1");
        steps.command(&format!("fuzz {target}"), command);
    }
    steps.finish()
}

/// A target is a directory of seeds.
fn targets() -> Result<Vec<String>, String> {
    let seeds = root().join("fuzz/seeds");
    let entries =
        std::fs::read_dir(&seeds).map_err(|error| format!("{}: {error}", seeds.display()))?;
    let mut targets: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    targets.sort();
    Ok(targets)
}
