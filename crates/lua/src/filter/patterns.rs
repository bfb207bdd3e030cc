//! `string.find`, `match`, `gmatch` and `gsub` over our own matcher, which respects the slice.
//!
//! What would be an error is a result that begins with false: `patterns.lua` raises it, as a string and at
//! the script's line, as Lua's own library does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Lua, LuaString, MultiValue, Value};

use super::native::kind;
use crate::pattern::{self, Captures, Pattern, Search, Span, Stop, Template};

/// Patterns that are kept, at most, and the longest of them in bytes.
const KEPT_MAX: usize = 256;
const KEPT_LENGTH_MAX: usize = 256;

/// A pattern without its anchor's meaning, and with it.
type Both = [Option<Arc<Pattern>>; 2];

/// Patterns that were read already, by their text.
#[derive(Default)]
struct Kept(Mutex<HashMap<Box<[u8]>, Both>>);

impl Kept {
    fn get(&self, text: &[u8], anchors: bool) -> Arc<Pattern> {
        if text.len() > KEPT_LENGTH_MAX {
            return Arc::new(Pattern::new(text, anchors));
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.contains_key(text) {
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
            kept.insert(text.into(), [None, None]);
        }
        let read = || Arc::new(Pattern::new(text, anchors));
        let slot = kept.get_mut(text).map(|both| &mut both[usize::from(anchors)]);
        slot.map_or_else(read, |slot| Arc::clone(slot.get_or_insert_with(read)))
    }
}

/// What keeps a call from a result.
enum Refusal {
    /// An error of the script's, without its place.
    Said(String),
    Lua(mlua::Error),
    Late,
}

impl From<mlua::Error> for Refusal {
    fn from(error: mlua::Error) -> Self {
        Self::Lua(error)
    }
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Late => Self::Late,
            Stop::Wrong(wrong) => Self::Said(wrong.to_string()),
        }
    }
}

type Outcome = Result<MultiValue, Refusal>;

/// The arguments of a call, checked as Lua's library checks them.
struct Arguments<'a> {
    lua: &'a Lua,
    values: MultiValue,
    name: &'static str,
}

impl Arguments<'_> {
    fn bad(&self, at: usize, wanted: &str) -> Refusal {
        let got = match self.values.get(at) {
            None => "no value".to_owned(),
            Some(value) => type_of(value),
        };
        self.refused(at, &format!("{wanted} expected, got {got}"))
    }

    fn refused(&self, at: usize, why: &str) -> Refusal {
        Refusal::Said(format!("bad argument #{} to '{}' ({why})", at + 1, self.name))
    }

    fn text(&self, at: usize) -> Result<LuaString, Refusal> {
        match self.values.get(at) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(number @ (Value::Integer(_) | Value::Number(_))) => {
                let text = self.lua.coerce_string(number.clone())?;
                text.ok_or_else(|| self.bad(at, "string"))
            }
            _ => Err(self.bad(at, "string")),
        }
    }

    fn integer(&self, at: usize, without: i64) -> Result<i64, Refusal> {
        match self.values.get(at) {
            None | Some(Value::Nil) => Ok(without),
            Some(Value::Integer(number)) => Ok(*number),
            Some(value) => match self.lua.coerce_integer(value.clone())? {
                Some(number) => Ok(number),
                None if self.lua.coerce_number(value.clone())?.is_some() => {
                    Err(self.refused(at, "number has no integer representation"))
                }
                None => Err(self.bad(at, "number")),
            },
        }
    }

    /// Where to begin, counted from 0; `None` beyond the end.
    fn start(&self, at: usize, len: usize) -> Result<Option<usize>, Refusal> {
        let given = self.integer(at, 1)?;
        let back = usize::try_from(given.unsigned_abs()).unwrap_or(usize::MAX);
        let start = match given {
            1.. => back - 1,
            0 => 0,
            _ => len.saturating_sub(back),
        };
        Ok((start <= len).then_some(start))
    }
}

fn type_of(value: &Value) -> String {
    let named = match value {
        Value::Table(table) => table.metatable().and_then(|meta| meta.raw_get("__name").ok()),
        _ => None,
    };
    named.unwrap_or_else(|| kind(&MultiValue::from_iter([value.clone()])).to_owned())
}

