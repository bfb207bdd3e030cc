//! `--broker`, `--chat`: what a listener does otherwise when its clients speak to each other.

use endpoint::hub::{Broker, Chat};
use plan::{EofPolicy, Flow, Listen, Quit, StageSpec};
use relay::{AfterLocalEnd, OnRemoteEnd, Rules};

use crate::listen::Listeners;
use crate::local::NCAT_CHUNK;
use crate::run::Context;

/// The longest read whose words are passed on in one piece by a chat: escapes make it up to four
/// times as long, and prefixes more.
const CHAT_CHUNK: usize = 64 * 1024;

/// The first descriptor Ncat has for a client when its listeners and transcripts are open.
const FIRST_DESCRIPTOR: usize = 3;

/// What the hub is told; `None` when the clients speak to standard input and output.
pub(crate) fn spec(context: &Context, listen: &Listen, listeners: &Listeners) -> Option<Broker> {
    let plan = &context.plan;
    let broker = listen.broker?;
    let taken = FIRST_DESCRIPTOR + listeners.count() + plan.logs.len();
    let chat = match (broker.chat, broker.as_ncat) {
        (false, _) => None,
        (true, false) => Some(Chat::Ours),
        (true, true) => Some(Chat::Ncat { first: taken as u64 }),
    };
    Some(Broker {
        relays: plan.flow == Flow::Both,
        sends: plan.flow != Flow::RecvOnly,
        passes_end: broker.passes_end,
        drops_half_closed: broker.as_ncat,
        history_bytes: broker.history_bytes,
        chat,
        transcript: context.logs.transcript(),
    })
}

/// The rules of a client's end: where it can, it goes on receiving when it has ended itself; when we end, because
/// of `-q` or `--eof=quit`, it is seen to that it has everything, and no more.
pub(crate) fn rules(context: &Context, rules: Rules) -> Rules {
    let quits = matches!(context.plan.quit, Quit::After(_)) || context.plan.eof == EofPolicy::Quit;
    Rules {
        after_local_end: if quits { AfterLocalEnd::Quit } else { AfterLocalEnd::Stay },
        on_remote_end: match rules.on_remote_end {
            OnRemoteEnd::Quit => OnRemoteEnd::Quit,
            _ => OnRemoteEnd::Continue,
        },
        ..rules
    }
}

/// Longest piece a client's words are taken in, in bytes: Ncat's where each read shows.
pub(crate) fn chunk_max(context: &Context, broker: &Broker) -> usize {
    let shows_reads = matches!(broker.chat, Some(Chat::Ncat { .. }));
    if shows_reads || context.plan.stages.contains(&StageSpec::Tap) {
        NCAT_CHUNK
    } else if broker.chat.is_some() {
        CHAT_CHUNK
    } else {
        conn::CHUNK_MAX
    }
}
