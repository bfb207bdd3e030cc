//! `audit checkpoint|prove|check-proof|tail|search|export`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use audit::json::Json;
use audit::{Draft, Proof};
use clap::ArgMatches;
use decision::time;
use serde_json::{Value, json};

use crate::audit_verify::{keys, range};
use crate::exit::{Done, Exit, Failure};
use crate::filter::Filter;
use crate::leaves::{Reader, Record, document, to_audit};
use crate::out::{self, Out};
use crate::site::Site;

/// How often a followed log is looked at.
const FOLLOW: Duration = Duration::from_millis(250);

pub(crate) fn checkpoint(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let mut recorder = site.recorder()?;
    let size = recorder.log().stable()?;
    let note = recorder.log().note().to_owned();
    if let Some(path) = args.get_one::<PathBuf>("save") {
        fs::write(path, &note).map_err(|error| Failure::file(path, error))?;
        out.line(format!(
            "{}: checkpoint of {size} records; keep it where this host cannot change it",
            path.display()
        ));
    } else if !out.is_json() {
        out::raw(&note);
    }
    out.document("audit-checkpoint", json!({"size": size, "note": note}));
    Ok(Exit::Done)
}

pub(crate) fn prove(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let wanted = args.get_one::<String>("id").map_or("", String::as_str);
    let id = wanted.strip_prefix("D-").unwrap_or(wanted);
    let reader = Reader::open(site)?;
    let found =
        reader.newest().find(|record| record.as_ref().is_ok_and(|record| record.leaf.id == id));
    let record =
        found.ok_or_else(|| Failure::usage(format!("there is no event {wanted} in the log")))??;
    let mut recorder = site.recorder()?;
    let proof = recorder.log().prove(record.index)?.encode();
    if let Some(path) = args.get_one::<PathBuf>("event") {
        fs::write(path, &record.bytes).map_err(|error| Failure::file(path, error))?;
        out.note(format!("{}: the event, as the log has it", path.display()));
    }
    if !out.is_json() {
        out::raw(&proof);
    }
    out.document("audit-proof", json!({"event": document(&record), "proof": proof}));
    Ok(Exit::Done)
}

/// Needs nothing but the proof, the event and a file of keys.
pub(crate) fn check_proof(matches: &ArgMatches, args: &ArgMatches, out: &Out) -> Done {
    let read = |name: &str| {
        let path = args.get_one::<PathBuf>(name).cloned().unwrap_or_default();
        fs::read(&path).map_err(|error| Failure::file(&path, error))
    };
    let proof = Proof::parse(&read("proof")?)?;
    let event: Value = serde_json::from_slice(&read("event")?)
        .map_err(|error| Failure::usage(format!("--event: not JSON: {error}")))?;
    // White space and order do not matter: there is one canonical form.
    let event = event.get("leaf").unwrap_or(&event);
    let leaf =
        to_audit(event).ok_or_else(|| Failure::usage("--event: has a fraction in it"))?.encode();
    let (ring, from) = keys(matches, args, None)?;
    let origin = ring.newest().name().to_owned();
    let checkpoint = proof.check(&leaf, &origin, &ring).map_err(|error| {
        Failure::new(Exit::Tampered, format!("the event is not proven: {error}"))
    })?;
    out.line(format!(
        "event {} of the log {origin}: in it, by a checkpoint of {} records",
        proof.index, checkpoint.size
    ));
    out.line(format!("by the keys in {from}"));
    out.document(
        "audit-check-proof",
        json!({"ok": true, "index": proof.index, "origin": origin, "size": checkpoint.size}),
    );
    Ok(Exit::Done)
}

pub(crate) fn tail(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let filter = Filter::default().and("type", args.get_one("type"));
    let filter = filter
        .and_then(|filter| filter.and("user", args.get_one("user")))
        .map_err(Failure::usage)?;
    let count = args.get_one::<u32>("lines").copied().unwrap_or(20) as usize;
    let reader = Reader::open(site)?;
    let mut newest = Vec::new();
    for record in reader.newest() {
        let record = record?;
        if newest.len() >= count {
            break;
        }
        if filter.matches(&record) {
            newest.push(record);
        }
    }
    newest.iter().rev().for_each(|record| show(record, out));
    let mut seen = reader.size;
    while args.get_flag("follow") {
        std::thread::sleep(FOLLOW);
        let reader = Reader::open(site)?;
        for record in reader.from(seen)? {
            let record = record?;
            if filter.matches(&record) {
                show(&record, out);
            }
        }
        seen = reader.size;
    }
    Ok(Exit::Done)
}

