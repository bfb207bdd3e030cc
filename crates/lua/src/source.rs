//! The text of a script, read once.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest program, in bytes.
pub const SOURCE_MAX: u64 = 16 << 20;

/// A script's text, and what it is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// As Lua's messages have it: the path as the user wrote it.
    pub name: String,
    /// Its bytes, as they are in the file.
    pub text: Vec<u8>,
}

/// Why a script cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceError {
    /// It cannot be opened.
    Open(PathBuf, io::Error),
    /// It cannot be read.
    Read(PathBuf, io::Error),
    /// It is longer than allowed, in bytes.
    TooLong(PathBuf, u64),
    /// It is not Lua; where, and what is wrong.
    Syntax(String),
}

impl std::fmt::Display for SourceError {
    /// In Lua's words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open(path, error) => {
                write!(f, "cannot open {}: {}", path.display(), words(error))
            }
            Self::Read(path, error) => {
                write!(f, "cannot read {}: {}", path.display(), words(error))
            }
            Self::TooLong(path, max) => {
                write!(f, "{} is longer than {max} bytes", path.display())
            }
            Self::Syntax(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for SourceError {}

/// The system's words, without Rust's number.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

impl Source {
    /// Reads a file, or whatever the path names, up to `max` bytes.
    ///
    /// # Errors
    /// [`SourceError::Open`], [`SourceError::Read`], [`SourceError::TooLong`].
    pub fn read(path: &Path, max: u64) -> Result<Self, SourceError> {
        let file = File::open(path).map_err(|error| SourceError::Open(path.to_owned(), error))?;
        Self::from_reader(path, file, max)
    }

    /// As [`Source::read`], from a file that is open.
    ///
    /// # Errors
    /// [`SourceError::Read`], [`SourceError::TooLong`].
    pub fn from_reader(path: &Path, file: impl Read, max: u64) -> Result<Self, SourceError> {
        let mut text = Vec::new();
        let read = file.take(max.saturating_add(1)).read_to_end(&mut text);
        read.map_err(|error| SourceError::Read(path.to_owned(), error))?;
        if text.len() as u64 > max {
            return Err(SourceError::TooLong(path.to_owned(), max));
        }
        Ok(Self { name: path.to_string_lossy().into_owned(), text })
    }

    /// What is compiled: without a byte order mark, and with a first line for the system (`#!`) empty.
    pub(crate) fn code(&self) -> &[u8] {
        let text = self.text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.text);
        if text.first() != Some(&b'#') {
            return text;
        }
        let line = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
        // The line's end stays, so that the others keep their numbers.
        &text[line..]
    }

    /// Whether it is Lua; nothing is run.
    ///
    /// # Errors
    /// [`SourceError::Syntax`].
    pub fn check(&self) -> Result<(), SourceError> {
        let lua = mlua::Lua::new_with(mlua::StdLib::NONE, mlua::LuaOptions::default())
            .map_err(|error| SourceError::Syntax(error.to_string()))?;
        match self.load(&lua) {
            Ok(_) => Ok(()),
            Err(error) => Err(SourceError::Syntax(plain(&error))),
        }
    }

    /// Compiles it. Text only: what a compiler has made can break the state.
    pub(crate) fn load(&self, lua: &mlua::Lua) -> mlua::Result<mlua::Function> {
        let chunk = lua.load(self.code()).set_name(format!("@{}", self.name));
        chunk.set_mode(mlua::chunk::ChunkMode::Text).into_function()
    }
}

/// What Lua said, without what the binding adds.
pub(crate) fn plain(error: &mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. }
        | mlua::Error::RuntimeError(message)
        | mlua::Error::MemoryError(message) => message.clone(),
        mlua::Error::CallbackError { traceback, cause } => {
            format!("{}\n{traceback}", plain(cause))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &[u8]) -> Source {
        Source { name: "x.lua".into(), text: text.to_vec() }
    }

    #[test]
    fn what_is_lua_and_what_is_not() {
        assert!(source(b"return 1").check().is_ok());
        assert!(source(b"#!/usr/bin/env lua\nreturn 1").check().is_ok());
        assert!(source(b"\xef\xbb\xbf# x\nreturn 1").check().is_ok());
        assert!(source(b"#").check().is_ok());
        let said = |text: &[u8]| source(text).check().unwrap_err().to_string();
        assert_eq!(said(b"x = = 1"), "x.lua:1: unexpected symbol near '='");
        assert_eq!(said(b"#!\n\nx = = 1"), "x.lua:3: unexpected symbol near '='");
        assert_eq!(said(b"x = 'a"), "x.lua:1: unfinished string near <eof>");
        assert!(said(b"\x1bLua").contains("binary chunk"), "{}", said(b"\x1bLua"));
    }

    #[test]
    fn files_that_cannot_be_used() {
        let said = |path: &str, max| Source::read(Path::new(path), max).unwrap_err().to_string();
        assert_eq!(said("/nonexistent", 1), "cannot open /nonexistent: No such file or directory");
        assert_eq!(said("/", 1), "cannot read /: Is a directory");
        assert_eq!(said("/dev/zero", 10), "/dev/zero is longer than 10 bytes");
    }
}
