//! Other people's programs as peers: Debian's ncat, OpenBSD's nc, socat, openssl.

use std::io::Write;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
use crate::eventually;
#[cfg(target_os = "linux")]
use crate::process::Process;
use crate::process::Program;

/// A peer program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// Our own program.
    Ours,
    /// Debian's ncat.
    Ncat,
    /// OpenBSD's nc.
    NcOpenbsd,
    /// socat.
    Socat,
    /// openssl.
    Openssl,
}

impl Peer {
    /// Its name on the command line, and the package that has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "our ncat",
            Self::Ncat => "ncat",
            Self::NcOpenbsd => "nc.openbsd",
            Self::Socat => "socat",
            Self::Openssl => "openssl",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::NcOpenbsd => "netcat-openbsd",
            other => other.name(),
        }
    }

    /// Finds it. A missing peer is said aloud, so that a run which tested less does not look like
    /// one which tested all.
    ///
    /// # Panics
    /// When it is missing and `NCAT_REQUIRE_PEERS` is 1.
    pub fn find(self) -> Option<Program> {
        if self == Self::Ours {
            return Some(Program::new(crate::process::ncat_path()));
        }
        let found = on_path(self.name());
        if found.is_none() {
            let (name, package) = (self.name(), self.package());
            let required = std::env::var_os("NCAT_REQUIRE_PEERS").is_some_and(|v| v == "1");
            assert!(!required, "{name} is missing (Debian package {package})");
            // Not with a macro: what those print is swallowed when a test passes.
            let line = format!("SKIPPED: no {name} here (Debian package {package})\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        found.map(Program::new)
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let ours = std::env::var_os("NCAT_BIN").and_then(|path| std::fs::canonicalize(path).ok());
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        // Ours, installed as ncat, is not the reference.
        .find(|file| file.is_file() && std::fs::canonicalize(file).ok() != ours)
}

/// Waits until the process listens on a TCP port, whatever it says or does not say about it.
///
/// # Panics
/// When it does not.
#[cfg(target_os = "linux")]
pub fn listening_port(process: &Process) -> u16 {
    eventually("a listening port", || {
        crate::procfs::listening_ports(process.pid()).first().copied()
    })
}
