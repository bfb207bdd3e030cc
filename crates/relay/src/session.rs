//! One session: two conns joined until both directions have ended.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use conn::{Conn, Shape};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::ending::{AfterLocalEnd, Direction, EndedBy, Next, OnLocalEnd, Rules, next};
use crate::outcome::{Outcome, SessionError, Side, Totals};
use crate::program::Program;
use crate::pump::{Pump, PumpError};
use crate::settle::Settle;
use crate::strategy::Choice;

/// Two conns being joined. A future: poll it to move bytes; drop it to stop.
pub struct Session {
    local: Conn,
    remote: Conn,
    rules: Rules,
    totals: Arc<Totals>,
    send: Pump,
    recv: Pump,
    send_state: Direction,
    recv_state: Direction,
    /// The source of this direction has ended; its sink is being told.
    send_ending: bool,
    recv_ending: bool,
    error: Option<SessionError>,
    counted: (u64, u64),
    steps: u64,
    last_active: Option<Instant>,
    /// When our input last gave something, or the session began.
    input_active: Option<Instant>,
    input_steps: u64,
    idle: Option<Pin<Box<Sleep>>>,
    timer: Option<Pin<Box<Sleep>>>,
    settle: Option<Settle>,
    /// Decided: nothing more is taken, only what was taken from the peer is delivered.
    flushing: Option<EndedBy>,
    on_eof: Option<Box<dyn FnMut(Side) + Send>>,
    program: Option<Program>,
}

impl Session {
    /// Joins `local` and `remote` under `rules`; `totals` is added to as bytes move.
    pub fn new(local: Conn, remote: Conn, rules: Rules, totals: Arc<Totals>) -> Self {
        let finishes = rules.on_local_end == OnLocalEnd::Finish;
        let send = Pump::new(&local, &remote, rules.datagram_size, finishes);
        let recv = Pump::new(&remote, &local, rules.datagram_size, false);
        let send_state = if rules.sends { Direction::Open } else { Direction::Finished };
        Self {
            local,
            remote,
            rules,
            totals,
            send,
            recv,
            send_state,
            recv_state: Direction::Open,
            send_ending: false,
            recv_ending: false,
            error: None,
            counted: (0, 0),
            steps: 0,
            last_active: None,
            input_active: None,
            input_steps: 0,
            idle: None,
            timer: None,
            settle: None,
            flushing: None,
            on_eof: None,
            program: None,
        }
    }

    /// Has `tell` called when our input ends ([`Side::LocalInput`]) and when the peer does
    /// ([`Side::Remote`]).
    pub fn on_eof(&mut self, tell: impl FnMut(Side) + Send + 'static) {
        self.on_eof = Some(Box::new(tell));
    }

    /// The local side is a program; `gone` is ready once it has exited. When it reads no more, what
    /// is received is discarded; when it is gone and its output has ended, the session ends.
    pub fn local_is_program(&mut self, gone: impl Future<Output = ()> + Send + 'static) {
        self.program = Some(Program::new(gone));
    }

    fn poll_program(&mut self, cx: &mut Context<'_>) {
        if self.program.as_mut().is_some_and(|program| program.poll_gone(cx)) {
            self.rules.after_local_end = AfterLocalEnd::Quit;
            self.rules.sends = true;
        }
    }

    /// Whether a failing output only means that the program reads no more.
    fn program_takes(&mut self, error: &io::Error) -> bool {
        self.program.as_mut().is_some_and(|program| program.takes(error))
    }

    fn tell_eof(&mut self, side: Side) {
        if let Some(tell) = &mut self.on_eof {
            tell(side);
        }
    }

    /// Runs to the end. The session divides its time itself (see the pumps), so the runtime's
    /// cooperative budget, which would make a ready source look empty, is not applied.
    pub async fn run(self) -> Outcome {
        tokio::task::unconstrained(self).await
    }

