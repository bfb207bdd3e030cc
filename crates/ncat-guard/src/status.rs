//! `status`: what is in force here, at a glance.

use audit::{Checkpoint, Note};
use policy::Status;
use serde_json::json;

use crate::exit::{Done, Exit};
use crate::leaves::Reader;
use crate::out::Out;
use crate::policy_explain::LEVEL;
use crate::rules_of;
use crate::site::Site;

/// What `ncat` looks for.
const SYSTEM_POLICY: &str = "/etc/ncat/guard.toml";

/// The level that is enforced on this host, and why not a higher one.
pub(crate) fn level() -> (&'static str, String) {
    let there = std::path::Path::new(SYSTEM_POLICY).exists();
    let why = match there {
        false => format!("{SYSTEM_POLICY} is not there, so ncat asks nobody"),
        true => format!("{SYSTEM_POLICY} is there, and this ncat does not obey it yet"),
    };
    (LEVEL, why)
}

pub(crate) fn run(site: &Site, out: &Out) -> Done {
    let store = site.store()?;
    let active = rules_of::active(&store)?;
    let reader = Reader::open(site)?;
    let note = Note::parse(reader.note.as_bytes())?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    let grants = store.grants()?;
    let count = |status| grants.iter().filter(|grant| grant.status_at(site.now) == status).count();
    let (open, waiting) = (count(Status::Active), count(Status::Requested));
    let mode = if active.bundle.security.simulate { "simulate" } else { "enforce" };
    let drift = active.bundle != rules_of::draft(site)?;
    let (level, why) = level();
    out.line(format!("level         {level}: {why}"));
    out.line(format!("policy        {} ({mode}), by {}", active.version, active.author));
    if drift {
        out.line("              the configuration makes another one: ncat-guard policy diff active draft");
    }
    out.line(format!("grants        {open} active, {waiting} waiting for approval"));
    out.line(format!("audit log     {}, {} records", checkpoint.origin, checkpoint.size));
    out.line(format!("root          {}", checkpoint.root));
    for warning in &site.config.warnings {
        out.line(format!("{:<14}{}: {}", warning.code, warning.path, warning.text));
    }
    out.document(
        "status",
        json!({
            "level": level,
            "level_reason": why,
            "policy": active.version,
            "mode": mode,
            "policy_differs_from_configuration": drift,
            "grants": {"active": open, "requested": waiting},
            "log": {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.to_string()},
            "warnings": site.config.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(),
        }),
    );
    Ok(Exit::Done)
}
