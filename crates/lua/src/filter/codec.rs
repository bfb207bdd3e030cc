//! `codec`: incremental coders. What a peer sends may be made to expand without end; every decoder has
//! bounds.

#[cfg(feature = "gzip")]
mod deflate;
mod text;
#[cfg(feature = "zstd")]
mod zstandard;

use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Lua, LuaString, Table, UserData, UserDataMethods};

use super::ledger::Charge;
use super::native::Shared;

/// What a decoder may give in its life without `max`, in bytes.
#[cfg(any(feature = "gzip", feature = "zstd"))]
const TOTAL_MAX: u64 = 1 << 30;
/// What it may give for one byte in a call without `ratio`.
#[cfg(any(feature = "gzip", feature = "zstd"))]
const RATIO_MAX: u64 = 1024;
/// What is free in each call, in bytes.
const FREE: u64 = 1 << 20;

/// Why a coder cannot go on: a code and words.
type Trouble = (&'static str, String);

fn bad(text: impl Into<String>) -> Trouble {
    ("ERROR", text.into())
}

/// Bytes in, bytes out; what is given is added to the sink.
trait Coder: Send {
    fn update(&mut self, data: &[u8], out: &mut Sink) -> Result<(), Trouble>;
    /// Gives all that belongs to what was put in so far.
    fn flush(&mut self, _out: &mut Sink) -> Result<(), Trouble> {
        Ok(())
    }
    /// Nothing more comes.
    fn finish(&mut self, out: &mut Sink) -> Result<(), Trouble>;
    /// Bytes that it holds.
    fn footprint(&self) -> usize;
}

/// Where a call's output goes, up to a bound.
#[derive(Default)]
struct Sink {
    out: Vec<u8>,
    left: u64,
    is_full: bool,
}

impl std::io::Write for Sink {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if data.len() as u64 > self.left {
            self.is_full = true;
            return Err(std::io::Error::other("more than the limit"));
        }
        self.left -= data.len() as u64;
        self.out.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Bounds of a decoder; 0 is none.
#[derive(Clone, Copy)]
struct Bounds {
    total: u64,
    ratio: u64,
}

/// What a script has.
struct Codec {
    coder: Mutex<Box<dyn Coder>>,
    bounds: Option<Bounds>,
    given: u64,
    /// Why it does not go on any more.
    over: Option<Trouble>,
    charge: Charge,
    memory: u64,
}

/// Nobody else has it: the lock is for the compiler, which cannot know that scripts have one thread.
fn coder(of: &mut Mutex<Box<dyn Coder>>) -> &mut Box<dyn Coder> {
    of.get_mut().unwrap_or_else(PoisonError::into_inner)
}

type Answer = (Option<LuaString>, Option<&'static str>, Option<String>);

impl Codec {
    fn run(
        &mut self,
        lua: &Lua,
        len: usize,
        step: impl FnOnce(&mut dyn Coder, &mut Sink) -> Result<(), Trouble>,
    ) -> mlua::Result<Answer> {
        if let Some((code, why)) = &self.over {
            return Ok((None, Some(code), Some(why.clone())));
        }
        let mut sink = Sink { left: self.left(len as u64), ..Sink::default() };
        let mut done = step(&mut **coder(&mut self.coder), &mut sink);
        if sink.is_full {
            done = Err(("LIMIT", "what comes expands to more than is allowed".into()));
        }
        self.given += sink.out.len() as u64;
        self.charge.set(lua, self.memory, coder(&mut self.coder).footprint())?;
        match done {
            Ok(()) => Ok((Some(lua.create_string(&sink.out)?), None, None)),
            Err((code, why)) => {
                self.over = Some((code, why.clone()));
                // What was right before it is the script's all the same.
                let rest = (!sink.out.is_empty() && code == "ERROR").then_some(&sink.out);
                match rest {
                    Some(rest) => Ok((Some(lua.create_string(rest)?), None, None)),
                    None => Ok((None, Some(code), Some(why))),
                }
            }
        }
    }

    /// What a call that puts in `len` bytes may give.
    fn left(&self, len: u64) -> u64 {
        let Some(bounds) = self.bounds else { return u64::MAX };
        let or_none = |bound: u64| if bound == 0 { u64::MAX } else { bound };
        let call = or_none(bounds.ratio).saturating_mul(len).saturating_add(FREE);
        call.min(or_none(bounds.total).saturating_sub(self.given))
    }
}

impl UserData for Codec {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("update", |lua, codec, data: LuaString| {
            let data = data.as_bytes();
            codec.run(lua, data.len(), |coder, out| coder.update(&data, out))
        });
        methods.add_method_mut("flush", |lua, codec, ()| {
            codec.run(lua, 0, |coder, out| coder.flush(out))
        });
        methods.add_method_mut("finish", |lua, codec, ()| {
            let answer = codec.run(lua, 0, |coder, out| coder.finish(out))?;
            if answer.0.is_some() && codec.over.is_none() {
                codec.over = Some(bad("it is finished"));
            }
            Ok(answer)
        });
    }
}

/// A whole number among the options.
#[cfg(any(feature = "gzip", feature = "zstd"))]
fn number(options: &Option<Table>, key: &str, without: i64) -> mlua::Result<i64> {
    let Some(options) = options else { return Ok(without) };
    match options.raw_get::<mlua::Value>(key)? {
        mlua::Value::Nil => Ok(without),
        value => value.as_integer().filter(|number| *number >= 0).ok_or_else(|| {
            let text = format!("\"{key}\" must be a whole number (got {})", value.type_name());
            mlua::Error::runtime(text)
        }),
    }
}

#[cfg(any(feature = "gzip", feature = "zstd"))]
fn bounds(options: &Option<Table>) -> mlua::Result<Option<Bounds>> {
    let of = |key, without: u64| {
        let number = number(options, key, i64::try_from(without).unwrap_or(i64::MAX))?;
        mlua::Result::Ok(u64::try_from(number).unwrap_or(0))
    };
    Ok(Some(Bounds { total: of("max", TOTAL_MAX)?, ratio: of("ratio", RATIO_MAX)? }))
}

/// The table of all of them; what this build has not is absent.
pub(super) fn make(lua: &Lua, shared: &Arc<Shared>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let made = {
        let shared = Arc::clone(shared);
        move |lua: &Lua, coder: Box<dyn Coder>, bounds: Option<Bounds>| -> mlua::Result<Codec> {
            let mut charge = Charge::new(&shared.ledger);
            let memory = shared.limits.memory;
            charge.set(lua, memory, coder.footprint())?;
            Ok(Codec { coder: Mutex::new(coder), bounds, given: 0, over: None, charge, memory })
        }
    };
    macro_rules! coder {
        ($name:literal, $args:tt : $types:ty, $coder:expr, $bounds:expr) => {
            let made = made.clone();
            let make = move |lua: &Lua, $args: $types| {
                let coder: Box<dyn Coder> = Box::new($coder);
                made(lua, coder, $bounds)
            };
            table.raw_set($name, lua.create_function(make)?)?;
        };
    }
    type Options = Option<Table>;
    #[cfg(feature = "gzip")]
    {
        use deflate::{Format, Pack, Unpack, format};
        coder!("gzip", o: Options, Pack::new(Format::Gzip, level(&o, 6, 9)?), None);
        coder!("deflate", o: Options, Pack::new(format(&o)?, level(&o, 6, 9)?), None);
        coder!("gunzip", o: Options, Unpack::new(Format::Gzip), bounds(&o)?);
        coder!("inflate", o: Options, Unpack::new(format(&o)?), bounds(&o)?);
    }
    #[cfg(feature = "zstd")]
    {
        use zstandard::{Compress, Decompress};
        coder!("zstd", o: Options, Compress::new(level(&o, 3, 19)?)?, None);
        coder!("unzstd", o: Options, Decompress::new(number(&o, "window", 8 << 20)?)?, bounds(&o)?);
    }
    coder!("base64_decoder", _o: Options, text::Base64::default(), None);
    coder!("hex_decoder", _o: Options, text::Hex::default(), None);
    coder!("replacer", (plain, with): (LuaString, LuaString), {
        let (plain, with) = (plain.as_bytes().to_vec(), with.as_bytes().to_vec());
        if plain.is_empty() {
            return Err(mlua::Error::runtime("replacer was given nothing to look for"));
        }
        text::Replacer::new(plain, with)
    }, None);
    Ok(table)
}

#[cfg(any(feature = "gzip", feature = "zstd"))]
fn level(options: &Option<Table>, without: i64, most: i64) -> mlua::Result<u32> {
    let level = number(options, "level", without)?;
    if level > most {
        return Err(mlua::Error::runtime(format!(
            "\"level\" must be at most {most} (got {level})"
        )));
    }
    Ok(u32::try_from(level).unwrap_or(0))
}