    /// As [`Session::run`], and gives the conns back: the local one, the remote one.
    pub async fn run_back(mut self) -> (Outcome, Conn, Conn) {
        let outcome = tokio::task::unconstrained(&mut self).await;
        (outcome, self.local, self.remote)
    }

    /// The strategy of sending and of receiving.
    pub fn choices(&self) -> (Choice, Choice) {
        (self.send.choice, self.recv.choice)
    }

    /// Payload bytes sent and received so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.send.tally.delivered, self.recv.tally.taken)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) {
        if !self.send_ending {
            match self.send.poll(cx, &mut self.local, &mut self.remote) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {
                    self.send_ending = true;
                    self.tell_eof(Side::LocalInput);
                }
                Poll::Ready(Err(PumpError::Source(error))) => {
                    return self.fail_send(Side::LocalInput, error);
                }
                Poll::Ready(Err(PumpError::Sink(error))) => {
                    return self.fail_send(Side::Remote, error);
                }
            }
        }
        if self.rules.on_local_end != OnLocalEnd::Finish {
            self.send_state = Direction::Finished;
            return;
        }
        match self.remote.poll_finish(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.send_state = Direction::Finished,
            Poll::Ready(Err(error)) => self.fail_send(Side::Remote, error),
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) {
        if !self.recv_ending {
            let spill = self.program.as_mut().and_then(Program::spill);
            match self.recv.poll(cx, &mut self.remote, spill.unwrap_or(&mut self.local)) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {
                    self.recv_ending = true;
                    self.tell_eof(Side::Remote);
                }
                Poll::Ready(Err(PumpError::Source(error))) => {
                    return self.fail_recv(Side::Remote, error);
                }
                Poll::Ready(Err(PumpError::Sink(error))) if self.program_takes(&error) => {
                    return self.poll_recv(cx);
                }
                Poll::Ready(Err(PumpError::Sink(error))) => {
                    return self.fail_recv(Side::LocalOutput, error);
                }
            }
        }
        match self.local.poll_finish(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.recv_state = Direction::Finished,
            Poll::Ready(Err(error)) if self.program_takes(&error) => {
                self.recv_state = Direction::Finished;
            }
            Poll::Ready(Err(error)) => self.fail_recv(Side::LocalOutput, error),
        }
    }

    fn fail_send(&mut self, side: Side, error: io::Error) {
        let tally = self.send.tally;
        self.send_state = Direction::Failed;
        // A stage may have made more of what it took (telnet doubles 255).
        let undelivered = tally.taken.saturating_sub(tally.delivered);
        self.error.get_or_insert(SessionError { side, error, undelivered });
        self.local.stop_recv();
        // Our own input failing leaves nothing to wait for.
        if side == Side::LocalInput {
            self.recv_state = Direction::Failed;
        }
    }

    fn fail_recv(&mut self, side: Side, error: io::Error) {
        self.recv_state = Direction::Failed;
        self.error.get_or_insert(SessionError { side, error, undelivered: 0 });
    }

    /// A datagram that was refused leaves nothing to wait for, once what had arrived is delivered.
    fn give_up_refused_datagrams(&mut self) {
        let is_refused =
            self.send_state == Direction::Failed && self.remote.shape == Shape::Message;
        let is_waiting = self.recv_state == Direction::Open && self.recv.is_drained();
        if is_refused && is_waiting && !self.recv.yielded {
            self.recv_state = Direction::Failed;
        }
    }

    /// Adds what has moved since last time to the shared totals, and notes activity.
    fn account(&mut self) {
        let now = self.counts();
        if now != self.counted {
            self.totals.add(now.0 - self.counted.0, now.1 - self.counted.1);
            self.counted = now;
        }
        let paced = self.remote.paced();
        self.totals.set_paced(paced.send);
        let is_paced = paced.send || paced.recv;
        // Where the wire has a life of its own, it counts and not what is made of it.
        let wire = self.remote.wire_active();
        let of_peer = if wire.is_none() { self.recv.tally.steps } else { 0 };
        let steps = self.send.tally.steps + of_peer;
        if steps != self.steps || self.last_active.is_none() || is_paced {
            let now = Some(Instant::now());
            if self.send.tally.steps != self.input_steps || self.last_active.is_none() {
                (self.input_steps, self.input_active) = (self.send.tally.steps, now);
            }
            (self.steps, self.last_active) = (steps, now);
        }
        self.last_active = self.last_active.max(wire);
    }

    /// Whether `-i` has run out. The timer is only moved when it fires, not with every byte.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> bool {
        let (Some(limit), Some(active)) = (self.rules.idle, self.last_active) else { return false };
        let idle = self.idle.get_or_insert_with(|| Box::pin(sleep_until(active + limit)));
        while idle.as_mut().poll(cx).is_ready() {
            let until = active + limit;
            if until <= Instant::now() {
                return true;
            }
            idle.as_mut().reset(until);
        }
        false
    }

    /// When something last moved. Where our end keeps the peer from sending more, now, as long as what
    /// it has sent waits for our output to take it: that is no silence of the peer's.
    fn heard_at(&self, now: Instant) -> Instant {
        let is_waiting = !self.recv.is_drained() || self.remote.is_readable();
        let is_last = self.rules.on_local_end == OnLocalEnd::Last;
        self.last_active.filter(|_| !(is_last && is_waiting)).unwrap_or(now)
    }

    /// Whether `time` has passed since `from`.
    fn poll_timer(&mut self, cx: &mut Context<'_>, from: Instant, time: Duration) -> bool {
        let until = from + time;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx).is_ready()
    }

    fn outcome(&mut self, ended_by: EndedBy) -> Outcome {
        let (sent, received) = self.counts();
        let losses = self.remote.losses().or_else(|| self.local.losses());
        // A failure noted earlier outranks whatever timer ran out since.
        let ended_by = if self.error.is_some() { EndedBy::Error } else { ended_by };
        Outcome { sent, received, ended_by, error: self.error.take(), losses }
    }

    /// Sends what is ready; true when nothing is and the pause granted to the source is over.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> bool {
        let is_busy = !self.send.is_drained() || self.send_ending || self.send.yielded;
        // A splice holds nothing back, so waiting for a full socket looks like waiting for input.
        if is_busy || self.local.is_readable() {
            self.timer = None;
            return false;
        }
        let pause = self.local.linger();
        let since = self.input_active.unwrap_or_else(Instant::now);
        pause.is_zero() || self.poll_timer(cx, since, pause)
    }

    /// Sees that what was sent has arrived; the receiving direction goes on meanwhile.
    fn poll_settle(&mut self, cx: &mut Context<'_>, ended_by: EndedBy) -> Poll<Outcome> {
        let listening = self.recv_state == Direction::Open;
        let is_last = self.rules.on_local_end == OnLocalEnd::Last && listening;
        let mut is_silent = self.send.tally.delivered == 0 && !is_last;
        if let Some(program) = &mut self.program
            && program.is_gone()
        {
            // A peer that had more to say to a program that is gone is heard out.
            program.discard();
            is_silent = false;
        }
        if is_silent || (self.remote.shape == Shape::Message && !is_last) {
            return self.poll_flush(cx, ended_by);
        }
        self.local.stop_recv();
        let now = Instant::now();
        let heard_at = self.heard_at(now);
        let rules = &self.rules;
        let settle = self.settle.get_or_insert_with(|| Settle::new(ended_by, rules, now));
        if settle.is_closing() && listening {
            return match ready!(settle.poll_closing(cx, &self.remote, heard_at)) {
                Ok(()) => self.poll_flush(cx, ended_by),
                Err(error) => Poll::Ready(self.fail_end(error, 0)),
            };
        }
        match settle.poll(cx, &self.remote, listening.then_some(heard_at), self.rules.stall) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) if is_last => {
                settle.close(now);
                // Called again for what the peer had sent.
                cx.waker().wake_by_ref();
                match self.remote.poll_finish(cx) {
                    Poll::Ready(Err(error)) => Poll::Ready(self.fail_end(error, 0)),
                    _ => Poll::Pending,
                }
            }
            Poll::Ready(Ok(())) => {
                let ended_by = settle.ended_by;
                self.poll_flush(cx, ended_by)
            }
            Poll::Ready(Err((error, undelivered))) => {
                Poll::Ready(self.fail_end(error, undelivered))
            }
        }
    }

    /// The connection failed after everything was sent.
    fn fail_end(&mut self, error: io::Error, undelivered: u64) -> Outcome {
        // What keeps the bytes may count more than the bytes.
        let undelivered = undelivered.min(self.send.tally.delivered);
        self.error = Some(SessionError { side: Side::Remote, error, undelivered });
        self.outcome(EndedBy::Error)
    }

    /// Ends once our output has everything that was taken from the peer, and nothing more.
    fn poll_flush(&mut self, cx: &mut Context<'_>, ended_by: EndedBy) -> Poll<Outcome> {
        self.flushing = Some(ended_by);
        self.local.stop_recv();
        if self.recv_state == Direction::Open {
            // What a program has not taken by now it never will: there is nothing to wait for.
            let spill = self.program.as_mut().and_then(|program| {
                program.discard();
                program.spill()
            });
            let sink = spill.unwrap_or(&mut self.local);
            match self.recv.poll_flush(cx, &mut self.remote, sink) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(PumpError::Source(error))) => self.fail_recv(Side::Remote, error),
                Poll::Ready(Err(PumpError::Sink(error))) => {
                    self.fail_recv(Side::LocalOutput, error);
                }
            }
        }
        Poll::Ready(self.outcome(ended_by))
    }
}

