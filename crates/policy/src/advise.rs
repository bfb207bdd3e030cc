//! Why, in words with the values that failed; and what would permit it.
//!
//! Advice is tried, not guessed: a change is told only when the rules permit the question with it.

use decision::{Act, Advice, Answer, Code, Question, Reason, Stage, Target, Tls};

use crate::engine::Engine;
use crate::facts::{Facts, Granted};
use crate::rules::Rule;
use crate::{Bundle, Exec};

/// The values behind a rule that denied.
pub(crate) fn why(
    rule: &Rule,
    question: &Question,
    facts: &Facts,
    blocked: &[u16],
    bundle: &Bundle,
) -> String {
    let zones = || facts.zones.iter().map(|zone| &**zone).collect::<Vec<_>>().join(" and ");
    match &rule.id[..] {
        "nw.block.port" => {
            let port = question.target.port().unwrap_or(0);
            format!("port {port} is in network_policies.blocked_ports {blocked:?}")
        }
        "sec.tls.required" => "connection is clear text".into(),
        "sec.tls.verify" => "encrypted, and the peer is not authenticated".into(),
        "sec.listen.exposed" if facts.wildcard => {
            "every address of this host would be bound".into()
        }
        "sec.listen.exposed" => format!("{} is not loopback", question.target),
        "sec.zone.bridge" => format!("one process would join the zones {}", zones()),
        "sec.ticket" => {
            let pattern = bundle.security.ticket_pattern.as_deref().unwrap_or("");
            match &question.ticket {
                None => format!("no ticket is named; {pattern} is expected"),
                Some(ticket) => format!("ticket {ticket:?} does not match {pattern}"),
            }
        }
        "sec.purpose" => "no purpose is stated".into(),
        _ => rule.reason.clone(),
    }
}

/// The reason where no rule speaks for it.
pub(crate) fn not_allowed(question: &Question, facts: &Facts) -> Reason {
    let (code, text) = match &question.target {
        Target::Name { name, .. } => (
            Code::NameUnresolved,
            format!("{name} is looked up elsewhere, and no rule permits the name"),
        ),
        Target::Inet { .. } => {
            let addr = facts.addr.map(|addr| addr.to_string()).unwrap_or_default();
            (
                Code::NetNotAllowed,
                format!("{addr} is in no network that is allowed for {}", question.act),
            )
        }
        target => (Code::NetNotAllowed, format!("no rule permits {} {target}", question.act)),
    };
    Reason { code, rule: None, text, simulated: false }
}

/// What would permit a question that was denied. Empty when nothing that can be asked for would.
pub(crate) fn advice(
    engine: &Engine,
    question: &Question,
    facts: &Facts,
    answer: &Answer,
) -> Vec<Advice> {
    let denying = || answer.reasons.iter().filter(|reason| !reason.simulated);
    let fixed = |reason: &Reason| {
        let exhausted = reason.code == Code::GrantExhausted;
        !exhausted && (reason.code.stage() != Stage::Rules && reason.code != Code::NameUnresolved)
    };
    if denying().any(fixed) {
        return Vec::new();
    }
    let has = |code: Code| denying().any(|reason| reason.code == code);
    let by_hand = |reason: &Reason| {
        let rule = reason.rule.as_deref();
        rule.is_some_and(|id| engine.rules().any(|rule| rule.id == id && rule.file.is_some()))
    };
    let exact = !denying().any(by_hand);
    let mut stated = Vec::new();
    let mut with = facts.clone();
    if has(Code::PurposeRequired) {
        with.purpose_stated = true;
        stated.push("a stated purpose (--purpose)".to_owned());
    }
    if has(Code::TicketRequired) {
        with.ticket_valid = true;
        let pattern = engine.bundle().security.ticket_pattern.as_deref().unwrap_or("");
        stated.push(format!("a ticket that matches {pattern} (--ticket)"));
    }
    let mut found = Vec::new();
    let mut protected = with.clone();
    let mut changes = stated.clone();
    if has(Code::TlsRequired) || has(Code::TlsVerifyRequired) {
        protected.tls = Tls::Verified;
        changes.push("TLS with a verified certificate (--ssl-verify)".to_owned());
    }
    if !changes.is_empty() && engine.judge(question, &protected).is_permit() {
        found.push(Advice { text: changes.join(", "), command: None, exact });
    }
    if engine.bundle().security.exec == Exec::Deny && question.act == Act::Exec {
        return found;
    }
    found.extend(by_grant(engine, question, with, &stated, exact));
    found
}

/// The grant that would do, if one would.
fn by_grant(
    engine: &Engine,
    question: &Question,
    mut facts: Facts,
    stated: &[String],
    exact: bool,
) -> Option<Advice> {
    let cleartext = facts.tls == Tls::Clear && !facts.local && !facts.loopback;
    let unverified = facts.tls == Tls::Unverified;
    let relay = question.routed || facts.zones.len() > 1;
    let exec = question.act == Act::Exec;
    facts.grant = Granted { covers: true, port: true, cleartext, unverified, exec, relay };
    if !engine.judge(question, &facts).is_permit() {
        return None;
    }
    let needs = |without: Granted| {
        let facts = Facts { grant: without, ..facts.clone() };
        !engine.judge(question, &facts).is_permit()
    };
    let full = facts.grant;
    let mut text = format!("a grant covering {} {}", question.act, question.place());
    let mut command = format!(
        "ncat-guard grant request --action {} --to {} --for 2h --purpose \"...\"",
        question.act, question.target
    );
    let extras = [
        (cleartext && needs(Granted { cleartext: false, ..full }), "cleartext", "--cleartext"),
        (
            unverified && needs(Granted { unverified: false, ..full }),
            "an unverified peer",
            "--unverified",
        ),
        (relay && needs(Granted { relay: false, ..full }), "the relay action", "--action relay"),
        (exec && needs(Granted { exec: false, ..full }), "running programs", "--exec"),
    ];
    let mut join = " with ";
    for (needed, words, option) in extras {
        if needed {
            text += &format!("{join}{words}");
            command += &format!(" {option}");
            join = " and ";
        }
    }
    if !stated.is_empty() {
        text += &format!(", and {}", stated.join(", "));
    }
    Some(Advice { text, command: Some(command), exact })
}
