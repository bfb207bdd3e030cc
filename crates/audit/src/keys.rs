//! Ed25519 keys: the log's own, and the file that says which is valid where.
//!
//! Key names and encodings are those of C2SP signed-note, as Go's sumdb/note writes them.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::note::is_key_name;
use crate::{Error, Hash, Result, text};

/// The signature type of Ed25519 in notes.
const ED25519: u8 = 1;

/// A public key: `name+hash+base64`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl VerifierKey {
    fn new(name: &str, key: VerifyingKey) -> Self {
        let hash = Hash::of(&[name.as_bytes(), b"\n", &[ED25519], key.as_bytes()]);
        let id = u32::from_be_bytes([hash.0[0], hash.0[1], hash.0[2], hash.0[3]]);
        Self { name: name.to_owned(), id, key }
    }

    /// The key's name, for a log its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which key of that name: the first four bytes of SHA-256(name ‖ newline ‖ 1 ‖ key).
    pub fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        self.key.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], &self.key.as_bytes()[..]].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, text::base64(&key))
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    fn from_str(spelled: &str) -> Result<Self> {
        let wrong = |why: &str| Error::format("verifier key", why);
        let (name, id, bytes) = key_parts(spelled).ok_or_else(|| wrong("not name+hash+key"))?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| wrong("not an Ed25519 key"))?;
        let key = Self::new(name, key);
        if format!("{:08x}", key.id) != id {
            return Err(wrong("its hash is not that of name and key"));
        }
        Ok(key)
    }
}

/// Name, hash and 32 bytes of `name+hash+base64`.
fn key_parts(spelled: &str) -> Option<(&str, &str, [u8; 32])> {
    let (name, rest) = spelled.split_once('+')?;
    let (id, coded) = rest.split_once('+')?;
    let bytes = text::from_base64(coded)?;
    let (kind, bytes) = bytes.split_first()?;
    (is_key_name(name) && *kind == ED25519).then_some((name, id, bytes.try_into().ok()?))
}

/// A private key. Neither Debug nor Display show it; it is wiped when dropped.
pub struct Signer {
    key: SigningKey,
    public: VerifierKey,
}

impl Signer {
    /// A new key from the system's random source.
    ///
    /// # Errors
    /// `Refused` for a name that no key may have, or when there is no randomness.
    pub fn generate(name: &str) -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| Error::Refused(format!("randomness: {error}")))?;
        Self::from_seed(name, &seed)
    }

    /// The key of this seed.
    ///
    /// # Errors
    /// `Refused` for a name that no key may have.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self> {
        if !is_key_name(name) {
            return Err(Error::Refused(format!("{name:?} cannot be a key's name")));
        }
        let key = SigningKey::from_bytes(seed);
        let public = VerifierKey::new(name, key.verifying_key());
        Ok(Self { key, public })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.public
    }

    /// `PRIVATE+KEY+name+hash+base64`, for a file that nobody else can read.
    pub fn to_secret(&self) -> String {
        let seed = [&[ED25519], &self.key.as_bytes()[..]].concat();
        format!("PRIVATE+KEY+{}+{:08x}+{}", self.public.name, self.public.id, text::base64(&seed))
    }

    /// From such a text; white space around it does not matter.
    ///
    /// # Errors
    /// `Format` without any part of the text.
    pub fn from_secret(secret: &str) -> Result<Self> {
        let wrong = |why: &str| Error::format("private key", why);
        let rest = secret.trim().strip_prefix("PRIVATE+KEY+");
        let (name, id, seed) = rest.and_then(key_parts).ok_or_else(|| wrong("not one"))?;
        let signer = Self::from_seed(name, &seed)?;
        if format!("{:08x}", signer.public.id) != id {
            return Err(wrong("its hash is not that of name and key"));
        }
        Ok(signer)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public)
    }
}

/// Which key signs which leaves: the file `keys.txt` that an auditor keeps.
///
/// Each line is `FIRST-LAST KEY` or, for the key in use, `FIRST- KEY`; the ranges follow each other
/// from 0. Empty lines and those that begin with `#` are skipped. A checkpoint of size n is signed by
/// the key whose range has leaf n - 1 (leaf 0 for an empty log).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyRing {
    /// First leaf, key.
    keys: Vec<(u64, VerifierKey)>,
    /// The last leaf of the last key, when a successor is known to exist elsewhere.
    last: Option<u64>,
}

impl KeyRing {
    /// One key for everything.
    pub fn of(key: VerifierKey) -> Self {
        Self { keys: vec![(0, key)], last: None }
    }

