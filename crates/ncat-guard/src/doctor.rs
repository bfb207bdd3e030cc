//! `doctor`: looks at everything this installation stands on, and says what is not as it should be.

use std::fs::File;
use std::path::Path;

use audit::{Leaf, RealDisk, read_journal};
use config::authorized::Authorized;
use serde_json::json;

use crate::exit::{Done, Exit};
use crate::leaves::Reader;
use crate::out::Out;
use crate::record::SOURCE;
use crate::site::Site;
use crate::{record, rules_of, status};

/// The least the system should let one process have open.
#[cfg(unix)]
const DESCRIPTORS_MIN: u64 = 1024;

/// A thing looked at: its name, and what was found, good or bad.
type Finding = (&'static str, Result<String, String>);

pub(crate) fn run(site: &Site, out: &Out) -> Done {
    let mut findings: Vec<Finding> =
        vec![("key", key(site)), ("database", database(site)), ("policy", policy(site))];
    findings.push(("journal", journal(site)));
    findings.push(("log", log(site)));
    findings.push(("disk space", space(site)));
    findings.push(("clock", clock(site)));
    findings.push(("descriptors", descriptors()));
    findings.push(("networks", networks(site)));
    for (name, found) in &findings {
        let (word, text) = match found {
            Ok(text) => ("ok", text),
            Err(text) => ("BAD", text),
        };
        out.line(format!("{word:<4}{name:<12}  {text}"));
    }
    let (level, why) = status::level();
    out.line(format!("    level         {level}: {why}"));
    let bad = findings.iter().filter(|(_, found)| found.is_err()).count();
    let told = findings.iter().map(|(name, found)| {
        let text = found.as_ref().unwrap_or_else(|text| text);
        json!({"name": name, "ok": found.is_ok(), "text": text})
    });
    out.document(
        "doctor",
        json!({"ok": bad == 0, "level": level, "checks": told.collect::<Vec<_>>()}),
    );
    Ok(if bad == 0 { Exit::Done } else { Exit::Unmet })
}

fn key(site: &Site) -> Result<String, String> {
    let key = record::signer(site).map_err(|failure| failure.what)?;
    let path = site.path("audit.signing_key_file");
    match key.verifier().name() == site.origin() {
        true => Ok(format!("{}, of the log {}", path.display(), site.origin())),
        false => Err(format!(
            "{}: of the log {}, not {}",
            path.display(),
            key.verifier().name(),
            site.origin()
        )),
    }
}

fn database(site: &Site) -> Result<String, String> {
    let path = site.path("database_path");
    let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    match config::trusted(&file, true) {
        Ok(Ok(())) => {}
        Ok(Err(distrust)) => return Err(format!("{} {distrust}", path.display())),
        Err(error) => return Err(error.to_string()),
    }
    let store = site.store().map_err(|failure| failure.what)?;
    let (mode, level) = store.durability().map_err(|failure| failure.what)?;
    let sound = store.integrity().map_err(|failure| failure.what)?;
    if sound != "ok" {
        return Err(format!("{}: {sound}", path.display()));
    }
    match (&mode[..], level) {
        ("wal", 2) => Ok(format!("{}: sound, WAL with full sync", path.display())),
        _ => Err(format!("{}: journal_mode {mode}, synchronous {level}", path.display())),
    }
}

fn policy(site: &Site) -> Result<String, String> {
    let store = site.store().map_err(|failure| failure.what)?;
    let in_force = rules_of::in_force(&store).map_err(|failure| failure.what)?;
    match in_force.engine.failing().first() {
        None => Ok(format!(
            "{} is in force, {} rules",
            in_force.version,
            in_force.engine.rules().count()
        )),
        Some((case, came)) => Err(format!("case {} => {}, and {came} came", case.ask, case.expect)),
    }
}

fn journal(site: &Site) -> Result<String, String> {
    let mut count = 0_u64;
    let dir = site.path("audit.journal_dir");
    let head = read_journal(&RealDisk, &dir, |_| count += 1).map_err(|error| error.to_string())?;
    Ok(format!("{}: {count} records, the last number {}", dir.display(), head.seq))
}

/// The log agrees with the journal, and is not behind what it was.
fn log(site: &Site) -> Result<String, String> {
    let mut recorder = site.recorder().map_err(|failure| failure.what)?;
    let head = recorder.journal().head();
    let size = recorder.log().checkpoint().size;
    let reader = Reader::open(site).map_err(|failure| failure.what)?;
    let ours = reader.newest().filter_map(Result::ok).find(|record| record.leaf.src == SOURCE);
    match ours.map_or(0, |record| record.leaf.seq) {
        seq if seq == head.seq => Ok(format!("{size} records, all that the journal has")),
        seq => Err(format!("has record {seq} of {}", head.seq)),
    }
}

#[cfg(unix)]
fn space(site: &Site) -> Result<String, String> {
    let dir = site.path("audit.journal_dir");
    let about = rustix::fs::statvfs(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let wanted = site.config.size("audit.journal_max");
    let mib = |bytes: u64| bytes >> 20;
    match free >= wanted {
        true => Ok(format!("{} MiB free for a journal of up to {}", mib(free), mib(wanted))),
        false => Err(format!("{} MiB free, audit.journal_max is {}", mib(free), mib(wanted))),
    }
}

#[cfg(not(unix))]
fn space(_site: &Site) -> Result<String, String> {
    Ok("not looked at on this system".into())
}

/// Not before the newest record.
fn clock(site: &Site) -> Result<String, String> {
    let reader = Reader::open(site).map_err(|failure| failure.what)?;
    let newest = reader.newest().find_map(Result::ok);
    let last: Option<Leaf> = newest.map(|record| record.leaf);
    match last {
        Some(leaf) if leaf.at > site.now => {
            Err(format!("is before the newest record, {}", decision::time::format(leaf.at)))
        }
        _ => Ok(decision::time::format(site.now)),
    }
}

#[cfg(unix)]
fn descriptors() -> Result<String, String> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < DESCRIPTORS_MIN => {
            Err(format!("{limit} at most; {DESCRIPTORS_MIN} are wanted"))
        }
        Some(limit) => Ok(format!("{limit} at most")),
        None => Ok("no limit".into()),
    }
}

#[cfg(not(unix))]
fn descriptors() -> Result<String, String> {
    Ok("not looked at on this system".into())
}

fn networks(site: &Site) -> Result<String, String> {
    let path = site.path("network_policies.authorized_networks_file");
    let list = Authorized::read(Path::new(&path));
    let name =
        |name: &str| site.config.nets(&format!("network_policies.named_networks.{name}.cidrs"));
    let unknown = list.lines.iter().find_map(|line| match &line.what {
        config::authorized::Named::Name(known) if name(known).is_empty() => {
            Some((line.number, known))
        }
        _ => None,
    });
    match (list.problems.first(), unknown) {
        (Some((0, text)), _) => Err(format!("{} {text}", path.display())),
        (Some((line, text)), _) => Err(format!("{} line {line}: {text}", path.display())),
        (None, Some((line, known))) => {
            Err(format!("{} line {line}: no network is named {known}", path.display()))
        }
        (None, None) => {
            let over = list.expired(site.now).count();
            Ok(format!("{} lines of authorized-networks.txt, {over} over", list.lines.len()))
        }
    }
}
