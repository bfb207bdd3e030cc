//! `policy replay`: history decided again by another policy, and every decision that would change.

use clap::ArgMatches;
use config::Period;
use decision::{Answer, Question};
use policy::{Grant, Live};
use serde_json::{Value, json};

use crate::exit::{Done, Exit, Failure};
use crate::leaves::Reader;
use crate::out::Out;
use crate::rules_of;
use crate::site::Site;

pub(crate) fn run(site: &Site, args: &ArgMatches, out: &Out) -> Done {
    let store = site.store()?;
    let name = args.get_one::<String>("bundle").map_or("draft", String::as_str);
    let engine = rules_of::compiled(rules_of::named(site, &store, name)?)?;
    let since = args.get_one::<String>("since").map_or("30d", String::as_str);
    let since =
        Period::parse(since, None).map_err(|why| Failure::usage(format!("--since: {why}")))?;
    let since = site.now - since.micros();
    // How often a grant had been used then is not known; what used one may use it again.
    let grants =
        store.grants()?.into_iter().map(|grant| Grant { used: 0, ..grant }).collect::<Vec<_>>();
    let mut counts = [0_u64; 4];
    let (mut changed, mut unreadable) = (Vec::new(), 0_u64);
    for record in Reader::open(site)?.all()? {
        let record = record?;
        if !record.leaf.kind.starts_with("decision.") || record.leaf.at < since {
            continue;
        }
        let Some((question, before)) = record.payload.as_ref().and_then(parts) else {
            unreadable += 1;
            continue;
        };
        let after = engine.ask(&question, &grants, &Live::default());
        counts[usize::from(!before.permit) * 2 + usize::from(!after.permit)] += 1;
        if before.permit != after.permit {
            let id = format!("D-{}", record.leaf.id);
            let (was, is) = (word(&before), word(&after));
            let asked = format!("{} {} -> {}", question.act, question.who.name, question.place());
            out.line(format!("{id}  {was} -> {is}  {asked}"));
            changed.push(json!({"id": id, "question": question, "before": was, "after": is}));
        }
    }
    let [kept, lost, won, denied] = counts;
    out.line(format!(
        "{} decisions: {kept} permitted as before, {denied} denied as before, {lost} would be denied, {won} would be permitted",
        counts.iter().sum::<u64>()
    ));
    if unreadable > 0 {
        out.line(format!(
            "{unreadable} more were erased or have another form, and were not asked again"
        ));
    }
    let counts = json!({"permit_permit": kept, "permit_deny": lost, "deny_permit": won, "deny_deny": denied});
    out.document(
        "policy-replay",
        json!({"policy": name, "counts": counts, "unreadable": unreadable, "changed": changed}),
    );
    Ok(if lost + won == 0 { Exit::Done } else { Exit::Unmet })
}

fn parts(payload: &Value) -> Option<(Question, Answer)> {
    let question = serde_json::from_value(payload.get("question")?.clone()).ok()?;
    let answer = serde_json::from_value(payload.get("answer")?.clone()).ok()?;
    Some((question, answer))
}

fn word(answer: &Answer) -> String {
    answer.code().map_or("PERMIT".to_owned(), ToString::to_string)
}
