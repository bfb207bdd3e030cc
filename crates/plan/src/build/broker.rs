//! Rules about options of ours that belong to `--broker` and `--chat`.

use super::rules::{Rule, rule};
use crate::{EofPolicy, RawTransport};

/// Applied after Ncat's own rules.
pub(super) const RULES: &[Rule] = &[
    rule(
        "--broker-eof without --broker or --chat",
        |f| f.raw.broker.passes_end && !f.brokers(),
        "Invalid option combination: --broker-eof without --broker. QUITTING.\n  it says when the \
         clients of a broker are told an end",
    ),
    rule(
        "--history without --broker or --chat",
        |f| f.raw.broker.history_bytes.is_some() && !f.brokers(),
        "Invalid option combination: --history without --broker. QUITTING.\n  it keeps what the \
         clients of a broker said for those who join late",
    ),
    rule(
        "--compat without --broker or --chat",
        |f| f.raw.broker.as_ncat && !f.brokers(),
        "Invalid option combination: --compat without --broker or --chat. QUITTING.\n  elsewhere \
         there is nothing to choose; --eof=ncat-7.95 is about the end of a connection",
    ),
    rule(
        "--broker-eof with -u",
        |f| f.raw.broker.passes_end && f.raw.transport == Some(RawTransport::Udp),
        "Invalid option combination: --broker-eof and -u. QUITTING.\n  senders of datagrams do not \
         say that they are done",
    ),
    rule(
        "--broker-eof with --no-shutdown or --eof=wait",
        |f| {
            let keeps = f.raw.no_shutdown || f.raw.eof == Some(EofPolicy::Wait);
            f.raw.broker.passes_end && keeps
        },
        "Invalid option combination: --broker-eof and --no-shutdown. QUITTING.\n  the one passes the \
         end on, the other keeps it back",
    ),
];
