//! Single values: what an option's word must look like, whatever else is given.

use std::time::Duration;

use plan::{EofPolicy, MAX_DATAGRAM_SIZE, SlowReader};

use super::item::Given;
use super::time::{self, BadTime};
use super::usage::UsageError;

/// The event engines Ncat has here. Ours is none of them, so the name only has to be right.
pub(super) const ENGINES: &[&str] = if cfg!(windows) {
    &["iocp", "poll", "select"]
} else if cfg!(target_os = "linux") {
    &["epoll", "poll", "select"]
} else {
    &["kqueue", "poll", "select"]
};

pub(super) const EOF_WORDS: &[&str] = &["half-close", "quit", "wait", "ncat-7.95"];
pub(super) const COMPAT_WORDS: &[&str] = &["ncat"];
pub(super) const SLOW_READER_WORDS: &[&str] = &["wait", "drop", "disconnect"];

/// The largest conversation kept for late clients.
const HISTORY_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// A time; `what` is the option and what the time is, in Ncat's words.
pub(super) fn time(what: &'static str, given: &Given<'_>) -> Result<Duration, UsageError> {
    let word = given.text()?;
    time::parse(word).map_err(|bad| {
        let value = word.to_owned();
        match bad {
            BadTime::Invalid => UsageError::Time { what, value },
            BadTime::NeedsUnit(minutes) => UsageError::TimeNeedsUnit { what, value, minutes },
        }
    })
}

/// `-q`: a time, or one with `-` before it, whose size then does not matter: never.
pub(super) fn quit_time(given: &Given<'_>) -> Result<Option<Duration>, UsageError> {
    let what = "-q time";
    let word = given.text()?;
    let Some(size) = word.strip_prefix('-') else {
        return time(what, given).map(Some);
    };
    match time::parse(size) {
        Ok(_) | Err(BadTime::NeedsUnit(_)) => Ok(None),
        Err(BadTime::Invalid) => Err(UsageError::Time { what, value: word.to_owned() }),
    }
}

/// `-p`: a number as `strtoul` reads it; `-1` wraps round as in Ncat, whose message names the result.
/// The range is checked with the other options known.
pub(super) fn source_port(given: &Given<'_>) -> Result<u64, UsageError> {
    let word = given.text()?;
    let bad = || UsageError::SourcePort { value: word.to_owned() };
    if word.is_empty() {
        return Ok(0);
    }
    let digits = word.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let number: u64 = digits.parse().map_err(|_| bad())?;
    Ok(if negative { number.wrapping_neg() & u64::from(u32::MAX) } else { number })
}

/// A whole number without sign or blanks, at least `min`.
pub(super) fn number(given: &Given<'_>, min: u32, range: &'static str) -> Result<u32, UsageError> {
    let word = given.text()?;
    let digits_only = word.bytes().all(|byte| byte.is_ascii_digit());
    let number = word.parse::<u32>().ok().filter(|number| digits_only && *number >= min);
    number.ok_or_else(|| UsageError::Number {
        option: given.written.to_owned(),
        value: word.to_owned(),
        range,
    })
}

/// `--datagram-size`.
pub(super) fn datagram_size(given: &Given<'_>) -> Result<usize, UsageError> {
    let range = "1 to 65507";
    let size = number(given, 1, range)?;
    usize::try_from(size).ok().filter(|size| *size <= MAX_DATAGRAM_SIZE).ok_or_else(|| {
        UsageError::Number { option: given.written.to_owned(), value: size.to_string(), range }
    })
}

/// `--eof`.
pub(super) fn eof(given: &Given<'_>) -> Result<EofPolicy, UsageError> {
    let policies = [EofPolicy::HalfClose, EofPolicy::Quit, EofPolicy::Wait, EofPolicy::Ncat795];
    let word = given.text()?;
    policies.into_iter().find(|policy| policy.name() == word).ok_or_else(|| UsageError::Word {
        option: given.written.to_owned(),
        value: word.to_owned(),
        words: "one of half-close, quit, wait, ncat-7.95",
    })
}

/// `--slow-reader`.
pub(super) fn slow_reader(given: &Given<'_>) -> Result<SlowReader, UsageError> {
    let word = given.text()?;
    match word {
        "wait" => Ok(SlowReader::Wait),
        "drop" => Ok(SlowReader::Drop),
        "disconnect" => Ok(SlowReader::default()),
        _ => match word.strip_prefix("disconnect,") {
            Some(size) => {
                let inner = Given { written: given.written, value: size.as_ref() };
                Ok(SlowReader::Disconnect(time("--slow-reader time", &inner)?))
            }
            None => Err(UsageError::Word {
                option: given.written.to_owned(),
                value: word.to_owned(),
                words: "one of wait, drop, disconnect, disconnect,TIME",
            }),
        },
    }
}

/// `--history`: bytes, with `K` or `M` behind for 1,024 or its square.
pub(super) fn size(given: &Given<'_>) -> Result<u64, UsageError> {
    let word = given.text()?;
    let (digits, unit) = match word.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1024),
        None => word.strip_suffix(['M', 'm']).map_or((word, 1), |digits| (digits, 1024 * 1024)),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let size = digits.parse::<u64>().ok().filter(|_| is_number).and_then(|n| n.checked_mul(unit));
    size.filter(|size| *size <= HISTORY_BYTES_MAX).ok_or_else(|| UsageError::Number {
        option: given.written.to_owned(),
        value: word.to_owned(),
        range: "0 to 1024M, in bytes or with K or M behind",
    })
}

/// `--compat`.
pub(super) fn compat(given: &Given<'_>) -> Result<bool, UsageError> {
    let word = given.text()?;
    if COMPAT_WORDS.contains(&word) {
        return Ok(true);
    }
    Err(UsageError::Word {
        option: given.written.to_owned(),
        value: word.to_owned(),
        words: "ncat",
    })
}

/// `--nsock-engine`.
pub(super) fn engine(given: &Given<'_>) -> Result<(), UsageError> {
    let word = given.text()?;
    if ENGINES.contains(&word) {
        return Ok(());
    }
    Err(UsageError::Engine { value: word.to_owned() })
}

/// `--allow` and `--deny`: a list with commas. Empty items are skipped; an empty list is a list.
pub(super) fn hosts(list: &mut Vec<String>, given: &Given<'_>) -> Result<(), UsageError> {
    list.push(given.text()?.to_owned());
    Ok(())
}
