//! The user's side of a session: standard input and output with the stages the plan wants.

use std::sync::Arc;

use conn::Conn;
use conn::stage::{Crlf, Delay, Tap, Telnet, Transcript};
use endpoint::OpenError;
use endpoint::stdio::{self, Wanted};
use gate::{Action, Gatekeeper};
use plan::{EofPolicy, Flow, Mode, Plan, Quit, StageSpec};
use relay::{AfterLocalEnd, OnLocalEnd, OnRemoteEnd, Rules};

use crate::logs::Logs;

/// Bytes Ncat reads at a time; a transcript shows each read, so it is kept where one is written.
const NCAT_CHUNK: usize = 8192;
/// How long a UDP client listens for replies after the end of input, from the last one on.
const DATAGRAM_QUIET: std::time::Duration = std::time::Duration::from_millis(500);

/// Opens standard input and output and puts the local stages around them.
pub(crate) fn open(gate: &Gatekeeper, plan: &Plan, logs: &Logs) -> Result<Conn, OpenError> {
    let permit = gate.decide(Action::Stdio)?;
    let wanted = Wanted { input: plan.flow != Flow::RecvOnly, output: plan.flow != Flow::SendOnly };
    let local = stdio::open(permit, wanted)?;
    Ok(wrap(plan, logs.transcript(), local))
}

/// Puts the local stages around the user's side of a session, whatever that is.
pub(crate) fn wrap(plan: &Plan, transcript: Option<Arc<dyn Transcript>>, mut local: Conn) -> Conn {
    // A transcript shows each datagram as a transmission of its own.
    let chunk = if is_message(plan) { plan.limits.datagram_size } else { NCAT_CHUNK };
    // Outermost is nearest the wire: what is read passes Delay, then Crlf, then the transcript.
    for stage in plan.stages.iter().rev() {
        local = match stage {
            StageSpec::Delay(pause) => {
                local.chunk_max = chunk;
                local.wrap(|inner| Delay::new(inner, *pause))
            }
            StageSpec::Crlf => local.wrap(Crlf::new),
            StageSpec::Tap => match &transcript {
                Some(transcript) => {
                    local.chunk_max = chunk;
                    local.wrap(|inner| Tap::new(inner, Arc::clone(transcript)))
                }
                None => local,
            },
            _ => local,
        };
    }
    local
}

/// Whether the plan's transport keeps boundaries.
pub(crate) fn is_message(plan: &Plan) -> bool {
    match &plan.mode {
        Mode::Connect(spec) | Mode::Probe(spec) => spec.transport.is_message(),
        Mode::Listen(spec) => spec.transport.is_message(),
    }
}

/// Puts the stages around a connection that belong next to the wire.
pub(crate) fn dress(plan: &Plan, mut remote: Conn) -> Conn {
    if plan.stages.contains(&StageSpec::Telnet) {
        remote = remote.wrap(Telnet::new);
    }
    remote
}

/// The rules of a session's end. `listens`: we are the server; `is_message`: it keeps boundaries.
pub(crate) fn rules(plan: &Plan, listens: bool, is_message: bool) -> Rules {
    let after_local_end = match (plan.quit, plan.eof) {
        (Quit::After(time), _) => AfterLocalEnd::For(time),
        (Quit::Never, _) => AfterLocalEnd::Stay,
        (Quit::Default, EofPolicy::Quit) => AfterLocalEnd::Quit,
        (Quit::Default, _) if is_message && !listens => AfterLocalEnd::Quiet(DATAGRAM_QUIET),
        (Quit::Default, _) => AfterLocalEnd::Stay,
    };
    let goes_on = plan.eof == EofPolicy::Ncat795 || plan.flow == Flow::SendOnly;
    Rules {
        sends: plan.flow != Flow::RecvOnly,
        on_local_end: match plan.eof {
            EofPolicy::Wait => OnLocalEnd::Keep,
            _ => OnLocalEnd::Finish,
        },
        after_local_end,
        on_remote_end: if goes_on { OnRemoteEnd::Continue } else { OnRemoteEnd::Drain },
        idle: plan.limits.idle_timeout,
        stall: None,
        datagram_size: plan.limits.datagram_size,
    }
}
