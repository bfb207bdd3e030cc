//! `ncat-guard`: who may use `ncat` for what, and a record of it that anybody can verify.
//!
//! Each command is a function from a `Site`, what is configured and stored here, to an
//! `Exit`. What changes something is recorded first: on stable storage in the journal, then done, then
//! given its place in the log. Nothing here opens a socket.

#![forbid(unsafe_code)]

mod audit_read;
mod audit_verify;
mod cli;
mod config_show;
mod diff;
mod doctor;
mod exit;
mod filter;
mod grants;
mod init;
mod leaves;
mod out;
mod policy_bench;
mod policy_explain;
mod policy_replay;
mod policy_show;
mod record;
mod rules_of;
mod site;
mod status;
mod store;
mod target;
mod user;
mod users;

use std::ffi::OsString;
use std::process::ExitCode;

use exit::Exit;
use out::Out;

/// Runs a command line. The first argument is the program's name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match cli::command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let done = error.print();
            let usage = error.use_stderr() || done.is_err();
            return if usage { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let out = Out::new(&matches);
    let result = cli::run(&matches, &out);
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.failure(&failure);
            failure.exit.into()
        }
    }
}
