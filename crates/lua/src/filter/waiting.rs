//! What scripts' tasks, timers, queues and pauses end in; the rest of them is in `waiting.lua`.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Thread, UserData, UserDataRef};

use super::clock::Alarm;
use super::native::{Handle, Shared};
use super::owner::TaskState;

/// Rings once, for whichever coroutine asked last.
struct Pause(Mutex<Alarm>);

impl UserData for Pause {}

struct Task(Arc<TaskState>);

impl UserData for Task {}

/// How to wake a coroutine that waits for something a script does.
struct Waiter(Waker);

impl UserData for Waiter {}

/// The shortest period of a timer.
const PERIOD_MIN: Duration = Duration::from_millis(1);

/// Seconds as scripts have them; what is less than nothing is nothing.
fn time(what: &str, seconds: f64) -> mlua::Result<Duration> {
    if seconds.is_nan() {
        return Err(mlua::Error::runtime(format!("{what} was given a time that is none")));
    }
    Ok(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

/// Adds the functions of this module to `native`.
pub(super) fn add(lua: &Lua, native: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    tasks(lua, native, shared)?;
    timers(lua, native, shared)?;
    let own = Arc::clone(shared);
    let alarm = lua.create_function(move |_, (what, seconds): (String, f64)| {
        // Outside a coroutine nobody would ever go on with it; Lua's words for the same.
        if own.turn()?.0 == 0 {
            return Err(mlua::Error::runtime("attempt to yield from outside a coroutine"));
        }
        Ok(Pause(Mutex::new(own.clock.after(time(&what, seconds)?))))
    })?;
    native.raw_set("alarm", alarm)?;
    let own = Arc::clone(shared);
    let rang = lua.create_function(move |_, pause: UserDataRef<Pause>| {
        let (_, waker) = own.turn()?;
        let mut pause = pause.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(pause.poll(&mut Context::from_waker(&waker)).is_ready())
    })?;
    native.raw_set("rang", rang)?;
    let own = Arc::clone(shared);
    let waiter = lua.create_function(move |_, ()| Ok(Waiter(own.turn()?.1)))?;
    native.raw_set("waiter", waiter)?;
    let wake = lua.create_function(|_, waiter: UserDataRef<Waiter>| {
        waiter.0.wake_by_ref();
        Ok(())
    })?;
    native.raw_set("wake", wake)
}

fn tasks(lua: &Lua, native: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let own = Arc::clone(shared);
    let spawn = lua.create_function(move |_, (thread, args): (Thread, MultiValue)| {
        let state = own.owner().spawn(thread, args, own.limits.tasks);
        Ok(state.map(Task))
    })?;
    native.raw_set("spawn", spawn)?;
    let cancel = lua.create_function(|_, task: UserDataRef<Task>| {
        task.0.end();
        Ok(())
    })?;
    native.raw_set("cancel_task", cancel)?;
    let done = lua.create_function(|_, task: UserDataRef<Task>| Ok(task.0.is_over()))?;
    native.raw_set("task_done", done)
}

fn timers(lua: &Lua, native: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    type On = UserDataRef<Handle>;
    let own = Arc::clone(shared);
    let set = lua.create_function(
        move |lua, (h, layer, delay, period): (On, usize, f64, Option<f64>)| {
            let at = own.clock.now().saturating_add(time("set_timer", delay)?);
            let period = period.map(|period| time("set_timer", period)).transpose()?;
            let period = period.map(|period| period.max(PERIOD_MIN));
            let id = h.0.owner.set_timer(layer, at, period, own.limits.timers);
            match id {
                Some(id) => id.into_lua_multi(lua),
                None => (mlua::Value::Nil, "LIMIT").into_lua_multi(lua),
            }
        },
    )?;
    native.raw_set("set_timer", set)?;
    let clear = lua.create_function(|_, (h, id): (On, u32)| Ok(h.0.owner.clear_timer(id)))?;
    native.raw_set("clear_timer", clear)
}
