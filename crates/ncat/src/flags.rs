//! The command line: one table of options, and what is made from it.
//!
//! [`parse`] turns argv into [`RawArgs`], checking single values only; rules that span options are
//! `plan::build`'s. [`help`], the man page, the completions and COMPAT.md come from the same
//! [`items`], so they cannot disagree with the parser. Nothing here prints, exits or opens a file.

mod exec_limit;
mod fuzz;
mod help;
mod item;
mod lua_limit;
mod scan;
mod socket_values;
mod table;
mod time;
mod usage;
mod values;

#[cfg(test)]
mod tests;

use std::ffi::OsString;

use plan::RawArgs;

pub use self::fuzz::fuzz_options;
pub use self::help::{help, help_for, name, version};
pub use self::item::{Compat, Given, Group, Item, Origin, Update};
pub use self::table::items;
pub use self::usage::UsageError;

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one, for a moment")]
pub enum Parsed {
    /// Do something; next comes [`plan::build`].
    Run(RawArgs),
    /// `--help`: print [`help`] on standard output, exit 0.
    Help,
    /// `--version`: print [`version`] on standard output, exit 0.
    Version,
}

/// Reads a command line. The first word is the program's name, as invoked.
///
/// `posixly_correct` says whether the environment variable of that name is set: options then end at
/// the first operand. `-h` and `--version` act when they are reached, so what stands before them
/// must be right and what stands behind them is not looked at.
///
/// # Errors
/// [`UsageError`] for what is not an option, and for values that cannot be right whatever else is
/// given.
pub fn parse(
    argv: impl Iterator<Item = OsString>,
    posixly_correct: bool,
) -> Result<Parsed, UsageError> {
    scan::scan(argv, posixly_correct, &items().collect::<Vec<_>>())
}
