//! Exit codes.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// 0: what was asked was done.
    Done,
    /// 1: the network or the peer failed.
    Network,
    /// 2: the command line, or something on this machine.
    Local,
    /// A listener ended by signal n: 128 + n.
    Signal(u8),
    /// What the command of `-e` or `-c` ended with (`--exec-exit`).
    Command(u8),
    /// Ended by signal n with its default action, as the shell expects of a client.
    Killed(i32),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Network => Self::from(1),
            Exit::Local => Self::from(2),
            Exit::Command(code) => Self::from(code),
            Exit::Signal(n) => Self::from(128 + n),
            Exit::Killed(signal) => {
                #[cfg(unix)]
                sys::signal::raise_default(signal);
                Self::from(128u8.saturating_add(u8::try_from(signal).unwrap_or(0)))
            }
        }
    }
}
