//! C2SP tlog-checkpoint: a log's name, size and root, as a signed note.

use crate::keys::{KeyRing, Signer};
use crate::note::Note;
use crate::{Error, Hash, Result};

/// A tree head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.base64())
    }

    /// Signs it.
    ///
    /// # Errors
    /// `Refused` if the origin cannot stand in a note.
    pub fn sign(&self, signer: &Signer) -> Result<Note> {
        Note::sign(&self.text(), signer)
    }

    /// Reads a note's text; extension lines are passed over. The signature is another matter.
    ///
    /// # Errors
    /// `Format` with what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::format("checkpoint", why);
        let body = text.strip_suffix('\n').ok_or_else(|| wrong("no newline at its end"))?;
        let mut lines = body.split('\n');
        let mut line =
            |what: &str| lines.next().filter(|l| !l.is_empty()).ok_or_else(|| wrong(what));
        let origin = line("no origin")?.to_owned();
        let digits = line("no size")?;
        let root = Hash::from_base64(line("no root")?).ok_or_else(|| wrong("no root"))?;
        let size: u64 = digits.parse().map_err(|_| wrong("no size"))?;
        if size.to_string() != digits {
            return Err(wrong("size has another spelling"));
        }
        if lines.any(str::is_empty) {
            return Err(wrong("empty extension line"));
        }
        Ok(Self { origin, size, root })
    }

    /// Reads a stored checkpoint and checks it: the log's name, and the signature of the key that is
    /// valid for its last leaf.
    ///
    /// # Errors
    /// `Format`, or `Signature` when name, key or signature are not as they must be.
    pub fn open(note: &[u8], origin: &str, keys: &KeyRing) -> Result<Self> {
        let note = Note::parse(note)?;
        let checkpoint = Self::parse(&note.text)?;
        if checkpoint.origin != origin {
            let why = format!("of the log {:?}, not {origin:?}", checkpoint.origin);
            return Err(Error::Signature(why));
        }
        let last = checkpoint.size.saturating_sub(1);
        let key = keys.at(last);
        let key =
            key.ok_or_else(|| Error::Signature(format!("no key is valid for leaf {last}")))?;
        note.verified_by(key)?;
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn published_example() {
        let text =
            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).unwrap();
        assert_eq!((checkpoint.size, checkpoint.text().as_str()), (20_852_163, text));
        assert_eq!(Checkpoint::parse(&format!("{text}more\n")).unwrap(), checkpoint);
        let wrong = [
            text.replace("2085", "02085"),
            text.replace("2085", "+2085"),
            text.replace("q2I=", "q2J="),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            "a\n1\n".into(),
            format!("\n{text}"),
        ];
        for text in wrong {
            assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_key_of_the_last_leaf_must_have_signed() {
        let [one, two] = [1, 2].map(|seed| Signer::from_seed("a.example", &[seed; 32]).unwrap());
        let ring: KeyRing =
            format!("0-9 {}\n10- {}", one.verifier(), two.verifier()).parse().unwrap();
        let signed = |size, signer: &Signer| {
            let checkpoint = Checkpoint { origin: "a.example".into(), size, root: Hash::empty() };
            checkpoint.sign(signer).unwrap().encode()
        };
        for (size, signer, valid) in [
            (0, &one, true),
            (10, &one, true),
            (11, &two, true),
            (11, &one, false),
            (10, &two, false),
        ] {
            let note = signed(size, signer);
            assert_eq!(
                Checkpoint::open(note.as_bytes(), "a.example", &ring).is_ok(),
                valid,
                "{size}"
            );
            assert!(Checkpoint::open(note.as_bytes(), "b.example", &ring).is_err());
        }
    }
}
