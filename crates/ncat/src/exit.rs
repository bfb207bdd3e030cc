//! Exit codes.

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

impl Exit {
    /// What the shell sees. After [`Exit::Killed`] it sees the signal: this does not return.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Network => 1,
            Self::Local => 2,
            Self::Command(code) => code,
            Self::Signal(n) => 128 + n,
            Self::Killed(signal) => {
                #[cfg(unix)]
                sys::signal::raise_default(signal);
                128u8.saturating_add(u8::try_from(signal).unwrap_or(0))
            }
        }
    }
}
