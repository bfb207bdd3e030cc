//! The writer's end of a source's chain: numbers records, links each to the one before, notes clock steps.

use std::fmt;
use std::sync::Arc;

use crate::event::{Entry, LEAF_BYTES_MAX, Leaf, PAYLOAD_BYTES_MAX, Payload, SALT_BYTES};
use crate::json::Json;
use crate::{Error, Hash, Result, text};

/// Texts longer than this are cut when a record is too large, in bytes.
const SHORT_BYTES: usize = 1024;

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// Microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// Microseconds by the monotonic clock.
    pub up_us: i64,
    /// Which run of the machine that clock belongs to.
    pub boot: [u8; 16],
}

/// Tells the moment. Asked under the lock that orders the records, so that order and time agree.
pub type Clock = Arc<dyn Fn() -> Stamp + Send + Sync>;

/// What the caller says of an event; the rest of the leaf is the source's business.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// `type`, as `conn.open`.
    pub kind: String,
    /// `sev`: 0 to 10.
    pub sev: u8,
    /// The pseudonym of the person.
    pub actor: Option<[u8; 16]>,
    /// The session's id.
    pub session: Option<String>,
    /// The id of the event that this one follows from.
    pub parent: Option<String>,
    /// One word.
    pub outcome: Option<String>,
    /// An error or denial code.
    pub code: Option<String>,
    /// Small fields that are about no person.
    pub x: Vec<(String, Json)>,
    /// Details, which may be about persons. An object.
    pub payload: Option<Json>,
}

impl Draft {
    /// A draft of this type with nothing else said.
    pub fn of(kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..Self::default() }
    }
}

/// Where a source's chain ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// The number of the last record; 0 before the first.
    pub seq: u64,
    /// SHA-256 of its leaf; [`Hash::ZERO`] before the first.
    pub hash: Hash,
    /// When it was written.
    pub stamp: Option<Stamp>,
}

impl Head {
    /// Before the first record.
    pub const START: Self = Self { seq: 0, hash: Hash::ZERO, stamp: None };

    /// After this leaf.
    pub fn after(leaf: &Leaf, hash: Hash) -> Self {
        let stamp = Stamp { at: leaf.at, up_us: leaf.up_us, boot: leaf.boot };
        Self { seq: leaf.seq, hash, stamp: Some(stamp) }
    }
}

/// A source: whoever writes records. One at a time may exist for an id.
#[derive(Clone)]
pub struct Source {
    log: String,
    id: String,
    head: Head,
    clock: Clock,
}

impl Source {
    /// A source that goes on after `head`.
    pub fn new(log: &str, id: &str, head: Head, clock: Clock) -> Self {
        Self { log: log.to_owned(), id: id.to_owned(), head, clock }
    }

    /// Where its chain ends.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Makes the next record of the chain. When the clock went back since the last one, a `clock.step`
    /// record comes before it, so the vector has one entry or two.
    ///
    /// What is too large is shortened and marked `truncated`, never dropped.
    ///
    /// # Errors
    /// `Refused` when the system has no randomness, or the type or fields leave no room for a leaf.
    pub fn seal(&mut self, draft: &Draft) -> Result<Vec<Entry>> {
        let now = (self.clock)();
        let mut entries = Vec::with_capacity(1);
        let mut source = self.clone();
        if let Some(last) = self.head.stamp
            && now.at < last.at
        {
            let mut step = Draft::of("clock.step");
            step.x = vec![("step_us".into(), (now.at - last.at).into())];
            entries.push(source.seal_at(&step, now)?);
        }
        entries.push(source.seal_at(draft, now)?);
        *self = source;
        Ok(entries)
    }

    fn seal_at(&mut self, draft: &Draft, now: Stamp) -> Result<Entry> {
        let payload = draft.payload.as_ref().map(sealed_payload).transpose()?;
        let mut leaf = Leaf {
            id: event_id(now.at)?,
            log: self.log.clone(),
            src: self.id.clone(),
            seq: self.head.seq + 1,
            prev: self.head.hash,
            at: now.at,
            up_us: now.up_us,
            boot: now.boot,
            kind: draft.kind.clone(),
            sev: draft.sev,
            actor: draft.actor,
            session: draft.session.clone(),
            parent: draft.parent.clone(),
            outcome: draft.outcome.clone(),
            code: draft.code.clone(),
            payload: payload.as_ref().map(Payload::commitment),
            x: draft.x.clone(),
        };
        let mut bytes = leaf.encode();
        if bytes.len() > LEAF_BYTES_MAX {
            leaf.x = vec![("truncated".into(), Json::Int(bytes.len() as i64))];
            bytes = leaf.encode();
        }
        // What is made must be readable: nesting and limits are those of the reader.
        let leaf = Leaf::parse(&bytes)
            .map_err(|error| Error::Refused(format!("no leaf can be made of this: {error}")))?;
        self.head = Head::after(&leaf, Hash::of(&[&bytes]));
        Ok(Entry { leaf: bytes, payload })
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("id", &self.id).field("head", &self.head).finish()
    }
}

