//! `policy explain`: what the policy says to a question, and what it said to a recorded one.

use audit::Draft;
use audit::json::Json;
use clap::ArgMatches;
use decision::{Act, Advice, Answer, Question, Target, Tls, Who, time};
use policy::Live;
use serde_json::{Value, json};

use crate::exit::{Done, Exit, Failure};
use crate::leaves::Reader;
use crate::out::Out;
use crate::rules_of::{self, InForce};
use crate::site::Site;
use crate::store::Store;
use crate::{target, user};

/// What is enforced on this host, said everywhere.
pub(crate) const LEVEL: &str = "L0";

pub(crate) fn run(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let words: Vec<&String> = args.get_many::<String>("question").unwrap_or_default().collect();
    let store = site.store()?;
    match words[..] {
        [id] => recorded(site, &store, id, out),
        [act, name, place] => {
            let act: Act = act.parse().map_err(Failure::usage)?;
            let asked = questions(site, &store, args, act, name, place)?;
            let in_force = rules_of::in_force(&store)?;
            let grants = store.grants()?;
            let answers = asked.into_iter().map(|question| {
                let answer = in_force.engine.ask(&question, &grants, &Live::default());
                (question, answer)
            });
            let answers: Vec<(Question, Answer)> = answers.collect();
            let ids = match args.get_flag("record") {
                true => record(site, &store, &in_force, &answers)?,
                false => Vec::new(),
            };
            told(&answers, &in_force, &ids, out);
            let any = answers.iter().any(|(_, answer)| answer.goes_on());
            Ok(if any { Exit::Done } else { Exit::Denied })
        }
        _ => Err(Failure::usage("policy explain ACTION USER TARGET, or policy explain DECISION")),
    }
}

/// One question for each address.
fn questions(
    site: &Site,
    store: &Store,
    args: &ArgMatches,
    act: Act,
    name: &str,
    place: &str,
) -> Done<Vec<Question>> {
    let text = |name: &str| args.get_one::<String>(name).cloned();
    let principal = store.principal(name)?;
    let who = Who {
        known: principal.is_some() || user::is_known(name),
        disabled: principal.is_some_and(|principal| principal.disabled),
        groups: args.get_many::<String>("group").unwrap_or_default().cloned().collect(),
        ..Who::named(name)
    };
    let at = text("at").map(|text| time::parse(&text)).transpose().map_err(Failure::usage)?;
    let tls = match (args.get_flag("tls"), args.get_flag("unverified")) {
        (_, true) => Tls::Unverified,
        (true, _) => Tls::Verified,
        _ => Tls::Clear,
    };
    let transport =
        text("protocol").map(|word| word.parse()).transpose().map_err(Failure::usage)?;
    let targets = target::targets(place, act, !args.get_flag("no-lookup"))?;
    let question = |target: Target| {
        let mut question = Question::new(who.clone(), act, target, at.unwrap_or(site.now));
        (question.tls, question.purpose, question.ticket) = (tls, text("purpose"), text("ticket"));
        question.transport = transport.unwrap_or(question.transport);
        question.routed = args.get_flag("routed");
        question
    };
    Ok(targets.into_iter().map(question).collect())
}

fn told(answers: &[(Question, Answer)], in_force: &InForce, ids: &[String], out: &Out) {
    let heading = format!("policy {}, level {LEVEL}", in_force.version);
    for (question, answer) in answers {
        show(question, answer, &heading, out);
    }
    for id in ids {
        out.line(format!("recorded as D-{id}"));
    }
    let ids: Vec<String> = ids.iter().map(|id| format!("D-{id}")).collect();
    let decisions: Vec<Value> = answers
        .iter()
        .map(|(question, answer)| json!({"question": question, "answer": answer, "goes_on": answer.goes_on()}))
        .collect();
    out.document(
        "explain",
        json!({"policy": in_force.version, "level": LEVEL, "decisions": decisions, "recorded": ids}),
    );
}

