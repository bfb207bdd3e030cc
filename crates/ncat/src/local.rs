//! The user's side of a session: standard input and output with the stages the plan wants.

use std::sync::Arc;

use conn::Conn;
use conn::stage::{Crlf, Delay, Rate, Tap, Telnet, Transcript};
use endpoint::OpenError;
use endpoint::stdio::{self, Wanted};
use gate::{Action, Gatekeeper};
use plan::{EofPolicy, Flow, Mode, Plan, Quit, StageSpec};
use relay::{AfterLocalEnd, OnLocalEnd, OnRemoteEnd, Rules};

use crate::logs::Logs;
use crate::lua::Lua;

/// Bytes Ncat reads at a time; a transcript shows each read, so it is kept where one is written.
pub(crate) const NCAT_CHUNK: usize = 8192;
/// How long a UDP client listens for replies after the end of input, from the last one on.
const DATAGRAM_QUIET: std::time::Duration = std::time::Duration::from_millis(500);

/// How long an SCTP client waits for answers after the end of input, from the last one on: longer than
/// until a packet that was lost twice is sent a third time (1 s and 2 s, RFC 9260 sections 6.3.3, 16).
const ANSWER_QUIET: std::time::Duration = std::time::Duration::from_secs(4);

/// Opens standard input and output and puts the local stages around them.
pub(crate) fn open(gate: &Gatekeeper, plan: &Plan, logs: &Logs) -> Result<Conn, OpenError> {
    let permit = gate.decide(Action::Stdio)?;
    let output = plan.flow != Flow::SendOnly && !is_broker(plan);
    let wanted = Wanted { input: plan.flow != Flow::RecvOnly, output };
    let local = stdio::open(permit, wanted)?;
    Ok(wrap(plan, logs.transcript(), local))
}

/// Puts the local stages around the user's side of a session, whatever that is.
pub(crate) fn wrap(plan: &Plan, transcript: Option<Arc<dyn Transcript>>, mut local: Conn) -> Conn {
    // A transcript shows each datagram as a transmission of its own.
    let chunk = if plan.transport().is_message() { plan.limits.datagram_size } else { NCAT_CHUNK };
    // Outermost is nearest the wire: what is read passes Delay, then Crlf, then the transcript.
    for stage in plan.stages.iter().rev() {
        local = match stage {
            // Of a broker these are the clients', and the hub's (spec sections 4.8 and 7.1).
            StageSpec::Delay(_) | StageSpec::Tap if is_broker(plan) => {
                local.chunk_max = chunk;
                local
            }
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

fn is_broker(plan: &Plan) -> bool {
    matches!(&plan.mode, Mode::Listen(listen) if listen.broker.is_some())
}

/// Puts the stages around a connection that belong next to the wire.
pub(crate) fn dress(plan: &Plan, lua: &Lua, mut remote: Conn) -> Conn {
    // Filters have their pace below them already when they have made the connection.
    if !lua.filters() || matches!(plan.mode, Mode::Listen(_)) {
        remote = pace(plan, remote);
    }
    remote = lua.wrap(plan, remote);
    for stage in &plan.stages {
        remote = match stage {
            StageSpec::Telnet => remote.wrap(Telnet::new),
            _ => remote,
        };
    }
    if is_broker(plan) {
        for stage in &plan.stages {
            if let StageSpec::Delay(pause) = stage {
                remote.chunk_max = NCAT_CHUNK;
                remote = remote.wrap(|inner| Delay::of_recv(inner, *pause));
            }
        }
    }
    remote
}

/// Holds what goes over the wire to `--rate`; below everything else.
pub(crate) fn pace(plan: &Plan, mut remote: Conn) -> Conn {
    for stage in &plan.stages {
        if let StageSpec::Rate(rates) = stage {
            remote = remote.wrap(|inner| Rate::new(inner, rates.send, rates.recv));
        }
    }
    remote
}

/// The rules of a session's end. `listens`: we are the server; `is_message`: it keeps boundaries.
pub(crate) fn rules(plan: &Plan, listens: bool, is_message: bool) -> Rules {
    let half_closes = plan.half_closes();
    let after_local_end = match (plan.quit, plan.eof) {
        (Quit::After(time), _) => AfterLocalEnd::For(time),
        (Quit::Never, _) => AfterLocalEnd::Stay,
        (Quit::Default, EofPolicy::Quit) => AfterLocalEnd::Quit,
        (Quit::Default, _) if is_message && !listens => AfterLocalEnd::Quiet(DATAGRAM_QUIET),
        (Quit::Default, EofPolicy::Wait) => AfterLocalEnd::Stay,
        // A client's end would keep answers from coming, a listener's would cut its client short.
        (Quit::Default, _) if !half_closes && !listens => AfterLocalEnd::Quiet(ANSWER_QUIET),
        (Quit::Default, _) => AfterLocalEnd::Stay,
    };
    let goes_on = plan.eof == EofPolicy::Ncat795 || plan.flow == Flow::SendOnly;
    Rules {
        sends: plan.flow != Flow::RecvOnly,
        on_local_end: match plan.eof {
            EofPolicy::Wait => OnLocalEnd::Keep,
            _ if !half_closes => OnLocalEnd::Last,
            _ => OnLocalEnd::Finish,
        },
        after_local_end,
        on_remote_end: match goes_on {
            _ if plan.is_dtls() => OnRemoteEnd::Quit,
            true => OnRemoteEnd::Continue,
            false => OnRemoteEnd::Drain,
        },
        idle: plan.limits.idle_timeout,
        stall: None,
        datagram_size: plan.limits.datagram_size,
    }
}
