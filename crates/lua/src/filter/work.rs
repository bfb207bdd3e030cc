//! Work that is done outside Lua and that a script waits for.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use mlua::{
    IntoLua, Lua, MetaMethod, MultiValue, Table, UserData, UserDataMethods, UserDataRef, Value,
};

use super::code::Failure;
use super::native::{Shared, failed, lost};

/// Makes what the script gets, once the work is done.
pub(crate) type Results = Box<dyn FnOnce(&Lua) -> mlua::Result<MultiValue> + Send>;

/// One piece of work. It goes on only while somebody waits for it, and ends when its variable does.
pub(crate) struct Work(Mutex<Option<Pin<Box<dyn Future<Output = Results> + Send>>>>);

impl Work {
    pub(crate) fn new(work: impl Future<Output = Results> + Send + 'static) -> Self {
        Self(Mutex::new(Some(Box::pin(work))))
    }
}

impl UserData for Work {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_function(MetaMethod::Close, |_, (work, _): (UserDataRef<Self>, Value)| {
            let given_up = work.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(given_up);
            Ok(())
        });
    }
}

/// True, or a code and a detail.
pub(crate) fn done(result: Result<(), Failure>) -> Results {
    match result {
        Ok(()) => Box::new(|_| Ok(MultiValue::from_iter([Value::Boolean(true)]))),
        Err(failure) => failure_of(failure),
    }
}

/// Nil, a code and a detail.
pub(crate) fn failure_of(failure: Failure) -> Results {
    Box::new(move |lua| {
        let (nothing, code, detail) = failed(&failure);
        Ok(MultiValue::from_iter([nothing, code.into_lua(lua)?, detail.into_lua(lua)?]))
    })
}

/// Adds `work`: false while it is under way, then true and the results.
pub(super) fn add(lua: &Lua, native: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let own = Arc::clone(shared);
    let function = lua.create_function(move |lua, work: UserDataRef<Work>| {
        own.may_wait()?;
        let waker = own.waker()?;
        let mut held = work.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = held.as_mut() else { return Err(lost("it is over already")) };
        let Poll::Ready(results) = running.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return Ok(MultiValue::from_iter([Value::Boolean(false)]));
        };
        *held = None;
        drop(held);
        let mut values = results(lua)?;
        values.push_front(Value::Boolean(true));
        Ok(values)
    })?;
    native.raw_set("work", function)
}
