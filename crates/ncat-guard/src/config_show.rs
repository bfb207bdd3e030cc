//! `config check` and `config show`.

use clap::ArgMatches;
use config::{Setting, Value};
use serde_json::{Map, Value as Json, json};

use crate::exit::{Done, Exit};
use crate::out::Out;
use crate::rules_of;
use crate::site::{self, Site};

/// Everything that can be known without doing anything: mistakes, warnings, the list of networks, the rules.
pub(crate) fn check(matches: &ArgMatches, out: &Out) -> Done {
    let config = match config::load(&site::sources(matches)) {
        Ok(config) => config,
        Err(problems) => {
            let told = problems.iter().map(|problem| {
                json!({"key": problem.path, "origin": problem.origin.to_string(), "text": problem.text})
            });
            out.document(
                "config-check",
                json!({"ok": false, "problems": told.collect::<Vec<_>>()}),
            );
            problems.iter().for_each(|problem| out.line(format!("error    {problem}")));
            out.line(format!("{} to mend", problems.len()));
            return Ok(Exit::Usage);
        }
    };
    let site = Site { config, user: crate::user::current(), now: site::now() };
    rules_of::compiled(rules_of::draft(&site)?)?;
    let warnings = site.config.warnings.iter();
    let told = warnings.clone().map(|warning| {
        json!({"code": warning.code, "key": warning.path, "origin": warning.origin.to_string(), "text": warning.text})
    });
    let list = config::authorized::Authorized::read(
        &site.path("network_policies.authorized_networks_file"),
    );
    let lines = list.problems.iter().map(|(line, text)| json!({"line": line, "text": text}));
    out.document(
        "config-check",
        json!({"ok": true, "warnings": told.collect::<Vec<_>>(), "authorized_networks": lines.collect::<Vec<_>>()}),
    );
    for warning in warnings {
        out.line(format!(
            "{:<9}{} ({}): {}",
            warning.code, warning.path, warning.origin, warning.text
        ));
    }
    for (line, text) in &list.problems {
        let place = if *line == 0 { String::new() } else { format!(" line {line}") };
        out.line(format!("list     authorized-networks.txt{place}: {text}"));
    }
    for line in list.expired(site.now) {
        out.line(format!(
            "list     authorized-networks.txt line {}: over, counts as absent",
            line.number
        ));
    }
    out.line("ok");
    Ok(Exit::Done)
}

/// Every value with its origin; without `--effective` only those that are not defaults.
pub(crate) fn show(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let all = args.get_flag("effective");
    let shown = |setting: &Setting| all || setting.origin != config::Origin::Default;
    let settings: Vec<_> =
        site.config.list().into_iter().filter(|(_, setting)| shown(setting)).collect();
    let width = settings.iter().map(|(path, _)| path.len()).max().unwrap_or(0).min(52);
    let mut members = Map::new();
    for (path, setting) in settings {
        let value = value(path, &setting.value);
        out.line(format!("{path:<width$}  {value}  ({})", setting.origin));
        members
            .insert(path.to_owned(), json!({"value": value, "origin": setting.origin.to_string()}));
    }
    if members.is_empty() {
        out.line("everything is as by default; --effective shows it");
    }
    out.document("config", json!({"settings": Json::Object(members)}));
    Ok(Exit::Done)
}

/// A secret's file is shown, and whether there is a secret in it; never the secret.
fn value(path: &str, value: &Value) -> String {
    let secret =
        config::schema::find(path).is_some_and(|key| key.kind == config::schema::Kind::SecretFile);
    match value {
        Value::Text(file) if secret => {
            let state = if std::path::Path::new(file).exists() { "<set>" } else { "<not there>" };
            format!("{file} {state}")
        }
        other => other.to_string(),
    }
}
