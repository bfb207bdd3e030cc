//! The rules about socket options: each only where it means something.

use super::operands::Operands;
use super::rules::{Facts, Rule, rule, rule_with};
use crate::{RawFamily, RawTransport, Ready, SocketOptions};

/// What a socket must be for an option to mean something.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Needs {
    /// A TCP connection.
    Tcp,
    /// An internet address.
    Internet,
    /// A buffer of its own for what is received; a Unix socket's is the sender's.
    ReceiveBuffer,
    /// A queue of connections.
    Connections,
    /// Any socket.
    Nothing,
}

fn needs(option: &str) -> Needs {
    match option {
        "--mptcp" | "--nodelay" | "--keepalive" | "--fastopen" | "--congestion"
        | "--user-timeout" => Needs::Tcp,
        "--tos" | "--dscp" | "--ttl" | "--bind-device" | "--mark" => Needs::Internet,
        "--rcvbuf" => Needs::ReceiveBuffer,
        "--backlog" => Needs::Connections,
        _ => Needs::Nothing,
    }
}

/// The flag that makes the socket one that lacks what an option needs.
fn lacking(facts: &Facts<'_>, needs: Needs) -> Option<&'static str> {
    let family = match facts.raw.family {
        Some(RawFamily::Unix) => Some("-U"),
        Some(RawFamily::Vsock) => Some("--vsock"),
        _ => None,
    };
    let transport = match facts.raw.transport {
        Some(RawTransport::Udp) => Some("-u"),
        Some(RawTransport::Sctp) => Some("--sctp"),
        None => None,
    };
    match needs {
        Needs::Tcp => family.or(transport),
        Needs::Internet => family,
        Needs::ReceiveBuffer => family,
        Needs::Connections => transport.filter(|flag| *flag == "-u"),
        Needs::Nothing => family.filter(|flag| *flag == "--vsock"),
    }
}

/// The first option that the socket cannot have, and the flag that says so.
fn misplaced(facts: &Facts<'_>) -> Option<(&'static str, &'static str)> {
    let sockets = &facts.raw.sockets;
    let mut names: Vec<&'static str> =
        sockets.options.asked().into_iter().map(|(name, _)| name).collect();
    names.extend(sockets.tos.map(|_| "--tos"));
    names.extend(sockets.dscp.map(|_| "--dscp"));
    names.into_iter().find_map(|name| Some((name, lacking(facts, needs(name))?)))
}

fn misplaced_words(facts: &Facts<'_>) -> String {
    let (option, flag) = misplaced(facts).unwrap_or_default();
    let why = match needs(option) {
        Needs::Tcp => "it is an option of TCP",
        Needs::Internet => "it is about packets on a network",
        Needs::ReceiveBuffer => {
            "what a Unix socket receives waits in the sender's buffer (--sndbuf)"
        }
        Needs::Connections => "datagrams make no connections that could wait",
        Needs::Nothing => "such sockets have buffers of another kind",
    };
    format!(
        "Invalid option combination: {option} with {flag}. QUITTING.\n  {why}\n  hint: leave out \
         {option}"
    )
}

/// Fast open holds the connection back until there is something to send.
fn silent_fastopen(facts: &Facts<'_>) -> bool {
    let raw = facts.raw;
    !facts.listen && raw.sockets.options.fastopen && (raw.zero_io || raw.recv_only)
}

/// TCP keeps the two lowest bits of the field, ECN's, for itself (RFC 3168).
fn sets_ecn(facts: &Facts<'_>) -> bool {
    facts.raw.transport.is_none() && facts.raw.sockets.tos.is_some_and(|tos| tos & 3 != 0)
}

/// In the order in which they are looked for.
pub(super) const RULES: &[Rule] = &[
    rule_with(
        "a socket option with a transport that lacks it",
        |f| misplaced(f).is_some(),
        misplaced_words,
    ),
    rule(
        "--backlog without -l",
        |f| !f.listen && f.raw.sockets.options.backlog.is_some(),
        "Invalid option combination: --backlog with connect. QUITTING.\n  it is the length of a \
         listener's queue\n  hint: leave out --backlog, or add -l to listen",
    ),
    rule(
        "--tos with --dscp",
        |f| f.raw.sockets.tos.is_some() && f.raw.sockets.dscp.is_some(),
        "Invalid option combination: --tos and --dscp. QUITTING.\n  both set the same byte: --dscp \
         its upper six bits, --tos all of it",
    ),
    rule(
        "--tos with its two lowest bits, over TCP",
        sets_ecn,
        "Invalid --tos value. QUITTING.\n  its two lowest bits are congestion notification, which TCP \
         sets itself\n  hint: a multiple of 4; or --dscp, which leaves them out",
    ),
    rule(
        "--fastopen with -z or --recv-only",
        silent_fastopen,
        "Invalid option combination: --fastopen with -z or --recv-only. QUITTING.\n  it sends data \
         with the first segment, and there is none",
    ),
    rule(
        "--mptcp with --fastopen",
        |f| f.raw.sockets.options.mptcp && f.raw.sockets.options.fastopen,
        "Invalid option combination: --mptcp and --fastopen. QUITTING.\n  the first segment has no \
         room for both",
    ),
    rule(
        "--rate with -z",
        |f| f.raw.zero_io && f.raw.sockets.rate.is_some(),
        "Invalid option combination: --rate and -z. QUITTING.\n  -z carries no data",
    ),
    rule(
        "--ready-fd without -l",
        |f| !f.listen && f.raw.sockets.ready_fd.is_some(),
        "Invalid option combination: --ready-fd with connect. QUITTING.\n  it tells that a listener \
         is bound\n  hint: --json-fd tells when a connection is made",
    ),
    rule(
        "--ready-fd and --json-fd with the same number",
        |f| f.raw.sockets.ready_fd.is_some() && f.raw.sockets.ready_fd == f.raw.json_fd,
        "Invalid option combination: --ready-fd and --json-fd name the same descriptor. QUITTING.\n  \
         the first is closed when it has been told, the second goes on to the end",
    ),
];

/// The options as the plan has them.
pub(super) fn options(facts: &Facts<'_>) -> SocketOptions {
    let sockets = &facts.raw.sockets;
    let traffic_class = sockets.tos.or(sockets.dscp.map(|dscp| dscp << 2));
    SocketOptions { traffic_class, ..sockets.options.clone() }
}

/// Whom to tell, and where listeners come from.
pub(super) fn ready(facts: &Facts<'_>, operands: &Operands) -> Ready {
    let raw = facts.raw;
    let hosts = usize::from(operands.host.is_some());
    Ready {
        fd: raw.sockets.ready_fd,
        is_handed: facts.listen && raw.sockets.is_handed,
        names_port: raw.source_port.is_some() || raw.operands.len() > hosts,
    }
}

/// Whether it must be said where we listen, however quiet we are to be: nobody else knows the port.
pub(super) fn tells_port(facts: &Facts<'_>, operands: &Operands) -> bool {
    let is_internet = !matches!(facts.raw.family, Some(RawFamily::Unix | RawFamily::Vsock));
    facts.listen && is_internet && operands.port == 0 && !facts.raw.sockets.is_handed
}

#[cfg(test)]
mod tests {
    use super::super::build;
    use super::*;
    use crate::RawArgs;

    fn refusal(set: impl FnOnce(&mut RawArgs)) -> Option<String> {
        let mut raw = RawArgs { operands: vec!["192.0.2.1".into()], ..RawArgs::default() };
        set(&mut raw);
        build(&raw).err().map(|error| error.0.lines().next().unwrap_or_default().to_owned())
    }

    #[test]
    fn an_option_is_refused_where_the_socket_has_no_such_thing() {
        let combination = |option: &str, flag: &str| {
            Some(format!("Invalid option combination: {option} with {flag}. QUITTING."))
        };
        let mut tcp_only: Vec<(&str, SocketOptions)> = vec![
            ("--nodelay", SocketOptions { nodelay: true, ..SocketOptions::default() }),
            ("--mptcp", SocketOptions { mptcp: true, ..SocketOptions::default() }),
        ];
        tcp_only.push((
            "--congestion",
            SocketOptions { congestion: Some("reno".into()), ..SocketOptions::default() },
        ));
        for (name, options) in tcp_only {
            let with = |set: fn(&mut RawArgs)| {
                let options = options.clone();
                refusal(|raw| {
                    raw.sockets.options = options;
                    set(raw);
                })
            };
            assert_eq!(with(|_| {}), None, "{name}");
            let udp = with(|raw| raw.transport = Some(RawTransport::Udp));
            assert_eq!(udp, combination(name, "-u"));
            let unix = with(|raw| raw.family = Some(RawFamily::Unix));
            assert_eq!(unix, combination(name, "-U"));
        }
        let udp_ttl = refusal(|raw| {
            raw.sockets.options.ttl = Some(3);
            raw.transport = Some(RawTransport::Udp);
        });
        assert_eq!(udp_ttl, None);
        let unix_buffer = refusal(|raw| {
            raw.sockets.options.receive_buffer = Some(4096);
            raw.family = Some(RawFamily::Unix);
        });
        assert_eq!(unix_buffer, combination("--rcvbuf", "-U"));
        let unix_buffer = refusal(|raw| {
            raw.sockets.options.send_buffer = Some(4096);
            raw.family = Some(RawFamily::Unix);
        });
        assert_eq!(unix_buffer, None);
    }

    #[test]
    fn dscp_is_the_upper_six_bits_and_udp_may_set_the_lower_ones() {
        let mut raw = RawArgs { operands: vec!["192.0.2.1".into()], ..RawArgs::default() };
        raw.sockets.dscp = Some(46);
        assert_eq!(build(&raw).unwrap().sockets.traffic_class, Some(184));
        raw.sockets.dscp = None;
        (raw.sockets.tos, raw.transport) = (Some(3), Some(RawTransport::Udp));
        assert_eq!(build(&raw).unwrap().sockets.traffic_class, Some(3));
    }

    #[test]
    fn sockets_handed_over_need_no_path() {
        let mut raw = RawArgs { listen: true, family: Some(RawFamily::Unix), ..RawArgs::default() };
        assert!(build(&raw).is_err());
        raw.sockets.is_handed = true;
        let ready = build(&raw).unwrap().ready;
        assert_eq!(ready, Ready { fd: None, is_handed: true, names_port: false });
    }
}
