//! `--lua-check`: the tests that filters bring along.

mod case;
mod run;
mod wire;

use std::fmt::Write;

use gate::Gatekeeper;
use mlua::{MultiValue, Table, Value};
use plan::Filters;

use self::case::{Case, Wanted};
use self::run::Seen;
use super::engine::Engine;
use super::find::{self, SearchPath};
use super::native::Log;

/// What came of the tests.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// For people: a line for each filter, and lines for what failed.
    pub text: String,
    /// Tests that were run.
    pub tests: usize,
    /// How often, with what goes in cut in all ways.
    pub runs: usize,
    /// Tests that failed.
    pub failed: usize,
}

/// Loads the stack, and runs each filter's tests: nothing but scripts is opened. There must be a runtime.
///
/// # Errors
/// A line without its end: the stack cannot be loaded.
pub async fn check(
    filters: &Filters,
    path: &SearchPath,
    datagrams: bool,
    log: Log,
) -> Result<Report, String> {
    let engine = Engine::load(filters, path, datagrams, log, Gatekeeper::open())?;
    let mut report = Report::default();
    for (at, spec) in filters.stack.iter().enumerate() {
        if filters.stack[..at].iter().any(|earlier| earlier.what == spec.what) {
            continue;
        }
        // Once more by itself: the tests are what the script returned, with the arguments as given.
        let found = find::find(&spec.what, path)?;
        let args = engine.arguments(&spec.args)?;
        let (table, _) = engine.run(1, &found, &args, &std::sync::Arc::default())?;
        let tests: Option<Table> = table.raw_get("tests").unwrap_or_default();
        let tests: Vec<Value> = match &tests {
            Some(tests) => tests.sequence_values().filter_map(Result::ok).collect(),
            None => Vec::new(),
        };
        let before = (report.tests, report.runs, report.failed);
        let mut failures = String::new();
        for (number, test) in tests.iter().enumerate() {
            report.tests += 1;
            let done = match read(test) {
                Ok(case) => one(&engine, (spec, filters, path), &case, &mut report.runs).await,
                Err(why) => Err(why),
            };
            if let Err(why) = done {
                report.failed += 1;
                let _ = writeln!(failures, "  test {}: {why}", number + 1);
            }
        }
        let (tests, runs) = (report.tests - before.0, report.runs - before.1);
        let line = match (tests, report.failed - before.2) {
            (0, _) => "no tests".to_owned(),
            (_, 0) => format!("{tests} tests passed ({runs} runs)"),
            (_, failed) => format!("{failed} of {tests} tests FAILED ({runs} runs)"),
        };
        let _ = write!(report.text, "{}: {line}\n{failures}", spec.what);
    }
    Ok(report)
}

fn read(test: &Value) -> Result<Case, String> {
    match test {
        Value::Table(table) => Case::read(table),
        other => Err(format!("it is a {}, not a table", other.type_name())),
    }
}

/// Runs one test, cut in all ways; the first thing that is not as wanted.
async fn one(
    engine: &Engine,
    (spec, filters, path): (&plan::FilterSpec, &Filters, &SearchPath),
    case: &Case,
    runs: &mut usize,
) -> Result<(), String> {
    for cutting in case.cuttings() {
        *runs += 1;
        let cut = format!("{:?} sent, {:?} received", shown(&cutting.0), shown(&cutting.1));
        let seen = run::run(spec, filters, path, case, cutting).await?;
        judge(engine, case, &seen).map_err(|why| format!("{why} (pieces: {cut})"))?;
    }
    Ok(())
}

fn shown(pieces: &[Vec<u8>]) -> Vec<String> {
    pieces.iter().map(|piece| short(piece)).collect()
}

/// Bytes for people: as Lua writes them, and no more than a line or two of them.
fn short(bytes: &[u8]) -> String {
    const SHOWN: usize = 100;
    let text = bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string();
    if bytes.len() > SHOWN { format!("{text}... ({} bytes)", bytes.len()) } else { text }
}

fn judge(engine: &Engine, case: &Case, seen: &Seen) -> Result<(), String> {
    if case.error != seen.error {
        let said = |error: &Option<String>| error.clone().unwrap_or_else(|| "no failure".into());
        return Err(format!("expected {}, got {}", said(&case.error), said(&seen.error)));
    }
    matches(engine, "wire", &case.wire, &seen.wire)?;
    matches(engine, "deliver", &case.deliver, &seen.deliver)?;
    for other in &seen.others {
        matches(engine, "others", &case.others, other)?;
    }
    for (name, wanted) in &case.files {
        let got = seen.files.get(std::path::Path::new(name));
        same(name, wanted, got.map_or(&[][..], |text| text))?;
    }
    for (at, wanted) in &case.timeline {
        let until = std::time::Duration::try_from_secs_f64(*at).unwrap_or_default();
        let sent = seen.timeline.iter().filter(|(at, _)| *at <= until);
        let got: usize = sent.map(|(_, len)| len).sum();
        if got != *wanted {
            return Err(format!("after {at} s {got} bytes are on the wire, expected {wanted}"));
        }
    }
    match &case.said {
        Some(wanted) => same("said", wanted, &seen.said),
        None => Ok(()),
    }
}

fn same(what: &str, wanted: &[u8], got: &[u8]) -> Result<(), String> {
    if wanted == got {
        return Ok(());
    }
    let (wanted, got) = (short(wanted), short(got));
    Err(format!("{what} is \"{got}\", expected \"{wanted}\""))
}

fn matches(
    engine: &Engine,
    what: &str,
    wanted: &Option<Wanted>,
    got: &[Vec<u8>],
) -> Result<(), String> {
    match wanted {
        None => Ok(()),
        Some(Wanted::Whole(wanted)) => same(what, wanted, &got.concat()),
        Some(Wanted::Pieces(wanted)) if wanted == got => Ok(()),
        Some(Wanted::Pieces(wanted)) => {
            Err(format!("{what} is {:?}, expected {:?}", shown(got), shown(wanted)))
        }
        Some(Wanted::Judged(judge)) => {
            let text = engine.lua.create_string(got.concat());
            let text = text.map_err(|error| crate::source::plain(&error))?;
            let slice = engine.shared.limits.slice;
            let judged = engine.at_once(None, slice, || judge.call::<MultiValue>(text));
            let judged = judged.map_err(|error| crate::source::plain(&error))?;
            match judged.front() {
                Some(Value::Nil | Value::Boolean(false)) | None => {
                    let why = judged.get(1).and_then(|why| why.to_string().ok());
                    let got = short(&got.concat());
                    Err(why.unwrap_or_else(|| {
                        format!("{what} is \"{got}\", which the test does not take")
                    }))
                }
                Some(_) => Ok(()),
            }
        }
    }
}
