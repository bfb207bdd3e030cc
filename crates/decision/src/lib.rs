//! What a policy is asked and what it answers.
//!
//! A program that wants leave fills in a [`Question`]; whoever decides returns an [`Answer`]. Both are plain
//! data with one JSON form, so that a thin client needs neither the policy engine nor a database. What an
//! address or a name *is*, however it was spelled, is settled here too ([`address`]), since asker and decider
//! must agree on it.
//!
//! This crate decides nothing, looks up nothing and reads no clock; it depends on no other of ours.

#![forbid(unsafe_code)]

pub mod address;
mod answer;
mod code;
mod question;
pub mod time;

pub use answer::{Advice, Answer, Matched, Reason};
pub use code::{Code, Stage};
pub use question::{Act, Question, Target, Tls, Transport, Who};