impl Session {
    /// One look at the rules, after everything that could move has moved.
    fn decide(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        if let Some(ended_by) = self.flushing {
            return self.poll_flush(cx, ended_by);
        }
        let active = self.last_active.unwrap_or_else(Instant::now);
        let step = match (&self.settle, next(&self.rules, self.send_state, self.recv_state)) {
            (_, Next::Fail) => return Poll::Ready(self.outcome(EndedBy::Error)),
            (Some(settle), _) => Next::Settle(settle.ended_by),
            (None, step) => step,
        };
        let ended_by = match step {
            Next::Fail | Next::Move => None,
            Next::FailWhenQuiet(time) => {
                if self.poll_timer(cx, active, time) {
                    return Poll::Ready(self.outcome(EndedBy::Error));
                }
                None
            }
            Next::ReceiveFor(time) => {
                let from = self.timer.as_ref().map_or(Instant::now(), |t| t.deadline() - time);
                self.poll_timer(cx, from, time).then_some(EndedBy::QuitTimer)
            }
            Next::ReceiveUntilQuiet(time) => {
                self.poll_timer(cx, active, time).then_some(EndedBy::LocalEnd)
            }
            Next::Drain => self.poll_drain(cx).then_some(EndedBy::RemoteEnd),
            Next::Settle(ended_by) => Some(ended_by),
        };
        match ended_by {
            Some(ended_by) => self.poll_settle(cx, ended_by),
            None => Poll::Pending,
        }
    }
}

impl Future for Session {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = self.get_mut();
        if this.send_state == Direction::Open && this.settle.is_none() && this.flushing.is_none() {
            this.poll_send(cx);
        }
        if this.recv_state == Direction::Open && this.flushing.is_none() {
            this.poll_recv(cx);
        }
        this.poll_program(cx);
        this.give_up_refused_datagrams();
        this.account();
        if let Poll::Ready(outcome) = this.decide(cx) {
            return Poll::Ready(outcome);
        }
        if this.poll_idle(cx) {
            this.remote.note_idle();
            return Poll::Ready(this.outcome(EndedBy::Idle));
        }
        Poll::Pending
    }
}