pub(crate) fn search(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let words: Vec<String> =
        args.get_many::<String>("filter").unwrap_or_default().cloned().collect();
    let text = words.join(" ");
    let filter = Filter::parse(&text, site.now).map_err(Failure::usage)?;
    let csv = args.get_flag("csv");
    if csv {
        out.line("index,time,type,code,user,dest,id");
    }
    let mut found = 0_u64;
    let reader = Reader::open(site)?;
    for record in reader.all()? {
        let record = record?;
        if filter.matches(&record) {
            found += 1;
            if csv { out.line(row(&record)) } else { show(&record, out) }
        }
    }
    if filter.reads_payloads() {
        // Who looks for a person is written down too.
        let payload = Json::object([("search", Json::from(text))]);
        let x = vec![("found".to_owned(), Json::Int(found.try_into().unwrap_or(i64::MAX)))];
        let store = site.store()?;
        let mut recorder = site.recorder()?;
        recorder.record(
            site,
            &store,
            Draft { x, payload: Some(payload), ..Draft::of("evidence.access") },
        )?;
        recorder.sequence()?;
    }
    out.note(format!("{found} found"));
    Ok(if found > 0 { Exit::Done } else { Exit::Unmet })
}

pub(crate) fn export(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let to = args.get_one::<PathBuf>("out").cloned().unwrap_or_default();
    let store = site.store()?;
    let mut recorder = site.recorder()?;
    let size = recorder.log().checkpoint().size;
    let range = match args.get_one::<String>("range") {
        Some(text) => range(text)?,
        None => 0..size,
    };
    if range.end > size {
        return Err(Failure::usage(format!("--range: the log has records 0 to {size}")));
    }
    let int = |value: u64| Json::Int(i64::try_from(value).unwrap_or(i64::MAX));
    let mut draft = Draft::of("evidence.export");
    draft.x = vec![("from".into(), int(range.start)), ("to".into(), int(range.end))];
    draft.payload = Some(Json::object([("out", Json::from(to.display().to_string()))]));
    recorder.record(site, &store, draft)?;
    recorder.sequence()?;
    // All of it has the record of its own making in it.
    let range = match args.contains_id("range") {
        true => range,
        false => 0..recorder.log().checkpoint().size,
    };
    let files = recorder.log().export(range.clone(), &to)?;
    out.document("audit-export", json!({"from": range.start, "to": range.end, "files": files, "out": to.display().to_string()}));
    out.line(format!("{}: records {} to {}, {files} files", to.display(), range.start, range.end));
    out.line(format!(
        "anybody verifies it: ncat-guard audit verify --offline {} --keys keys.txt",
        to.display()
    ));
    Ok(Exit::Done)
}

/// One record: a line, or one document a line.
fn show(record: &Record, out: &Out) {
    if out.is_json() {
        return out.document("event", document(record));
    }
    let leaf = &record.leaf;
    let detail = |key: &str| {
        record.payload.as_ref()?.get(key)?.as_str().map(|text| format!("  {key} {text}"))
    };
    let code = leaf.code.as_ref().map(|code| format!("  {code}")).unwrap_or_default();
    let details: String =
        ["user", "subject", "dest", "reason"].iter().filter_map(|key| detail(key)).collect();
    out.line(format!(
        "{:>6}  {}  {:<20}{code}{details}  {}",
        record.index,
        time::format(leaf.at),
        leaf.kind,
        leaf.id
    ));
}

/// A line of CSV. A cell that a spreadsheet would take for a formula gets an apostrophe before it.
fn row(record: &Record) -> String {
    let leaf = &record.leaf;
    let detail = |key: &str| {
        let value = record.payload.as_ref().and_then(|payload| payload.get(key)?.as_str());
        value.unwrap_or("").to_owned()
    };
    let code = leaf.code.clone().unwrap_or_default();
    let cells = [
        record.index.to_string(),
        time::format(leaf.at),
        leaf.kind.clone(),
        code,
        detail("user"),
        detail("dest"),
        leaf.id.clone(),
    ];
    cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",")
}

fn quoted(cell: &str) -> String {
    let cell = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn cells_are_no_formulas() {
        for (cell, expected) in [
            ("a", "a"),
            ("=cmd()", "'=cmd()"),
            ("a,b", "\"a,b\""),
            ("-1\"", "\"'-1\"\"\""),
            ("@x", "'@x"),
        ] {
            assert_eq!(super::quoted(cell), expected);
        }
    }
}
