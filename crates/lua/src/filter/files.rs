//! `ncat.open`: files, read and written off the thread of the scripts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gate::{Action, Gatekeeper};
use mlua::{Lua, LuaString, Table, UserData, UserDataRef, Value};
use sys::below::For;

use super::code::Failure;
use super::grants::{Grants, Held, Place};
use super::job::{Bench, Slot};
use super::native::Shared;

/// What one read takes without a number, in bytes.
const READ_MAX: usize = 64 * 1024;

/// The files there are.
#[derive(Clone, Debug, Default)]
pub(super) enum Files {
    /// The system's.
    #[default]
    Real,
    /// Only these, in memory: a test's.
    Memory(Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>),
}

/// An open file.
enum Open {
    Reader(BufReader<Box<dyn Read + Send>>),
    Writer(Box<dyn Write + Send>),
    Closed,
}

/// What came of work on a file.
enum Outcome {
    Opened(Open),
    Bytes(Vec<u8>),
    Done,
    Failed(Failure),
}

impl From<io::Error> for Outcome {
    fn from(error: io::Error) -> Self {
        // Whether a file is there is no matter of connections: the codes say nothing about it.
        Self::Failed(Failure::new("ERROR", crate::source::words(&error)))
    }
}

/// Adds to a file in memory.
struct Memory(Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>, PathBuf);

impl Write for Memory {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.entry(self.1.clone()).or_default().extend(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Files {
    fn open(&self, grants: &Grants, gate: &Gatekeeper, path: &Path, what_for: For) -> Outcome {
        if let Self::Memory(files) = self {
            return in_memory(files, path, what_for);
        }
        let place = match grants.place(path, what_for) {
            Ok(place) => place,
            Err(failure) => return Outcome::Failed(failure),
        };
        let real = match &place {
            Place::Anywhere(path) => path.clone(),
            Place::Below(directory, rest) => directory.join(rest),
        };
        let action = match what_for {
            For::Reading => Action::ReadFile(real),
            For::Writing | For::Appending => Action::WriteFile(real),
        };
        let _permit = match gate.decide(action) {
            Ok(permit) => permit,
            Err(denied) => return Outcome::Failed(Failure::new("DENIED", denied.to_string())),
        };
        let opened = match &place {
            Place::Anywhere(path) => sys::below::open(path, what_for),
            Place::Below(directory, rest) => sys::below::open_below(directory, rest, what_for),
        };
        match opened.and_then(not_a_directory) {
            Ok(file) if what_for == For::Reading => {
                Outcome::Opened(Open::Reader(BufReader::new(Box::new(file))))
            }
            Ok(file) => Outcome::Opened(Open::Writer(Box::new(file))),
            Err(error) => error.into(),
        }
    }
}

fn in_memory(
    files: &Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>,
    path: &Path,
    what_for: For,
) -> Outcome {
    let mut all = files.lock().unwrap_or_else(PoisonError::into_inner);
    Outcome::Opened(match what_for {
        For::Reading => match all.get(path) {
            Some(text) => Open::Reader(BufReader::new(Box::new(io::Cursor::new(text.clone())))),
            None => return io::Error::from(io::ErrorKind::NotFound).into(),
        },
        For::Writing | For::Appending => {
            let file = all.entry(path.to_owned()).or_default();
            if what_for == For::Writing {
                file.clear();
            }
            Open::Writer(Box::new(Memory(Arc::clone(files), path.to_owned())))
        }
    })
}

/// A directory can be opened for reading, and then not read.
fn not_a_directory(file: File) -> io::Result<File> {
    if file.metadata().is_ok_and(|data| data.is_dir()) {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "Is a directory"));
    }
    Ok(file)
}

fn end() -> Outcome {
    Outcome::Failed(Failure::new("EOF", ""))
}

fn closed() -> Outcome {
    Outcome::Failed(Failure::new("CLOSED", "the file is closed, or open for something else"))
}

impl Open {
    /// As many bytes as there are, at most `max`; fewer only at the end.
    fn read(&mut self, max: usize) -> Outcome {
        let Self::Reader(reader) = self else { return closed() };
        let mut bytes = Vec::new();
        match reader.take(max as u64).read_to_end(&mut bytes) {
            Ok(0) if max > 0 => end(),
            Ok(_) => Outcome::Bytes(bytes),
            Err(error) => error.into(),
        }
    }

    /// A line without its end; no longer than `max`.
    fn line(&mut self, max: usize) -> Outcome {
        let Self::Reader(reader) = self else { return closed() };
        let mut bytes = Vec::new();
        let limit = (max as u64).saturating_add(1);
        match reader.take(limit).read_until(b'\n', &mut bytes) {
            Ok(0) => end(),
            Ok(_) if bytes.last() == Some(&b'\n') => {
                bytes.pop();
                Outcome::Bytes(bytes)
            }
            Ok(len) if len > max => Outcome::Failed(Failure::new("LIMIT", "a line is too long")),
            Ok(_) => Outcome::Bytes(bytes),
            Err(error) => error.into(),
        }
    }

    fn write(&mut self, data: &[u8]) -> Outcome {
        let Self::Writer(writer) = self else { return closed() };
        match writer.write_all(data) {
            Ok(()) => Outcome::Done,
            Err(error) => error.into(),
        }
    }

