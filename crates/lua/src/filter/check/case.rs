//! One embedded test, read from a filter's `tests`.

use mlua::{Function, Table, Value};
use plan::lua::Argument;

/// Bytes, piece by piece.
pub(super) type Pieces = Vec<Vec<u8>>;

/// What is wanted of some bytes.
pub(super) enum Wanted {
    /// They are these, however cut.
    Whole(Vec<u8>),
    /// They come in these pieces.
    Pieces(Vec<Vec<u8>>),
    /// The script looks at them itself, and gives true, or not and why not.
    Judged(Function),
}

/// A test.
pub(super) struct Case {
    pub(super) args: Vec<(String, Argument)>,
    pub(super) connect: Option<(String, Option<u16>)>,
    pub(super) datagram: bool,
    pub(super) send: Option<Pieces>,
    pub(super) recv: Option<Pieces>,
    pub(super) shutdown: bool,
    pub(super) is_cut: bool,
    pub(super) wire: Option<Wanted>,
    pub(super) deliver: Option<Wanted>,
    /// What the failure says that ends it.
    pub(super) error: Option<String>,
    /// At the wires of two more connections.
    pub(super) others: Option<Wanted>,
    /// What is in files afterwards.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// What was written to standard error.
    pub(super) said: Option<Vec<u8>>,
    /// Bytes on the wire at times, in seconds.
    pub(super) timeline: Vec<(f64, usize)>,
}

const KEYS: [&str; 15] = [
    "args", "send", "wire", "recv", "deliver", "shutdown", "datagram", "connect", "chunks",
    "error", "others", "files", "said", "timeline", "about",
];

impl Case {
    /// Reads one; otherwise what is wrong with it.
    pub(super) fn read(table: &Table) -> Result<Self, String> {
        for pair in table.pairs::<Value, Value>() {
            let (key, _) = pair.map_err(|error| crate::source::plain(&error))?;
            let is_known =
                key.as_string().is_some_and(|key| KEYS.iter().any(|known| *key == **known));
            if !is_known {
                let key = key.to_string().unwrap_or_default();
                return Err(format!("unknown key \"{key}\""));
            }
        }
        let is = |key: &str| matches!(of(table, key), Value::Boolean(true));
        let case = Self {
            args: arguments(&of(table, "args"))?,
            connect: target(&of(table, "connect"))?,
            datagram: is("datagram"),
            send: pieces("send", &of(table, "send"))?,
            recv: pieces("recv", &of(table, "recv"))?,
            shutdown: is("shutdown"),
            is_cut: of(table, "chunks").as_string().is_some_and(|chunks| *chunks == "any"),
            wire: wanted("wire", &of(table, "wire"))?,
            deliver: wanted("deliver", &of(table, "deliver"))?,
            error: of(table, "error").as_string().map(|text| text.to_string_lossy()),
            others: wanted("others", &of(table, "others"))?,
            files: files(&of(table, "files"))?,
            said: of(table, "said").as_string().map(|text| text.as_bytes().to_vec()),
            timeline: timeline(&of(table, "timeline"))?,
        };
        let wants = case.wire.is_some()
            || case.deliver.is_some()
            || case.error.is_some()
            || case.others.is_some()
            || case.said.is_some()
            || !case.files.is_empty()
            || !case.timeline.is_empty();
        if wants { Ok(case) } else { Err("it expects nothing".into()) }
    }

    /// What is sent and what comes, in every way in which it is to be cut.
    pub(super) fn cuttings(&self) -> Vec<(Pieces, Pieces)> {
        let (send, recv) =
            (self.send.clone().unwrap_or_default(), self.recv.clone().unwrap_or_default());
        let mut all = vec![(send.clone(), recv.clone())];
        if self.is_cut {
            all.extend(cut(&send.concat()).into_iter().map(|pieces| (pieces, recv.clone())));
            all.extend(cut(&recv.concat()).into_iter().map(|pieces| (send.clone(), pieces)));
        }
        all
    }
}

