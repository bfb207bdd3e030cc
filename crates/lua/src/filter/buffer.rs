//! `ncat.buffer()`: bytes that wait, put in at the back and taken from the front. Readers keep theirs in
//! one too (`reader.lua`).

use std::sync::Arc;

use memchr::{memchr, memmem};
use mlua::{
    IntoLuaMulti, Lua, LuaString, Table, UserData, UserDataMethods, UserDataRef, UserDataRefMut,
    Value,
};

use super::ledger::Charge;
use super::native::Shared;

/// What an empty buffer may keep, in bytes.
const KEPT: usize = 4096;

pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// What comes before this has been taken.
    start: usize,
    /// Up to here there is no `sought`.
    looked: usize,
    sought: Vec<u8>,
    charge: Charge,
    /// The limit of all the state, in bytes.
    memory: u64,
    max: usize,
}

impl Buffer {
    fn new(shared: &Arc<Shared>) -> Self {
        let max = match usize::try_from(shared.limits.buffer) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(max) => max,
        };
        Self {
            bytes: Vec::new(),
            start: 0,
            looked: 0,
            sought: Vec::new(),
            charge: Charge::new(&shared.ledger),
            memory: shared.memory as u64,
            max,
        }
    }

    fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Puts `data` at the back; only who has looked at the limit calls it.
    fn push(&mut self, lua: &Lua, data: &[u8]) -> mlua::Result<()> {
        let needed = self.bytes.len() + data.len();
        if needed > self.bytes.capacity() && self.start >= self.len() {
            // At most as many bytes are moved as have been taken since the last time.
            self.bytes.drain(..self.start);
            self.looked = self.looked.saturating_sub(self.start);
            self.start = 0;
        }
        let needed = self.bytes.len() + data.len();
        if needed > self.bytes.capacity() {
            let capacity = needed.max(self.bytes.capacity() * 2);
            self.charge.set(lua, self.memory, capacity)?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    /// Puts `data` back in front.
    fn unread(&mut self, lua: &Lua, data: &[u8]) -> mlua::Result<()> {
        if data.len() > self.start {
            // As much room as there are bytes, so that the next ones find it.
            let room = (data.len() + self.len()).max(64);
            let capacity = room + data.len() + self.len();
            self.charge.set(lua, self.memory, capacity)?;
            let mut bytes = Vec::with_capacity(capacity);
            bytes.resize(room + data.len(), 0);
            bytes.extend_from_slice(self.waiting());
            (self.bytes, self.start) = (bytes, room + data.len());
        }
        self.start -= data.len();
        self.bytes[self.start..self.start + data.len()].copy_from_slice(data);
        self.looked = self.start;
        Ok(())
    }

    /// `count` bytes have been taken from the front. An empty buffer keeps no memory to speak of.
    fn skip(&mut self, lua: &Lua, count: usize) -> mlua::Result<()> {
        self.start += count;
        if self.start < self.bytes.len() {
            return Ok(());
        }
        (self.start, self.looked) = (0, 0);
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
            self.charge.set(lua, self.memory, 0)?;
        }
        Ok(())
    }

    /// Where `plain` begins. What was looked through for it before is not looked through again.
    fn find(&mut self, plain: &[u8]) -> Option<usize> {
        if self.sought != plain {
            self.sought = plain.to_vec();
            self.looked = self.start;
        }
        let from = self.looked.max(self.start);
        let found = position(plain, &self.bytes[from..]);
        match found {
            Some(at) => {
                self.looked = from + at;
                Some(from + at - self.start)
            }
            None => {
                self.looked = (self.bytes.len() + 1).saturating_sub(plain.len()).max(from);
                None
            }
        }
    }

    /// The first `count` bytes, taken out.
    fn take(&mut self, lua: &Lua, count: usize) -> mlua::Result<LuaString> {
        let taken = lua.create_string(&self.waiting()[..count])?;
        self.skip(lua, count)?;
        Ok(taken)
    }

    /// What comes before `plain`, taken out together with it; with `keeps` it is part of what is given.
    fn upto(&mut self, lua: &Lua, plain: &[u8], keeps: bool) -> mlua::Result<Option<LuaString>> {
        let Some(at) = self.find(plain) else { return Ok(None) };
        let end = at + plain.len();
        let taken = lua.create_string(&self.waiting()[..if keeps { end } else { at }])?;
        self.skip(lua, end)?;
        Ok(Some(taken))
    }
}

fn position(plain: &[u8], text: &[u8]) -> Option<usize> {
    match plain {
        [one] => memchr(*one, text),
        _ => memmem::find(text, plain),
    }
}

