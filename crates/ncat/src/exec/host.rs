//! Runs the command for a connection, from its start until it is reaped.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use conn::stage::Transcript;
use conn::{Conn, ConnInfo, Input, Output, Plain, Shape};
use endpoint::OpenError;
use endpoint::exec::{Child, Children, Ended, Launch as Program};
use gate::Gatekeeper;
use plan::{ExecSpec, Plan};
use relay::{AfterLocalEnd, EndedBy, OnRemoteEnd, Outcome, Rules, Side, Totals};
use tokio::time::Instant;

use super::Launch;
use super::facts::Facts;
use super::running::Running;
use crate::clients::DATAGRAM_PEER_IDLE;
use crate::connect::join_parts;
use crate::local;
use crate::lua::Lua;
use crate::run::Context;
use crate::talk::Talk;

/// What every connection's command needs; one copy for all of them.
pub(crate) struct Host {
    program: Program,
    spec: ExecSpec,
    plan: Plan,
    facts: Facts,
    rules: Rules,
    gate: Gatekeeper,
    talk: Talk,
    lua: Lua,
    transcript: Option<Arc<dyn Transcript>>,
    pub(crate) children: Children,
}

/// How it went.
#[derive(Debug, Default)]
pub(crate) struct End {
    pub(crate) outcome: Option<Outcome>,
    pub(crate) status: Option<Ended>,
    pub(crate) not_started: Option<io::Error>,
    /// `--exec-timeout` ran out.
    pub(crate) timed_out: bool,
}

impl Host {
    pub(crate) fn new(context: &Context, launch: Launch, facts: Facts) -> Self {
        let Launch { program, spec } = launch;
        let plan = context.plan.clone();
        let mut rules = local::rules(&plan, facts.listens, facts.is_message);
        // Datagrams' peers never end; the command's own end is waited for.
        if matches!(rules.after_local_end, AfterLocalEnd::Quiet(_)) {
            rules.after_local_end = AfterLocalEnd::Stay;
        }
        // The end of the command's input is not the end of its output.
        rules.on_remote_end = OnRemoteEnd::Continue;
        if facts.is_message && facts.listens && plan.keeps_open() {
            rules.idle = Some(rules.idle.unwrap_or(DATAGRAM_PEER_IDLE));
        }
        Self {
            program,
            spec,
            facts,
            rules,
            gate: context.gate.clone(),
            talk: context.talk.clone(),
            lua: context.lua.clone(),
            transcript: context.logs.transcript(),
            children: Children::default(),
            plan,
        }
    }

    /// Serves one connection.
    pub(crate) async fn serve(self: Arc<Self>, remote: Conn, totals: Arc<Totals>) -> End {
        let peer = remote.info.peer.clone();
        let variables = self.facts.variables(&remote.info);
        match self.socket(&remote).filter(|_| self.spec.handover) {
            Some(socket) => match self.program.hand_over(&self.gate, &variables, socket) {
                Ok(child) => self.lend(child, &peer, remote, totals).await,
                Err(error) => self.refuse(&peer, remote, totals, error).await,
            },
            None => match self.program.open(&self.gate, &variables) {
                Ok((local, child)) => self.join(local, child, &peer, remote, totals).await,
                Err(error) => self.refuse(&peer, remote, totals, error).await,
            },
        }
    }

    /// The socket, when nothing stands between it and the command.
    fn socket<'a>(&self, remote: &'a Conn) -> Option<std::os::fd::BorrowedFd<'a>> {
        let port = remote.plain()?.output()?;
        (remote.shape == Shape::Stream).then(|| port.as_fd())
    }

    /// The command's pipes are the local side of a session.
    async fn join(
        &self,
        local: Conn,
        child: Child,
        peer: &str,
        remote: Conn,
        totals: Arc<Totals>,
    ) -> End {
        let began = Instant::now();
        let mut running = self.begin(child, peer);
        let local = local::wrap(&self.plan, self.transcript.clone(), local);
        let mut session = join_parts(
            &self.plan,
            &self.talk,
            &self.lua,
            local,
            remote,
            self.rules,
            Arc::clone(&totals),
        )
        .session;
        session.local_is_program(running.exited());
        let outcome = running.attend(session.run()).await.unwrap_or_else(|| stopped(&totals));
        self.talk.closed(peer, &outcome, began.elapsed());
        let is_our_end = is_our_end(&outcome);
        let (status, timed_out) = running.see_out(is_our_end).await;
        if !is_our_end && !timed_out {
            self.tell_limit(peer, status);
        }
        End { outcome: Some(outcome), status, not_started: None, timed_out }
    }

    /// A command that is killed by its limit says nothing itself.
    fn tell_limit(&self, peer: &str, ended: Option<Ended>) {
        let is_killed = matches!(ended, Some(Ended::Signal(SIGKILL | SIGXCPU)));
        if is_killed && self.spec.limits.cpu.is_some() {
            let more = ["it had used up its processor time (--exec-limit cpu=TIME)".into()];
            self.talk.error(&format!("The command for {peer} was ended by the system."), &more);
        }
    }

    /// The command has the socket; our copy is for a polite end.
    async fn lend(&self, child: Child, peer: &str, remote: Conn, totals: Arc<Totals>) -> End {
        let (status, timed_out) = self.begin(child, peer).see_out(false).await;
        let outcome = self.part(peer, remote, totals).await;
        End { outcome: Some(outcome), status, not_started: None, timed_out }
    }

    /// The command cannot be started: we are told why, the peer sees an orderly end.
    async fn refuse(&self, peer: &str, remote: Conn, totals: Arc<Totals>, error: OpenError) -> End {
        let reason = self.talk.not_started(peer, &error);
        let outcome = self.part(peer, remote, totals).await;
        End { outcome: Some(outcome), not_started: Some(reason), ..End::default() }
    }

    /// Ends a connection that nobody is behind.
    async fn part(&self, peer: &str, remote: Conn, totals: Arc<Totals>) -> Outcome {
        let began = Instant::now();
        if let Some(socket) = self.socket(&remote) {
            let _ = sys::fd::set_blocking(socket, false);
        }
        let nobody = Plain::new(Input::Empty, Output::Discard);
        let nobody = Conn::from_plain(ConnInfo::default(), Shape::Stream, nobody);
        let rules = Rules { sends: true, ..self.rules };
        let mut session =
            join_parts(&self.plan, &self.talk, &self.lua, nobody, remote, rules, totals).session;
        session.local_is_program(std::future::ready(()));
        let outcome = session.run().await;
        self.talk.closed(peer, &outcome, began.elapsed());
        outcome
    }

    fn begin<'a>(&'a self, child: Child, peer: &'a str) -> Running<'a> {
        self.talk.started(peer, child.pid(), &plan::exec::shown(&self.spec.args));
        Running::new(child, &self.children, &self.talk, peer, self.spec.timeout)
    }
}

/// What the system sends to who has used up its processor time (setrlimit(2)).
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// Whether we ended the session, not the peer and not the command: then the command is stopped.
fn is_our_end(outcome: &Outcome) -> bool {
    let ours = |error: &relay::SessionError| error.side != Side::Remote;
    matches!(outcome.ended_by, EndedBy::Idle | EndedBy::QuitTimer)
        || outcome.error.as_ref().is_some_and(ours)
}

fn stopped(totals: &Totals) -> Outcome {
    let (sent, received) = totals.read();
    Outcome { sent, received, ended_by: EndedBy::Stopped, error: None, losses: None }
}
