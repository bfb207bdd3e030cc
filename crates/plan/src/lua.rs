//! Lua: `--lua-exec` and `-L`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::capability::Capability;

/// The descriptor in which a program of `--lua-exec` finds its script.
pub const SCRIPT_DESCRIPTOR: u32 = 3;

/// What the options about Lua said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawLua {
    /// `--lua-exec`, each time it was given.
    pub exec: Vec<PathBuf>,
    /// `--lua-exec-internal`: be the program that runs this script.
    pub internal: Option<PathBuf>,
    /// `-L` and what belongs to it.
    pub filters: Filters,
    /// `--lua-arg` before any `-L`.
    pub stray_arg: bool,
}

impl RawLua {
    /// The words with which we are started again to run the script: its name, and where its text is.
    pub(crate) fn words(&self) -> Option<Vec<OsString>> {
        let script = self.exec.first()?;
        Some(vec![
            "ncat".into(),
            "--lua-exec-internal".into(),
            script.into(),
            SCRIPT_DESCRIPTOR.to_string().into(),
        ])
    }
}

/// Filters in a stack, at most.
pub const FILTERS_MAX: usize = 32;

/// One `-L`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FilterSpec {
    /// What to look for: a name, or a file.
    pub what: String,
    /// Its arguments; a key given twice stays twice, and the last one counts.
    pub args: Vec<(String, Argument)>,
    /// `NAME:help`: what it is for, instead of a run.
    pub wants_help: bool,
    /// `--lua-allow` after it.
    pub allow: Vec<Capability>,
}

/// An argument's value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Argument {
    /// As written.
    Text(String),
    /// In this file, without its last line's end.
    File(PathBuf),
}

impl FilterSpec {
    /// Reads `WHAT` or `WHAT:ARGS`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let at = colon(text);
        let what = text[..at.unwrap_or(text.len())].replace("\\:", ":");
        if what.is_empty() {
            return Err("it names no filter".into());
        }
        let Some(args) = at.map(|at| &text[at + 1..]) else {
            return Ok(Self { what, ..Self::default() });
        };
        if args == "help" {
            return Ok(Self { what, wants_help: true, ..Self::default() });
        }
        let args = split(args).into_iter().filter(|word| !word.is_empty());
        let args = args.map(|word| argument(&word)).collect::<Result<_, _>>()?;
        Ok(Self { what, args, ..Self::default() })
    }

    /// Adds what `--lua-arg` has, the value as it stands.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let (key, value) = text.split_once('=').ok_or("it is not KEY=VALUE")?;
        check_key(key)?;
        self.args.push((key.into(), Argument::Text(value.into())));
        Ok(())
    }
}

/// Where the arguments begin: the first colon that is not of a drive and not written `\:`.
fn colon(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let drive = bytes.len() > 2
        && bytes[0].is_ascii_alphabetic()
        && bytes[1] == b':'
        && matches!(bytes[2], b'\\' | b'/');
    let from = if drive { 2 } else { 0 };
    (from..bytes.len()).find(|at| bytes[*at] == b':' && (*at == 0 || bytes[at - 1] != b'\\'))
}

/// At commas that are not escaped; escapes stay.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        let last = words.len() - 1;
        match char {
            ',' => words.push(String::new()),
            '\\' => {
                words[last].push(char);
                words[last].extend(chars.next());
            }
            _ => words[last].push(char),
        }
    }
    words
}

fn argument(word: &str) -> Result<(String, Argument), String> {
    let (key, value) = word.split_once('=').unwrap_or((word, "true"));
    let value = unescaped(value);
    let (key, value) = match key.strip_suffix('@') {
        Some(key) => (key, Argument::File(value.into())),
        None => (key, Argument::Text(value)),
    };
    check_key(key)?;
    Ok((key.into(), value))
}

pub(crate) fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    let mut out = String::with_capacity(text.len());
    while let Some(char) = chars.next() {
        match char {
            '\\' => out.push(chars.next().unwrap_or('\\')),
            _ => out.push(char),
        }
    }
    out
}

fn check_key(key: &str) -> Result<(), String> {
    let mut bytes = key.bytes();
    let is_key = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_key { Ok(()) } else { Err(format!("{key:?} is no name of an argument")) }
}

