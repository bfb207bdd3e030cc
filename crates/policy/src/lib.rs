//! The policy: who may do what, where, when and why.
//!
//! A [`Bundle`] is plain data: the simple settings, hand-written Cedar rules, and cases that must hold.
//! [`Engine::new`] compiles and validates it; [`Engine::ask`] answers a question with every reason, the rules that
//! spoke for it, and what would permit it. Lists of any length are looked up here and become attributes, so
//! that the number of Cedar rules, which evaluation is linear in, stays small.
//!
//! Reads no clock and no file, keeps no state but in [`Quotas`]. The only crate that knows Cedar.

#![forbid(unsafe_code)]

mod advise;
mod bundle;
mod case;
mod compile;
mod engine;
mod facts;
mod grant;
mod prefixes;
mod protected;
mod quota;
mod rules;

pub use bundle::{Bundle, Exec, NamedNet, Networks, RuleFile, Security};
pub use case::{Case, ask};
pub use engine::{Engine, Live};
pub use grant::{Grant, Place, Status, Subject};
pub use prefixes::Prefixes;
pub use quota::{Limits, Quotas};
pub use rules::{Rule, SCHEMA};
