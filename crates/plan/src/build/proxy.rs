//! Rules about proxies on the way, and about the PROXY protocol.

use super::rules::{Facts, Rule, rule};
use super::{PlanError, operands::Operands};
use crate::proxy::{self, ProxyHop, ProxyKind, ProxyProtocol};
use crate::{AccessSpec, Mode, Plan, RawArgs, RawTransport, TlsSpec};

fn has_proxies(facts: &Facts<'_>) -> bool {
    let raw = &facts.raw.proxy;
    !raw.proxies.is_empty() || raw.uses_environment
}

fn receives_header(facts: &Facts<'_>) -> bool {
    facts.raw.proxy.protocol.is_some_and(|protocol| !protocol.sends())
}

/// In the order in which they are looked for, after Ncat's.
pub(super) const RULES: &[Rule] = &[
    rule(
        "--proxy with --sctp",
        |f| has_proxies(f) && f.raw.transport == Some(RawTransport::Sctp),
        "Invalid option combination: --proxy and --sctp. QUITTING.\n  proxies carry TCP, and SOCKS5 \
         carries UDP",
    ),
    rule(
        "--proxy-env with -l, -U or --vsock",
        |f| f.raw.proxy.uses_environment && (f.listen || f.unix || f.vsock),
        "Invalid option combination: --proxy-env needs a TCP or UDP target. QUITTING.",
    ),
    rule(
        "--proxy URL with --proxy-type",
        |f| {
            let raw = &f.raw.proxy;
            let has_url = raw.proxies.iter().any(|one| one.reveal().contains("://"));
            has_url && !raw.types.is_empty()
        },
        "Invalid option combination: --proxy-type and a --proxy that is a URL. QUITTING.\n  the URL says \
         what is spoken",
    ),
    rule(
        "--proxy-auth with --proxy-auth-file",
        |f| f.raw.proxy.auth_file.is_some() && !f.raw.proxy.auths.is_empty(),
        "Invalid option combination: --proxy-auth and --proxy-auth-file. QUITTING.",
    ),
    rule(
        "--proxy-auth-file without --proxy, --proxy-env or -l --proxy-type",
        |f| {
            let serves = f.listen && !f.raw.proxy.types.is_empty();
            f.raw.proxy.auth_file.is_some() && !has_proxies(f) && !serves
        },
        "Invalid option combination: --proxy-auth-file without --proxy. QUITTING.",
    ),
    rule(
        "--proxy-protocol=accept or require without -l",
        |f| receives_header(f) && !f.listen,
        "Invalid option combination: --proxy-protocol=accept or require without -l. QUITTING.\n  who \
         connects sends the header: send1 or send2",
    ),
    rule(
        "--proxy-protocol with -u, -U or --vsock",
        |f| {
            let datagrams = f.raw.transport == Some(RawTransport::Udp);
            f.raw.proxy.protocol.is_some() && (f.unix || f.vsock || datagrams)
        },
        "Invalid option combination: --proxy-protocol needs TCP or SCTP. QUITTING.",
    ),
    rule(
        "--proxy-protocol=accept or require without --proxy-protocol-from",
        |f| receives_header(f) && f.raw.proxy.protocol_from.is_empty(),
        "Whose PROXY header is believed? QUITTING.\n  a header may say any address, and access rules \
         look at it\n  hint: --proxy-protocol-from NETWORK[,NETWORK...] names the proxies",
    ),
    rule(
        "--proxy-protocol-from without --proxy-protocol=accept or require",
        |f| !receives_header(f) && !f.raw.proxy.protocol_from.is_empty(),
        "Invalid option combination: --proxy-protocol-from without --proxy-protocol=accept or require. \
         QUITTING.",
    ),
    rule(
        "-l with --proxy-protocol=send1 or send2",
        |f| f.listen && f.raw.proxy.protocol.is_some_and(ProxyProtocol::sends),
        "Invalid option combination: -l and --proxy-protocol=send1 or send2. QUITTING.\n  who connects \
         sends the header; to pass clients on with theirs, run a command that does",
    ),
];

/// The proxies on the way to what the operands name.
pub(super) fn chain(facts: &Facts<'_>, operands: &Operands) -> Result<Vec<ProxyHop>, PlanError> {
    if facts.listen || facts.unix || facts.vsock {
        return Ok(Vec::new());
    }
    let host = operands.host.as_deref().unwrap_or_default();
    let hops = proxy::chain(&facts.raw.proxy, host).map_err(PlanError)?;
    let datagrams = facts.raw.transport == Some(RawTransport::Udp);
    let carries = matches!(&hops[..], [] | [ProxyHop { kind: ProxyKind::Socks5, .. }]);
    if datagrams && !carries {
        return Err(PlanError(
            "UDP goes through one SOCKS5 proxy only. QUITTING.\n  HTTP and SOCKS4 proxies carry no \
             datagrams, and a chain neither\n  hint: --proxy socks5h://HOST, or leave out -u"
                .into(),
        ));
    }
    Ok(hops)
}

/// What secures connections to https proxies. They are given passwords, so they are verified.
pub(super) fn tls(raw: &RawArgs, proxies: &[ProxyHop]) -> Option<TlsSpec> {
    let wanted = proxies.iter().any(|hop| hop.kind == ProxyKind::Https);
    let trust_file = raw.proxy.trust_file.clone();
    wanted.then(|| TlsSpec { verify: true, trust_file, ..TlsSpec::default() })
}

/// Whose headers are believed.
pub(super) fn trusted(facts: &Facts<'_>) -> Option<AccessSpec> {
    let allow = facts.raw.proxy.protocol_from.clone();
    receives_header(facts).then(|| AccessSpec { allow: Some(allow), ..AccessSpec::default() })
}

impl Plan {
    /// The proxies on the way, nearest first; none for a listener.
    pub fn proxies(&self) -> &[ProxyHop] {
        match &self.mode {
            Mode::Connect(spec) | Mode::Probe(spec) => &spec.proxies,
            Mode::Listen(_) => &[],
        }
    }
}