fn value_of(lua: &Lua, subject: &[u8], span: Span) -> Result<Value, Refusal> {
    match span {
        Span::Text(start, end) => Ok(Value::String(lua.create_string(&subject[start..end])?)),
        Span::Position(at) => Ok(number(at + 1)),
        Span::Open(_) => Err(Stop::Wrong(pattern::Wrong::Open).into()),
    }
}

fn number(at: usize) -> Value {
    Value::Integer(i64::try_from(at).unwrap_or(i64::MAX))
}

/// What a match gives: `before`, then its captures, and if `or_whole` all of it when it has none.
fn values(
    lua: &Lua,
    subject: &[u8],
    before: &[Value],
    found: Captures<'_>,
    or_whole: bool,
) -> Outcome {
    let mut all = MultiValue::with_capacity(before.len() + found.spans().len() + 1);
    all.extend(before.iter().cloned());
    if found.spans().is_empty() && or_whole {
        all.push_back(value_of(lua, subject, found.first())?);
    }
    for span in found.spans() {
        all.push_back(value_of(lua, subject, *span)?);
    }
    Ok(all)
}

/// How long what runs may still run.
pub(super) trait Slice: Send + Sync {
    /// It is used up.
    fn is_late(&self) -> bool;
    /// The error that then leaves the event.
    fn trip(&self) -> mlua::Error;
}

struct Library<S> {
    slice: S,
    kept: Kept,
    /// Bytes of the whole state.
    memory: usize,
}

impl<S: Slice> Library<S> {
    fn search<'a>(
        &'a self,
        pattern: &'a Pattern,
        subject: &'a [u8],
    ) -> Search<'a, impl FnMut() -> bool> {
        Search::new(pattern, subject, || !self.slice.is_late())
    }

    fn find(&self, args: &Arguments<'_>, finds: bool) -> Outcome {
        let (subject, text) = (args.text(0)?, args.text(1)?);
        let (subject, text) = (subject.as_bytes(), text.as_bytes());
        let Some(start) = args.start(2, subject.len())? else {
            return Ok(MultiValue::from_iter([Value::Nil]));
        };
        let is_plain = finds
            && (args
                .values
                .get(3)
                .is_some_and(|plain| !matches!(plain, Value::Nil | Value::Boolean(false)))
                || Pattern::is_plain(&text));
        if is_plain {
            let found = memchr::memmem::find(&subject[start..], &text);
            return Ok(match found.map(|offset| start + offset) {
                None => MultiValue::from_iter([Value::Nil]),
                Some(at) => MultiValue::from_iter([number(at + 1), number(at + text.len())]),
            });
        }
        let pattern = self.kept.get(&text, true);
        let mut search = self.search(&pattern, &subject);
        match search.find(start)? {
            None => Ok(MultiValue::from_iter([Value::Nil])),
            Some(found) if finds => {
                let whole = [number(found.whole().start + 1), number(found.whole().end)];
                values(args.lua, &subject, &whole, found, false)
            }
            Some(found) => values(args.lua, &subject, &[], found, true),
        }
    }

    /// Subject, pattern, where to begin, where the last match ended (or nil), whether `^` is an anchor,
    /// whether only the first value is wanted: where the next match begins and ends, counted from 0, and
    /// its values; or nil.
    fn next(&self, args: &Arguments<'_>) -> Outcome {
        let (subject, text) = (args.text(0)?, args.text(1)?);
        let (subject, text) = (subject.as_bytes(), text.as_bytes());
        let place = |at: usize| args.values.get(at).and_then(Value::as_usize);
        let anchors = args.values.get(4).and_then(Value::as_boolean).unwrap_or(false);
        let pattern = self.kept.get(&text, anchors);
        let mut search = self.search(&pattern, &subject);
        match search.next(place(2).unwrap_or(0), place(3))? {
            None => Ok(MultiValue::from_iter([Value::Nil])),
            Some(found) => {
                let whole = [number(found.whole().start), number(found.whole().end)];
                if args.values.get(5).is_some_and(|first| *first == Value::Boolean(true)) {
                    let first = value_of(args.lua, &subject, found.first())?;
                    return Ok(whole.into_iter().chain([first]).collect());
                }
                values(args.lua, &subject, &whole, found, true)
            }
        }
    }

    /// `gsub`; of functions and tables only the arguments, for `patterns.lua` goes on with them.
    fn gsub(&self, args: &Arguments<'_>) -> Outcome {
        let (subject, text) = (args.text(0)?, args.text(1)?);
        let max = args.integer(3, i64::MAX)?;
        let replacement = match args.values.get(2) {
            Some(Value::Function(_) | Value::Table(_)) => {
                let all = [Value::Nil, Value::String(subject), Value::String(text)];
                return Ok(all.into_iter().chain([Value::Integer(max)]).collect());
            }
            Some(Value::String(_) | Value::Integer(_) | Value::Number(_)) => args.text(2)?,
            _ => return Err(args.bad(2, "string/function/table")),
        };
        let (bytes, text, replacement) =
            (subject.as_bytes(), text.as_bytes(), replacement.as_bytes());
        let pattern = self.kept.get(&text, true);
        let mut search = self.search(&pattern, &bytes);
        let room = match self.memory {
            0 => usize::MAX,
            memory => memory.saturating_sub(args.lua.used_memory()),
        };
        let (mut out, mut copied, mut count, mut last) = (Vec::new(), 0, 0, None);
        while count < max {
            let Some(found) = search.next(last.unwrap_or(0), last)? else { break };
            count += 1;
            out.extend_from_slice(&bytes[copied..found.whole().start]);
            pattern::expand(Template::new(&replacement), &bytes, found, &mut out)?;
            (copied, last) = (found.whole().end, Some(found.whole().end));
            if out.len() > room {
                return Err(mlua::Error::MemoryError("not enough memory".into()).into());
            }
            if pattern.is_anchored() {
                break;
            }
        }
        if count == 0 {
            return Ok(MultiValue::from_iter([Value::String(subject), Value::Integer(0)]));
        }
        out.extend_from_slice(&bytes[copied..]);
        let all = Value::String(args.lua.create_string(out)?);
        Ok(MultiValue::from_iter([all, Value::Integer(count)]))
    }
}

