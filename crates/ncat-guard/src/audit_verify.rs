//! `audit verify`, online and offline.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use audit::{KeyRing, Outcome, RealDisk, Report, VerifyOptions, verify};
use clap::ArgMatches;
use config::Period;
use decision::time;
use serde_json::json;

use crate::exit::{Done, Exit, Failure};
use crate::leaves::Reader;
use crate::out::Out;
use crate::site::{self, Site};

/// Checks that nobody has to ask for.
const ALWAYS: [&str; 8] = ["V1", "V2", "V3", "V4", "V8", "V9", "V10", "V12"];

pub(crate) fn run(matches: &ArgMatches, args: &ArgMatches, out: &Out) -> Done {
    let offline = args.get_one::<PathBuf>("offline").cloned();
    let dir = match &offline {
        Some(dir) => dir.clone(),
        None => Site::load(matches)?.log_dir(),
    };
    let (ring, from) = keys(matches, args, Some(&dir))?;
    let mut options = VerifyOptions::new(ring);
    for path in args.get_many::<PathBuf>("against").unwrap_or_default() {
        let note = fs::read(path).map_err(|error| Failure::file(path, error))?;
        options.against.push((path.display().to_string(), note));
    }
    let part = part(args, &dir)?;
    options.range = part.clone();
    let report = verify(&RealDisk, &dir, &options, |_| {});
    let asked = asked(args, part.is_some());
    let missing =
        |check: &&audit::Check| check.outcome == Outcome::NotChecked && asked.contains(&check.id);
    let incomplete = report.checks.iter().any(|check| missing(&check));
    out.lines(&report.to_string());
    out.line(format!("by the keys in {from}"));
    out.document("audit-verify", document(&report, &from));
    Ok(match () {
        () if report.failed() => Exit::Tampered,
        () if incomplete => Exit::Incomplete,
        () => Exit::Done,
    })
}

/// What was asked for; a part leaves things out by itself.
fn asked(args: &ArgMatches, part: bool) -> Vec<&'static str> {
    let mut asked = if part { Vec::new() } else { ALWAYS.to_vec() };
    if args.contains_id("against") && args.get_many::<PathBuf>("against").is_some() {
        asked.push("V5");
    }
    if args.get_flag("full") {
        asked.extend(["V6", "V7", "V11"]);
    }
    asked
}

fn part(args: &ArgMatches, dir: &std::path::Path) -> Done<Option<Range<u64>>> {
    if let Some(text) = args.get_one::<String>("range") {
        return range(text).map(Some);
    }
    let Some(text) = args.get_one::<String>("since") else { return Ok(None) };
    let at = match Period::parse(text, None) {
        Ok(age) => site::now() - age.micros(),
        Err(_) => time::parse(text).map_err(|why| Failure::usage(format!("--since: {why}")))?,
    };
    let reader = Reader::at(dir.to_owned())?;
    for record in reader.all()? {
        let record = record?;
        if record.leaf.at >= at {
            return Ok(Some(record.index..reader.size));
        }
    }
    Ok(Some(reader.size..reader.size))
}

/// `A..B`, B not in it.
pub(crate) fn range(text: &str) -> Done<Range<u64>> {
    let parts =
        text.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    match parts {
        Some((from, to)) if from <= to => Ok(from..to),
        _ => Err(Failure::usage(format!("{text:?} is not a range of records: A..B, B not in it"))),
    }
}

/// The auditor's keys, and where they are from. Keys from the log's own directory are taken if nothing else is
/// given, and said to be so.
pub(crate) fn keys(
    matches: &ArgMatches,
    args: &ArgMatches,
    dir: Option<&std::path::Path>,
) -> Done<(KeyRing, String)> {
    let (path, own) = match (args.get_one::<PathBuf>("keys"), dir) {
        (Some(path), _) => (path.clone(), false),
        (None, Some(dir)) if dir.join("keys.txt").exists() => (dir.join("keys.txt"), true),
        _ => (Site::load(matches)?.config.dir.join("keys.txt"), false),
    };
    let text = fs::read_to_string(&path).map_err(|error| Failure::file(&path, error))?;
    let ring: KeyRing = text.parse().map_err(|error: audit::Error| Failure::file(&path, error))?;
    let own = if own { ", which is the log's own: use --keys with those you kept" } else { "" };
    Ok((ring, format!("{}{own}", path.display())))
}

fn document(report: &Report, keys: &str) -> serde_json::Value {
    let word = |outcome| match outcome {
        Outcome::Ok => "ok",
        Outcome::Fail => "FAIL",
        Outcome::NotChecked => "not checked",
    };
    let checks = report.checks.iter().map(|check| {
        json!({"id": check.id, "what": check.what, "outcome": word(check.outcome), "findings": check.findings, "count": check.count})
    });
    json!({
        "ok": !report.failed(),
        "checks": checks.collect::<Vec<_>>(),
        "size": report.size,
        "leaves": report.leaves,
        "sources": report.sources,
        "payloads": report.payloads,
        "erased": report.erased,
        "pruned": report.pruned,
        "outside": report.outside,
        "keys": keys,
        "statement": report.statement(),
    })
}
