//! The search grammar: `KEY:VALUE` words, all of which must hold.

use std::net::IpAddr;

use config::Period;
use decision::{address, time};
use ipnet::IpNet;
use serde_json::Value;

use crate::leaves::Record;

/// The keys, for messages.
const KEYS: &str = "type, user, dest, code, outcome, session, src, id, sev, since, until";

/// One condition.
#[derive(Clone, Debug, PartialEq)]
enum Term {
    /// A type, or `group.*`.
    Type(String),
    User(String),
    Dest(String),
    DestNet(IpNet),
    Code(String),
    Outcome(String),
    Session(String),
    Source(String),
    Id(String),
    /// At least this severe.
    Severity(u8),
    Since(i64),
    Until(i64),
}

/// A search.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter(Vec<Term>);

impl Filter {
    /// Reads a search; `now` is what ages count from.
    pub(crate) fn parse(text: &str, now: i64) -> Result<Self, String> {
        let term = |word: &str| {
            let (key, value) =
                word.split_once(':').ok_or_else(|| format!("{word:?} is not KEY:VALUE"))?;
            if value.is_empty() {
                return Err(format!("{key}: without a value"));
            }
            let text = value.to_owned();
            let moment = || match Period::parse(value, None) {
                Ok(age) => Ok(now - age.micros()),
                Err(_) => time::parse(value),
            };
            Ok(match key {
                "type" => Term::Type(text),
                "user" => Term::User(text),
                "dest" => match config::value::network(value) {
                    Ok(net) => Term::DestNet(net),
                    Err(_) => Term::Dest(text),
                },
                "code" => Term::Code(text),
                "outcome" => Term::Outcome(text),
                "session" => Term::Session(text),
                "src" => Term::Source(text),
                "id" => Term::Id(text),
                "sev" => Term::Severity(
                    value.parse().map_err(|_| format!("{value:?} is not a severity"))?,
                ),
                "since" => Term::Since(moment()?),
                "until" => Term::Until(moment()?),
                _ => return Err(format!("unknown key {key:?}: {KEYS}")),
            })
        };
        text.split_whitespace().map(term).collect::<Result<_, _>>().map(Self)
    }

    /// With one more condition.
    pub(crate) fn and(mut self, key: &str, value: Option<&String>) -> Result<Self, String> {
        if let Some(value) = value {
            self.0.extend(Self::parse(&format!("{key}:{value}"), 0)?.0);
        }
        Ok(self)
    }

    /// Whether it looks into payloads, which may be about persons.
    pub(crate) fn reads_payloads(&self) -> bool {
        self.0.iter().any(|term| matches!(term, Term::User(_) | Term::Dest(_) | Term::DestNet(_)))
    }

    pub(crate) fn matches(&self, record: &Record) -> bool {
        self.0.iter().all(|term| holds(term, record))
    }
}

fn holds(term: &Term, record: &Record) -> bool {
    let leaf = &record.leaf;
    let detail = |key: &str| record.payload.as_ref()?.get(key)?.as_str();
    match term {
        Term::Type(kind) => match kind.strip_suffix('*') {
            Some(begin) => leaf.kind.starts_with(begin),
            None => leaf.kind == *kind,
        },
        Term::User(user) => detail("user") == Some(user) || asked_by(record) == Some(user),
        Term::Dest(dest) => {
            detail("dest").is_some_and(|text| text == dest || host_of(text) == *dest)
        }
        Term::DestNet(net) => {
            let addr = detail("dest").and_then(|text| host_of(text).parse::<IpAddr>().ok());
            addr.is_some_and(|addr| net.contains(&address::normal(addr).0))
        }
        Term::Code(code) => leaf.code.as_ref() == Some(code),
        Term::Outcome(outcome) => leaf.outcome.as_ref() == Some(outcome),
        Term::Session(session) => leaf.session.as_ref() == Some(session),
        Term::Source(source) => leaf.src == *source,
        Term::Id(id) => leaf.id.starts_with(id.strip_prefix("D-").unwrap_or(id)),
        Term::Severity(least) => leaf.sev >= *least,
        Term::Since(at) => leaf.at >= *at,
        Term::Until(at) => leaf.at < *at,
    }
}

/// Who the decision is about, who need not be who had it recorded.
fn asked_by(record: &Record) -> Option<&str> {
    record.payload.as_ref()?.get("question")?.get("who")?.get("name").and_then(Value::as_str)
}

fn host_of(text: &str) -> &str {
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use audit::{Clock, Draft, Head, Source, Stamp};
    use serde_json::json;

    use super::*;

    fn record(kind: &str, payload: Value) -> Record {
        let clock: Clock = std::sync::Arc::new(|| Stamp { at: 1_000_000, up_us: 0, boot: [0; 16] });
        let mut source = Source::new("log", "host", Head::START, clock);
        let draft = Draft { code: Some("PORT_BLOCKED".into()), sev: 4, ..Draft::of(kind) };
        let entry = source.seal(&draft).unwrap().remove(0);
        Record { index: 0, leaf: entry.check().unwrap(), bytes: entry.leaf, payload: Some(payload) }
    }

    #[test]
    fn terms() {
        let record = record("conn.open", json!({"user": "alice", "dest": "[::ffff:10.1.2.3]:22"}));
        for (text, expected) in [
            ("", true),
            ("type:conn.open user:alice", true),
            ("type:conn.* code:PORT_BLOCKED sev:4", true),
            ("type:conn", false),
            ("user:bob", false),
            ("dest:10.1.0.0/16", true),
            ("dest:10.2.0.0/16", false),
            ("sev:5", false),
            ("since:1970-01-01T00:00:01Z", true),
            ("until:1970-01-01T00:00:01Z", false),
            ("since:1s", false),
            ("src:host", true),
        ] {
            let filter = Filter::parse(text, 10_000_000).unwrap();
            assert_eq!(filter.matches(&record), expected, "{text}");
        }
        for wrong in ["alice", "user:", "colour:red", "sev:x", "since:soon"] {
            assert!(Filter::parse(wrong, 0).is_err(), "{wrong}");
        }
        assert!(Filter::parse("dest:x", 0).unwrap().reads_payloads());
        assert!(!Filter::parse("type:x", 0).unwrap().reads_payloads());
    }
}