/// Byte by byte, in two at every place, and, of what is short, with one byte by itself in the middle.
fn cut(data: &[u8]) -> Vec<Pieces> {
    let owned = |parts: &[&[u8]]| parts.iter().map(|part| part.to_vec()).collect();
    let mut all = Vec::new();
    if data.len() > 1 {
        all.push(data.chunks(1).map(<[u8]>::to_vec).collect());
    }
    for at in 1..data.len() {
        all.push(owned(&[&data[..at], &data[at..]]));
        if at + 1 < data.len() && data.len() <= 64 {
            all.push(owned(&[&data[..at], &data[at..=at], &data[at + 1..]]));
        }
    }
    all
}

fn of(table: &Table, key: &str) -> Value {
    table.raw_get(key).unwrap_or(Value::Nil)
}

fn strings(key: &str, list: &Table) -> Result<Vec<Vec<u8>>, String> {
    let one = |value: mlua::Result<mlua::LuaString>| match value {
        Ok(text) => Ok(text.as_bytes().to_vec()),
        Err(_) => Err(format!("\"{key}\" must be a string or a list of strings")),
    };
    list.sequence_values().map(one).collect()
}

fn pieces(key: &str, value: &Value) -> Result<Option<Vec<Vec<u8>>>, String> {
    match value {
        Value::Nil => Ok(None),
        Value::String(text) => Ok(Some(vec![text.as_bytes().to_vec()])),
        Value::Table(list) => strings(key, list).map(Some),
        _ => Err(format!("\"{key}\" must be a string or a list of strings")),
    }
}

fn wanted(key: &str, value: &Value) -> Result<Option<Wanted>, String> {
    match value {
        Value::Nil => Ok(None),
        Value::String(text) => Ok(Some(Wanted::Whole(text.as_bytes().to_vec()))),
        Value::Table(list) => strings(key, list).map(|pieces| Some(Wanted::Pieces(pieces))),
        Value::Function(judge) => Ok(Some(Wanted::Judged(judge.clone()))),
        _ => Err(format!("\"{key}\" must be a string, a list of strings or a function")),
    }
}

fn pairs(key: &str, value: &Value) -> Result<Vec<(String, Value)>, String> {
    let wrong = || format!("\"{key}\" must be a table of strings");
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Table(table) => {
            let pairs = table.pairs::<String, Value>();
            pairs.collect::<mlua::Result<_>>().map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

fn arguments(value: &Value) -> Result<Vec<(String, Argument)>, String> {
    let text = |(key, value): (String, Value)| {
        let text = value.to_string().map_err(|error| crate::source::plain(&error))?;
        Ok((key, Argument::Text(text)))
    };
    pairs("args", value)?.into_iter().map(text).collect()
}

fn files(value: &Value) -> Result<Vec<(String, Vec<u8>)>, String> {
    let text = |(name, value): (String, Value)| match value {
        Value::String(text) => Ok((name, text.as_bytes().to_vec())),
        _ => Err("\"files\" must be a table of strings".to_owned()),
    };
    pairs("files", value)?.into_iter().map(text).collect()
}

fn target(value: &Value) -> Result<Option<(String, Option<u16>)>, String> {
    match value {
        Value::Nil => Ok(None),
        Value::Table(pair) => match (pair.raw_get(1), pair.raw_get(2)) {
            (Ok(host), Ok(port)) => Ok(Some((host, port))),
            _ => Err("\"connect\" must be {host, port}".into()),
        },
        _ => Err("\"connect\" must be {host, port}".into()),
    }
}

fn timeline(value: &Value) -> Result<Vec<(f64, usize)>, String> {
    let wrong = || "\"timeline\" must be a list of {seconds, bytes}".to_owned();
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Table(list) => {
            let one = |entry: mlua::Result<Table>| {
                let entry = entry.map_err(|_| wrong())?;
                let pair = (entry.raw_get(1), entry.raw_get(2));
                if let (Ok(at), Ok(bytes)) = pair { Ok((at, bytes)) } else { Err(wrong()) }
            };
            list.sequence_values().map(one).collect()
        }
        _ => Err(wrong()),
    }
}
