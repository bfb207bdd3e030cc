//! Every command of the Ncat guide, run as it is written there: same words, same ports, same host
//! names, in a world of namespaces where those are free. Each file is a section of the guide.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod access_control;
mod basic_usage;
mod chatting;
mod command_execution;
mod connection_brokering;
mod diagnostic_services;
mod file_transfer;
mod lua;
mod neat_tricks;
mod other_options;
mod output_options;
mod proxying;
mod world;
