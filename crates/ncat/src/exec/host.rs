//! Runs the command for a connection, from its start until it is reaped.

use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use conn::stage::Transcript;
use conn::{Conn, ConnInfo, Input, Output, Plain, Shape};
use endpoint::OpenError;
use endpoint::exec::{Child, Children, Ended, Launch};
use gate::Gatekeeper;
use plan::{ExecSpec, Plan};
use relay::{AfterLocalEnd, EndedBy, OnRemoteEnd, Outcome, Rules, Totals};
use tokio::time::{Instant, sleep, sleep_until};

use super::facts::Facts;
use crate::clients::DATAGRAM_PEER_IDLE;
use crate::connect::join_parts;
use crate::local;
use crate::run::Context;
use crate::talk::{Talk, words};

/// What a command is given to end by itself after SIGTERM, before SIGKILL.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// What every connection's command needs; one copy for all of them.
pub(crate) struct Host {
    launch: Launch,
    spec: Option<ExecSpec>,
    plan: Plan,
    facts: Facts,
    rules: Rules,
    gate: Gatekeeper,
    talk: Talk,
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
            launch,
            spec: plan.exec.clone(),
            facts,
            rules,
            gate: context.gate.clone(),
            talk: context.talk.clone(),
            transcript: context.logs.transcript(),
            children: Children::default(),
            plan,
        }
    }

    /// Serves one connection.
    pub(crate) async fn serve(self: Arc<Self>, remote: Conn, totals: Arc<Totals>) -> End {
        let peer = remote.info.peer.clone();
        let variables = self.facts.variables(&remote.info);
        let hands_over = self.spec.as_ref().is_some_and(|spec| spec.handover);
        match self.socket(&remote).filter(|_| hands_over) {
            Some(socket) => {
                let started = self.launch.hand_over(&self.gate, &variables, socket);
                match started {
                    Ok(child) => self.lend(child, &peer, remote, totals).await,
                    Err(error) => self.refuse(&peer, remote, totals, error).await,
                }
            }
            None => match self.launch.open(&self.gate, &variables) {
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
        let child = self.begin(child, peer);
        let local = local::wrap(&self.plan, self.transcript.clone(), local);
        let mut session =
            join_parts(&self.plan, &self.talk, local, remote, self.rules, Arc::clone(&totals))
                .session;
        let waiting = Arc::clone(&child);
        session.local_is_program(async move { waiting.exited().await });
        let (outcome, timed_out) = self.attend(&child, session.run()).await;
        let outcome = outcome.unwrap_or_else(|| stopped(&totals));
        self.talk.closed(peer, &outcome, began.elapsed());
        let is_our_end = matches!(outcome.ended_by, EndedBy::Idle | EndedBy::QuitTimer);
        let status = self.see_out(child, peer, is_our_end || timed_out).await;
        End {
            outcome: Some(outcome),
            status: status.ended,
            not_started: None,
            timed_out: timed_out || status.timed_out,
        }
    }

    /// The command has the socket; our copy is for a polite end.
    async fn lend(&self, child: Child, peer: &str, remote: Conn, totals: Arc<Totals>) -> End {
        let child = self.begin(child, peer);
        let status = self.see_out(child, peer, false).await;
        if let Some(socket) = self.socket(&remote) {
            let _ = sys::fd::set_blocking(socket, false);
        }
        let outcome = self.part(peer, remote, totals).await;
        End {
            outcome: Some(outcome),
            status: status.ended,
            not_started: None,
            timed_out: status.timed_out,
        }
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
        let nobody = Conn::from_plain(
            ConnInfo::default(),
            Shape::Stream,
            Plain::new(Input::Empty, Output::Discard),
        );
        let rules = Rules { sends: true, ..self.rules };
        let mut session = join_parts(&self.plan, &self.talk, nobody, remote, rules, totals).session;
        session.local_is_program(std::future::ready(()));
        let outcome = session.run().await;
        self.talk.closed(peer, &outcome, began.elapsed());
        outcome
    }

    fn begin(&self, child: Child, peer: &str) -> Arc<Child> {
        let args = self.spec.as_ref().map(|spec| plan::exec::shown(&spec.args));
        self.talk.started(peer, child.pid(), &args.unwrap_or_default());
        self.children.add(child)
    }

    fn deadline(&self) -> impl Future<Output = ()> + use<> {
        let limit = self.spec.as_ref().and_then(|spec| spec.timeout);
        let until = limit.map(|limit| Instant::now() + limit);
        async move {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Runs a session until its end; when the command's time runs out before that, the command is
    /// stopped and what it had said still delivered.
    async fn attend(
        &self,
        child: &Child,
        session: impl Future<Output = Outcome>,
    ) -> (Option<Outcome>, bool) {
        let mut session = std::pin::pin!(session);
        tokio::select! {
            outcome = &mut session => return (Some(outcome), false),
            () = self.deadline() => {}
        }
        self.tell_timeout(child);
        let stopping = async {
            let _ = child.stop(GRACE).await;
            sleep(GRACE).await;
        };
        tokio::select! {
            outcome = &mut session => (Some(outcome), true),
            () = stopping => (None, true),
        }
    }

    fn tell_timeout(&self, child: &Child) {
        let limit = self.spec.as_ref().and_then(|spec| spec.timeout).unwrap_or_default();
        let first = format!("The command took longer than {} s.", limit.as_secs_f64());
        let more = [format!(
            "{} (process {}) is stopped (--exec-timeout)",
            self.launch.path().display(),
            child.pid()
        )];
        self.talk.error(&first, &more);
    }

    /// Waits for the command's exit, or brings it about, and reaps it.
    async fn see_out(&self, child: Arc<Child>, peer: &str, stops: bool) -> SeenOut {
        let mut timed_out = false;
        if stops {
            let _ = child.stop(GRACE).await;
        } else {
            tokio::select! {
                () = child.exited() => {}
                () = self.deadline() => {
                    timed_out = true;
                    self.tell_timeout(&child);
                    let _ = child.stop(GRACE).await;
                }
            }
        }
        match self.children.reap(&child) {
            Ok(ended) => {
                self.talk.exited(peer, child.pid(), ended);
                SeenOut { ended: Some(ended), timed_out }
            }
            Err(error) => {
                self.talk.debug(|| format!("process {}: {}", child.pid(), words(&error)));
                SeenOut { ended: None, timed_out }
            }
        }
    }
}

struct SeenOut {
    ended: Option<Ended>,
    timed_out: bool,
}

fn stopped(totals: &Totals) -> Outcome {
    let (sent, received) = totals.read();
    Outcome { sent, received, ended_by: EndedBy::Stopped, error: None, losses: None }
}
