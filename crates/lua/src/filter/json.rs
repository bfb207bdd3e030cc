//! `json`: RFC 8259.

use std::fmt;

use mlua::{Lua, LuaString, Table, Value};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

/// The deepest nesting.
const DEPTH_MAX: usize = 128;

/// Makes Lua values while it reads, so that what a text becomes counts as the script's memory.
#[derive(Clone, Copy)]
struct Maker<'a> {
    lua: &'a Lua,
    depth: usize,
}

impl Maker<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom(format!("it is nested deeper than {DEPTH_MAX}")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Maker<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Maker<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        // What is no whole number of Lua's is one of its others, as in Lua's own reader.
        Ok(i64::try_from(value).map_or(Value::Number(value as f64), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::NULL)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.lua.create_string(value).map(Value::String).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let table = self.lua.create_table().map_err(A::Error::custom)?;
        while let Some(item) = items.next_element_seed(deeper)? {
            table.raw_push(item).map_err(A::Error::custom)?;
        }
        Ok(Value::Table(table))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let table = self.lua.create_table().map_err(A::Error::custom)?;
        while let Some(key) = items.next_key::<String>()? {
            table.raw_set(key, items.next_value_seed(deeper)?).map_err(A::Error::custom)?;
        }
        Ok(Value::Table(table))
    }
}

fn decode(lua: &Lua, text: &[u8]) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value =
        Maker { lua, depth: 0 }.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// Why something cannot be written, in words; or an error of Lua's.
enum Unfit {
    Words(String),
    Lua(mlua::Error),
}

impl From<mlua::Error> for Unfit {
    fn from(error: mlua::Error) -> Self {
        Self::Lua(error)
    }
}

fn unfit<T>(text: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit::Words(text.into()))
}

struct Writer {
    out: String,
    binary_as_hex: bool,
    max: usize,
}

impl Writer {
    fn string(&mut self, text: &LuaString) -> Result<(), Unfit> {
        let bytes = text.as_bytes();
        match (std::str::from_utf8(&bytes), self.binary_as_hex) {
            (Ok(text), _) => {
                self.out.push_str(&serde_json::Value::from(text).to_string());
                Ok(())
            }
            (Err(_), true) => {
                let digits = super::bytes_library::hex(&bytes);
                self.out.push('"');
                self.out.push_str(&String::from_utf8_lossy(&digits));
                self.out.push('"');
                Ok(())
            }
            (Err(_), false) => {
                unfit("a string is no UTF-8; {binary=\"hex\"} writes such in hexadecimal")
            }
        }
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Unfit> {
        if self.out.len() > self.max {
            return unfit("it becomes too long");
        }
        match value {
            Value::Nil => self.out.push_str("null"),
            null if *null == Value::NULL => self.out.push_str("null"),
            Value::Boolean(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Integer(number) => self.out.push_str(&number.to_string()),
            Value::Number(number) => match serde_json::Number::from_f64(*number) {
                Some(number) => self.out.push_str(&number.to_string()),
                None => return unfit("a number is not finite"),
            },
            Value::String(text) => self.string(text)?,
            Value::Table(_) if depth == DEPTH_MAX => {
                return unfit(format!("it is nested deeper than {DEPTH_MAX}"));
            }
            Value::Table(table) => self.table(table, depth)?,
            other => return unfit(format!("a {} cannot be written", other.type_name())),
        }
        Ok(())
    }

    /// A list where the keys are 1 to n, n at least 1; otherwise keys in order.
    fn table(&mut self, table: &Table, depth: usize) -> Result<(), Unfit> {
        let len = table.raw_len();
        if len > 0 {
            let count = table.pairs::<Value, Value>().count();
            if count != len {
                return unfit("a table has numbers and other keys, or holes");
            }
            for at in 1..=len {
                self.out.push(if at == 1 { '[' } else { ',' });
                self.value(&table.raw_get(at)?, depth + 1)?;
            }
            self.out.push(']');
            return Ok(());
        }
        let mut pairs = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            match pair? {
                (Value::String(key), value) => pairs.push((key, value)),
                (key, _) => return unfit(format!("a key is a {}", key.type_name())),
            }
        }
        pairs.sort_by_cached_key(|(key, _)| key.as_bytes().to_vec());
        self.out.push('{');
        for (at, (key, value)) in pairs.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.string(key)?;
            self.out.push(':');
            self.value(value, depth + 1)?;
        }
        self.out.push('}');
        Ok(())
    }
}

/// The table of all of them. `max`: bytes of a text that is written.
pub(super) fn make(lua: &Lua, max: usize) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let encode = move |lua: &Lua, (value, options): (Value, Option<Table>)| {
        let binary = options.map(|options| options.raw_get::<Value>("binary")).transpose()?;
        let binary_as_hex =
            binary.is_some_and(|binary| binary.as_string().is_some_and(|kind| *kind == "hex"));
        let mut writer = Writer { out: String::new(), binary_as_hex, max };
        match writer.value(&value, 0) {
            Ok(()) => Ok((Some(lua.create_string(&writer.out)?), None, None)),
            Err(Unfit::Words(why)) => Ok((None, Some("ERROR"), Some(why))),
            Err(Unfit::Lua(error)) => Err(error),
        }
    };
    table.raw_set("encode", lua.create_function(encode)?)?;
    let decode = |lua: &Lua, text: LuaString| {
        Ok(match decode(lua, &text.as_bytes()) {
            Ok(value) => (value, None, None),
            Err(why) => (Value::Nil, Some("ERROR"), Some(why)),
        })
    };
    table.raw_set("decode", lua.create_function(decode)?)?;
    table.raw_set("null", Value::NULL)?;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) {
        let lua = Lua::new();
        lua.globals().set("json", make(&lua, 1 << 20).unwrap()).unwrap();
        lua.load(text).exec().unwrap();
    }

    #[test]
    fn what_is_read_and_written() {
        holds(
            r#"local t = json.decode('{"a":[1,2.5,-3e2,true,null,"\\u00e9\\n"],"b":{}}')
            assert(math.type(t.a[1]) == 'integer' and t.a[2] == 2.5 and t.a[3] == -300.0)
            assert(t.a[4] == true and t.a[5] == json.null and t.a[6] == 'é\n' and next(t.b) == nil)
            assert(json.decode('18446744073709551615') == 18446744073709551615.0)
            assert(json.encode({1, 'x', {b = 1, a = false}, json.null}) == '[1,"x",{"a":false,"b":1},null]')
            assert(json.encode('\1"\\é') == '"\\u0001\\"\\\\é"' and json.encode({}) == '{}')
            assert(json.encode(1.5) == '1.5' and json.encode(2^53) == '9007199254740992.0')
            assert(json.encode('\xff', {binary = 'hex'}) == '"ff"')
            local function fails(value, ...)
              local text, code, why = json.encode(value, ...)
              assert(text == nil and code == 'ERROR' and why)
            end
            fails('\xff') fails(0/0) fails(1/0) fails(print) fails({1, a = 2}) fails({[1.5] = 1})
            local loop = {} loop[1] = loop fails(loop)
            for _, text in ipairs {'', '{', '[1,]', '01', '"\xff"', 'nul', '1 2', '{"a"}', '"\\ud800"'} do
              local value, code, why = json.decode(text)
              assert(value == nil and code == 'ERROR' and why, text)
            end
            assert(json.decode(('['):rep(100) .. (']'):rep(100)))
            assert(select(2, json.decode(('['):rep(200) .. (']'):rep(200))) == 'ERROR')
            assert(select(2, json.decode(('['):rep(100000))) == 'ERROR')"#,
        );
    }
}