/// What `gmatch` goes on with: both strings, and where to begin, counted from 0.
fn begin(args: &Arguments<'_>) -> Outcome {
    let (subject, text) = (args.text(0)?, args.text(1)?);
    let len = subject.as_bytes().len();
    let start = args.start(2, len)?.unwrap_or(len + 1);
    Ok(MultiValue::from_iter([Value::String(subject), Value::String(text), number(start)]))
}

/// Puts our functions in the place of Lua's own in `string`, before scripts get copies of it. `memory` is
/// what all of the state may take, in bytes (0: nobody knows).
pub(super) fn install<S: Slice + 'static>(lua: &Lua, slice: S, memory: usize) -> mlua::Result<()> {
    let library = Arc::new(Library { slice, kept: Kept::default(), memory });
    let native = lua.create_table()?;
    let add = |name: &'static str, run: fn(&Library<S>, &Arguments<'_>) -> Outcome| {
        let library = Arc::clone(&library);
        let function = lua.create_function(move |lua, values: MultiValue| {
            match run(&library, &Arguments { lua, values, name }) {
                Ok(values) => Ok(values),
                Err(Refusal::Said(text)) => {
                    let text = Value::String(lua.create_string(text)?);
                    Ok(MultiValue::from_iter([Value::Boolean(false), text]))
                }
                Err(Refusal::Lua(error)) => Err(error),
                Err(Refusal::Late) => Err(library.slice.trip()),
            }
        })?;
        native.raw_set(name, function)
    };
    add("find", |library, args| library.find(args, true))?;
    add("match", |library, args| library.find(args, false))?;
    add("gmatch", |_, args| begin(args))?;
    add("gsub", Library::gsub)?;
    add("next", Library::next)?;
    add("check", |library, _| match library.slice.is_late() {
        true => Err(Refusal::Late),
        false => Ok(MultiValue::new()),
    })?;
    lua.load(include_str!("patterns.lua")).set_name("=ncat").call(native)
}

/// A state whose `string` has our functions, and Lua's own in a table `own`: for tests that compare them.
///
/// # Errors
/// No memory.
#[doc(hidden)]
pub fn beside_lua_own() -> mlua::Result<Lua> {
    struct Endless;
    impl Slice for Endless {
        fn is_late(&self) -> bool {
            false
        }
        fn trip(&self) -> mlua::Error {
            mlua::Error::runtime("late")
        }
    }
    let lua = Lua::new();
    lua.load("own = {} for name, f in pairs(string) do own[name] = f end").exec()?;
    install(&lua, Endless, usize::MAX)?;
    Ok(lua)
}
