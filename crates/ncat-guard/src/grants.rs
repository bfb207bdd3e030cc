//! `grant request|approve|reject|revoke|list`.

use audit::Draft;
use audit::json::Json;
use clap::ArgMatches;
use config::Period;
use decision::time;
use policy::{Grant, Place, Status, Subject};
use serde_json::json;

use crate::exit::{Done, Exit, Failure};
use crate::out::Out;
use crate::site::Site;
use crate::store::{Store, new_id};
use crate::target::grant_place;

/// A grant lasts at most this long, in days: an exception is not a rule.
const DAYS_MAX: i64 = 366;

pub(crate) fn request(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let store = site.store()?;
    let grant = wanted(site, args)?;
    if let Some(pattern) = site.config.text("security_policies.ticket_pattern") {
        let named = grant.ticket.as_deref().unwrap_or("");
        if !regex_matches(pattern, named) {
            return Err(Failure::usage(format!("--ticket {named:?} does not match {pattern}")));
        }
    }
    let mut recorder = site.recorder()?;
    recorder.record(site, &store, event("grant.request", &grant, None))?;
    store.insert_grant(&grant, site.now)?;
    recorder.sequence()?;
    out.document("grant", json!({"grant": document(&grant, site.now)}));
    out.line(format!("{}  requested: {}", grant.id, summary(&grant)));
    out.line(format!("somebody else approves it: ncat-guard grant approve {}", grant.id));
    Ok(Exit::Done)
}

/// Patterns were checked with the configuration.
fn regex_matches(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

fn wanted(site: &Site, args: &ArgMatches) -> Done<Grant> {
    let usage = |option: &str| {
        let option = option.to_owned();
        move |why: String| Failure::usage(format!("{option}: {why}"))
    };
    let text = |name: &str| args.get_one::<String>(name).cloned();
    let many = |name: &str| args.get_many::<String>(name).unwrap_or_default();
    let actions = many("action").map(|word| word.parse()).collect::<Result<Vec<_>, _>>();
    let mut places: Vec<Place> = Vec::new();
    let mut ports: Option<Vec<(u16, u16)>> = None;
    for to in many("to") {
        let (place, these) = grant_place(to).map_err(usage("--to"))?;
        if ports.replace(these.clone()).is_some_and(|before| before != these) {
            return Err(Failure::usage("--to: one grant has one set of ports; ask for two grants"));
        }
        places.push(place);
    }
    let from = text("from").map(|text| time::parse(&text)).transpose().map_err(usage("--from"))?;
    let not_before = from.unwrap_or(site.now);
    let long = text("for").unwrap_or_default();
    let long = Period::parse(&long, None).map_err(usage("--for"))?;
    if long.days_min() > DAYS_MAX || long.count == 0 {
        return Err(Failure::usage(format!("--for: more than nothing and at most {DAYS_MAX}d")));
    }
    let subject = match text("group") {
        Some(group) => Subject::Group(group),
        None => text("user")
            .unwrap_or_else(|| site.user.name.clone())
            .parse()
            .map_err(usage("--user"))?,
    };
    let transports = many("protocol").map(|word| word.parse()).collect::<Result<Vec<_>, _>>();
    let purpose = text("purpose").unwrap_or_default();
    if purpose.trim().is_empty() {
        return Err(Failure::usage("--purpose: say why"));
    }
    Ok(Grant {
        id: new_id("G")?,
        subject,
        actions: actions.map_err(usage("--action"))?,
        places,
        ports: ports.unwrap_or_default(),
        transports: transports.map_err(usage("--protocol"))?,
        allow_cleartext: args.get_flag("cleartext"),
        allow_unverified: args.get_flag("unverified"),
        allow_exec: args.get_flag("exec"),
        max_uses: args.get_one::<u32>("uses").copied(),
        used: 0,
        purpose,
        ticket: text("ticket"),
        requested_by: site.user.name.clone(),
        approved_by: None,
        not_before,
        not_after: not_before.saturating_add(long.micros()),
        status: Status::Requested,
    })
}

/// What a decision about a grant does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Approve,
    Reject,
    Revoke,
}

impl Verb {
    fn parts(self) -> (&'static str, Status, Status) {
        match self {
            Self::Approve => ("grant.approve", Status::Requested, Status::Active),
            Self::Reject => ("grant.reject", Status::Requested, Status::Rejected),
            Self::Revoke => ("grant.revoke", Status::Active, Status::Revoked),
        }
    }
}

pub(crate) fn decide(site: &Site, args: &ArgMatches, verb: Verb, out: &Out) -> Done {
    let store = site.store()?;
    let id = args.get_one::<String>("id").map_or("", String::as_str);
    let reason = args.get_one::<String>("reason").map_or("", String::as_str);
    let grant =
        store.grant(id)?.ok_or_else(|| Failure::usage(format!("there is no grant {id}")))?;
    let (kind, from, to) = verb.parts();
    let status = grant.status_at(site.now);
    if status != from {
        let what = format!("grant {id} is {}, not {}", status.name(), from.name());
        return Err(Failure::new(Exit::Unmet, what).line("nothing was changed"));
    }
    if matches!(verb, Verb::Approve) {
        may_approve(&store, site, &grant)?;
    }
    let mut recorder = site.recorder()?;
    recorder.record(site, &store, event(kind, &grant, Some(reason)))?;
    if !store.decide_grant(id, from, to, &site.user.name, reason)? {
        recorder.record(
            site,
            &store,
            Draft { outcome: Some("failed".into()), ..event(kind, &grant, None) },
        )?;
        recorder.sequence()?;
        return Err(Failure::new(
            Exit::Unmet,
            format!("grant {id} was decided by somebody else meanwhile"),
        ));
    }
    recorder.sequence()?;
    let grant = store.grant(id)?.unwrap_or(grant);
    out.document("grant", json!({"grant": document(&grant, site.now)}));
    out.line(format!("{id}  {}: {}", to.name(), summary(&grant)));
    Ok(Exit::Done)
}