/// How many bytes are meant: all without a number; `None` when there are not so many.
fn counted(count: Option<i64>, len: usize) -> Option<usize> {
    match count {
        None => Some(len),
        Some(count) => usize::try_from(count.max(0)).ok().filter(|count| *count <= len),
    }
}

impl UserData for Buffer {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("push", |lua, buffer, data: LuaString| {
            let data = data.as_bytes();
            if buffer.len().saturating_add(data.len()) > buffer.max {
                return (Value::Nil, "LIMIT").into_lua_multi(lua);
            }
            buffer.push(lua, &data)?;
            true.into_lua_multi(lua)
        });
        methods.add_method_mut("pull", |lua, buffer, count: Option<i64>| {
            let count = counted(count, buffer.len());
            count.map(|count| buffer.take(lua, count)).transpose()
        });
        methods.add_method("peek", |lua, buffer, count: Option<i64>| {
            let count = counted(count, buffer.len());
            count.map(|count| lua.create_string(&buffer.waiting()[..count])).transpose()
        });
        methods.add_method("find", |_, buffer, (plain, from): (LuaString, Option<i64>)| {
            let from = usize::try_from(from.unwrap_or(1).max(1) - 1).unwrap_or(usize::MAX);
            let rest = buffer.waiting().get(from..);
            let at = rest.and_then(|rest| memmem::find(rest, &plain.as_bytes()));
            Ok(at.map(|at| from + at + 1))
        });
        methods.add_method("len", |_, buffer, ()| Ok(buffer.len()));
        methods.add_meta_method("__len", |_, buffer, ()| Ok(buffer.len()));
        methods.add_method_mut("clear", |lua, buffer, ()| {
            let len = buffer.len();
            buffer.skip(lua, len)
        });
    }
}

/// Adds `ncat.buffer` and what readers are made of to `native`.
pub(super) fn add(lua: &Lua, native: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    type On = UserDataRefMut<Buffer>;
    let own = Arc::clone(shared);
    native.raw_set("buffer", lua.create_function(move |_, ()| Ok(Buffer::new(&own)))?)?;
    let len = lua.create_function(|_, buffer: UserDataRef<Buffer>| Ok(buffer.len()))?;
    native.raw_set("buffer_len", len)?;
    // Of what comes from below nothing is lost: a buffer that is full is not filled, see `is_full`.
    let fill = lua.create_function(|lua, (mut buffer, data): (On, LuaString)| {
        buffer.push(lua, &data.as_bytes())
    })?;
    native.raw_set("buffer_fill", fill)?;
    let is_full = lua.create_function(|_, (buffer, wanted): (On, Option<i64>)| {
        let wanted = usize::try_from(wanted.unwrap_or(0)).unwrap_or(0);
        Ok(buffer.len() >= buffer.max || wanted > buffer.max)
    })?;
    native.raw_set("buffer_is_full", is_full)?;
    let take = lua.create_function(|lua, (mut buffer, count): (On, Option<i64>)| {
        let count = counted(count, buffer.len());
        count.map(|count| buffer.take(lua, count)).transpose()
    })?;
    native.raw_set("buffer_take", take)?;
    let some = lua.create_function(|lua, (mut buffer, max): (On, i64)| {
        let count = usize::try_from(max.max(1)).unwrap_or(usize::MAX).min(buffer.len());
        buffer.take(lua, count)
    })?;
    native.raw_set("buffer_some", some)?;
    let peek = lua.create_function(|lua, (buffer, count): (On, Option<i64>)| {
        let count = counted(count, buffer.len());
        count.map(|count| lua.create_string(&buffer.waiting()[..count])).transpose()
    })?;
    native.raw_set("buffer_peek", peek)?;
    let unread = lua.create_function(|lua, (mut buffer, data): (On, LuaString)| {
        let data = data.as_bytes();
        if buffer.len().saturating_add(data.len()) > buffer.max {
            return Ok(false);
        }
        buffer.unread(lua, &data).map(|()| true)
    })?;
    native.raw_set("buffer_unread", unread)?;
    let upto = lua.create_function(|lua, (mut buffer, plain, keeps): (On, LuaString, bool)| {
        buffer.upto(lua, &plain.as_bytes(), keeps)
    })?;
    native.raw_set("buffer_upto", upto)?;
    let line = lua.create_function(|lua, mut buffer: On| buffer.upto(lua, b"\n", false))?;
    native.raw_set("buffer_line", line)?;
    let lines = lua.create_function(|_, buffer: On| {
        Ok(memchr::memchr_iter(b'\n', buffer.waiting()).count())
    })?;
    native.raw_set("buffer_lines", lines)
}
