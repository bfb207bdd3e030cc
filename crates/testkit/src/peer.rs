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
        find(self.name(), self.package())
    }
}

/// Finds any other program, on the path or where daemons are; as [`Peer::find`] otherwise.
///
/// # Panics
/// When it is missing and `NCAT_REQUIRE_PEERS` is 1.
pub fn find(name: &str, package: &str) -> Option<Program> {
    let found = on_path(name).or_else(|| {
        let mut places = SYSTEM.iter().map(|dir| std::path::Path::new(dir).join(name));
        places.find(|file| file.is_file())
    });
    if found.is_none() {
        missing(&format!("{name} (Debian package {package})"));
    }
    found.map(Program::new)
}

/// Says aloud that something that a test needs is not there.
///
/// # Panics
/// When `NCAT_REQUIRE_PEERS` is 1.
pub fn missing(what: &str) {
    let required = std::env::var_os("NCAT_REQUIRE_PEERS").is_some_and(|v| v == "1");
    assert!(!required, "{what} is missing");
    // Not with a macro: what those print is swallowed when a test passes.
    let line = format!("SKIPPED: no {what} here\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Where daemons are, which a user's path may lack.
const SYSTEM: &[&str] = &["/usr/sbin", "/sbin", "/usr/lib/postfix/sbin"];

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
