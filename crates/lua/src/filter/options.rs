//! A filter's arguments: declared in its `options` table, checked before anything connects.

use std::path::PathBuf;

use mlua::{Lua, Table, Value};

/// Checks and converts `args` in place by what `declared` says; the files that were named. The error is
/// what follows the filter's name, without its end.
pub(super) fn convert(lua: &Lua, args: &Table, declared: &Table) -> Result<Vec<PathBuf>, String> {
    let bad = |error: mlua::Error| crate::source::plain(&error);
    let (mut known, mut files) = (Vec::new(), Vec::new());
    for pair in declared.pairs::<String, Table>() {
        known.push(pair.map_err(bad)?);
    }
    known.sort_by(|a, b| a.0.cmp(&b.0));
    for pair in args.pairs::<String, Value>() {
        let (key, _) = pair.map_err(bad)?;
        if !known.iter().any(|(name, _)| *name == key) {
            let names: Vec<&str> = known.iter().map(|(name, _)| &name[..]).collect();
            return Err(format!("unknown option \"{key}\" (options: {})", names.join(", ")));
        }
    }
    for (name, option) in &known {
        let given: Option<String> = args.raw_get(&name[..]).map_err(bad)?;
        let kind = option.raw_get::<Value>("type").map_err(bad)?;
        let is_path = kind.as_string().is_some_and(|kind| *kind == "path");
        let text = match given {
            Some(text) => {
                if is_path {
                    files.push(PathBuf::from(&text));
                }
                text
            }
            None => match option.raw_get::<Value>("default").map_err(bad)? {
                Value::Nil if option.raw_get::<bool>("required").unwrap_or(false) => {
                    return Err(format!("option \"{name}\" is required"));
                }
                Value::Nil => continue,
                default => default.to_string().map_err(bad)?,
            },
        };
        let value = one(lua, &text, &option.raw_get::<Value>("type").map_err(bad)?);
        let value = value.map_err(|kind| {
            let shown = if option.raw_get("secret").unwrap_or(false) { "…" } else { &text };
            format!("option \"{name}\": \"{shown}\" is not a valid {kind}")
        })?;
        args.raw_set(&name[..], value).map_err(bad)?;
    }
    Ok(files)
}

/// One value; otherwise what it should have been.
fn one(lua: &Lua, text: &str, kind: &Value) -> Result<Value, String> {
    let words = |words: &Table| -> Vec<String> {
        words.sequence_values::<String>().filter_map(Result::ok).collect()
    };
    let kind = match kind {
        Value::Table(list) => {
            let list = words(list);
            let is_one = list.iter().any(|word| word == text);
            return if is_one {
                string(lua, text.as_bytes())
            } else {
                Err(format!("value (one of {})", list.join(", ")))
            };
        }
        Value::String(kind) => kind.to_string_lossy(),
        _ => "string".to_owned(),
    };
    let value = match &kind[..] {
        "int" => text.parse().ok().map(Value::Integer),
        "number" => text.parse().ok().filter(|n: &f64| n.is_finite()).map(Value::Number),
        "bool" => match text {
            "true" | "yes" | "1" | "on" => Some(Value::Boolean(true)),
            "false" | "no" | "0" | "off" => Some(Value::Boolean(false)),
            _ => None,
        },
        "size" => size(text).map(Value::Integer),
        "time" => time(text).map(Value::Number),
        "hex" => match super::bytes_library::unhex(text.as_bytes()) {
            Some(bytes) => return string(lua, &bytes),
            None => None,
        },
        "hostport" => return host_port(lua, text).ok_or(kind),
        _ => return string(lua, text.as_bytes()),
    };
    value.ok_or(kind)
}

fn string(lua: &Lua, bytes: &[u8]) -> Result<Value, String> {
    lua.create_string(bytes).map(Value::String).map_err(|error| error.to_string())
}

/// Bytes; `k`, `M`, `G` are powers of 1024.
fn size(text: &str) -> Option<i64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 10),
        b'm' | b'M' => (&text[..text.len() - 1], 20),
        b'g' | b'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number: i64 = digits.parse().ok().filter(|number| *number >= 0)?;
    number.checked_mul(1 << shift)
}

/// Seconds.
fn time(text: &str) -> Option<f64> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let found = units.into_iter().find_map(|(unit, by)| Some((text.strip_suffix(unit)?, by)));
    let (number, by) = found.unwrap_or((text, 1.0));
    number
        .parse()
        .ok()
        .map(|number: f64| number * by)
        .filter(|time| time.is_finite() && *time >= 0.0)
}

fn host_port(lua: &Lua, text: &str) -> Option<Value> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    let table = lua.create_table().ok()?;
    table.raw_set("host", host).ok()?;
    table.raw_set("port", port).ok()?;
    (!host.is_empty()).then_some(Value::Table(table))
}