    /// The key valid for a leaf.
    pub fn at(&self, index: u64) -> Option<&VerifierKey> {
        let (_, key) = self.keys.iter().rfind(|(first, _)| *first <= index)?;
        self.last.is_none_or(|last| index <= last).then_some(key)
    }

    /// The key in use.
    pub fn newest(&self) -> &VerifierKey {
        &self.keys.last().expect("a ring has a key").1
    }

    /// The keys with their ranges.
    pub fn ranges(&self) -> impl Iterator<Item = (RangeInclusive<u64>, &VerifierKey)> {
        self.keys.iter().enumerate().map(|(number, (first, key))| {
            let next = self.keys.get(number + 1).map(|(next, _)| next - 1);
            let last = next.or(self.last).unwrap_or(u64::MAX);
            (*first..=last, key)
        })
    }

    /// A key that takes over from this leaf on.
    pub(crate) fn push(&mut self, first: u64, key: VerifierKey) {
        self.keys.push((first, key));
    }
}

impl fmt::Display for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (range, key) in self.ranges() {
            match *range.end() {
                u64::MAX => writeln!(f, "{}- {key}", range.start())?,
                last => writeln!(f, "{}-{last} {key}", range.start())?,
            }
        }
        Ok(())
    }
}

impl FromStr for KeyRing {
    type Err = Error;

    fn from_str(file: &str) -> Result<Self> {
        let mut keys = Vec::new();
        let mut expected = Some(0);
        for (number, line) in (1..).zip(file.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |why: String| Error::format(format!("keys file, line {number}"), why);
            let (range, key) = line.split_once(' ').ok_or_else(|| wrong("no key".into()))?;
            let (first, last) = range.split_once('-').ok_or_else(|| wrong("no range".into()))?;
            let index = |digits: &str| digits.parse::<u64>().ok();
            let first = index(first).ok_or_else(|| wrong("no first leaf".into()))?;
            if Some(first) != expected {
                return Err(wrong("ranges must follow each other from 0".into()));
            }
            expected = match last {
                "" => None,
                digits => Some(
                    index(digits)
                        .filter(|last| *last >= first && *last < u64::MAX)
                        .ok_or_else(|| wrong("no last leaf".into()))?
                        + 1,
                ),
            };
            keys.push((first, key.trim().parse().map_err(|e: Error| wrong(e.to_string()))?));
        }
        if keys.is_empty() {
            return Err(Error::format("keys file", "no keys"));
        }
        Ok(Self { keys, last: expected.map(|next| next - 1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(seed: u8) -> Signer {
        Signer::from_seed("example.org/log", &[seed; 32]).unwrap()
    }

    /// Golden: what is printed once and kept for years must be read for ever.
    #[test]
    fn spellings() {
        let signer = signer(7);
        let public = signer.verifier().to_string();
        assert_eq!(public, "example.org/log+5e2cef00+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs");
        assert_eq!(public.parse::<VerifierKey>().unwrap(), *signer.verifier());
        let again = Signer::from_secret(&format!(" {}\n", signer.to_secret())).unwrap();
        assert_eq!(again.verifier(), signer.verifier());
        assert!(!format!("{signer:?}").contains("PRIVATE"));
        for wrong in
            ["", "a+b", "example.org/log+00000000+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"]
        {
            assert!(wrong.parse::<VerifierKey>().is_err(), "{wrong}");
            assert!(Signer::from_secret(wrong).is_err());
        }
        assert!(Signer::generate("two words").is_err());
    }

    #[test]
    fn rings() {
        let keys = [signer(1), signer(2)];
        let [one, two] = [keys[0].verifier(), keys[1].verifier()];
        let text = format!("# ours\n\n0-9 {one}\n10- {two}\n");
        let ring: KeyRing = text.parse().unwrap();
        assert_eq!([ring.at(0), ring.at(9), ring.at(10)], [Some(one), Some(one), Some(two)]);
        assert_eq!(ring.to_string().parse::<KeyRing>().unwrap(), ring);
        let closed: KeyRing = format!("0-9 {one}").parse().unwrap();
        assert_eq!([closed.at(9), closed.at(10)], [Some(one), None]);
        let wrong = [
            "",
            "0 x",
            "0-",
            "1- K",
            "0-9 K\n11- K",
            "0-K K",
            "0- K\n5- K",
            "5-3 K",
            "0-18446744073709551615 K",
        ];
        for text in wrong {
            let text = text.replace('K', &one.to_string());
            assert!(text.parse::<KeyRing>().is_err(), "{text}");
        }
    }
}
