//! `user add|disable|enable|list`: who is known besides the users of this host.

use audit::Draft;
use audit::json::Json;
use clap::ArgMatches;
use serde_json::json;

use crate::exit::{Done, Exit, Failure};
use crate::out::Out;
use crate::site::Site;

pub(crate) fn add(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let name = name(args)?;
    let store = site.store()?;
    if store.principal(name)?.is_some() {
        return Err(Failure::new(Exit::Unmet, format!("{name} is known already")));
    }
    let mut recorder = site.recorder()?;
    recorder.record(site, &store, event("role.grant", name))?;
    store.ensure_principal(name, "local", site.now)?;
    recorder.sequence()?;
    out.document("user", json!({"name": name, "status": "active"}));
    out.line(format!("{name} is known now"));
    Ok(Exit::Done)
}

pub(crate) fn set_disabled(site: &Site, args: &ArgMatches, disabled: bool, out: &Out) -> Done {
    let name = name(args)?;
    let store = site.store()?;
    if store.principal(name)?.is_none() {
        return Err(Failure::usage(format!("{name} is not known; ncat-guard user list")));
    }
    let (kind, word) =
        if disabled { ("user.disable", "disabled") } else { ("role.grant", "active") };
    let mut recorder = site.recorder()?;
    recorder.record(site, &store, event(kind, name))?;
    store.set_disabled(name, disabled, site.now)?;
    recorder.sequence()?;
    out.document("user", json!({"name": name, "status": word}));
    out.line(format!("{name} is {word}"));
    Ok(Exit::Done)
}

pub(crate) fn list(site: &Site, out: &Out) -> Done {
    let principals = site.store()?.principals()?;
    let status = |disabled: bool| if disabled { "disabled" } else { "active" };
    for principal in &principals {
        out.line(format!("{:<9}{}", status(principal.disabled), principal.name));
    }
    let users = principals
        .iter()
        .map(|principal| json!({"name": principal.name, "status": status(principal.disabled)}));
    out.document("users", json!({"users": users.collect::<Vec<_>>()}));
    Ok(Exit::Done)
}

fn name(args: &ArgMatches) -> Done<&str> {
    let name = args.get_one::<String>("name").map_or("", String::as_str);
    let plain = |c: char| c.is_alphanumeric() || "._@:+-".contains(c);
    if name.is_empty() || name.len() > 128 || !name.chars().all(plain) {
        return Err(Failure::usage(format!(
            "{name:?} is not a name: letters, digits and . _ @ : + -"
        )));
    }
    Ok(name)
}

fn event(kind: &str, name: &str) -> Draft {
    Draft { payload: Some(Json::object([("subject", Json::from(name))])), ..Draft::of(kind) }
}
