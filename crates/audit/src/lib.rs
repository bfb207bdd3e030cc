//! A tamper-evident log: who did what, in a record that nobody can quietly edit and anybody can verify.
//!
//! Two places write. On each host a [`Journal`] makes records durable before an operation starts. In the
//! manager a [`Log`] collects them, gives them their places in a Merkle tree and signs it. [`verify`] checks a
//! log, or an export of one, with nothing but a file of public keys.
//!
//! | | written by | proves |
//! |---|---|---|
//! | [`Leaf`], [`Payload`] | [`Source`] | a record is whole; its details may be erased and it still verifies |
//! | chain of a source | [`Source`], checked by [`Chains`] | none of a source's records is missing in between |
//! | tiles, [`Checkpoint`] | [`Log`] | what was in the log is still there, in its place |
//! | [`Proof`] | [`Log::prove`] | this record is in that log |
//!
//! Tree and files are as published: RFC 6962, and C2SP tlog-tiles, tlog-checkpoint, signed-note and tlog-proof.
//! docs/guide/audit-log.md has the formats of our own, and what is not proven.
//!
//! Below the programs nothing reads a clock or touches a file by itself: a [`Clock`] and a [`Disk`] are given.
//! There are no threads here but those of [`verify`]. This crate must not depend on any other of ours.

#![forbid(unsafe_code)]

mod chain;
mod checkpoint;
mod crc;
mod disk;
mod error;
mod event;
mod hash;
mod journal;
pub mod json;
mod keys;
mod line;
mod log;
mod note;
mod proof;
mod source;
mod text;
pub mod tile;
pub mod tree;
mod verify;

pub use chain::{Chains, Link};
pub use checkpoint::Checkpoint;
pub use disk::{Disk, DiskFile, RealDisk};
pub use error::{Error, Result};
pub use event::{Entry, LEAF_BYTES_MAX, Leaf, PAYLOAD_BYTES_MAX, Payload, SALT_BYTES, VERSION};
pub use hash::{Hash, root};
#[doc(hidden)]
pub use journal::fuzz_frame;
pub use journal::{Cut, Health, Journal, JournalOptions, Receipt, read_journal};
pub use keys::{KeyRing, Signer, VerifierKey};
pub use line::{document_line, document_target};
pub use log::{BATCH_MAX, Log, Removal, Removed};
pub use note::{Note, NoteSignature};
pub use proof::Proof;
pub use source::{Clock, Draft, Head, Source, Stamp};
pub use verify::{Check, Outcome, Report, VerifyOptions, verify};