/// An answer for people.
pub(crate) fn show(question: &Question, answer: &Answer, heading: &str, out: &Out) {
    let word = match (answer.permit, answer.enforced) {
        (true, _) => "PERMIT",
        (false, true) => "DENY",
        (false, false) => "DENY (simulated)",
    };
    let (act, who, place) = (question.act, &question.who.name, question.place());
    let name = match &question.target {
        Target::Inet { name: Some(name), .. } => format!(" ({name})"),
        _ => String::new(),
    };
    out.line(format!("{word}  {act} {who} -> {place}{name}  ({heading})"));
    for reason in &answer.reasons {
        let rule = reason.rule.as_ref().map(|rule| format!("   rule {rule}")).unwrap_or_default();
        let trial = if reason.simulated { "   (on trial: denies nothing)" } else { "" };
        out.line(format!("  {:<18}  {}{rule}{trial}", reason.code.to_string(), reason.text));
    }
    for Advice { text, command, exact } in &answer.advice {
        let hedge = if *exact { "" } else { " (as far as hand-written rules can be foreseen)" };
        let command =
            command.as_ref().map(|command| format!("   -> {command}")).unwrap_or_default();
        out.line(format!("  would be permitted by: {text}{hedge}{command}"));
    }
    if !answer.permit && answer.advice.is_empty() {
        out.line("  nothing that can be asked for would permit it");
    }
    let matched: Vec<String> = answer
        .matched
        .iter()
        .map(|matched| match &matched.value {
            Some(value) => format!("{} ({value})", matched.rule),
            None => matched.rule.clone(),
        })
        .collect();
    if !matched.is_empty() {
        out.line(format!("  matched permits: {}", matched.join(", ")));
    }
    for error in &answer.errors {
        out.line(format!("  could not be evaluated: {error}"));
    }
}

/// Writes the decisions down as an operation's would be.
fn record(
    site: &Site,
    store: &Store,
    in_force: &InForce,
    answers: &[(Question, Answer)],
) -> Done<Vec<String>> {
    let mut recorder = site.recorder()?;
    let mut receipts = Vec::new();
    for (question, answer) in answers {
        receipts.push(recorder.record(site, store, event(question, answer, in_force.version)?)?);
    }
    recorder.sequence()?;
    recorder.ids(&receipts)
}

fn event(question: &Question, answer: &Answer, version: i64) -> Done<Draft> {
    let kind = match (answer.permit, answer.enforced) {
        (true, _) => "decision.permit",
        (false, true) => "decision.deny",
        (false, false) => "decision.simulated_deny",
    };
    let payload =
        json!({"question": question, "answer": answer, "dest": question.target.to_string()});
    let rules = answer.reasons.iter().filter_map(|reason| reason.rule.as_deref());
    let x = vec![
        ("policy".to_owned(), Json::from(version)),
        ("action".to_owned(), question.act.name().into()),
        ("rules".to_owned(), Json::List(rules.map(Json::from).collect())),
    ];
    let code = answer.code().map(ToString::to_string);
    let payload = crate::leaves::to_audit(&payload)
        .ok_or_else(|| Failure::new(Exit::Internal, "a decision with a fraction in it"))?;
    Ok(Draft { x, code, payload: Some(payload), ..Draft::of(kind) })
}

/// A decision in the log: what was said then, and whether the policy of then says it still.
fn recorded(site: &Site, store: &Store, id: &str, out: &Out) -> Done {
    let wanted = id.strip_prefix("D-").unwrap_or(id);
    let reader = Reader::open(site)?;
    let found = reader.all()?.find(|record| {
        record.as_ref().is_ok_and(|record| {
            record.leaf.kind.starts_with("decision.") && record.leaf.id.starts_with(wanted)
        })
    });
    let record =
        found.ok_or_else(|| Failure::usage(format!("there is no decision {id} in the log")))??;
    let payload = record.payload.ok_or_else(|| Failure::usage("its details were erased"))?;
    let part = |name: &str| payload.get(name).cloned().unwrap_or_default();
    let wrong =
        |error: serde_json::Error| Failure::new(Exit::Tampered, format!("decision {id}: {error}"));
    let question: Question = serde_json::from_value(part("question")).map_err(wrong)?;
    let answer: Answer = serde_json::from_value(part("answer")).map_err(wrong)?;
    let version = record.leaf.extra("policy").and_then(Json::as_int).unwrap_or(0);
    show(
        &question,
        &answer,
        &format!("policy {version}, recorded {}", time::format(record.leaf.at)),
        out,
    );
    let again = match store.policy(version)? {
        Some(stored) => {
            let engine = rules_of::compiled(stored.bundle)?;
            let now = engine.ask(&question, &[], &Live::default());
            Some(now.permit == answer.permit || answer.grant.is_some())
        }
        None => None,
    };
    let words = match again {
        Some(true) => "policy of then, asked again: the same",
        Some(false) => "policy of then, asked again: ANOTHER answer",
        None => "policy of then is not stored here",
    };
    out.line(format!("  {words}"));
    let body = json!({"policy": version, "question": question, "answer": answer, "same": again});
    out.document("decision", body);
    Ok(if again == Some(false) { Exit::Tampered } else { Exit::Done })
}
