//! A record: the leaf, which is hashed and kept, and the payload, which may be erased.
//!
//! Both are canonical JSON. The leaf names nobody; it commits to the payload through a salted hash, so
//! that a short payload cannot be guessed from what stays when it is erased.

use crate::json::{self, Json};
use crate::{Error, Hash, Result, text};

/// The version of the leaf's format, its member `v`.
pub const VERSION: i64 = 1;
/// A leaf is at most this long, in bytes; the tile format would allow 65,535.
pub const LEAF_BYTES_MAX: usize = 16 * 1024;
/// A payload is at most this long, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;
/// Random bytes hashed before a payload.
pub const SALT_BYTES: usize = 16;

const DOMAIN: &[u8] = b"ncat-guard/payload/v1\n";

/// What a leaf says. Absent members are not written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leaf {
    /// `id`: a UUID, in its usual spelling.
    pub id: String,
    /// `log`: the origin of the log it is meant for.
    pub log: String,
    /// `src`: who wrote it.
    pub src: String,
    /// `seq`: its number at the source, from 1 and without gaps.
    pub seq: u64,
    /// `prev`: SHA-256 of the source's previous leaf; [`Hash::ZERO`] for the first.
    pub prev: Hash,
    /// `at`: microseconds since 1970-01-01 UTC by the source's clock.
    pub at: i64,
    /// `up_us`: microseconds by its monotonic clock.
    pub up_us: i64,
    /// `boot`: which run of the machine the monotonic clock belongs to.
    pub boot: [u8; 16],
    /// `type`: two words with a dot, as `conn.open`.
    pub kind: String,
    /// `sev`: 0 (routine) to 10.
    pub sev: u8,
    /// `actor`: the pseudonym of the person.
    pub actor: Option<[u8; 16]>,
    /// `session`: the session's id.
    pub session: Option<String>,
    /// `parent`: the id of the event that this one follows from.
    pub parent: Option<String>,
    /// `outcome`: one word.
    pub outcome: Option<String>,
    /// `code`: an error or denial code.
    pub code: Option<String>,
    /// `pay` and `paylen`: the commitment to the payload, and its length in bytes.
    pub payload: Option<(Hash, u64)>,
    /// `x`: small fields that are about no person, as ports, bytes and rule ids.
    pub x: Vec<(String, Json)>,
}

