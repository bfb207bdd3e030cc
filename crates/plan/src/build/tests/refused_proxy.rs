//! The rows of proxies, both ends, and of the PROXY protocol.

use super::Row;
use crate::{ProxyProtocol, RawArgs, RawTransport, Secret};

fn through(raw: &mut RawArgs, proxy: &str) {
    raw.proxy.proxies.push(Secret::new(proxy));
}

fn serve(raw: &mut RawArgs) {
    raw.listen = true;
    raw.proxy.types = vec!["http".into()];
}

fn header(raw: &mut RawArgs, protocol: ProxyProtocol, from: &[&str]) {
    raw.proxy.protocol = Some(protocol);
    raw.proxy.protocol_from = from.iter().map(|host| (*host).to_owned()).collect();
}

pub(super) const REFUSED: &[Row] = &[
    (
        "--proxy with --sctp",
        |raw| {
            through(raw, "http://h");
            raw.transport = Some(RawTransport::Sctp);
        },
        "Invalid option combination: --proxy and --sctp. QUITTING.",
    ),
    (
        "--proxy-env with -l, -U or --vsock",
        |raw| {
            raw.listen = true;
            raw.proxy.uses_environment = true;
        },
        "Invalid option combination: --proxy-env needs a TCP or UDP target. QUITTING.",
    ),
    (
        "--proxy URL with --proxy-type",
        |raw| {
            through(raw, "http://h");
            raw.proxy.types = vec!["http".into()];
        },
        "Invalid option combination: --proxy-type and a --proxy that is a URL. QUITTING.",
    ),
    (
        "--proxy-auth with --proxy-auth-file",
        |raw| {
            through(raw, "h");
            raw.proxy.auths = vec![Secret::new("a:b")];
            raw.proxy.auth_file = Some("f".into());
        },
        "Invalid option combination: --proxy-auth and --proxy-auth-file. QUITTING.",
    ),
    (
        "--proxy-auth-file without --proxy, --proxy-env or -l --proxy-type",
        |raw| raw.proxy.auth_file = Some("f".into()),
        "Invalid option combination: --proxy-auth-file without --proxy. QUITTING.",
    ),
    (
        "--proxy-protocol=accept or require without -l",
        |raw| header(raw, ProxyProtocol::Accept, &["h"]),
        "Invalid option combination: --proxy-protocol=accept or require without -l. QUITTING.",
    ),
    (
        "--proxy-protocol with -u, -U or --vsock",
        |raw| {
            header(raw, ProxyProtocol::Send1, &[]);
            raw.transport = Some(RawTransport::Udp);
        },
        "Invalid option combination: --proxy-protocol needs TCP or SCTP. QUITTING.",
    ),
    (
        "--proxy-protocol=accept or require without --proxy-protocol-from",
        |raw| {
            raw.listen = true;
            header(raw, ProxyProtocol::Require, &[]);
        },
        "Whose PROXY header is believed? QUITTING.",
    ),
    (
        "--proxy-protocol-from without --proxy-protocol=accept or require",
        |raw| header(raw, ProxyProtocol::Send2, &["h"]),
        "Invalid option combination: --proxy-protocol-from without --proxy-protocol=accept or require. \
         QUITTING.",
    ),
    (
        "-l with --proxy-protocol=send1 or send2",
        |raw| {
            raw.listen = true;
            header(raw, ProxyProtocol::Send1, &[]);
        },
        "Invalid option combination: -l and --proxy-protocol=send1 or send2. QUITTING.",
    ),
    (
        "-l --proxy-type with -e, -c or --lua-exec",
        |raw| {
            serve(raw);
            raw.exec.sh_exec = vec!["c".into()];
        },
        "Invalid option combination: --proxy-type and -e. QUITTING.",
    ),
    (
        "-l --proxy-type with --broker or --chat",
        |raw| {
            serve(raw);
            raw.broker.broker = true;
        },
        "Invalid option combination: --proxy-type and --broker. QUITTING.",
    ),
    (
        "-l --proxy-type with -u",
        |raw| {
            serve(raw);
            raw.transport = Some(RawTransport::Udp);
        },
        "Invalid option combination: --proxy-type and -u. QUITTING.",
    ),
    (
        "--proxy-allow, --proxy-deny without -l --proxy-type",
        |raw| raw.proxy_server.allow = vec![":25".into()],
        "Invalid option combination: --proxy-allow or --proxy-deny without -l --proxy-type. QUITTING.",
    ),
    (
        "--proxy-allow, --proxy-deny with what is no destination",
        |raw| {
            serve(raw);
            raw.proxy_server.deny = vec!["[::1".into()];
        },
        "Invalid destination \"[::1\" for --proxy-deny. QUITTING.",
    ),
];
