//! The program as it is used: from `init` to a verified export.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]
#![cfg(unix)]

mod audit;
mod config;
mod first_hour;
mod grants;
mod policy;
mod site;
