//! C2SP signed notes: text, an empty line, and signature lines.

use crate::keys::{Signer, VerifierKey};
use crate::{Error, Result, text};

/// A note larger than this is refused, in bytes; 16 signatures of every kind fit.
pub(crate) const NOTE_BYTES_MAX: usize = 128 * 1024;
/// Signature lines a note may have.
pub(crate) const SIGNATURES_MAX: usize = 64;

/// A note as read; nothing in it is to be believed before [`verified_by`](Self::verified_by).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// What is signed: lines, the last with its newline.
    pub text: String,
    /// The signature lines in order.
    pub signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoteSignature {
    /// The name of the key.
    pub name: String,
    /// The first four bytes: which key of that name.
    pub id: u32,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

impl Note {
    /// Signs a text, whose last character must be a newline.
    ///
    /// # Errors
    /// `Refused` if the text cannot be part of a note.
    pub fn sign(text: &str, signer: &Signer) -> Result<Self> {
        if !text.ends_with('\n') || text.contains(|c: char| c < ' ' && c != '\n') {
            return Err(Error::Refused(
                "a note's text ends in a newline and has no controls".into(),
            ));
        }
        let key = signer.verifier();
        let bytes = signer.sign(text.as_bytes()).to_vec();
        let signature = NoteSignature { name: key.name().to_owned(), id: key.id(), bytes };
        Ok(Self { text: text.to_owned(), signatures: vec![signature] })
    }

    /// Reads a note.
    ///
    /// # Errors
    /// `Format` with what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |why: &str| Error::format("note", why);
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(wrong("longer than 128 KiB"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| wrong("not UTF-8"))?;
        if note.contains(|c: char| c < ' ' && c != '\n') {
            return Err(wrong("contains control characters"));
        }
        let end = note.rfind("\n\n").ok_or_else(|| wrong("no empty line before signatures"))?;
        let (text, lines) = (&note[..=end], &note[end + 2..]);
        let lines = lines.strip_suffix('\n').ok_or_else(|| wrong("does not end in a newline"))?;
        let signatures: Option<Vec<_>> = lines.split('\n').map(signature).collect();
        let signatures = signatures.ok_or_else(|| wrong("malformed signature line"))?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(wrong("too many signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Checks the signature by this key.
    ///
    /// # Errors
    /// `Signature` if the note has none by the key, or it is wrong.
    pub fn verified_by(&self, key: &VerifierKey) -> Result<()> {
        let mut by_key =
            self.signatures.iter().filter(|s| s.name == key.name() && s.id == key.id());
        match by_key.next() {
            None => Err(Error::Signature(format!("none by {key}"))),
            Some(signature) if key.verifies(self.text.as_bytes(), &signature.bytes) => Ok(()),
            Some(_) => Err(Error::Signature(format!("wrong, by {key}"))),
        }
    }

    /// The note as it is stored.
    pub fn encode(&self) -> String {
        let mut out = format!("{}\n", self.text);
        for NoteSignature { name, id, bytes } in &self.signatures {
            let signature = [&id.to_be_bytes(), &bytes[..]].concat();
            out += &format!("\u{2014} {name} {}\n", text::base64(&signature));
        }
        out
    }
}

fn signature(line: &str) -> Option<NoteSignature> {
    let (name, coded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    if !is_key_name(name) {
        return None;
    }
    let bytes = text::from_base64(coded)?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    let id = u32::from_be_bytes(*id);
    (!bytes.is_empty()).then(|| NoteSignature { name: name.into(), id, bytes: bytes.to_vec() })
}

/// Not empty, no spaces, no plus sign.
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Go's sumdb/note: its verifier key, and the text it signed.
    #[test]
    fn published_note() {
        let key: VerifierKey =
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\n\
                    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2p\
                    ZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let parsed = Note::parse(note.as_bytes()).unwrap();
        parsed.verified_by(&key).unwrap();
        assert_eq!(parsed.encode(), note);
        let other = note.replace("problem,", "problem.");
        assert!(Note::parse(other.as_bytes()).unwrap().verified_by(&key).is_err());
    }

    #[test]
    fn what_is_no_note() {
        let signature = "\u{2014} a AAAAAAA=\n";
        assert!(Note::parse(format!("text\n\n{signature}").as_bytes()).is_ok());
        let wrong = [
            format!("text\n{signature}"),
            format!("text\n\n{}", signature.trim_end()),
            "text\n\n".to_owned(),
            "text\n\n\n".to_owned(),
            format!("te\txt\n\n{signature}"),
            format!("text\r\n\n{signature}"),
            "text\n\n- a AAAAAAA=\n".to_owned(),
            "text\n\n\u{2014} a AAAAAA==\n".to_owned(),
            "text\n\n\u{2014} a+b AAAAAAA=\n".to_owned(),
            format!("text\n\n{}", signature.repeat(SIGNATURES_MAX + 1)),
        ];
        for note in wrong {
            assert!(Note::parse(note.as_bytes()).is_err(), "{note:?}");
        }
    }
}