/// Nobody approves what they asked for, or what is for themselves.
fn may_approve(store: &Store, site: &Site, grant: &Grant) -> Done<()> {
    let me = &site.user.name;
    let why = if *me == grant.requested_by {
        format!("{me} asked for it; somebody else has to approve")
    } else if grant.subject == Subject::User(me.clone()) {
        format!("it is for {me}; somebody else has to approve")
    } else if store.principal(me)?.is_some_and(|principal| principal.disabled) {
        format!("{me} is disabled")
    } else {
        return Ok(());
    };
    let denied = Failure::new(Exit::Denied, format!("grant {} is not approved: {why}", grant.id));
    Err(denied.line("nothing was changed"))
}

pub(crate) fn list(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let store = site.store()?;
    let mine = |grant: &Grant| {
        grant.requested_by == site.user.name
            || grant.subject == Subject::User(site.user.name.clone())
    };
    let status = args.get_one::<String>("status").map(|word| word.parse::<Status>()).transpose();
    let status = status.map_err(Failure::usage)?;
    let mut grants = store.grants()?;
    grants.retain(|grant| {
        (!args.get_flag("mine") || mine(grant))
            && status.is_none_or(|status| grant.status_at(site.now) == status)
    });
    for grant in &grants {
        out.line(format!(
            "{}  {:<9}  {}",
            grant.id,
            grant.status_at(site.now).name(),
            summary(grant)
        ));
    }
    if grants.is_empty() {
        out.line("no grants");
    }
    let grants: Vec<_> = grants.iter().map(|grant| document(grant, site.now)).collect();
    out.document("grants", json!({"grants": grants}));
    Ok(Exit::Done)
}

fn words<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn ports(grant: &Grant) -> Vec<String> {
    let one = |(low, high): &(u16, u16)| match low == high {
        true => low.to_string(),
        false => format!("{low}-{high}"),
    };
    grant.ports.iter().map(one).collect()
}

fn summary(grant: &Grant) -> String {
    let ports = if grant.ports.is_empty() { "*".to_owned() } else { ports(grant).join(",") };
    let extras = [
        (grant.allow_cleartext, " with cleartext"),
        (grant.allow_unverified, " with an unverified peer"),
        (grant.allow_exec, " with programs"),
    ];
    let extras: String = extras.iter().filter(|(on, _)| *on).map(|(_, words)| *words).collect();
    let uses =
        grant.max_uses.map(|max| format!(", {} of {max} uses", grant.used)).unwrap_or_default();
    format!(
        "{} {} {}:{ports}{extras} until {}{uses}, for {:?}",
        grant.subject,
        words(&grant.actions).join(","),
        words(&grant.places).join(" "),
        time::format(grant.not_after),
        grant.purpose
    )
}

fn document(grant: &Grant, now: i64) -> serde_json::Value {
    json!({
        "id": grant.id,
        "subject": grant.subject.to_string(),
        "actions": words(&grant.actions),
        "networks": words(&grant.places),
        "ports": ports(grant),
        "protocols": words(&grant.transports),
        "allow_cleartext": grant.allow_cleartext,
        "allow_unverified": grant.allow_unverified,
        "allow_exec": grant.allow_exec,
        "max_uses": grant.max_uses,
        "used": grant.used,
        "purpose": grant.purpose,
        "ticket": grant.ticket,
        "requested_by": grant.requested_by,
        "approved_by": grant.approved_by,
        "not_before": time::format(grant.not_before),
        "not_after": time::format(grant.not_after),
        "status": grant.status_at(now).name(),
    })
}

fn event(kind: &str, grant: &Grant, reason: Option<&str>) -> Draft {
    let texts = |items: Vec<String>| Json::List(items.into_iter().map(Json::from).collect());
    let mut payload = vec![
        ("subject".to_owned(), Json::from(grant.subject.to_string())),
        ("actions".to_owned(), texts(words(&grant.actions))),
        ("networks".to_owned(), texts(words(&grant.places))),
        ("ports".to_owned(), texts(ports(grant))),
        ("purpose".to_owned(), grant.purpose.as_str().into()),
        ("not_after".to_owned(), time::format(grant.not_after).into()),
    ];
    if let Some(ticket) = &grant.ticket {
        payload.push(("ticket".into(), ticket.as_str().into()));
    }
    if let Some(reason) = reason {
        payload.push(("reason".into(), reason.into()));
    }
    let x = vec![("grant".to_owned(), Json::from(grant.id.as_str()))];
    Draft { x, payload: Some(Json::Object(payload)), ..Draft::of(kind) }
}
