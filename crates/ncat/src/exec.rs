//! `-e`, `-c`: a command in the place of standard input and output.
//!
//! The command's conn is the local side of an ordinary session, so everything that works between
//! standard input and the wire works here. What is particular: somebody has to wait for the command,
//! and at our end, not at the peer's, it is stopped.

mod facts;
mod host;
mod running;

use std::sync::Arc;
use std::time::Duration;

use conn::Conn;
use endpoint::OpenError;
use endpoint::exec::{Ended, LimitOn, Wiring};
use plan::{ExecLimits, ExecSpec, Flow};
use relay::{EndedBy, Outcome};

use crate::connect;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::run::Context;
use crate::signals::Signals;
use crate::task::Task;

pub(crate) use self::facts::Facts;
pub(crate) use self::host::{End, Host};

/// The exit code of a shell for a command that is not there.
const NOT_FOUND: u8 = 127;
/// And for one that cannot be run.
const NOT_RUNNABLE: u8 = 126;

/// Descriptors a client of `-k` takes: its socket, two pipes, the command's number, and two more while
/// it is started.
pub(crate) const DESCRIPTORS_PER_CLIENT: u64 = 6;

/// What a command is given to end by itself after SIGTERM, before SIGKILL.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// What a session is given to deliver its command's last words when we are stopped.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// A command made ready.
pub(crate) struct Launch {
    program: endpoint::exec::Launch,
    spec: ExecSpec,
}

/// Makes the plan's command ready; `None` without one. Called before anything is opened or raised.
pub(crate) fn prepare(context: &Context) -> Result<Option<Launch>, OpenError> {
    let Some(spec) = &context.plan.exec else { return Ok(None) };
    let flow = context.plan.flow;
    let wiring = Wiring {
        pty: spec.pty,
        no_input: flow == Flow::SendOnly,
        no_output: flow == Flow::RecvOnly,
        messages: context
            .plan
            .transport()
            .is_message()
            .then_some(context.plan.limits.datagram_size),
    };
    let limits = limits(spec.limits);
    let program = match &spec.script {
        None => endpoint::exec::Launch::new(&spec.path, &spec.args, limits, wiring),
        Some(name) => {
            let text = context.lua.script();
            endpoint::exec::Launch::ourselves(name, text, &spec.args, limits, wiring)
        }
    };
    let program =
        program.map_err(|error| OpenError::Exec { path: spec.path.clone().into(), error })?;
    Ok(Some(Launch { program, spec: spec.clone() }))
}

/// The limits asked for; descriptors at least get back what we found ourselves.
fn limits(wanted: ExecLimits) -> Vec<(LimitOn, u64, u64)> {
    let mut limits = Vec::new();
    if let Some(bytes) = wanted.memory {
        limits.push((LimitOn::Memory, bytes, bytes));
    }
    if let Some(time) = wanted.cpu {
        let seconds = time.as_millis().div_ceil(1000).max(1) as u64;
        // SIGXCPU first, which a program may act on; SIGKILL a second later.
        limits.push((LimitOn::Cpu, seconds, seconds.saturating_add(1)));
    }
    match (wanted.files, sys::spawn::descriptor_limit()) {
        (Some(count), _) => limits.push((LimitOn::Files, count, count)),
        (None, Some((soft, hard))) => limits.push((LimitOn::Files, soft, hard)),
        (None, None) => {}
    }
    limits
}

/// Runs the command for the one connection there is; `ended` says how the program ends by a signal.
pub(crate) async fn run(
    context: &Context,
    launch: Launch,
    remote: Conn,
    facts: Facts,
    signals: &mut Signals,
    ended: impl Fn(i32) -> Exit,
) -> Exit {
    let peer = remote.info.peer.clone();
    let host = Arc::new(Host::new(context, launch, facts));
    let progress = Progress::start(&context.plan.talk, &context.totals, None);
    let mut serving = Task::spawn(Arc::clone(&host).serve(remote, Arc::clone(&context.totals)));
    let end = tokio::select! {
        end = serving.join() => end,
        signal = signals.next() => {
            host.children.stop(GRACE).await;
            // What the command said to that is delivered, and the session tells its own end.
            if tokio::time::timeout(LAST_WORDS, serving.join()).await.is_err() {
                let (sent, received) = context.totals.read();
                let ended_by = EndedBy::Stopped;
                let stopped = Outcome { sent, received, ended_by, error: None, losses: None };
                context.talk.closed(&peer, &stopped, context.talk.elapsed());
            }
            progress.finish();
            return ended(signal);
        }
        () = progress.run() => return Exit::Local,
    };
    progress.finish();
    conclude(context, &peer, &end)
}

/// The exit code: trouble of ours first, then, where it was asked for, the command's status.
fn conclude(context: &Context, peer: &str, end: &End) -> Exit {
    let passes_on = context.plan.exec.as_ref().is_some_and(|spec| spec.exit);
    let session = match &end.outcome {
        Some(outcome) => connect::conclude(context, peer, outcome),
        None => Exit::Done,
    };
    match (&end.status, &end.not_started) {
        (_, Some(error)) if passes_on => Exit::Command(match error.raw_os_error() {
            Some(ENOENT | ENOTDIR) => NOT_FOUND,
            _ => NOT_RUNNABLE,
        }),
        (Some(Ended::Code(0)), _) if passes_on => session,
        (Some(Ended::Code(code)), _) if passes_on => Exit::Command(*code),
        (Some(Ended::Signal(signal)), _) if passes_on => Exit::Signal(signal_number(*signal)),
        _ if end.timed_out => Exit::Network,
        _ => session,
    }
}

fn signal_number(signal: i32) -> u8 {
    u8::try_from(signal).unwrap_or(0)
}

const ENOENT: i32 = 2;
const ENOTDIR: i32 = 20;
