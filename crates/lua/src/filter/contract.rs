//! What crosses between the top of a stack and the session, checked.

use std::io;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use conn::Shape;
use mlua::{BorrowedBytes, Lua, MultiValue, Table, UserDataRef, Value};

use super::code::{Failure, Fault, Origin};
use super::link::{Link, State};
use super::native::{Handle, Shared, kind};

/// Bytes, below which a copy costs less than what keeps a string.
const COPIED_MAX: usize = 2048;

/// A script's string on its way out: it stays where it is, kept from Lua's collector until it has gone.
pub(super) fn piece(data: BorrowedBytes) -> Bytes {
    if data.len() > COPIED_MAX { Bytes::from_owner(data) } else { Bytes::copy_from_slice(&data) }
}

/// What a method gave, judged.
enum Verdict {
    Done,
    Failed(Failure),
    Fault,
}

/// For `send` and `shutdown`: failed when the first result is false, or nil and the second is not.
fn judge(values: &MultiValue) -> Verdict {
    let second = values.get(1).filter(|value| !value.is_nil());
    match values.front() {
        Some(Value::Boolean(false)) => Verdict::Failed(failure(values)),
        None | Some(Value::Nil) if second.is_some() => Verdict::Failed(failure(values)),
        None | Some(Value::Nil | Value::Boolean(true) | Value::Integer(_) | Value::Number(_)) => {
            Verdict::Done
        }
        Some(_) => Verdict::Fault,
    }
}

/// The code and the detail that a script gave.
pub(crate) fn failure(values: &MultiValue) -> Failure {
    let text = |at: usize| values.get(at).and_then(Value::as_string).map(|s| s.to_string_lossy());
    Failure::said(&text(1).unwrap_or_else(|| "ERROR".into()), text(2))
}

impl Link {
    /// A fault about what a filter did, returned or was given.
    pub(crate) fn fault(&self, origin: Origin, text: &str) -> Fault {
        let line = format!("Lua filter \"{}\" (connection {}){text}", origin.name(), self.id);
        Fault { line, traceback: String::new(), code: "ERROR", origin }
    }
}

/// Takes what the top's `recv` gave to the session; whether the pump goes on.
fn deliver(shared: &Shared, link: &Link, values: &MultiValue) -> bool {
    let top = || Origin { method: "recv", ..link.top.clone() };
    let mut state = link.lock();
    if state.is_left {
        return false;
    }
    match values.front() {
        Some(Value::String(data)) => {
            let data = data.as_bytes();
            let max = shared.chunk_max();
            if data.len() > max {
                let text = format!(", recv: returned {} bytes, the limit is {max}", data.len());
                let fault = Fault { code: "LIMIT", ..link.fault(top(), &text) };
                return fails(&mut state, fault);
            }
            if data.is_empty() && state.shape == Shape::Stream {
                return true;
            }
            state.inbox.push_back(piece(data));
            state.taker.take().into_iter().for_each(Waker::wake);
            true
        }
        None | Some(Value::Nil) => {
            let failure = failure(values);
            let is_end = values.get(1).is_none_or(Value::is_nil) || failure.code == "EOF";
            let end = if is_end { Ok(()) } else { Err(state.fail_as(&failure, top())) };
            state.end_inbox(end);
            false
        }
        Some(_) => {
            let text = format!(": recv returned a {}, expected a string or nil", kind(values));
            fails(&mut state, link.fault(top(), &text))
        }
    }
}

fn fails(state: &mut State, fault: Fault) -> bool {
    state.fail(fault);
    false
}

/// Looks at what `send` gave; whether the pump goes on. `quietly`: the session does not hear of a failure.
fn check(link: &Link, method: &'static str, values: &MultiValue, quietly: bool) -> bool {
    let top = || Origin { method, ..link.top.clone() };
    let mut state = link.lock();
    match judge(values) {
        Verdict::Done => true,
        Verdict::Failed(failure) => {
            if !quietly {
                let error: io::Error = state.fail_as(&failure, top());
                state.failed.get_or_insert(error);
                state.in_send = false;
                state.giver.take().into_iter().for_each(Waker::wake);
            }
            false
        }
        Verdict::Fault => {
            let text = format!(
                ": {method} returned a {}, expected true or nil and an error",
                kind(values)
            );
            fails(&mut state, link.fault(top(), &text))
        }
    }
}

/// Adds the functions of this module.
pub(super) fn add(lua: &Lua, native: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    type On = UserDataRef<Handle>;
    let own = Arc::clone(shared);
    let deliver = lua.create_function(move |_, (h, values): (On, MultiValue)| {
        Ok(deliver(&own, &h.0, &values))
    })?;
    native.raw_set("deliver", deliver)?;
    let own = Arc::clone(shared);
    let taken = lua.create_function(move |_, h: On| {
        let waker = own.current().as_ref().map(|current| current.waker.clone());
        let mut state = h.0.lock();
        if state.inbox.is_empty() || state.is_left {
            return Ok(true);
        }
        state.deliverer = waker;
        Ok(false)
    })?;
    native.raw_set("taken", taken)?;
    let own = Arc::clone(shared);
    let take = lua.create_function(move |lua, h: On| {
        let waker = own.current().as_ref().map(|current| current.waker.clone());
        let mut state = h.0.lock();
        if state.in_send {
            state.in_send = false;
            state.giver.take().into_iter().for_each(Waker::wake);
        }
        if let Some(piece) = state.outbox.take() {
            state.in_send = true;
            drop(state);
            return lua.create_string(&piece).map(Value::String);
        }
        if state.outbox_end {
            return Ok(Value::Nil);
        }
        state.outbound = waker;
        Ok(Value::Boolean(false))
    })?;
    native.raw_set("take", take)?;
    for (function, quietly) in [("check_send", false), ("check_post", true)] {
        let check = lua.create_function(move |_, (h, values): (On, MultiValue)| {
            Ok(check(&h.0, "send", &values, quietly))
        })?;
        native.raw_set(function, check)?;
    }
    let check_end = lua.create_function(move |_, (h, values): (On, MultiValue)| {
        check(&h.0, "shutdown", &values, false);
        let mut state = h.0.lock();
        state.shut = true;
        state.wake_session();
        Ok(())
    })?;
    native.raw_set("check_end", check_end)
}