impl Leaf {
    /// The leaf's bytes. Equal leaves have equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut members: Vec<(String, Json)> = Vec::with_capacity(20);
        let mut put = |key: &str, value: Json| members.push((key.to_owned(), value));
        put("v", Json::Int(VERSION));
        put("id", self.id.as_str().into());
        put("log", self.log.as_str().into());
        put("src", self.src.as_str().into());
        put("seq", integer(self.seq));
        put("prev", self.prev.to_string().into());
        put("at", self.at.into());
        put("up_us", self.up_us.into());
        put("boot", text::hex(&self.boot).into());
        put("type", self.kind.as_str().into());
        put("sev", Json::Int(self.sev.into()));
        if let Some(actor) = &self.actor {
            put("actor", text::hex(actor).into());
        }
        let texts = [
            ("session", &self.session),
            ("parent", &self.parent),
            ("outcome", &self.outcome),
            ("code", &self.code),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                put(key, value.as_str().into());
            }
        }
        if let Some((hash, length)) = &self.payload {
            put("pay", hash.to_string().into());
            put("paylen", integer(*length));
        }
        if !self.x.is_empty() {
            put("x", Json::Object(self.x.clone()));
        }
        Json::Object(members).encode()
    }

    /// Reads a leaf: canonical JSON of version 1 with known members only.
    ///
    /// # Errors
    /// `Format` with the member that is missing, unknown or wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(wrong("longer than 16 KiB"));
        }
        let Json::Object(members) = json::parse(bytes)? else {
            return Err(wrong("not an object"));
        };
        let mut members = Members(members);
        if members.integer("v")? != VERSION {
            return Err(wrong("v: another version than 1"));
        }
        let payload = match (members.take("pay"), members.take("paylen")) {
            (None, None) => None,
            (Some(Json::Text(hash)), Some(Json::Int(length))) => {
                let hash = Hash::from_hex(&hash).ok_or_else(|| wrong("pay"))?;
                let length = u64::try_from(length).map_err(|_| wrong("paylen"))?;
                Some((hash, length))
            }
            _ => return Err(wrong("pay and paylen")),
        };
        let actor = members.optional("actor")?;
        let actor = actor.map(|hex| sixteen(&hex).ok_or_else(|| wrong("actor"))).transpose()?;
        let x = match members.take("x") {
            None => Vec::new(),
            Some(Json::Object(x)) if !x.is_empty() => x,
            Some(_) => return Err(wrong("x")),
        };
        let leaf = Self {
            id: members.text("id")?,
            log: members.text("log")?,
            src: members.text("src")?,
            seq: members.positive("seq")?,
            prev: Hash::from_hex(&members.text("prev")?).ok_or_else(|| wrong("prev"))?,
            at: members.integer("at")?,
            up_us: members.integer("up_us")?,
            boot: sixteen(&members.text("boot")?).ok_or_else(|| wrong("boot"))?,
            kind: members.text("type")?,
            sev: u8::try_from(members.integer("sev")?).map_err(|_| wrong("sev"))?,
            actor,
            session: members.optional("session")?,
            parent: members.optional("parent")?,
            outcome: members.optional("outcome")?,
            code: members.optional("code")?,
            payload,
            x,
        };
        match members.0.first() {
            None => Ok(leaf),
            Some((key, _)) => Err(wrong(&format!("{key:?} is not a member of version 1"))),
        }
    }

    /// A member of `x`.
    pub fn extra(&self, key: &str) -> Option<&Json> {
        self.x.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

fn integer(value: u64) -> Json {
    Json::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn sixteen(hex: &str) -> Option<[u8; 16]> {
    text::from_hex(hex)?.try_into().ok()
}

fn wrong(why: &str) -> Error {
    Error::format("leaf", why)
}

/// What is left of a leaf while it is read.
struct Members(Vec<(String, Json)>);

impl Members {
    fn take(&mut self, key: &str) -> Option<Json> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.swap_remove(at).1)
    }

    fn optional(&mut self, key: &str) -> Result<Option<String>> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(key)),
        }
    }

    fn text(&mut self, key: &str) -> Result<String> {
        self.optional(key)?.ok_or_else(|| wrong(key))
    }

    fn integer(&mut self, key: &str) -> Result<i64> {
        self.take(key).and_then(|value| value.as_int()).ok_or_else(|| wrong(key))
    }

    fn positive(&mut self, key: &str) -> Result<u64> {
        let value = u64::try_from(self.integer(key)?).ok();
        value.filter(|value| *value > 0).ok_or_else(|| wrong(key))
    }
}

/// A payload with its salt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Payload {
    /// Random bytes.
    pub salt: [u8; SALT_BYTES],
    /// Canonical JSON.
    pub json: Vec<u8>,
}

impl Payload {
    /// What the leaf commits to: SHA-256(domain ‖ salt ‖ payload).
    pub fn commitment(&self) -> (Hash, u64) {
        (commitment(&self.salt, &self.json), self.json.len() as u64)
    }
}

/// See [`Payload::commitment`].
pub(crate) fn commitment(salt: &[u8; SALT_BYTES], payload: &[u8]) -> Hash {
    Hash::of(&[DOMAIN, salt, payload])
}

/// A record as it is written, sent and stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The leaf's bytes.
    pub leaf: Vec<u8>,
    /// The payload, if there is one and it was not erased.
    pub payload: Option<Payload>,
}

impl Entry {
    /// SHA-256 of the leaf, the `prev` of its successor. Not the hash in the tree, which is prefixed.
    pub fn hash(&self) -> Hash {
        Hash::of(&[&self.leaf])
    }

    /// Reads the leaf, and checks that the payload is the one it commits to.
    ///
    /// # Errors
    /// `Format` with what is wrong.
    pub fn check(&self) -> Result<Leaf> {
        let leaf = Leaf::parse(&self.leaf)?;
        if let Some(payload) = &self.payload {
            if payload.json.len() > PAYLOAD_BYTES_MAX {
                return Err(Error::format("payload", "longer than 256 KiB"));
            }
            if leaf.payload != Some(payload.commitment()) {
                return Err(Error::format("payload", "not the one that the leaf commits to"));
            }
        }
        Ok(leaf)
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
