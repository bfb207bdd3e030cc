//! Rules about `-l --proxy-type`, and what comes of it.

use super::rules::{Facts, Rule, rule, rule_with};
use crate::{ProxyAuth, ProxyServer, RawTransport, SocketOptions};

/// Applied after Ncat's own rules.
pub(super) const RULES: &[Rule] = &[
    rule(
        "-l --proxy-type with -e, -c or --lua-exec",
        |f| f.server_kind().is_some() && f.execs() > 0,
        "Invalid option combination: --proxy-type and -e. QUITTING.\n  a proxy server joins its clients \
         with where they ask to be, not with a command",
    ),
    rule(
        "-l --proxy-type with --broker or --chat",
        |f| f.server_kind().is_some() && f.brokers(),
        "Invalid option combination: --proxy-type and --broker. QUITTING.\n  the clients of a proxy \
         server do not speak to each other",
    ),
    rule(
        // Ncat ignores -u here.
        "-l --proxy-type with -u",
        |f| f.server_kind().is_some() && f.raw.transport == Some(RawTransport::Udp),
        "Invalid option combination: --proxy-type and -u. QUITTING.\n  clients speak to a proxy server \
         over a stream; SOCKS5 clients have their datagrams relayed without -u",
    ),
    rule(
        "--proxy-allow, --proxy-deny without -l --proxy-type",
        |f| f.raw.proxy_server.is_given() && f.server_kind().is_none(),
        "Invalid option combination: --proxy-allow or --proxy-deny without -l --proxy-type. QUITTING.\n  \
         they say where the clients of a proxy server may be connected to\n  hint: --allow and --deny \
         say who may be a client",
    ),
    rule_with(
        "--proxy-allow, --proxy-deny with what is no destination",
        |f| f.raw.proxy_server.bad().is_some(),
        |f| match f.raw.proxy_server.bad() {
            None => String::new(),
            Some((option, text, why)) => format!(
                "Invalid destination \"{text}\" for {option}. QUITTING.\n  {why}\n  hint: a network, an \
                 address or a name, and perhaps ports: 10.0.0.0/8, *.example.com:443, :25, [::1]:80-90"
            ),
        },
    ),
];

/// The proxy a listener is to be.
pub(super) fn plan(facts: &Facts<'_>) -> Option<Box<ProxyServer>> {
    let kind = facts.server_kind()?;
    let raw = &facts.raw.proxy;
    let given = raw.auths.last().or(raw.environment.auth.as_ref());
    let users = match (&raw.auth_file, given) {
        (Some(path), _) => ProxyAuth::File(path.clone(), 0),
        (None, Some(given)) => ProxyAuth::Given(given.clone()),
        (None, None) => ProxyAuth::None,
    };
    let destinations = facts.raw.proxy_server.destinations();
    Some(Box::new(ProxyServer { kind, destinations, users }))
}

/// Whoever passes on what others write must not hold back their short segments.
pub(super) fn sockets(facts: &Facts<'_>, options: SocketOptions) -> SocketOptions {
    SocketOptions { nodelay: options.nodelay || facts.server_kind().is_some(), ..options }
}
