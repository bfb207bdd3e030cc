//! The root's `connect`: whom it may dial, and what came of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mlua::{Lua, Table, UserDataRef, Value};

use super::code::Failure;
use super::link::{Dial, Link, Target};
use super::native::{Answer, DONE, Handle, Shared, WOULD_WAIT, failed, misuse};

/// Whom a script wants to be connected with: an address or path, and a port where there is one.
fn target(host: &Value, port: &Value) -> mlua::Result<Result<Target, Failure>> {
    let Value::String(host) = host else { return Err(misuse("connect", host)) };
    let text = host.to_string_lossy();
    let port = match port {
        Value::Nil => None,
        port => match port.as_integer().map(u16::try_from) {
            Some(Ok(port)) => Some(port),
            _ => return Ok(Err(Failure::new("ERROR", "connect: that is no port"))),
        },
    };
    Ok(Ok((text, port)))
}

fn connect(shared: &Shared, link: &Link, host: &Value, port: &Value) -> mlua::Result<Answer> {
    let wanted = match target(host, port)? {
        Ok(wanted) => wanted,
        Err(failure) => return Ok(failed(&failure)),
    };
    let elsewhere = (link.facts.target.as_ref() != Some(&wanted)).then_some(wanted);
    if elsewhere.is_some() && !shared.dials_anybody.load(Ordering::Relaxed) {
        let detail = "only the target the user named can be dialled (--lua-allow net)";
        return Ok(failed(&Failure::new("DENIED", detail)));
    }
    let (coroutine, waker) = shared.turn()?;
    let mut state = link.lock();
    let is_others = state.dialler.is_some_and(|dialler| dialler != coroutine);
    match &state.dial {
        Dial::Done(Ok(())) => {
            state.dialler = None;
            return Ok(match state.elsewhere == elsewhere {
                true => DONE,
                false => failed(&Failure::new("ERROR", "there is a connection already")),
            });
        }
        Dial::Done(Err(failure)) => {
            // Who likes may try again, or somebody else.
            let answer = failed(failure);
            (state.dial, state.dialler) = (Dial::None, None);
            return Ok(answer);
        }
        Dial::None => {
            (state.dial, state.dialler) = (Dial::Wanted, Some(coroutine));
            state.elsewhere = elsewhere;
            state.grace.begin();
            state.wake_session();
        }
        Dial::Wanted | Dial::Told if is_others => return Ok(failed(&Failure::new("BUSY", ""))),
        Dial::Wanted | Dial::Told => {}
    }
    state.senders.push(waker);
    Ok(WOULD_WAIT)
}

/// Adds `connect`.
pub(super) fn add(lua: &Lua, native: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let own = Arc::clone(shared);
    let connect =
        lua.create_function(move |_, (h, host, port): (UserDataRef<Handle>, Value, Value)| {
            connect(&own, &h.0, &host, &port)
        })?;
    native.raw_set("connect", connect)
}
