//! The configuration of `ncat-guard`: defaults, then `config.yaml`, then `conf.d/*.yaml`, then the environment, then the
//! command line, each over the one before, and for every value where it is from.
//!
//! [`Sources`] says what to read, [`load`] reads and judges it: every mistake is reported, with file and line,
//! not only the first. One table ([`schema`]) knows the keys, one file the defaults ([`DEFAULTS`], which `init`
//! writes out); a test holds them together. [`authorized`] reads the list of networks that may be scanned.
//!
//! This crate reads files and changes nothing. It does not know what the keys do.

#![forbid(unsafe_code)]

pub mod authorized;
mod environment;
mod file;
mod judge;
mod layer;
mod read;
pub mod schema;
pub mod value;
pub mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

pub use environment::NAMES;
pub use file::{Distrust, secret, trusted};
pub use judge::Warning;
pub use layer::{Sources, load};
pub use value::{Period, Rate, Unit, Value};

/// The commented configuration with every default.
pub const DEFAULTS: &str = include_str!("defaults.yaml");
/// Where the configuration is, if nothing else is said.
pub const DIR: &str = "/etc/ncat-guard";

/// Where a value is from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The environment variable of this name.
    Environment(String),
    /// The command line: the option.
    CommandLine(String),
    /// Follows another key, which has its own origin.
    Follows(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine(option) => write!(f, "command line {option}"),
            Self::Follows(key) => write!(f, "as {key}"),
        }
    }
}

/// A value and where it is from.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// Where it is from.
    pub origin: Origin,
}

/// A mistake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where it is.
    pub origin: Origin,
    /// The key; empty when the file itself is the problem.
    pub path: String,
    /// What is wrong, and what to write instead.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path[..] {
            "" => write!(f, "{}: {}", self.origin, self.text),
            path => write!(f, "{}: {path}: {}", self.origin, self.text),
        }
    }
}

/// A configuration without mistakes.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    settings: BTreeMap<String, Setting>,
    /// What is allowed and still should be known.
    pub warnings: Vec<Warning>,
    /// The directory it is from.
    pub dir: PathBuf,
}

impl Config {
    /// Every setting, in the order of [`DEFAULTS`].
    pub fn list(&self) -> Vec<(&str, &Setting)> {
        let place = |path: &str| {
            let key = schema::find(path);
            key.and_then(|key| schema::KEYS.iter().position(|known| known.path == key.path))
        };
        let mut all: Vec<_> = self.settings.iter().map(|(p, s)| (place(p), &p[..], s)).collect();
        all.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        all.into_iter().map(|(_, path, setting)| (path, setting)).collect()
    }

    /// A setting, if the key is set.
    pub fn setting(&self, path: &str) -> Option<&Setting> {
        self.settings.get(path)
    }

    fn value(&self, path: &str) -> &Value {
        self.settings.get(path).map_or(&Value::Null, |setting| &setting.value)
    }

    /// Whether a key says `true`.
    pub fn flag(&self, path: &str) -> bool {
        matches!(self.value(path), Value::Bool(true))
    }

    /// A number; 0 if there is none.
    pub fn int(&self, path: &str) -> i64 {
        match self.value(path) {
            Value::Int(value) => *value,
            _ => 0,
        }
    }

    /// A size in bytes; 0 if there is none.
    pub fn size(&self, path: &str) -> u64 {
        match self.value(path) {
            Value::Size(bytes) => *bytes,
            _ => 0,
        }
    }

    /// A text, path, address or word, if there is one.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.value(path) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A path, if there is one.
    pub fn file(&self, path: &str) -> Option<&Path> {
        self.text(path).map(Path::new)
    }

    /// A duration, if there is one.
    pub fn period(&self, path: &str) -> Option<Period> {
        match self.value(path) {
            Value::Period(period) => Some(*period),
            _ => None,
        }
    }

    /// A rate, if there is one.
    pub fn rate(&self, path: &str) -> Option<Rate> {
        match self.value(path) {
            Value::Rate(rate) => Some(*rate),
            _ => None,
        }
    }

    /// Networks; none if it has none.
    pub fn nets(&self, path: &str) -> &[IpNet] {
        match self.value(path) {
            Value::Nets(nets) => nets,
            _ => &[],
        }
    }

    /// Ports; none if it has none.
    pub fn ports(&self, path: &str) -> &[u16] {
        match self.value(path) {
            Value::Ports(ports) => ports,
            _ => &[],
        }
    }

    /// Texts; none if it has none.
    pub fn texts(&self, path: &str) -> &[String] {
        match self.value(path) {
            Value::Texts(texts) => texts,
            _ => &[],
        }
    }

    /// The names directly below a map or list, in order.
    pub fn below(&self, path: &str) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for key in self.settings.keys() {
            let rest = key.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'));
            if let Some(name) = rest.and_then(|rest| rest.split('.').next())
                && names.last() != Some(&name)
            {
                names.push(name);
            }
        }
        names
    }
}
