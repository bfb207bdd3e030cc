//! What is said about a command line that cannot be understood.

use std::ffi::OsString;
use std::fmt;

/// Why a command line was refused before its options were looked at together. Exit code 2.
///
/// `Display` gives every line as it goes to standard error, newlines included: getopt's line or
/// `Ncat: `'s first, then ours. `argv0` is the program's name as invoked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum UsageError {
    /// A long option nobody knows; `written` is what followed the dashes, value included.
    Unrecognized {
        /// The program's name.
        argv0: String,
        /// What followed the dashes.
        written: String,
        /// The nearest name there is, if one is near.
        near: Option<&'static str>,
    },
    /// An abbreviation of several options.
    Ambiguous {
        /// The program's name.
        argv0: String,
        /// What followed the dashes.
        written: String,
        /// The long names it may stand for.
        possibilities: Vec<&'static str>,
    },
    /// A long option without the value it takes.
    NeedsValue {
        /// The program's name.
        argv0: String,
        /// The whole long name.
        option: &'static str,
    },
    /// A long option with a value it does not take.
    UnwantedValue {
        /// The program's name.
        argv0: String,
        /// The whole long name.
        option: &'static str,
    },
    /// A letter nobody knows.
    InvalidLetter {
        /// The program's name.
        argv0: String,
        /// The letter.
        letter: char,
    },
    /// A letter without the value it takes.
    LetterNeedsValue {
        /// The program's name.
        argv0: String,
        /// The letter.
        letter: char,
    },
    /// A value that is no time.
    Time {
        /// The option and what its time is: `-w timeout`.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// A time of a hundred or more without a unit.
    TimeNeedsUnit {
        /// The option and what its time is.
        what: &'static str,
        /// The value.
        value: String,
        /// What it would be, in minutes.
        minutes: f64,
    },
    /// A value for `-p` that is no number.
    SourcePort {
        /// The value.
        value: String,
    },
    /// A value that is not a whole number in its range.
    Number {
        /// The option, with dashes.
        option: String,
        /// The value.
        value: String,
        /// The range, in words.
        range: &'static str,
    },
    /// A value that is not one of the words there are.
    Word {
        /// The option, with dashes.
        option: String,
        /// The value.
        value: String,
        /// What it may be, in words.
        words: &'static str,
    },
    /// A value for `--nsock-engine` that Ncat would not have here.
    Engine {
        /// The value.
        value: String,
    },
    /// Something that must be text and is not UTF-8.
    NotText {
        /// What it is: `operand`, `value of -s`.
        what: String,
        /// The value.
        value: OsString,
    },
    /// An option this system cannot have.
    NotOnThisSystem {
        /// The option, with dashes.
        option: String,
        /// What it lacks.
        lacks: &'static str,
    },
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_lines(f)?;
        f.write_str("\n")
    }
}

/// The line Ncat adds to each of getopt's.
const TRY: &str =
    "Ncat: Try `--help' or man(1) ncat for more information, usage options and help. QUITTING.";

impl UsageError {
    /// The lines, without the last newline.
    fn fmt_lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unrecognized { argv0, written, near } => {
                write!(f, "{argv0}: unrecognized option '--{written}'\n{TRY}")?;
                near.map_or(Ok(()), |name| write!(f, "\n  hint: did you mean --{name}?"))
            }
            Self::Ambiguous { argv0, written, possibilities } => {
                write!(f, "{argv0}: option '--{written}' is ambiguous; possibilities:")?;
                possibilities.iter().try_for_each(|name| write!(f, " '--{name}'"))?;
                write!(f, "\n{TRY}")
            }
            Self::NeedsValue { argv0, option } => {
                write!(f, "{argv0}: option '--{option}' requires an argument\n{TRY}")
            }
            Self::UnwantedValue { argv0, option } => {
                write!(f, "{argv0}: option '--{option}' doesn't allow an argument\n{TRY}")
            }
            Self::InvalidLetter { argv0, letter } => {
                write!(f, "{argv0}: invalid option -- '{letter}'\n{TRY}")
            }
            Self::LetterNeedsValue { argv0, letter } => {
                write!(f, "{argv0}: option requires an argument -- '{letter}'\n{TRY}")
            }
            _ => self.fmt_value(f),
        }
    }

    /// The lines about values.
    fn fmt_value(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time { what, value } => write!(
                f,
                "Ncat: Invalid {what} \"{value}\" (must be greater than 0 and less than 2147483s). \
                 QUITTING.\n  hint: a number and a unit without a blank between: 500ms, 5s, 2m, 1h"
            ),
            // The year is wrong by now for every reader, and kept for those who match the line.
            Self::TimeNeedsUnit { what, value, minutes } => write!(
                f,
                "Ncat: Since April 2010, the default unit for {what} is seconds, so your time of \
                 \"{value}\" is {minutes:.1} minutes. Use \"{value}ms\" for {value} milliseconds. \
                 QUITTING.\n  hint: \"{value}s\" if seconds are meant"
            ),
            Self::SourcePort { value } => {
                write!(f, "Ncat: Invalid source port number \"{value}\". QUITTING.")
            }
            Self::Number { option, value, range } => {
                write!(f, "Ncat: Invalid {option} number \"{value}\" (must be {range}). QUITTING.")
            }
            Self::Word { option, value, words } => {
                write!(f, "Ncat: Invalid {option} value \"{value}\". QUITTING.\n  hint: {words}")
            }
            Self::Engine { value } => {
                write!(f, "Ncat: Unknown or non-available engine: {value}. QUITTING.")
            }
            Self::NotText { what, value } => write!(
                f,
                "Ncat: Invalid {what} \"{}\": not UTF-8. QUITTING.",
                value.to_string_lossy()
            ),
            Self::NotOnThisSystem { option, lacks } => write!(
                f,
                "Ncat: {option} is not available on this system. QUITTING.\n  it has no {lacks}"
            ),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for UsageError {}
