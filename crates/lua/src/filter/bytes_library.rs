//! `bytes`: what scripts would be slow at, on binary-safe strings.

use std::sync::{Arc, Mutex, PoisonError};

use memchr::memmem;
use mlua::{Lua, LuaString, Table, Value};

use super::coding::{self, Room};
use super::slice::Tripwire;

/// Two letters for each byte.
pub(super) fn hex(data: &[u8]) -> Vec<u8> {
    coding::hex(data, &mut Room::default()).to_vec()
}

/// See [`coding::unbase64`].
pub(super) fn unbase64(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    coding::unbase64(text, &mut Room::default()).map(<[u8]>::to_vec)
}

/// The bytes that pairs of digits stand for; white space between digits is passed over.
pub(super) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    coding::unhex(text, &mut Room::default()).map(<[u8]>::to_vec)
}

/// What is made outside the state is bounded as the state is; 0 is no bound.
fn fits(len: usize, room: usize) -> mlua::Result<()> {
    if len <= room || room == 0 {
        Ok(())
    } else {
        Err(mlua::Error::MemoryError("not enough memory".into()))
    }
}

/// `None`: as it is.
fn replace(data: &[u8], plain: &[u8], with: &[u8], room: usize) -> mlua::Result<Option<Vec<u8>>> {
    let count = memmem::find_iter(data, plain).count();
    if count == 0 {
        return Ok(None);
    }
    fits(count.saturating_mul(with.len()).saturating_add(data.len()), room)?;
    let mut out = Vec::with_capacity(data.len());
    let mut from = 0;
    for at in memmem::find_iter(data, plain) {
        out.extend(&data[from..at]);
        out.extend(with);
        from = at + plain.len();
    }
    out.extend(&data[from..]);
    Ok(Some(out))
}

/// Equal, in a time that depends on the lengths alone.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
}

fn flag(options: &Option<Table>, name: &str, without: bool) -> bool {
    let given = options.as_ref().and_then(|options| options.raw_get::<Value>(name).ok());
    match given {
        None | Some(Value::Nil) => without,
        Some(value) => !matches!(value, Value::Boolean(false)),
    }
}

/// The table of all of them.
pub(super) fn make(lua: &Lua, tripwire: &Tripwire) -> mlua::Result<Table> {
    type Text = LuaString;
    let table = lua.create_table()?;
    macro_rules! function {
        ($name:literal, $lua:ident, $args:tt : $types:ty, $body:expr) => {
            table.raw_set($name, lua.create_function(move |$lua, $args: $types| $body)?)?;
        };
    }
    let memory = tripwire.shared.memory;
    let shared_room = Arc::new(Mutex::new(Room::default()));
    macro_rules! in_room {
        ($name:literal, $lua:ident, $room:ident, $args:tt : $types:ty, $body:expr) => {{
            let (shared, tripwire) = (Arc::clone(&shared_room), tripwire.clone());
            function!($name, $lua, $args: $types, {
                let $room = &mut *shared.lock().unwrap_or_else(PoisonError::into_inner);
                let result = $body;
                tripwire.check($room.last())?;
                result
            });
        }};
    }
    in_room!("rot13", lua, room, s: Text, lua.create_string(coding::rot13(&s.as_bytes(), room)));
    in_room!("xor", lua, room, (s, key, offset): (Text, Text, Option<usize>), {
        if key.as_bytes().is_empty() {
            return Err(mlua::Error::runtime("xor was given an empty key"));
        }
        lua.create_string(coding::xor(&s.as_bytes(), &key.as_bytes(), offset.unwrap_or(0), room))
    });
    function!("reverse", lua, s: Text, {
        lua.create_string(s.as_bytes().iter().rev().copied().collect::<Vec<u8>>())
    });
    in_room!("translate", lua, room, (s, map): (Text, Text), {
        let map = map.as_bytes();
        let map: &[u8; 256] = (*map).try_into().map_err(|_| {
            mlua::Error::runtime("translate was given a map that has not 256 bytes")
        })?;
        lua.create_string(coding::translate(&s.as_bytes(), map, room))
    });
    function!("count", _lua, (s, byte): (Text, Text), {
        let byte = byte.as_bytes();
        let [byte] = *byte else {
            return Err(mlua::Error::runtime("count was given something else than one byte"));
        };
        Ok(memchr::memchr_iter(byte, &s.as_bytes()).count())
    });
    function!("split", lua, (s, separator): (Text, Text), {
        let (s, separator) = (s.as_bytes(), separator.as_bytes());
        if separator.is_empty() {
            return Err(mlua::Error::runtime("split was given an empty separator"));
        }
        let parts = lua.create_table()?;
        let mut from = 0;
        for at in memmem::find_iter(&s, &*separator) {
            parts.raw_push(lua.create_string(&s[from..at])?)?;
            from = at + separator.len();
        }
        parts.raw_push(lua.create_string(&s[from..])?)?;
        Ok(parts)
    });
    function!("replace", lua, (s, plain, with): (Text, Text, Text), {
        if plain.as_bytes().is_empty() {
            return Err(mlua::Error::runtime("replace was given nothing to look for"));
        }
        match replace(&s.as_bytes(), &plain.as_bytes(), &with.as_bytes(), memory)? {
            Some(out) => lua.create_string(out),
            None => Ok(s),
        }
    });
    function!("equal", _lua, (a, b): (Text, Text), Ok(equal(&a.as_bytes(), &b.as_bytes())));
    in_room!("hex", lua, room, s: Text, {
        fits(s.as_bytes().len().saturating_mul(2), memory)?;
        lua.create_string(coding::hex(&s.as_bytes(), room))
    });
    in_room!("unhex", lua, room, s: Text, Ok(match coding::unhex(&s.as_bytes(), room) {
        Some(bytes) => (Some(lua.create_string(bytes)?), None, None),
        None => (None, Some("ERROR"), Some("this is no hexadecimal text")),
    }));
    in_room!("base64", lua, room, (s, options): (Text, Option<Table>), {
        fits(s.as_bytes().len().saturating_mul(2), memory)?;
        let (url, pads) = (flag(&options, "url", false), flag(&options, "pad", true));
        lua.create_string(coding::base64(&s.as_bytes(), url, pads, room))
    });
    in_room!("unbase64", lua, room, s: Text, Ok(match coding::unbase64(&s.as_bytes(), room) {
        Ok(bytes) => (Some(lua.create_string(bytes)?), None, None),
        Err(why) => (None, Some("ERROR"), Some(why)),
    }));
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain() {
        let replaced = |data: &[u8], room| replace(data, b"foo", b"bar", room);
        assert_eq!(replaced(b"xfoofoy", 10).unwrap().as_deref(), Some(&b"xbarfoy"[..]));
        assert_eq!(replaced(b"xfo", 1).unwrap(), None);
        assert!(replaced(b"xfoofoy", 9).is_err());
        assert!(equal(b"a", b"a") && !equal(b"a", b"b") && !equal(b"a", b"aa"));
    }
}