fn sealed_payload(value: &Json) -> Result<Payload> {
    let mut json = value.encode();
    let length = json.len() as i64;
    if json.len() > PAYLOAD_BYTES_MAX {
        let Json::Object(mut members) = shortened(value) else {
            return Err(Error::Refused("a payload is an object".into()));
        };
        members.push(("truncated".into(), length.into()));
        json = Json::Object(members).encode();
    }
    if json.len() > PAYLOAD_BYTES_MAX {
        json = Json::object([("truncated", Json::Int(length))]).encode();
    }
    let mut salt = [0; SALT_BYTES];
    random(&mut salt)?;
    Ok(Payload { salt, json })
}

/// The same with every long text cut.
fn shortened(value: &Json) -> Json {
    match value {
        Json::Text(text) if text.len() > SHORT_BYTES => {
            let end = (0..=SHORT_BYTES).rfind(|end| text.is_char_boundary(*end)).unwrap_or(0);
            Json::Text(text[..end].to_owned())
        }
        Json::List(items) => Json::List(items.iter().map(shortened).collect()),
        Json::Object(members) => Json::Object(
            members.iter().map(|(key, value)| (key.clone(), shortened(value))).collect(),
        ),
        other => other.clone(),
    }
}

/// A version 7 UUID (RFC 9562 section 5.7): milliseconds, then randomness.
fn event_id(at: i64) -> Result<String> {
    let mut bytes = [0; 16];
    random(&mut bytes[6..])?;
    let millis = u64::try_from(at / 1000).unwrap_or(0);
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    bytes[6] = 0x70 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    let hex = text::hex(&bytes);
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| Error::Refused(format!("randomness: {error}")))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    fn source(times: Arc<AtomicI64>) -> Source {
        let clock = move || Stamp { at: times.load(Ordering::Relaxed), up_us: 0, boot: [1; 16] };
        Source::new("a.example", "host", Head::START, Arc::new(clock))
    }

    #[test]
    fn a_chain_and_a_step_back() {
        let now = Arc::new(AtomicI64::new(5_000));
        let mut source = source(now.clone());
        let first = source.seal(&Draft::of("guard.start")).unwrap();
        now.store(3_000, Ordering::Relaxed);
        let second = source.seal(&Draft::of("conn.open")).unwrap();
        let [step, open] = &second[..] else { panic!("a step and the record") };
        let step_leaf = step.check().unwrap();
        assert_eq!((step_leaf.kind.as_str(), step_leaf.seq), ("clock.step", 2));
        assert_eq!(step_leaf.extra("step_us"), Some(&Json::Int(-2_000)));
        assert_eq!(step_leaf.prev, first[0].hash());
        let leaf = open.check().unwrap();
        assert_eq!((leaf.seq, leaf.prev), (3, step.hash()));
        assert_eq!(source.head().seq, 3);
        assert_ne!(leaf.id, step_leaf.id);
    }

    #[test]
    fn too_large_is_shortened_and_marked() {
        let mut source = source(Arc::new(AtomicI64::new(0)));
        let mut draft = Draft::of("conn.open");
        draft.x = vec![("rules".into(), Json::from("r".repeat(LEAF_BYTES_MAX)))];
        draft.payload = Some(Json::object([
            ("text", Json::from("\u{e9}".repeat(PAYLOAD_BYTES_MAX))),
            ("user", "alice".into()),
        ]));
        let entry = &source.seal(&draft).unwrap()[0];
        let leaf = entry.check().unwrap();
        assert!(matches!(leaf.extra("truncated"), Some(Json::Int(16_385..))));
        let payload = crate::json::parse(&entry.payload.as_ref().unwrap().json).unwrap();
        assert_eq!(payload.member("user").and_then(Json::as_text), Some("alice"));
        assert!(matches!(payload.member("truncated"), Some(Json::Int(262_145..))));
        draft.payload = Some(Json::object((0..20_000).map(|n| (format!("{n:0>20}"), Json::Null))));
        let entry = &source.seal(&draft).unwrap()[0];
        assert!(entry.payload.as_ref().unwrap().json.starts_with(b"{\"truncated\":"));
        entry.check().unwrap();
        draft.kind = "k".repeat(LEAF_BYTES_MAX);
        assert!(source.seal(&draft).is_err());
        assert_eq!(source.head().seq, 2, "a refused draft leaves no gap");
    }
}
