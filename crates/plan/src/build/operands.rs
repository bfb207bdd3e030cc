//! Host, port and path: what the words that are not options mean (spec section 1.5).

use super::rules::Facts;
use super::{PlanError, vsock};
use crate::{DEFAULT_PORT, RawFamily, VsockSpec};

/// The longest Unix socket path, in bytes: `sun_path` holds 108 with its end mark (unix(7)).
pub(super) const UNIX_PATH_MAX: usize = 107;
/// A lone listen operand of at most this many digits is a port; a longer one is a host.
const PORT_DIGITS_MAX: usize = 5;

/// What the operands said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Operands {
    /// Host or path; `None` only when listening on every address.
    pub(super) host: Option<String>,
    /// Port; 0 for Unix and vsock sockets.
    pub(super) port: u16,
    /// Where a vsock socket points.
    pub(super) vsock: Option<VsockSpec>,
}

/// Reads the operands for the mode and family at hand.
pub(super) fn read(facts: &Facts<'_>) -> Result<Operands, PlanError> {
    match facts.raw.family {
        Some(RawFamily::Unix) => unix(facts),
        _ if vsock::is_wanted(facts) => vsock::read(facts),
        _ if facts.listen => listen(facts),
        _ => connect(facts),
    }
}

fn connect(facts: &Facts<'_>) -> Result<Operands, PlanError> {
    let (host, ports) = match facts.raw.operands.split_first() {
        Some((host, ports)) if !host.is_empty() => (host, ports),
        _ => return Err(no_host()),
    };
    let port = one_port(ports)?.unwrap_or(DEFAULT_PORT);
    Ok(Operands { host: Some(host.clone()), port, vsock: None })
}

fn listen(facts: &Facts<'_>) -> Result<Operands, PlanError> {
    let source_port = facts.raw.source_port.map(|port| port.to_string());
    let mut words = facts.raw.operands.iter().map(String::as_str).peekable();
    let leads_with_host = words.next_if(|word| match &source_port {
        // With -p the port is known, so a word is a host even if it is all digits.
        Some(_) => !word.is_empty(),
        None => !looks_like_port(word),
    });
    let ports: Vec<&str> = source_port.as_deref().into_iter().chain(words).collect();
    Ok(Operands {
        host: leads_with_host.map(str::to_owned),
        port: one_port(&ports)?.unwrap_or(facts.default_listen_port()),
        vsock: None,
    })
}

/// Ncat's rule for a lone `-l` operand. An empty word is port 0.
fn looks_like_port(word: &str) -> bool {
    word.len() <= PORT_DIGITS_MAX && word.bytes().all(|byte| byte.is_ascii_digit())
}

fn unix(facts: &Facts<'_>) -> Result<Operands, PlanError> {
    let purpose = if facts.listen { "listen on" } else { "connect to" };
    match facts.raw.operands.as_slice() {
        // A socket that is handed over has its path already.
        [] if facts.listen && facts.raw.sockets.is_handed => Ok(Operands::default()),
        [] => Err(no_path(purpose)),
        [path] if path.is_empty() => Err(no_path(purpose)),
        [path] => {
            check_path("Socket path", path)?;
            if let Some(source) = &facts.raw.source {
                check_path("Source socket path", source)?;
            }
            Ok(Operands { host: Some(path.clone()), port: 0, vsock: None })
        }
        words => Err(PlanError(format!(
            "Unix domain sockets take one operand, a path; got {}: {}. QUITTING.",
            words.len(),
            words.join(" ")
        ))),
    }
}

fn check_path(what: &str, path: &str) -> Result<(), PlanError> {
    if path.len() <= UNIX_PATH_MAX {
        return Ok(());
    }
    Err(PlanError(format!(
        "{what} \"{path}\" is too long. QUITTING.\n  it has {} bytes, a Unix socket path at most \
         {UNIX_PATH_MAX}\n  hint: change the directory first and give a relative path",
        path.len()
    )))
}

fn one_port<S: AsRef<str>>(ports: &[S]) -> Result<Option<u16>, PlanError> {
    match ports {
        [] => Ok(None),
        [port] => {
            let port = port.as_ref();
            match number(port).and_then(|number| u16::try_from(number).ok()) {
                Some(number) => Ok(Some(number)),
                None => Err(bad_port(port)),
            }
        }
        ports => Err(more_than_one(ports)),
    }
}

/// A number as `strtoul` base 10 reads it: leading blanks and `+` are skipped, an empty word is 0.
/// Negative numbers, which C wraps round, are refused.
pub(crate) fn number(word: &str) -> Option<u64> {
    if word.is_empty() {
        return Some(0);
    }
    let digits = word.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

pub(super) fn no_host() -> PlanError {
    PlanError(
        "You must specify a host to connect to. QUITTING.\n  hint: ncat HOST [PORT] connects, ncat -l \
         [PORT] listens"
            .into(),
    )
}

fn no_path(purpose: &str) -> PlanError {
    PlanError(format!("You have to specify path to a socket to {purpose}. QUITTING."))
}

fn bad_port(port: &str) -> PlanError {
    PlanError(format!(
        "Invalid port number \"{port}\". QUITTING.\n  hint: a port is a number up to 65535; names of \
         services are not looked up"
    ))
}

pub(super) fn more_than_one<S: AsRef<str>>(ports: &[S]) -> PlanError {
    let listed: Vec<&str> = ports.iter().map(AsRef::as_ref).collect();
    PlanError(format!("Got more than one port specification: {}. QUITTING.", listed.join(" ")))
}
