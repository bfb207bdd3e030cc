//! C2SP tlog-proof files: a leaf's place in the log, to be checked with the leaf and a key file alone.

use crate::checkpoint::Checkpoint;
use crate::keys::KeyRing;
use crate::note::NOTE_BYTES_MAX;
use crate::tree;
use crate::{Error, Hash, Result};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// A path is never longer: a tree has at most 2^64 leaves.
const HASHES_MAX: usize = 64;

/// A proof of inclusion with the checkpoint it leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proof {
    /// The leaf's index.
    pub index: u64,
    /// The path, from the leaf's sibling upwards.
    pub path: Vec<Hash>,
    /// The checkpoint as stored, with its signatures.
    pub checkpoint: String,
}

impl Proof {
    /// The file.
    pub fn encode(&self) -> String {
        let mut out = format!("{FIRST_LINE}\nindex {}\n", self.index);
        for hash in &self.path {
            out += &format!("{}\n", hash.base64());
        }
        out + "\n" + &self.checkpoint
    }

    /// Reads a file; an `extra` line is passed over, since nothing vouches for it.
    ///
    /// # Errors
    /// `Format` with what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |why: &str| Error::format("proof", why);
        if bytes.len() > 2 * NOTE_BYTES_MAX {
            return Err(wrong("longer than 256 KiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("not UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| wrong("no checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(wrong("does not begin with c2sp.org/tlog-proof@v1"));
        }
        if let Some(extra) = lines.next_if(|line| line.starts_with("extra ")) {
            crate::text::from_base64(&extra[6..]).ok_or_else(|| wrong("extra is not base64"))?;
        }
        let digits = lines.next().and_then(|line| line.strip_prefix("index "));
        let digits = digits.ok_or_else(|| wrong("no index"))?;
        let index: u64 = digits.parse().map_err(|_| wrong("no index"))?;
        if index.to_string() != digits {
            return Err(wrong("index has another spelling"));
        }
        let path: Option<Vec<Hash>> = lines.map(Hash::from_base64).collect();
        let path = path.ok_or_else(|| wrong("a line is not a hash"))?;
        if path.len() > HASHES_MAX {
            return Err(wrong("too many hashes"));
        }
        Ok(Self { index, path, checkpoint: checkpoint.to_owned() })
    }

    /// Checks that this leaf is in the log of that name, at [`index`](Self::index).
    ///
    /// # Errors
    /// `Signature` if the checkpoint is not the log's; `Format` if the proof leads elsewhere.
    pub fn check(&self, leaf: &[u8], origin: &str, keys: &KeyRing) -> Result<Checkpoint> {
        let checkpoint = Checkpoint::open(self.checkpoint.as_bytes(), origin, keys)?;
        let leaf = Hash::leaf(leaf);
        let root = tree::root_by_inclusion(leaf, self.index, checkpoint.size, &self.path);
        if root != Some(checkpoint.root) {
            let why = format!(
                "does not lead from leaf {} to the root of {}",
                self.index, checkpoint.size
            );
            return Err(Error::format("proof", why));
        }
        Ok(checkpoint)
    }
}