/// `--lua-limit`; 0 is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FilterLimits {
    /// Bytes of the whole state.
    pub memory: u64,
    /// Uninterrupted running.
    pub slice: Duration,
    /// Running of a script when it is loaded.
    pub load: Duration,
    /// Bytes of a string that crosses the contract.
    pub chunk: u64,
    /// Bytes of a reader, a codec or a buffer.
    pub buffer: u64,
    /// Bytes that others may have waiting for a connection.
    pub queue: u64,
    /// Tasks of a connection, or of the process.
    pub tasks: u64,
    /// Timers of a connection.
    pub timers: u64,
    /// The filters' part of connecting or accepting.
    pub handshake: Duration,
    /// `close`.
    pub close: Duration,
    /// Open connections of filters' own, for each connection.
    pub sockets: u32,
    /// The process ends when what runs does not come back.
    pub hard: bool,
    /// Whether the user has said what `memory` is.
    pub is_memory_given: bool,
}

impl Default for FilterLimits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            slice: Duration::from_secs(1),
            load: Duration::from_secs(5),
            chunk: 16 << 20,
            buffer: 16 << 20,
            queue: 1 << 20,
            tasks: 64,
            timers: 64,
            handshake: Duration::from_secs(30),
            close: Duration::from_secs(5),
            sockets: 32,
            hard: false,
            is_memory_given: false,
        }
    }
}

/// The filters of a run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filters {
    /// Nearest the wire first.
    pub stack: Vec<FilterSpec>,
    /// `--lua-path`, the last one first.
    pub path: Vec<PathBuf>,
    /// What they may use.
    pub limits: FilterLimits,
    /// `--lua-allow` before any `-L`: what all of them may do.
    pub allow: Vec<Capability>,
    /// `--lua-list`, `--lua-check`: something else than a run.
    pub instead: Option<Instead>,
    /// `--lua-isolate`: a state of its own for each connection.
    pub isolates: bool,
    /// `--lua-reload`: scripts that change are loaded anew.
    pub reloads: bool,
}

/// Bytes of a state when each connection has its own, and nobody says otherwise.
pub const ISOLATED_MEMORY: u64 = 32 << 20;

impl Filters {
    /// The limits of one state.
    pub fn limits(&self) -> FilterLimits {
        let is_small = self.isolates && !self.limits.is_memory_given;
        let memory = if is_small { ISOLATED_MEMORY } else { self.limits.memory };
        FilterLimits { memory, ..self.limits }
    }
}

/// What is done with filters instead of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Instead {
    /// `--lua-list`: tell which there are.
    List,
    /// `--lua-check`: run their tests.
    Check,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> FilterSpec {
        FilterSpec::parse(text).unwrap()
    }

    fn text(key: &str, value: &str) -> (String, Argument) {
        (key.into(), Argument::Text(value.into()))
    }

    #[test]
    fn specs() {
        assert_eq!(read("rot13").what, "rot13");
        assert_eq!(read("xor:key=secret").args, [text("key", "secret")]);
        assert_eq!(
            read("t:rate=64k,burst,x=").args,
            [text("rate", "64k"), text("burst", "true"), text("x", "")]
        );
        let spec = read(r"socks5:server=10.0.0.1\:1080,password@=pw.txt,p= a\,b\\ ");
        assert_eq!(
            spec.args,
            [
                text("server", "10.0.0.1:1080"),
                ("password".into(), Argument::File("pw.txt".into())),
                text("p", r" a,b\ "),
            ]
        );
        assert_eq!(read(r"C:\x.lua").what, r"C:\x.lua");
        assert_eq!(read("c:/x.lua:a=b").what, "c:/x.lua");
        assert_eq!(read(r"a\:b:c").what, "a:b");
        assert!(read("gzip:help").wants_help && !read("gzip:help=1").wants_help);
        for bad in ["", ":a=b", "x:=b", "x:1=b", "x:a b=c", "x:@=f"] {
            assert!(FilterSpec::parse(bad).is_err(), "{bad:?}");
        }
        let mut spec = read("prefix");
        spec.add("out=a,b: \\").unwrap();
        assert_eq!(spec.args, [text("out", "a,b: \\")]);
        assert!(spec.add("out").is_err());
    }
}
