//! Spec section 1.7: one row or more for each rule, and no rule without one.

#[path = "refused_lua.rs"]
mod lua;
#[path = "refused_proxy.rs"]
mod proxy;
#[path = "refused_sockets.rs"]
mod sockets;
#[path = "refused_starttls.rs"]
mod starttls;
#[path = "refused_tls.rs"]
mod tls;

use std::collections::HashSet;

use super::super::*;
use super::{absent, first_line};
use crate::{Secret, SlowReader, refused_combinations};

type Row = (&'static str, fn(&mut RawArgs), &'static str);

/// The name of the rule, options that break it and nothing earlier, and the line of Ncat 7.93 (where
/// it has the rule).
const REFUSED: &[Row] = &[
    (
        "two of -e, -c, --lua-exec",
        |raw| {
            raw.exec.exec = vec!["a".into()];
            raw.exec.sh_exec = vec!["b".into()];
        },
        "Only one of --exec, --sh-exec, and --lua-exec is allowed. QUITTING.",
    ),
    (
        "two of -e, -c, --lua-exec",
        |raw| {
            absent(raw, "exec", Some("a"));
            absent(raw, "lua-exec", Some("a"));
        },
        "Only one of --exec, --sh-exec, and --lua-exec is allowed. QUITTING.",
    ),
    (
        "--proxy twice, but for URLs",
        |raw| {
            raw.proxy.proxies.push(Secret::new("a"));
            raw.proxy.proxies.push(Secret::new("b"));
        },
        "You can't specify more than one --proxy. QUITTING.",
    ),
    (
        "--proxy-type twice",
        |raw| {
            raw.proxy.types.push("http".into());
            raw.proxy.types.push("http".into());
        },
        "You can't specify more than one --proxy-type. QUITTING.",
    ),
    (
        "--proxy-auth twice",
        |raw| {
            raw.proxy.auths.push(Secret::new("a"));
            raw.proxy.auths.push(Secret::new("b"));
        },
        "You can't specify more than one --proxy-auth. QUITTING.",
    ),
    (
        "--ssl-trustfile twice",
        |raw| {
            raw.tls.trust_files = vec!["a".into(), "b".into()];
        },
        "The --ssl-trustfile option may be given only once. QUITTING.",
    ),
    (
        "-G not a multiple of 4 in 4..28",
        |raw| raw.route.pointers.push("5".into()),
        "Invalid source-route hop pointer 5. QUITTING.",
    ),
    (
        "-G not a multiple of 4 in 4..28",
        |raw| raw.route.pointers.push("abc".into()),
        "Invalid source-route hop pointer 0. QUITTING.",
    ),
    (
        "-G not a multiple of 4 in 4..28",
        |raw| raw.route.pointers.push("32".into()),
        "Invalid source-route hop pointer 32. QUITTING.",
    ),
    (
        "more than 8 hops (-g)",
        |raw| {
            raw.family = Some(RawFamily::V4);
            raw.route.hops.push("1,2,3,4,5".into());
            raw.route.hops.push("6,7,8,9".into());
        },
        "Sorry, you gave too many source route hops. QUITTING.",
    ),
    (
        "-g without a hop",
        |raw| {
            raw.family = Some(RawFamily::V4);
            raw.route.hops.push(",".into());
        },
        "No source route hop given. QUITTING.",
    ),
    (
        "--proxy-dns with another word",
        |raw| raw.proxy.dns.push("foo".into()),
        "Invalid proxy DNS type. QUITTING.",
    ),
    (
        "-p beyond 65535",
        |raw| raw.source_port = Some(70_000),
        "Invalid source port 70000. QUITTING.",
    ),
    (
        "-p beyond 65535",
        |raw| raw.source_port = Some(4_294_967_295),
        "Invalid source port 4294967295. QUITTING.",
    ),
    (
        "-U with --proxy or --proxy-type",
        |raw| {
            raw.family = Some(RawFamily::Unix);
            raw.proxy.proxies.push(Secret::new("a"));
        },
        "Proxy option not supported when using Unix domain sockets. QUITTING.",
    ),
    (
        "-U with -p",
        |raw| {
            raw.family = Some(RawFamily::Unix);
            raw.source_port = Some(3);
        },
        "Specifying source port when using Unix domain sockets doesn't make sense. QUITTING.",
    ),
    (
        "-U with -g",
        |raw| {
            raw.family = Some(RawFamily::Unix);
            raw.route.hops.push("a".into());
        },
        "Loose source routing not allowed when using Unix domain sockets. QUITTING.",
    ),
    (
        "--vsock with --proxy or --proxy-type",
        |raw| {
            raw.family = Some(RawFamily::Vsock);
            raw.proxy.types.push("http".into());
        },
        "Proxy option not supported when using vsock sockets. QUITTING.",
    ),
    (
        "--vsock with -g",
        |raw| {
            raw.family = Some(RawFamily::Vsock);
            raw.route.hops.push("a".into());
        },
        "Loose source routing not allowed when using vsock sockets. QUITTING.",
    ),
    (
        "--proxy-type without --proxy or -l",
        |raw| raw.proxy.types.push("http".into()),
        "Proxy type (--proxy-type) specified without proxy address (--proxy). QUITTING.",
    ),
    (
        "--proxy-type with another word",
        |raw| {
            raw.proxy.proxies.push(Secret::new("h"));
            raw.proxy.types.push("foo".into());
        },
        "Invalid proxy type \"foo\". QUITTING.",
    ),
    (
        "-l with --proxy",
        |raw| {
            raw.listen = true;
            raw.proxy.proxies.push(Secret::new("h"));
        },
        "Invalid option combination: --proxy and -l. QUITTING.",
    ),
    (
        "-l --proxy-type with another word",
        |raw| {
            raw.listen = true;
            raw.proxy.types = vec!["ftp".into()];
        },
        "Invalid proxy type \"ftp\"; Ncat proxy server only supports \"http\". QUITTING.",
    ),
    (
        "-l --proxy-type http with -t",
        |raw| {
            raw.listen = true;
            raw.telnet = true;
            raw.proxy.types.push("http".into());
        },
        "Invalid option combination: --telnet has no effect with --proxy-type. QUITTING.",
    ),
    (
        "-z with -l",
        |raw| {
            raw.zero_io = true;
            raw.telnet = true;
            raw.broker.broker = true;
        },
        "Services designed for LISTENING can't be used with -z QUITTING.",
    ),
    (
        "-z with -t",
        |raw| {
            raw.zero_io = true;
            raw.telnet = true;
            raw.exec.exec.push("a".into());
        },
        "Invalid option combination: -z and -t. QUITTING.",
    ),
    (
        "-z with -e, -c or --lua-exec",
        |raw| {
            raw.zero_io = true;
            raw.lua.exec.push("a".into());
        },
        "Command execution can't be done along with option -z. QUITTING.",
    ),
    (
        "-l with -s",
        |raw| {
            raw.listen = true;
            raw.source = Some("127.0.0.1".into());
        },
        "-l and -s are incompatible.  Specify the address and port to bind to like you would a host to \
         connect to. QUITTING.",
    ),
    (
        "--broker with -e, -c or --lua-exec",
        |raw| {
            raw.broker.broker = true;
            absent(raw, "sh-exec", Some("a"));
        },
        "Invalid option combination: --broker and -e. QUITTING.",
    ),
    (
        "--allow..., --deny... without -l",
        |raw| raw.allow.push("1.2.3.4".into()),
        "Invalid option combination: allow/deny with connect. QUITTING.",
    ),
    (
        "--allow..., --deny... without -l",
        |raw| raw.deny.push("1.2.3.4".into()),
        "Invalid option combination: allow/deny with connect. QUITTING.",
    ),
    (
        "--allow..., --deny... without -l",
        |raw| raw.deny_files.push("x".into()),
        "Invalid option combination: allow/deny with connect. QUITTING.",
    ),
    (
        "--allow..., --deny... without -l",
        |raw| raw.allow_files.push("x".into()),
        "Invalid option combination: allow/deny with connect. QUITTING.",
    ),
    (
        "-m without -l",
        |raw| {
            raw.max_conns = Some(0);
            raw.broker.chat = true;
        },
        "Invalid option combination: `--max-conns' with connect. QUITTING.",
    ),
    (
        "--chat without -l",
        |raw| {
            raw.keep_open = true;
            raw.transport = Some(RawTransport::Sctp);
            raw.broker.chat = true;
        },
        "Invalid option combination: `--chat' with connect. QUITTING.",
    ),
    (
        "-k without -l, with -u or --sctp",
        |raw| {
            raw.keep_open = true;
            raw.transport = Some(RawTransport::Udp);
        },
        "Invalid option combination: `--keep-open' with connect. QUITTING.",
    ),
    (
        "--ssl-cert without --ssl-key, or the reverse",
        |raw| {
            raw.tls.certificate = Some("a".into());
            raw.route.hops.push("1.2.3.4".into());
        },
        "The --ssl-key and --ssl-cert options must be used together. QUITTING.",
    ),
    (
        "-g without -4",
        |raw| raw.route.hops.push("1.2.3.4".into()),
        "Sorry, -g can only currently be used with IPv4. QUITTING.",
    ),
    (
        "--send-only with --recv-only",
        |raw| {
            raw.send_only = true;
            raw.recv_only = true;
        },
        "Invalid option combination: --send-only and --recv-only. QUITTING.",
    ),
    (
        "--eof against --send-only, --no-shutdown or -k",
        |raw| {
            raw.eof = Some(EofPolicy::HalfClose);
            raw.send_only = true;
        },
        "Invalid option combination: --eof=half-close and --send-only. QUITTING.",
    ),
    (
        "--eof against --send-only, --no-shutdown or -k",
        |raw| {
            raw.eof = Some(EofPolicy::Ncat795);
            raw.no_shutdown = true;
        },
        "Invalid option combination: --eof=ncat-7.95 and --no-shutdown. QUITTING.",
    ),
    (
        "--eof against --send-only, --no-shutdown or -k",
        |raw| {
            raw.eof = Some(EofPolicy::Quit);
            raw.keep_open = true;
        },
        "Invalid option combination: --eof=quit and -k. QUITTING.",
    ),
    (
        "--slow-reader without -l -k",
        |raw| {
            raw.listen = true;
            raw.slow_reader = Some(SlowReader::Wait);
        },
        "Invalid option combination: --slow-reader without -l and -k. QUITTING.",
    ),
    (
        "--sctp with -U or --vsock",
        |raw| {
            raw.family = Some(RawFamily::Unix);
            raw.transport = Some(RawTransport::Sctp);
        },
        "Invalid option combination: --sctp and -U or --vsock. QUITTING.",
    ),
    (
        "--datagram-size without -u",
        |raw| raw.datagram_size = Some(512),
        "Invalid option combination: --datagram-size without -u. QUITTING.",
    ),
    ("-e without a program", |raw| raw.exec.exec = vec![" \t".into()], EMPTY_COMMAND),
    ("-e without a program", |raw| raw.exec.exec = vec!["'' x".into()], EMPTY_COMMAND),
    (
        "--exec-exit, --exec-timeout, --exec-limit, --exec-handover or --pty without -e, -c or --lua-exec",
        |raw| raw.exec.pty = true,
        "Invalid option combination: --pty without -e, -c or --lua-exec. QUITTING.",
    ),
    (
        "--exec-exit with -l -k",
        |raw| {
            raw.listen = true;
            raw.keep_open = true;
            raw.exec.exit = true;
            raw.exec.sh_exec = vec!["a".into()];
        },
        "Invalid option combination: --exec-exit and -k. QUITTING.",
    ),
    (
        "--pty with --send-only or --recv-only",
        |raw| {
            raw.exec.pty = true;
            raw.exec.exec = vec!["a".into()];
            raw.send_only = true;
        },
        "Invalid option combination: --pty with one direction only. QUITTING.",
    ),
    (
        HANDOVER,
        |raw| {
            raw.exec.handover = true;
            raw.exec.exec = vec!["a".into()];
            raw.crlf = true;
        },
        "Invalid option combination: --exec-handover and -C. QUITTING.",
    ),
    (
        HANDOVER,
        |raw| {
            raw.exec.handover = true;
            raw.exec.exec = vec!["a".into()];
            raw.sockets.rate = Some(crate::Rates { send: Some(1), recv: None });
        },
        "Invalid option combination: --exec-handover and --rate. QUITTING.",
    ),
    (
        HANDOVER,
        |raw| {
            raw.exec.handover = true;
            raw.exec.exec = vec!["a".into()];
            raw.transport = Some(RawTransport::Udp);
        },
        "Invalid option combination: --exec-handover and -u. QUITTING.",
    ),
    (
        "--broker-eof without --broker or --chat",
        |raw| {
            raw.listen = true;
            raw.broker.passes_end = true;
        },
        "Invalid option combination: --broker-eof without --broker. QUITTING.",
    ),
    (
        "--history without --broker or --chat",
        |raw| raw.broker.history_bytes = Some(1024),
        "Invalid option combination: --history without --broker. QUITTING.",
    ),
    (
        "--compat without --broker or --chat",
        |raw| {
            raw.listen = true;
            raw.broker.as_ncat = true;
        },
        "Invalid option combination: --compat without --broker or --chat. QUITTING.",
    ),
    (
        "--broker-eof with -u",
        |raw| {
            raw.broker.broker = true;
            raw.broker.passes_end = true;
            raw.transport = Some(RawTransport::Udp);
        },
        "Invalid option combination: --broker-eof and -u. QUITTING.",
    ),
    (
        "--broker-eof with --no-shutdown or --eof=wait",
        |raw| {
            raw.broker.broker = true;
            raw.broker.passes_end = true;
            raw.no_shutdown = true;
        },
        "Invalid option combination: --broker-eof and --no-shutdown. QUITTING.",
    ),
];

const EMPTY_COMMAND: &str = "The command of -e is empty. QUITTING.";
const HANDOVER: &str = "--exec-handover with what needs the bytes (-C, -t, -d, -o, -x, -i, -q, --eof, \
                        --send-only, --recv-only, --no-shutdown, --progress, --rate, --pty, -u, --ssl)";

#[test]
fn every_refused_combination_says_its_line() {
    let mut tested = HashSet::new();
    let others = [sockets::REFUSED, starttls::REFUSED, tls::REFUSED, proxy::REFUSED, lua::REFUSED];
    for (name, set, line) in REFUSED.iter().chain(others.into_iter().flatten()) {
        let mut raw = RawArgs::default();
        set(&mut raw);
        let listens = raw.listen || raw.broker.broker;
        if !listens {
            raw.operands = vec!["host".into()];
        }
        assert_eq!(first_line(&raw), *line, "{name}");
        tested.insert(*name);
    }
    for name in refused_combinations() {
        assert!(tested.contains(name), "no row tests {name:?}");
    }
    assert_eq!(tested.len(), refused_combinations().count());
}
