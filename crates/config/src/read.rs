//! A node of a document, a text of the environment: made a value of a key's kind, or refused with a hint.

use std::net::SocketAddr;

use crate::schema::Kind;
use crate::value::{Period, Rate, Value, network, size};
use crate::yaml::{Body, Node};

/// Reads the value of a key that has no keys below it.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn value(kind: Kind, node: &Node) -> Result<Value, String> {
    match (kind, &node.body) {
        (Kind::Words(_) | Kind::Texts | Kind::Nets | Kind::Ports, Body::List(items)) => {
            items_of(kind, items)
        }
        (Kind::NetsOrAuto, Body::List(items)) => items_of(kind, items),
        (Kind::NetsOrAuto, Body::Scalar { text, .. }) if text == "auto" => {
            Ok(Value::Texts(vec![text.clone()]))
        }
        (Kind::Words(_) | Kind::Texts | Kind::Nets | Kind::NetsOrAuto | Kind::Ports, _) => {
            Err("takes a list: [a, b]".into())
        }
        (_, Body::List(_)) => Err("takes one value, not a list".into()),
        (_, Body::Map(_)) => Err("takes one value, not a section".into()),
        (_, Body::Scalar { text, plain }) => scalar(kind, text, *plain),
    }
}

fn items_of(kind: Kind, items: &[Node]) -> Result<Value, String> {
    let texts: Option<Vec<&str>> = items.iter().map(Node::text).collect();
    let texts = texts.ok_or("takes a list of single values")?;
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = texts.iter().find(|text| !seen.insert(**text)) {
        return Err(format!("{twice:?} is in the list twice"));
    }
    match kind {
        Kind::Nets => {
            texts.iter().map(|text| network(text)).collect::<Result<_, _>>().map(Value::Nets)
        }
        Kind::NetsOrAuto => {
            let given = texts.iter().filter(|text| **text != "auto");
            given.map(|text| network(text)).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect()))
        }
        Kind::Ports => {
            texts.iter().map(|text| port(text)).collect::<Result<_, _>>().map(Value::Ports)
        }
        Kind::Words(known) => {
            if let Some(other) = texts.iter().find(|text| !known.contains(text)) {
                return Err(one_of(other, known));
            }
            Ok(Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect()))
        }
        _ => Ok(Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect())),
    }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| format!("{text:?} is not a port: 1 to 65535"))
}

fn one_of(text: &str, known: &[&str]) -> String {
    let near = near(text, known.iter().copied()).map(|word| format!("; {word} is meant?"));
    format!("{text:?} is not one of {}{}", known.join(", "), near.unwrap_or_default())
}

fn scalar(kind: Kind, text: &str, plain: bool) -> Result<Value, String> {
    let number = |what: &str| format!("{text:?} is not {what}");
    if !plain && matches!(kind, Kind::Bool | Kind::Int(..) | Kind::Real(..)) {
        return Err("takes no text; write it without quotes".into());
    }
    match kind {
        Kind::Bool => match text {
            "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
            _ => Err(format!("{text:?} is not true or false")),
        },
        Kind::Int(low, high) => match text.parse::<i64>() {
            Ok(value) if (low..=high).contains(&value) => Ok(Value::Int(value)),
            Ok(value) => Err(format!("{value} is not between {low} and {high}")),
            Err(_) => Err(number("a whole number")),
        },
        Kind::Real(low, high) => match text.parse::<f64>() {
            Ok(value) if value >= f64::from(low) / 100.0 && value <= f64::from(high) / 100.0 => {
                Ok(Value::Real(value))
            }
            Ok(_) => Err(format!(
                "{text} is not between {} and {}",
                f64::from(low) / 100.0,
                f64::from(high) / 100.0
            )),
            Err(_) => Err(number("a number")),
        },
        Kind::Period(unit) => Period::parse(text, unit).map(Value::Period),
        Kind::Size => size(text).map(Value::Size),
        Kind::Rate => Rate::parse(text).map(Value::Rate),
        Kind::Word(known) if known.contains(&text) => Ok(Value::Text(text.to_owned())),
        Kind::Word(known) => Err(one_of(text, known)),
        _ => checked_text(kind, text).map(|()| Value::Text(text.to_owned())),
    }
}

fn checked_text(kind: Kind, text: &str) -> Result<(), String> {
    if text.contains(char::is_control) {
        return Err("contains control characters".into());
    }
    match kind {
        Kind::Path | Kind::SecretFile if !text.starts_with('/') => {
            Err(format!("{text:?} is not an absolute path"))
        }
        Kind::Listen => match text.parse::<SocketAddr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("{text:?} is not ADDRESS:PORT, as 127.0.0.1:8443")),
        },
        Kind::Url if !text.contains("://") => Err(format!("{text:?} is not a URL")),
        Kind::Url if text.split("://").nth(1).is_some_and(|rest| rest.contains('@')) => {
            Err("a URL with a user or password in it; secrets come from files only".into())
        }
        Kind::Regex => match regex::Regex::new(text) {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("{text:?} is not a regular expression")),
        },
        Kind::Cron => cron(text),
        Kind::Text if text.is_empty() => Err("is empty".into()),
        _ => Ok(()),
    }
}

/// Minute, hour, day, month, weekday: `*`, numbers, ranges, lists and steps.
fn cron(text: &str) -> Result<(), String> {
    const RANGES: [(&str, u32, u32); 5] =
        [("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7)];
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != RANGES.len() {
        return Err(format!(
            "{text:?} has not the five fields of cron: minute hour day month weekday"
        ));
    }
    for (field, (name, low, high)) in fields.into_iter().zip(RANGES) {
        let number = |text: &str| text.parse::<u32>().ok().filter(|n| (low..=high).contains(n));
        let part = |part: &str| {
            let (range, step) = part.split_once('/').map_or((part, None), |(r, s)| (r, Some(s)));
            let step = step.is_none_or(|step| step.parse::<u32>().is_ok_and(|step| step > 0));
            let range = range == "*"
                || match range.split_once('-') {
                    Some((a, b)) => number(a).zip(number(b)).is_some_and(|(a, b)| a <= b),
                    None => number(range).is_some(),
                };
            step && range
        };
        if !field.split(',').all(part) {
            return Err(format!(
                "{field:?} is not a {name}: {low} to {high}, lists, ranges, */steps"
            ));
        }
    }
    Ok(())
}

/// The word that somebody meant, if one is near.
pub(crate) fn near<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase();
    let best = known.map(|word| (distance(&text, &word.to_ascii_lowercase()), word)).min()?;
    let (distance, word) = best;
    (distance <= 1 + word.len() / 4).then_some(word)
}

/// Insertions, deletions, exchanges and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let exchange = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = exchange.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        for right in ["0 6 1 * *", "*/5 * * * *", "0,30 8-18 * * 1-5", "0 0 1-31/2 * 7"] {
            assert_eq!(cron(right), Ok(()), "{right}");
        }
        for wrong in
            ["", "0 6 1 *", "60 * * * *", "0 6 0 * *", "5-1 * * * *", "*/0 * * * *", "a b c d e"]
        {
            assert!(cron(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_meant() {
        let known = || ["encryption_required", "exec", "mode"].into_iter();
        assert_eq!(near("encryption_requierd", known()), Some("encryption_required"));
        assert_eq!(near("exce", known()), Some("exec"));
        assert_eq!(near("Mode", known()), Some("mode"));
        assert_eq!(near("colour", known()), None);
    }
}