    fn flush(&mut self) -> Outcome {
        match self {
            Self::Writer(writer) => writer.flush().map_or_else(Outcome::from, |()| Outcome::Done),
            Self::Reader(_) | Self::Closed => closed(),
        }
    }
}

/// What a script knows an open file by.
struct Handle {
    bench: Bench<Open, Outcome>,
    /// In memory nothing blocks, and a clock that is a test's own would not wait for a thread.
    inline: Option<Mutex<Open>>,
}

impl UserData for Handle {}

struct Pending(Slot<Outcome>);

impl UserData for Pending {}

impl Handle {
    fn new(open: Open, is_real: bool) -> Self {
        if is_real {
            return Self { bench: Bench::new(open), inline: None };
        }
        Self { bench: Bench::new(Open::Closed), inline: Some(Mutex::new(open)) }
    }

    fn add(&self, work: impl FnOnce(&mut Open) -> Outcome + Send + 'static) -> Pending {
        Pending(match &self.inline {
            None => self.bench.add(work),
            Some(open) => {
                Slot::done(work(&mut open.lock().unwrap_or_else(PoisonError::into_inner)))
            }
        })
    }
}

/// Adds the functions of this module to `native`; each gives what [`done`](self) is asked with.
pub(super) fn add(lua: &Lua, native: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    type On = UserDataRef<Handle>;
    let own = Arc::clone(shared);
    let open = move |_: &Lua, (grants, path, mode): (UserDataRef<Held>, LuaString, String)| {
        own.may_wait()?;
        let what_for = match &mode[..] {
            "r" | "rb" => For::Reading,
            "w" | "wb" => For::Writing,
            "a" | "ab" => For::Appending,
            other => {
                let text =
                    format!("open was given the mode {other:?}, expected \"r\", \"w\" or \"a\"");
                return Err(mlua::Error::runtime(text));
            }
        };
        let (files, gate) = (own.files.clone(), own.gate.clone());
        let (grants, path) = (Arc::clone(&grants.0), path_of(&path)?);
        if matches!(files, Files::Memory(_)) {
            return Ok(Pending(Slot::done(files.open(&grants, &gate, &path, what_for))));
        }
        let work = move |(): &mut ()| files.open(&grants, &gate, &path, what_for);
        Ok(Pending(Bench::new(()).add(work)))
    };
    native.raw_set("open", lua.create_function(open)?)?;
    let own = Arc::clone(shared);
    let read = move |_: &Lua, (file, count): (On, Option<i64>)| {
        own.may_wait()?;
        let count = count.map_or(READ_MAX, |count| usize::try_from(count).unwrap_or(0));
        let count = count.min(own.chunk_max());
        Ok(file.add(move |open| open.read(count)))
    };
    native.raw_set("file_read", lua.create_function(read)?)?;
    let own = Arc::clone(shared);
    let line = move |_: &Lua, file: On| {
        own.may_wait()?;
        let max = own.chunk_max();
        Ok(file.add(move |open| open.line(max)))
    };
    native.raw_set("file_line", lua.create_function(line)?)?;
    let own = Arc::clone(shared);
    let write = move |_: &Lua, (file, data): (On, LuaString)| {
        own.may_wait()?;
        let data = data.as_bytes().to_vec();
        Ok(file.add(move |open| open.write(&data)))
    };
    native.raw_set("file_write", lua.create_function(write)?)?;
    let own = Arc::clone(shared);
    let flush = move |_: &Lua, file: On| {
        own.may_wait()?;
        Ok(file.add(Open::flush))
    };
    native.raw_set("file_flush", lua.create_function(flush)?)?;
    let own = Arc::clone(shared);
    let close = move |_: &Lua, file: On| {
        own.may_wait()?;
        Ok(file.add(|open| {
            *open = Open::Closed;
            Outcome::Done
        }))
    };
    native.raw_set("file_close", lua.create_function(close)?)?;
    let own = Arc::clone(shared);
    let done = move |lua: &Lua, pending: UserDataRef<Pending>| {
        let failed = |failure: &Failure| {
            let detail = (!failure.detail.is_empty()).then(|| failure.detail.clone());
            (Value::Nil, Some(failure.code), detail)
        };
        Ok(match pending.0.take(&own.waker()?) {
            None => (Value::Boolean(false), None, None),
            Some(Outcome::Done) => (Value::Boolean(true), None, None),
            Some(Outcome::Bytes(bytes)) => (Value::String(lua.create_string(bytes)?), None, None),
            Some(Outcome::Failed(failure)) => failed(&failure),
            Some(Outcome::Opened(open)) => {
                let is_real = matches!(own.files, Files::Real);
                let file = lua.create_userdata(Handle::new(open, is_real))?;
                (Value::UserData(file), None, None)
            }
        })
    };
    native.raw_set("file_done", lua.create_function(done)?)
}

#[cfg(unix)]
fn path_of(text: &LuaString) -> mlua::Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(&text.as_bytes())))
}

#[cfg(not(unix))]
fn path_of(text: &LuaString) -> mlua::Result<PathBuf> {
    Ok(PathBuf::from(&*text.to_str()?))
}
