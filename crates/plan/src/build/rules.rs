//! The table of refused combinations (spec section 1.7), in the order in which Ncat looks.
//!
//! A row is a claim about the options and the line shown when it holds. First match wins. Options that
//! this build lacks are in the rows too: that `-z` runs no command is true whether or not it could.

use super::{PlanError, sockets};
use crate::{
    DEFAULT_PORT, EofPolicy, HOPS_MAX, ProxyDns, RawArgs, RawFamily, RawTransport, ServerKind,
};

/// What the rules ask about, derived once.
pub(super) struct Facts<'a> {
    pub(super) raw: &'a RawArgs,
    /// `-l`, or `--broker`, which implies it (`--chat` does not).
    pub(super) listen: bool,
    pub(super) unix: bool,
    pub(super) vsock: bool,
}

impl<'a> Facts<'a> {
    pub(super) fn new(raw: &'a RawArgs) -> Self {
        Self {
            raw,
            listen: raw.listen || raw.broker.broker,
            unix: raw.family == Some(RawFamily::Unix),
            vsock: raw.family == Some(RawFamily::Vsock),
        }
    }

    /// Ncat's proxy server has a port of its own.
    pub(super) fn default_listen_port(&self) -> u16 {
        self.server_kind().map_or(DEFAULT_PORT, ServerKind::default_port)
    }

    /// What a listener speaks as a proxy.
    pub(super) fn server_kind(&self) -> Option<ServerKind> {
        self.proxy_type().filter(|_| self.listen).and_then(ServerKind::named)
    }

    fn values(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        let named = self.raw.absent.iter().filter(move |option| option.name == name);
        let absent = named.map(|option| option.value.as_deref().unwrap_or_default());
        absent.chain(self.raw.proxy.values(name))
    }

    fn count(&self, name: &'static str) -> usize {
        self.values(name).count()
    }

    fn has(&self, name: &'static str) -> bool {
        self.count(name) > 0
    }

    fn proxy_type(&self) -> Option<&'a str> {
        self.values("proxy-type").last()
    }

    pub(super) fn execs(&self) -> usize {
        let absent: usize =
            ["exec", "sh-exec", "lua-exec"].iter().map(|name| self.count(name)).sum();
        absent + self.raw.exec.commands() + self.raw.lua.exec.len()
    }

    pub(super) fn brokers(&self) -> bool {
        self.raw.broker.is_wanted()
    }

    fn proxies(&self) -> bool {
        self.has("proxy") || self.has("proxy-type")
    }

    fn allow_or_deny(&self) -> bool {
        let raw = self.raw;
        let hosts = raw.allow.len() + raw.deny.len();
        hosts + raw.allow_files.len() + raw.deny_files.len() > 0
    }

    fn has_route(&self) -> bool {
        !self.raw.route.hops.is_empty()
    }

    /// The first value of `-G` that is not a multiple of 4 in 4..=28.
    fn bad_hop_pointer(&self) -> Option<i64> {
        self.raw.route.pointers().find(|n| !(4..=28).contains(n) || n % 4 != 0)
    }

    pub(super) fn keeps_datagrams(&self) -> bool {
        self.raw.transport == Some(RawTransport::Udp)
    }

    /// An old flag that says something else about the end than `--eof` does.
    fn eof_conflict(&self) -> Option<(&'static str, &'static str)> {
        let named = self.raw.eof?;
        let old = [
            (self.raw.send_only, "--send-only", EofPolicy::Quit),
            (self.raw.no_shutdown, "--no-shutdown", EofPolicy::Wait),
            (self.raw.keep_open && !self.listen, "-k", EofPolicy::Ncat795),
        ];
        let clash = old.into_iter().find(|(given, _, policy)| *given && *policy != named);
        clash.map(|(_, flag, _)| (named.name(), flag))
    }
}

