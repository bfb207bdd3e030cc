//! `bytes`: what scripts would be slow at, on binary-safe strings.

use std::sync::{Arc, Mutex, PoisonError};

use memchr::memmem;
use mlua::{Lua, LuaString, Table, Value};

use super::coding::{self, Room};

/// The bytes that pairs of digits stand for; white space between digits is passed over.
pub(super) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    coding::unhex(text, &mut Room::default()).map(<[u8]>::to_vec)
}

/// `None`: as it is.
fn replace(data: &[u8], plain: &[u8], with: &[u8]) -> Option<Vec<u8>> {
    memmem::find(data, plain)?;
    let mut out = Vec::with_capacity(data.len());
    let mut from = 0;
    for at in memmem::find_iter(data, plain) {
        out.extend(&data[from..at]);
        out.extend(with);
        from = at + plain.len();
    }
    out.extend(&data[from..]);
    Some(out)
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
pub(super) fn make(lua: &Lua) -> mlua::Result<Table> {
    type Text = LuaString;
    let table = lua.create_table()?;
    macro_rules! function {
        ($name:literal, $lua:ident, $args:tt : $types:ty, $body:expr) => {
            table.raw_set($name, lua.create_function(move |$lua, $args: $types| $body)?)?;
        };
    }
    let shared_room = Arc::new(Mutex::new(Room::default()));
    macro_rules! in_room {
        ($name:literal, $lua:ident, $room:ident, $args:tt : $types:ty, $body:expr) => {{
            let shared = Arc::clone(&shared_room);
            function!($name, $lua, $args: $types, {
                let $room = &mut *shared.lock().unwrap_or_else(PoisonError::into_inner);
                $body
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
        match replace(&s.as_bytes(), &plain.as_bytes(), &with.as_bytes()) {
            Some(out) => lua.create_string(out),
            None => Ok(s),
        }
    });
    function!("equal", _lua, (a, b): (Text, Text), Ok(equal(&a.as_bytes(), &b.as_bytes())));
    in_room!("hex", lua, room, s: Text, lua.create_string(coding::hex(&s.as_bytes(), room)));
    in_room!("unhex", lua, room, s: Text, Ok(match coding::unhex(&s.as_bytes(), room) {
        Some(bytes) => (Some(lua.create_string(bytes)?), None, None),
        None => (None, Some("ERROR"), Some("this is no hexadecimal text")),
    }));
    in_room!("base64", lua, room, (s, options): (Text, Option<Table>), {
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
        assert_eq!(replace(b"xfoofoy", b"foo", b"bar").as_deref(), Some(&b"xbarfoy"[..]));
        assert_eq!(replace(b"xfo", b"foo", b"bar"), None);
        assert!(equal(b"a", b"a") && !equal(b"a", b"b") && !equal(b"a", b"aa"));
    }
}
