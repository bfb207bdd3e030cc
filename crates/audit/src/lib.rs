//! A tamper-evident log.
#![forbid(unsafe_code)]

mod checkpoint;
mod error;
mod event;
mod hash;
pub mod json;
mod keys;
mod note;
mod proof;
mod source;
mod text;
pub mod tile;
pub mod tree;

pub use checkpoint::Checkpoint;
pub use error::{Error, Result};
pub use event::{Entry, LEAF_BYTES_MAX, Leaf, PAYLOAD_BYTES_MAX, Payload, SALT_BYTES, VERSION};
pub use hash::{Hash, root};
pub use keys::{KeyRing, Signer, VerifierKey};
pub use note::{Note, NoteSignature};
pub use proof::Proof;
pub use source::{Clock, Draft, Head, Source, Stamp};
mod crc;
mod disk;
mod journal;
pub use disk::{Disk, DiskFile, RealDisk};
#[doc(hidden)]
pub use journal::fuzz_frame;
pub use journal::{Cut, Health, Journal, JournalOptions, Receipt, read_journal};
mod chain;
mod log;
pub use chain::{Chains, Link};
pub use log::{BATCH_MAX, Log, Removal, Removed};
