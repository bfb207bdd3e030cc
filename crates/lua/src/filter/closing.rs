//! The end of a connection's filters: why it ended, who is told, what is cancelled.

use std::sync::{Arc, PoisonError};

use mlua::{Function, MultiValue, Value};

use super::code::Fault;
use super::coroutine::Event;
use super::driver::{Driver, Phase};
use super::link::Begin;

impl Driver {
    /// Tells whoever wants to know, and says good-bye.
    pub(super) fn close(&mut self) -> mlua::Result<()> {
        self.phase = Phase::Closing;
        self.cancel();
        let engine = Arc::clone(&self.engine);
        let unregister: Function = engine.entry("unregister")?;
        unregister.call::<()>(self.link.id)?;
        let state = self.link.lock();
        let failed = match (&state.fault, &state.read_end, &state.send_end) {
            (Some(fault), _, _) => Some(("ERROR", fault.line.clone())),
            (None, Some(Err(failure)), _) | (None, _, Some(failure)) => {
                Some((failure.code, failure.to_string()))
            }
            _ => None,
        };
        let is_refused = matches!(state.begin, Begin::Refused(_));
        let reason = match (&failed, &state.read_end) {
            _ if is_refused => "rejected",
            (Some(_), _) => "error",
            (None, Some(Ok(()))) => "eof",
            (None, _) => "done",
        };
        let is_there = state.is_there() || self.link.sockets.are_open();
        let shuts = !state.shut && !is_refused && failed.is_none() && is_there;
        drop(state);
        let info = match failed {
            None => Value::Nil,
            Some((code, message)) => {
                let info = engine.lua.create_table()?;
                info.raw_set("code", code)?;
                info.raw_set("message", message)?;
                Value::Table(info)
            }
        };
        let Some(instances) = self.instances.clone() else {
            self.end();
            return Ok(());
        };
        self.limit(engine.shared.limits.close);
        let args = (self.handle.clone(), instances, info, reason, shuts);
        self.start(Event::Close, engine.entry("closing")?, args)
    }

    /// Coroutines that wait never go on; what they would close is closed.
    fn cancel(&mut self) {
        let close: mlua::Result<Function> = self.engine.entry("cancel");
        for coroutine in self.coroutines.drain(..) {
            if coroutine.args.is_none()
                && let Ok(close) = &close
            {
                let slice = self.engine.shared.limits.slice;
                let closed = self.engine.at_once(Some(&self.link), slice, || {
                    close.call::<MultiValue>(coroutine.thread.clone())
                });
                let _ = closed;
                let _ = self.engine.flags.raw_set("tripped", Value::Nil);
            }
        }
    }

    pub(super) fn end(&mut self) {
        self.phase = Phase::Ended;
        self.coroutines.clear();
        self.deadline = None;
        let mut state = self.link.lock();
        state.wire.close();
        state.posts.clear();
        state.spawned.clear();
        state.shut = true;
        state.end_inbox(Ok(()));
        drop(state);
        self.link.sockets.close();
        (self.handle, self.instances) = (Value::Nil, None);
        let mut live = self.engine.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.remove(&self.link.id);
        self.engine.ended.notify_waiters();
    }

    /// The connection has failed; the session is told.
    pub(super) fn fail(&self, fault: Fault) {
        let mut state = self.link.lock();
        let fault = state.fault.get_or_insert(fault).clone();
        state.inbox.clear();
        state.inbox_end = Some(Err(std::io::Error::other(fault)));
        state.wake_session();
    }
}
