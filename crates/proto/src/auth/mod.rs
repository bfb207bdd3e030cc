//! HTTP authentication, both ends: Basic (RFC 7617) and Digest (RFC 7616).
//!
//! What stands in `WWW-Authenticate`, `Proxy-Authenticate` and their answers is read by
//! [`parse_challenges`] and [`parse_credentials`]; [`basic`] and [`digest`] know the two schemes, and
//! [`Nonces`] is a server's memory. Random bytes and the time are the caller's to bring.

pub mod basic;
pub mod digest;
mod nonces;
mod syntax;

pub use nonces::{Nonces, Verdict};
pub use syntax::{Auth, BadAuth, parse_challenges, parse_credentials, quoted};

#[cfg(test)]
mod tests;
