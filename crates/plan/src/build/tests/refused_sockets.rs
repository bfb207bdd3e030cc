//! The rows of socket options.

use super::Row;
use crate::{Rates, RawFamily, RawTransport};

pub(super) const REFUSED: &[Row] = &[
    (
        "a socket option with a transport that lacks it",
        |raw| {
            raw.sockets.options.nodelay = true;
            raw.transport = Some(RawTransport::Udp);
        },
        "Invalid option combination: --nodelay with -u. QUITTING.",
    ),
    (
        "a socket option with a transport that lacks it",
        |raw| {
            (raw.listen, raw.operands) = (true, vec!["path".into()]);
            raw.sockets.options.backlog = Some(5);
            raw.family = Some(RawFamily::Unix);
            raw.transport = Some(RawTransport::Udp);
        },
        "Invalid option combination: --backlog with -u. QUITTING.",
    ),
    (
        "a socket option with a transport that lacks it",
        |raw| {
            raw.sockets.dscp = Some(8);
            raw.family = Some(RawFamily::Unix);
        },
        "Invalid option combination: --dscp with -U. QUITTING.",
    ),
    (
        "--backlog without -l",
        |raw| raw.sockets.options.backlog = Some(1),
        "Invalid option combination: --backlog with connect. QUITTING.",
    ),
    (
        "--tos with --dscp",
        |raw| (raw.sockets.tos, raw.sockets.dscp) = (Some(4), Some(1)),
        "Invalid option combination: --tos and --dscp. QUITTING.",
    ),
    (
        "--tos with its two lowest bits, over TCP",
        |raw| raw.sockets.tos = Some(5),
        "Invalid --tos value. QUITTING.",
    ),
    (
        "--fastopen with -z or --recv-only",
        |raw| (raw.sockets.options.fastopen, raw.zero_io) = (true, true),
        "Invalid option combination: --fastopen with -z or --recv-only. QUITTING.",
    ),
    (
        "--mptcp with --fastopen",
        |raw| (raw.sockets.options.fastopen, raw.sockets.options.mptcp) = (true, true),
        "Invalid option combination: --mptcp and --fastopen. QUITTING.",
    ),
    (
        "--rate with -z",
        |raw| (raw.sockets.rate, raw.zero_io) = (Some(Rates::default()), true),
        "Invalid option combination: --rate and -z. QUITTING.",
    ),
    (
        "--ready-fd without -l",
        |raw| raw.sockets.ready_fd = Some(3),
        "Invalid option combination: --ready-fd with connect. QUITTING.",
    ),
    (
        "--ready-fd and --json-fd with the same number",
        |raw| {
            raw.listen = true;
            (raw.sockets.ready_fd, raw.json_fd) = (Some(3), Some(3));
        },
        "Invalid option combination: --ready-fd and --json-fd name the same descriptor. QUITTING.",
    ),
];
