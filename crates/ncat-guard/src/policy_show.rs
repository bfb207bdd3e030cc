//! `policy check|activate|show|diff|simulate`.

use std::path::Path;

use audit::Draft;
use audit::json::Json;
use clap::ArgMatches;
use decision::time;
use policy::{Bundle, Engine};
use serde_json::json;

use crate::diff::diff;
use crate::exit::{Done, Exit, Failure};
use crate::out::{self, Out};
use crate::rules_of;
use crate::site::Site;

/// Compiles, validates, tries the cases. Changes nothing.
pub(crate) fn check(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let bundle = match args.get_one::<String>("where") {
        Some(dir) if Path::new(dir).is_dir() => {
            let (rules, cases) = rules_of::files(Path::new(dir))?;
            Bundle { rules, cases, ..rules_of::settings(&site.config) }
        }
        Some(name) => rules_of::named(site, &site.store()?, name)?,
        None => rules_of::draft(site)?,
    };
    let engine = match Engine::new(bundle) {
        Ok(engine) => engine,
        Err(mistakes) => {
            out.document("policy-check", json!({"ok": false, "mistakes": mistakes}));
            mistakes.iter().for_each(|mistake| out.line(format!("error  {mistake}")));
            return Ok(Exit::Unmet);
        }
    };
    let failing = engine.failing();
    for (case, came) in &failing {
        out.line(format!("case   {} => {}, and {came} came", case.ask, case.expect));
    }
    let cases = engine.bundle().cases.len();
    let rules = engine.rules().count();
    let told: Vec<_> = failing
        .iter()
        .map(|(case, came)| json!({"ask": case.ask, "expect": case.expect, "came": came}))
        .collect();
    let ok = failing.is_empty();
    out.document(
        "policy-check",
        json!({"ok": ok, "rules": rules, "cases": cases, "failing": told}),
    );
    out.line(format!("{rules} rules; {cases} cases, {} failing", failing.len()));
    Ok(if ok { Exit::Done } else { Exit::Unmet })
}

/// Puts the configuration and the files beside it in force.
pub(crate) fn activate(site: &Site, out: &Out) -> Done {
    let bundle = rules_of::draft(site)?;
    put(site, bundle, "from the configuration", out)
}

/// Denials are recorded and not enforced, or are enforced again, by a policy that differs in nothing else.
pub(crate) fn simulate(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let on = args.get_one::<String>("state").is_some_and(|state| state == "on");
    let mut bundle = rules_of::active(&site.store()?)?.bundle;
    if bundle.security.simulate == on {
        let word = if on { "on" } else { "off" };
        return Err(Failure::new(Exit::Unmet, format!("simulate mode is {word} already")));
    }
    bundle.security.simulate = on;
    put(site, bundle, if on { "simulate on" } else { "simulate off" }, out)
}

fn put(site: &Site, bundle: Bundle, note: &str, out: &Out) -> Done {
    let engine = rules_of::compiled(bundle)?;
    if let Some((case, came)) = engine.failing().first() {
        let what =
            format!("a case does not hold: {} => {}, and {came} came", case.ask, case.expect);
        return Err(Failure::new(Exit::Unmet, what).line("nothing was changed"));
    }
    let mut store = site.store()?;
    let before = store.active_policy()?;
    if before.as_ref().is_some_and(|before| before.bundle == *engine.bundle()) {
        return Err(Failure::new(Exit::Unmet, "this policy is in force already"));
    }
    let version = store.next_policy()?;
    let mut recorder = site.recorder()?;
    let text = before.map(|before| pretty(&before.bundle)).unwrap_or_default();
    let changed =
        diff(&text, &pretty(engine.bundle())).into_iter().filter(|line| !line.starts_with(' '));
    let changed = Json::List(changed.map(Json::from).collect());
    for kind in ["policy.store", "policy.activate"] {
        let mut draft = Draft::of(kind);
        draft.x = vec![("version".into(), version.into())];
        if kind == "policy.store" {
            draft.payload = Some(Json::object([("diff", changed.clone()), ("note", note.into())]));
        }
        recorder.record(site, &store, draft)?;
    }
    store.activate(version, engine.bundle(), &site.user.name, site.now, note)?;
    recorder.sequence()?;
    out.document("policy", json!({"version": version, "note": note}));
    out.line(format!("policy {version} is in force ({note})"));
    Ok(Exit::Done)
}

pub(crate) fn show(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let store = site.store()?;
    let name = args.get_one::<String>("version").map_or("active", String::as_str);
    let bundle = rules_of::named(site, &store, name)?;
    let engine = rules_of::compiled(bundle)?;
    if args.get_flag("cedar") {
        for rule in engine.rules() {
            out.lines(&format!(
                "// {}",
                rule.file.as_deref().unwrap_or("compiled from the settings")
            ));
            out.lines(&rule.text);
            out.line("");
        }
    } else {
        if let Some(active) = store.active_policy()?.filter(|_| name == "active") {
            let at = time::format(active.activated_at);
            out.line(format!(
                "policy {}, by {} at {at}: {}",
                active.version, active.author, active.note
            ));
            out.line(format!("sha256 {}", active.sha256));
            if active.bundle != rules_of::draft(site)? {
                out.note(
                    "the configuration makes another policy: ncat-guard policy diff active draft",
                );
            }
        }
        for rule in engine.rules() {
            let effect =
                rule.code.as_ref().map_or("permit".to_owned(), |code| format!("forbid {code}"));
            let trial = if rule.simulated { " (on trial)" } else { "" };
            out.line(format!("{:<22} {effect:<28} {}{trial}", rule.id, rule.reason));
        }
    }
    let rules = engine.rules().map(|rule| {
        json!({
            "id": rule.id,
            "code": rule.code,
            "reason": rule.reason,
            "simulated": rule.simulated,
            "file": rule.file,
            "cedar": rule.text,
        })
    });
    let rules: Vec<_> = rules.collect();
    out.document("policy", json!({"policy": name, "bundle": engine.bundle(), "rules": rules}));
    Ok(Exit::Done)
}

pub(crate) fn compare(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let store = site.store()?;
    let side = |name: &str| {
        let name = args.get_one::<String>(name).map_or("", String::as_str);
        rules_of::named(site, &store, name).map(|bundle| pretty(&bundle))
    };
    let lines = diff(&side("from")?, &side("to")?);
    let changed: Vec<&String> = lines.iter().filter(|line| !line.starts_with(' ')).collect();
    changed.iter().for_each(|line| out.line(line));
    out.document("policy-diff", json!({"same": changed.is_empty(), "lines": changed}));
    if changed.is_empty() {
        out.line("no difference");
    }
    Ok(if changed.is_empty() { Exit::Done } else { Exit::Unmet })
}

/// A line for each value, and one for each line of hand-written rules.
fn pretty(bundle: &Bundle) -> String {
    let plain = Bundle { rules: Vec::new(), ..bundle.clone() };
    let mut text = serde_json::to_string_pretty(&plain).unwrap_or_default();
    for file in &bundle.rules {
        text += &format!("\n// {}\n{}", file.name, file.text);
    }
    text
}

/// The vocabulary of hand-written rules.
pub(crate) fn schema(out: &Out) -> Done {
    if !out.is_json() {
        out::raw(policy::SCHEMA);
    }
    out.document("policy-schema", json!({"cedar": policy::SCHEMA}));
    Ok(Exit::Done)
}
