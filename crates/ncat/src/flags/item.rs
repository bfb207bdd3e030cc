//! What is known about one option.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use plan::RawArgs;

use super::usage::UsageError;

/// One option: its names, its value, its documentation, and what it does to [`RawArgs`].
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// The letter, ASCII. At least one of `short` and `long` is there.
    pub short: Option<char>,
    /// The long name, without dashes.
    pub long: Option<&'static str>,
    /// The canonical name of the option this one is another name for.
    pub alias_of: Option<&'static str>,
    /// What the value is called in help; `None` when the option takes no value.
    pub value: Option<&'static str>,
    /// The words the value is one of, for completions; empty when it is free.
    pub words: &'static [&'static str],
    /// One line for `--help`, at most 50 characters.
    pub doc: &'static str,
    /// Whole sentences for the manual page, in addition to `doc`.
    pub more: &'static str,
    /// Under which heading it is listed.
    pub group: Group,
    /// Left out of help, manual page and completions.
    pub hidden: bool,
    /// Only on systems with Unix sockets.
    pub unix_only: bool,
    /// Whose option it is.
    pub origin: Origin,
    /// How it compares with Ncat's.
    pub compat: Compat,
    /// The function, somewhere in this workspace, that tests what `compat` claims.
    pub test: &'static str,
    /// What it does.
    pub update: Update,
}

/// Headings of the help text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// Families, transports, addresses, ports.
    Addresses,
    /// Options of the sockets themselves.
    Sockets,
    /// Listening and who may connect.
    Listening,
    /// What happens to the bytes.
    Data,
    /// Times.
    Time,
    /// What is written besides the data.
    Output,
    /// Programs run for a connection.
    Programs,
    /// Proxies.
    Proxies,
    /// TLS.
    Tls,
    /// Help and version.
    Help,
}

impl Group {
    /// Every heading, in the order of the help text.
    pub const ALL: [Self; 10] = [
        Self::Addresses,
        Self::Listening,
        Self::Sockets,
        Self::Data,
        Self::Time,
        Self::Output,
        Self::Programs,
        Self::Proxies,
        Self::Tls,
        Self::Help,
    ];

    /// The heading itself.
    pub fn title(self) -> &'static str {
        match self {
            Self::Addresses => "Addresses and transports",
            Self::Listening => "Listening",
            Self::Sockets => "Socket options",
            Self::Data => "Data",
            Self::Time => "Time",
            Self::Output => "Output",
            Self::Programs => "Programs",
            Self::Proxies => "Proxies",
            Self::Tls => "TLS",
            Self::Help => "Help",
        }
    }
}

/// Whose option it is. Ours never change what an abbreviation of one of Ncat's means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Ncat has it.
    Ncat,
    /// Ncat does not.
    Ours,
}

/// How an option compares with Ncat's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compat {
    /// Nothing a user could notice.
    Same,
    /// What Ncat gets wrong, and what is done instead.
    Better(&'static str),
    /// Another choice, and why.
    Differs(&'static str),
    /// Not one of Ncat's.
    Ours,
}

/// What an option does when the scanner reaches it.
#[derive(Clone, Copy, Debug)]
pub enum Update {
    /// Changes the arguments.
    Flag(fn(&mut RawArgs)),
    /// Changes the arguments by its value.
    Value(fn(&mut RawArgs, &Given<'_>) -> Result<(), UsageError>),
    /// This build lacks it: noted in [`RawArgs::absent`], besides what the function does.
    Absent(fn(&mut RawArgs)),
    /// Ends the scan: help is wanted.
    Help,
    /// Ends the scan: the version is wanted.
    Version,
}

/// An option with its value, as given.
#[derive(Clone, Debug)]
pub struct Given<'a> {
    /// The name with dashes, abbreviations completed: `-w` or `--wait`.
    pub written: &'a str,
    /// The value, byte for byte.
    pub value: &'a OsStr,
}

impl Given<'_> {
    /// The value of an option that takes text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self) -> Result<&str, UsageError> {
        self.value.to_str().ok_or_else(|| UsageError::NotText {
            what: format!("value of {}", self.written),
            value: self.value.to_owned(),
        })
    }

    /// The value of an option that takes a path; any bytes will do.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(OsString::from(self.value))
    }
}

impl Item {
    /// Whether this build lacks it: it is known, and refused.
    pub fn is_absent(&self) -> bool {
        matches!(self.update, Update::Absent(_))
    }

    /// An option without a value.
    pub(super) const fn flag(set: fn(&mut RawArgs)) -> Self {
        Self::new(None, Update::Flag(set))
    }

    /// An option with a value.
    pub(super) const fn with_value(
        value: &'static str,
        set: fn(&mut RawArgs, &Given<'_>) -> Result<(), UsageError>,
    ) -> Self {
        Self::new(Some(value), Update::Value(set))
    }

    pub(super) const fn new(value: Option<&'static str>, update: Update) -> Self {
        Self {
            short: None,
            long: None,
            alias_of: None,
            value,
            words: &[],
            doc: "",
            more: "",
            group: Group::Data,
            hidden: false,
            unix_only: false,
            origin: Origin::Ncat,
            compat: Compat::Same,
            test: "",
            update,
        }
    }

    pub(super) const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    pub(super) const fn long(mut self, name: &'static str) -> Self {
        self.long = Some(name);
        self
    }

    pub(super) const fn alias_of(mut self, name: &'static str) -> Self {
        self.alias_of = Some(name);
        self.hidden = true;
        self
    }

    pub(super) const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }

    pub(super) const fn doc(mut self, group: Group, doc: &'static str) -> Self {
        self.group = group;
        self.doc = doc;
        self
    }

    pub(super) const fn more(mut self, more: &'static str) -> Self {
        self.more = more;
        self
    }

    pub(super) const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(super) const fn unix_only(mut self) -> Self {
        self.unix_only = true;
        self
    }

    pub(super) const fn ours(mut self, test: &'static str) -> Self {
        self.origin = Origin::Ours;
        self.compat = Compat::Ours;
        self.test = test;
        self
    }

    pub(super) const fn same(mut self, test: &'static str) -> Self {
        self.compat = Compat::Same;
        self.test = test;
        self
    }

    pub(super) const fn better(mut self, why: &'static str, test: &'static str) -> Self {
        self.compat = Compat::Better(why);
        self.test = test;
        self
    }

    pub(super) const fn differs(mut self, why: &'static str, test: &'static str) -> Self {
        self.compat = Compat::Differs(why);
        self.test = test;
        self
    }

    /// What the option is called wherever one name is wanted: the long one, else the letter.
    pub fn canonical(&self) -> &'static str {
        match (self.alias_of, self.long) {
            (Some(name), _) | (None, Some(name)) => name,
            // Only -q and -z have no long name, in Ncat too.
            (None, None) => match self.short {
                Some('q') => "q",
                Some('z') => "z",
                _ => "",
            },
        }
    }

    /// The number C's getopt_long would return for it: the letter, or 0. Options that agree in this
    /// and in taking a value are one and the same to glibc's rule about abbreviations.
    pub fn getopt_code(&self) -> u32 {
        self.short.map_or(0, u32::from)
    }

    /// Both spellings, as help shows them: `-w, --wait`.
    pub fn spellings(&self) -> String {
        match (self.short, self.long) {
            // --4, --6, --g and --G exist, but nobody needs to be told.
            (Some(letter), Some(name)) if name.len() > 1 => format!("-{letter}, --{name}"),
            (Some(letter), _) => format!("-{letter}"),
            (None, Some(name)) => format!("    --{name}"),
            (None, None) => String::new(),
        }
    }
}
