//! `--lua-allow`: what a filter may do beside changing what goes by.

use std::path::PathBuf;

/// One thing that a filter may do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Capability {
    /// `net`: connections to others than the user named, and looking names up.
    Net,
    /// `read` or `read=DIR`: reading files, below a directory if one is named.
    Read(Option<PathBuf>),
    /// `write` or `write=DIR`: writing files, likewise.
    Write(Option<PathBuf>),
    /// `env`: reading environment variables.
    Env,
    /// `unsafe`: the whole of Lua's `io`, `os` and `debug`.
    Unsafe,
}

impl Capability {
    /// Reads a list with commas; in a directory's name a comma is written `\,` and a backslash `\\`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let words = crate::lua::split(text);
        words.iter().map(|word| Self::one(&crate::lua::unescaped(word))).collect()
    }

    fn one(word: &str) -> Result<Self, String> {
        let (name, directory) = match word.split_once('=') {
            Some((_, "")) => return Err(format!("{word:?} names no directory")),
            Some((name, directory)) => (name, Some(PathBuf::from(directory))),
            None => (word, None),
        };
        match (name, directory) {
            ("read", directory) => Ok(Self::Read(directory)),
            ("write", directory) => Ok(Self::Write(directory)),
            ("net", None) => Ok(Self::Net),
            ("env", None) => Ok(Self::Env),
            ("unsafe", None) => Ok(Self::Unsafe),
            _ => Err(format!("{word:?} is no capability")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(Capability::list("net"), Ok(vec![Capability::Net]));
        assert_eq!(
            Capability::list(r"read,write=a\,b,env,unsafe,read=/x=y"),
            Ok(vec![
                Capability::Read(None),
                Capability::Write(Some("a,b".into())),
                Capability::Env,
                Capability::Unsafe,
                Capability::Read(Some("/x=y".into())),
            ])
        );
        for bad in ["", "net,", "net=x", "files", "read=", "env=HOME"] {
            assert!(Capability::list(bad).is_err(), "{bad:?}");
        }
    }
}
