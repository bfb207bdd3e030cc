//! The operands of `--vsock`: machines and ports of 32 bits.
//!
//! Ncat takes a lone operand of a listener for a machine, against its own documentation; here it is
//! a port, as with every other kind of socket, and `CID PORT` says both.

use super::PlanError;
use super::operands::{Operands, more_than_one, no_host, number};
use super::rules::Facts;
use crate::vsock::{VSOCK_ANY, VsockSpec};
use crate::{DEFAULT_PORT, RawFamily};

/// Numbers that have names: vsock(7).
const NAMES: [(&str, u32); 3] = [("any", VSOCK_ANY), ("local", 1), ("host", 2)];

/// Reads the operands, `-p` and `-s`.
pub(super) fn read(facts: &Facts<'_>) -> Result<Operands, PlanError> {
    let source_port = facts.raw.source_port.and_then(|port| u32::try_from(port).ok());
    let words: Vec<&str> = facts.raw.operands.iter().map(String::as_str).collect();
    let spec = if facts.listen {
        let (cid, port) = match (words.as_slice(), source_port) {
            ([], port) => (VSOCK_ANY, port.unwrap_or(u32::from(DEFAULT_PORT))),
            ([one], None) => match named(one) {
                Some(cid) => (cid, u32::from(DEFAULT_PORT)),
                None => (VSOCK_ANY, port(one)?),
            },
            ([one, two], None) => (cid(one)?, port(two)?),
            ([one], Some(port)) => (cid(one)?, port),
            ([_, ports @ ..], Some(port)) => {
                let all: Vec<String> = std::iter::once(port.to_string())
                    .chain(ports.iter().map(|p| (*p).into()))
                    .collect();
                return Err(more_than_one(&all));
            }
            ([_, ports @ ..], None) => return Err(more_than_one(ports)),
        };
        VsockSpec { cid, port, source_cid: None, source_port: None }
    } else {
        let (cid, port) = match words.as_slice() {
            [] => return Err(no_host()),
            [one] => (cid(one)?, u32::from(DEFAULT_PORT)),
            [one, two] => (cid(one)?, port(two)?),
            [_, ports @ ..] => return Err(more_than_one(ports)),
        };
        let source_cid = facts.raw.source.as_deref().map(self::cid).transpose()?;
        VsockSpec { cid, port, source_cid, source_port: source_port.filter(|port| *port != 0) }
    };
    Ok(Operands { host: Some(spec.cid.to_string()), port: 0, vsock: Some(spec) })
}

/// Whether the last family option is `--vsock`.
pub(super) fn is_wanted(facts: &Facts<'_>) -> bool {
    facts.raw.family == Some(RawFamily::Vsock)
}

fn named(word: &str) -> Option<u32> {
    NAMES.into_iter().find(|(name, _)| *name == word).map(|(_, cid)| cid)
}

fn cid(word: &str) -> Result<u32, PlanError> {
    let given = named(word).or_else(|| number(word).and_then(|cid| u32::try_from(cid).ok()));
    given.filter(|cid| *cid > 0).ok_or_else(|| {
        PlanError(format!(
            "Invalid CID \"{word}\". QUITTING.\n  hint: a number from 1 to 4294967295, or any, local (1), \
             host (2)"
        ))
    })
}

fn port(word: &str) -> Result<u32, PlanError> {
    number(word).and_then(|port| u32::try_from(port).ok()).ok_or_else(|| {
        PlanError(format!(
            "Invalid port number \"{word}\". QUITTING.\n  hint: a vsock port is a number up to 4294967295"
        ))
    })
}