/// One refused combination.
pub(super) struct Rule {
    /// The combination, as the compatibility page names it.
    pub(super) name: &'static str,
    when: fn(&Facts<'_>) -> bool,
    says: Says,
}

enum Says {
    Text(&'static str),
    With(fn(&Facts<'_>) -> String),
}

pub(super) const fn rule(
    name: &'static str,
    when: fn(&Facts<'_>) -> bool,
    text: &'static str,
) -> Rule {
    Rule { name, when, says: Says::Text(text) }
}

pub(super) const fn rule_with(
    name: &'static str,
    when: fn(&Facts<'_>) -> bool,
    with: fn(&Facts<'_>) -> String,
) -> Rule {
    Rule { name, when, says: Says::With(with) }
}

/// Rules Ncat applies while it scans, and then those it applies before it looks at operands.
pub(super) const BEFORE_OPERANDS: &[Rule] = &[
    rule(
        "two of -e, -c, --lua-exec",
        |f| f.execs() > 1,
        "Only one of --exec, --sh-exec, and --lua-exec is allowed. QUITTING.",
    ),
    rule(
        "--proxy twice, but for URLs",
        |f| f.count("proxy") > 1 && f.values("proxy").any(|one| !one.contains("://")),
        "You can't specify more than one --proxy. QUITTING.\n  hint: a chain is given by URLs, nearest \
         proxy first: --proxy http://A:3128 --proxy socks5h://B",
    ),
    rule(
        "--proxy-type twice",
        |f| f.count("proxy-type") > 1,
        "You can't specify more than one --proxy-type. QUITTING.",
    ),
    rule(
        "--proxy-auth twice",
        |f| f.count("proxy-auth") > 1,
        "You can't specify more than one --proxy-auth. QUITTING.",
    ),
    rule(
        "--ssl-trustfile twice",
        |f| f.count("ssl-trustfile") + f.raw.tls.trust_files.len() > 1,
        "The --ssl-trustfile option may be given only once. QUITTING.",
    ),
    rule_with(
        "-G not a multiple of 4 in 4..28",
        |f| f.bad_hop_pointer().is_some(),
        |f| {
            let pointer = f.bad_hop_pointer().unwrap_or_default();
            format!("Invalid source-route hop pointer {pointer}. QUITTING.")
        },
    ),
    rule(
        "more than 8 hops (-g)",
        |f| f.raw.route.hops().count() > HOPS_MAX,
        "Sorry, you gave too many source route hops. QUITTING.",
    ),
    rule(
        // Ncat takes an empty list, and sends without a route.
        "-g without a hop",
        |f| f.has_route() && f.raw.route.hops().next().is_none(),
        "No source route hop given. QUITTING.\n  hint: -g ADDRESS[,ADDRESS...], or leave out -g",
    ),
    rule(
        "--proxy-dns with another word",
        |f| f.values("proxy-dns").any(|v| v.split(',').any(|word| ProxyDns::named(word).is_none())),
        "Invalid proxy DNS type. QUITTING.\n  hint: one of local, remote, both, none",
    ),
    rule_with(
        "-p beyond 65535",
        |f| {
            let max = if f.vsock { u32::MAX } else { u32::from(u16::MAX) };
            f.raw.source_port.is_some_and(|port| port > u64::from(max))
        },
        |f| format!("Invalid source port {}. QUITTING.", f.raw.source_port.unwrap_or_default()),
    ),
    rule(
        "-U with --proxy or --proxy-type",
        |f| f.unix && f.proxies(),
        "Proxy option not supported when using Unix domain sockets. QUITTING.",
    ),
    rule(
        "-U with -p",
        |f| f.unix && f.raw.source_port.is_some(),
        "Specifying source port when using Unix domain sockets doesn't make sense. QUITTING.",
    ),
    rule(
        "-U with -g",
        |f| f.unix && f.has_route(),
        "Loose source routing not allowed when using Unix domain sockets. QUITTING.",
    ),
    rule(
        "--vsock with --proxy or --proxy-type",
        |f| f.vsock && f.proxies(),
        "Proxy option not supported when using vsock sockets. QUITTING.",
    ),
    rule(
        "--vsock with -g",
        |f| f.vsock && f.has_route(),
        "Loose source routing not allowed when using vsock sockets. QUITTING.",
    ),
    rule(
        "--proxy-type without --proxy or -l",
        |f| !f.listen && f.has("proxy-type") && !f.has("proxy"),
        "Proxy type (--proxy-type) specified without proxy address (--proxy). QUITTING.",
    ),
    rule_with(
        "--proxy-type with another word",
        |f| {
            let known = ["http", "socks4", "socks5", "4", "5"];
            f.has("proxy") && f.proxy_type().is_some_and(|kind| !known.contains(&kind))
        },
        |f| {
            let kind = f.proxy_type().unwrap_or_default();
            format!(
                "Invalid proxy type \"{kind}\". QUITTING.\n  hint: one of http, socks4, socks5, in \
                 lower case"
            )
        },
    ),
    rule(
        "-l with --proxy",
        |f| f.listen && f.has("proxy"),
        "Invalid option combination: --proxy and -l. QUITTING.",
    ),
    rule_with(
        "-l --proxy-type with another word",
        |f| f.listen && f.proxy_type().is_some_and(|kind| ServerKind::named(kind).is_none()),
        |f| {
            let kind = f.proxy_type().unwrap_or_default();
            format!(
                "Invalid proxy type \"{kind}\"; Ncat proxy server only supports \"http\". QUITTING.\n  \
                 hint: one of {}, in lower case; all but the first are ours",
                ServerKind::WORDS.join(", ")
            )
        },
    ),
    rule(
        "-l --proxy-type http with -t",
        |f| f.listen && f.has("proxy-type") && f.raw.telnet,
        "Invalid option combination: --telnet has no effect with --proxy-type. QUITTING.",
    ),
    rule(
        "-z with -l",
        |f| f.raw.zero_io && f.listen,
        "Services designed for LISTENING can't be used with -z QUITTING.",
    ),
    rule(
        "-z with -t",
        |f| f.raw.zero_io && f.raw.telnet,
        "Invalid option combination: -z and -t. QUITTING.",
    ),
    rule(
        "-z with -e, -c or --lua-exec",
        |f| f.raw.zero_io && f.execs() > 0,
        "Command execution can't be done along with option -z. QUITTING.",
    ),
    rule(
        "-l with -s",
        |f| f.listen && f.raw.source.is_some(),
        "-l and -s are incompatible.  Specify the address and port to bind to like you would a host \
         to connect to. QUITTING.",
    ),
];

/// Rules Ncat applies once it knows where it is going, and then ours about options of ours.
pub(super) const AFTER_OPERANDS: &[Rule] = &[
    rule(
        "--broker with -e, -c or --lua-exec",
        |f| f.listen && f.brokers() && f.execs() > 0,
        "Invalid option combination: --broker and -e. QUITTING.",
    ),
    rule(
        // Ncat forgets --deny and --denyfile here: an access list nobody consults.
        "--allow..., --deny... without -l",
        |f| !f.listen && f.allow_or_deny(),
        "Invalid option combination: allow/deny with connect. QUITTING.",
    ),
    rule(
        "-m without -l",
        |f| !f.listen && f.raw.max_conns.is_some(),
        "Invalid option combination: `--max-conns' with connect. QUITTING.",
    ),
    rule(
        "--chat without -l",
        |f| !f.listen && f.raw.broker.chat,
        "Invalid option combination: `--chat' with connect. QUITTING.\n  hint: add -l to serve a chat",
    ),
    rule(
        "-k without -l, with -u or --sctp",
        |f| !f.listen && f.raw.keep_open && f.raw.transport.is_some(),
        "Invalid option combination: `--keep-open' with connect. QUITTING.\n  -k when connecting goes \
         on sending after the peer has ended, which needs TCP",
    ),
    rule(
        "--ssl-cert without --ssl-key, or the reverse",
        |f| {
            let tls = &f.raw.tls;
            let has_certificate = f.has("ssl-cert") || tls.certificate.is_some();
            has_certificate != (f.has("ssl-key") || tls.key.is_some())
        },
        "The --ssl-key and --ssl-cert options must be used together. QUITTING.",
    ),
    rule(
        "-g without -4",
        |f| !f.listen && f.has_route() && f.raw.family != Some(RawFamily::V4),
        "Sorry, -g can only currently be used with IPv4. QUITTING.\n  hint: add -4",
    ),
    rule(
        "--send-only with --recv-only",
        |f| f.raw.send_only && f.raw.recv_only,
        "Invalid option combination: --send-only and --recv-only. QUITTING.\n  together they leave \
         nothing to carry\n  hint: -z tests whether a connection is possible",
    ),
    rule_with(
        "--eof against --send-only, --no-shutdown or -k",
        |f| f.eof_conflict().is_some(),
        |f| {
            let (named, flag) = f.eof_conflict().unwrap_or_default();
            format!(
                "Invalid option combination: --eof={named} and {flag}. QUITTING.\n  both say what the \
                 end of one direction means\n  hint: leave out {flag}"
            )
        },
    ),
    rule(
        "--slow-reader without -l -k",
        |f| f.raw.slow_reader.is_some() && !(f.listen && (f.raw.keep_open || f.brokers())),
        "Invalid option combination: --slow-reader without -l and -k. QUITTING.\n  it says what \
         happens to one of many clients that takes nothing",
    ),
    rule(
        "--sctp with -U or --vsock",
        |f| (f.unix || f.vsock) && f.raw.transport == Some(RawTransport::Sctp),
        "Invalid option combination: --sctp and -U or --vsock. QUITTING.\n  SCTP needs an internet \
         address",
    ),
    rule(
        "--datagram-size without -u",
        |f| f.raw.datagram_size.is_some() && !f.keeps_datagrams(),
        "Invalid option combination: --datagram-size without -u. QUITTING.\n  streams have no \
         datagrams",
    ),
];

/// The combinations refused, for the compatibility page.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    [BEFORE_OPERANDS, AFTER_OPERANDS, sockets::RULES, super::exec::RULES]
        .into_iter()
        .flatten()
        .map(|rule| rule.name)
}

/// Refuses by the first rule that holds.
pub(super) fn check(rules: &[Rule], facts: &Facts<'_>) -> Result<(), PlanError> {
    match rules.iter().find(|rule| (rule.when)(facts)) {
        None => Ok(()),
        Some(rule) => Err(PlanError(match rule.says {
            Says::Text(text) => text.to_owned(),
            Says::With(with) => with(facts),
        })),
    }
}

/// Refuses what this build cannot do. Last, so that a wrong command line is told so in any build.
pub(super) fn check_absent(facts: &Facts<'_>) -> Result<(), PlanError> {
    let wanted = facts.raw.absent.first();
    match wanted {
        None => Ok(()),
        Some(option) => Err(PlanError(format!(
            "{} is not in this build. QUITTING.\n  hint: ncat --help ends with a list of what is not; a \
             build with every feature has it",
            option.written
        ))),
    }
}
