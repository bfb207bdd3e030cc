//! The end of a connection's filters: why it ended, who is told, what is cancelled.

use std::sync::{Arc, PoisonError};

use mlua::{Function, Table, Value};

use super::code::{Fault, Trouble};
use super::coroutine::Event;
use super::driver::{Driver, Phase};
use super::link::{Begin, Link};

/// Why a connection ends, as `close` is told.
fn reason(link: &Link) -> &'static str {
    let connects = link.facts.target.is_some();
    let state = link.lock();
    let is_ended = matches!(state.read_end, Some(Ok(())));
    match &state.begin {
        _ if state.trouble.is_some() => "error",
        _ if state.exits => "exit",
        Begin::Refused(_) if !connects => "rejected",
        // Our own end is not the reason then, only the peer's can be.
        _ if state.is_idle => "idle",
        _ if state.is_stopped || state.outbox_end || !is_ended => "done",
        _ => "eof",
    }
}

impl Driver {
    /// Tells whoever wants to know, and says good-bye. Who waits for its own sake is cancelled before;
    /// tasks and timers go on until the good-bye is said, and so does what others have sent.
    pub(super) fn close(&mut self) -> mlua::Result<()> {
        self.phase = Phase::Closing;
        self.coroutines.cancel(|event| matches!(event, Event::Begin | Event::Recv | Event::Send));
        let engine = Arc::clone(&self.engine);
        let unregister: Function = engine.entry("unregister")?;
        unregister.call::<()>(self.link.id)?;
        let Some(instances) = self.instances.clone() else {
            self.end();
            return Ok(());
        };
        let reason = reason(&self.link);
        let state = self.link.lock();
        let trouble = state.trouble.clone();
        let is_there = state.is_there() || self.link.sockets.are_open();
        let shuts = is_there && !state.shut && matches!(reason, "done" | "eof");
        drop(state);
        let info = trouble.map(|trouble| self.info(&trouble)).transpose()?;
        self.limit(engine.shared.limits.close);
        let args = (&self.handle, instances, info, reason, shuts);
        self.coroutines.start(Event::Close, engine.entry("closing")?, args)
    }

    /// What `error` is told.
    fn info(&self, trouble: &Trouble) -> mlua::Result<Table> {
        let info = self.engine.lua.create_table()?;
        info.raw_set("code", trouble.code)?;
        info.raw_set("message", &trouble.message[..])?;
        info.raw_set("layer", trouble.origin.layer)?;
        info.raw_set("filter", trouble.origin.filter.as_deref())?;
        info.raw_set("method", trouble.origin.method)?;
        Ok(info)
    }

    /// Nothing of the connection runs any more.
    pub(super) fn end(&mut self) {
        self.phase = Phase::Ended;
        let waiting = self.link.owner.lock().end();
        waiting.into_iter().for_each(|task| task.state.end());
        self.coroutines.cancel(|_| true);
        self.deadline = None;
        if let Ok(forget) = self.engine.entry::<Function>("forget") {
            let _ = forget.call::<()>(self.link.id);
        }
        let mut state = self.link.lock();
        state.wire.close();
        state.posts.clear();
        state.shut = true;
        state.end_inbox(Ok(()));
        drop(state);
        self.link.sockets.close();
        (self.handle, self.instances) = (Value::Nil, None);
        let mut live = self.engine.roll.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.remove(&self.link.id);
        self.engine.roll.ended.notify_waiters();
    }

    /// The connection has failed; the session is told. At the end it is too late for that.
    pub(super) fn fail(&self, fault: Fault) {
        if matches!(self.phase, Phase::Closing | Phase::Ended) {
            self.note(&fault.line);
            return;
        }
        self.link.lock().fail(fault);
    }

    /// Something for who debugs a filter.
    pub(super) fn note(&self, text: &str) {
        (self.engine.shared.log)("debug", self.top_origin("").name(), self.link.id, text);
    }
}
