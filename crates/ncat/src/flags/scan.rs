//! getopt_long, as glibc does it (spec section 1.2), over the option table.
//!
//! Options may stand between operands, letters may be joined, long names abbreviated. The order of
//! operands is kept, which is what GNU permutation comes to.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;

use plan::{AbsentOption, RawArgs};

use super::Parsed;
use super::item::{Given, Item, Origin, Update};
use super::table;
use super::usage::UsageError;

/// What to do after an option.
enum Next {
    /// Go on.
    Scan,
    /// Stop here: help is wanted.
    Help,
    /// Stop here: the version is wanted.
    Version,
}

/// Scans a command line over the given table.
pub(super) fn scan(
    argv: impl Iterator<Item = OsString>,
    posixly_correct: bool,
    table: &[&'static Item],
) -> Result<Parsed, UsageError> {
    let mut words = argv.peekable();
    let argv0 = words.next().unwrap_or_default().to_string_lossy().into_owned();
    let mut scanner = Scanner { argv0, words, table, raw: RawArgs::default() };
    let mut operands = Vec::new();
    while let Some(word) = scanner.words.next() {
        let next = match word.as_encoded_bytes() {
            b"--" => break,
            [b'-', b'-', ..] => scanner.long(&word)?,
            [b'-', _, ..] => scanner.letters(&word)?,
            _ => {
                operands.push(word);
                if posixly_correct {
                    break;
                }
                Next::Scan
            }
        };
        match next {
            Next::Scan => {}
            Next::Help => return Ok(Parsed::Help),
            Next::Version => return Ok(Parsed::Version),
        }
    }
    operands.extend(scanner.words);
    scanner.raw.operands = operands.into_iter().map(text_operand).collect::<Result<_, _>>()?;
    Ok(Parsed::Run(scanner.raw))
}

fn text_operand(word: OsString) -> Result<String, UsageError> {
    word.into_string().map_err(|value| UsageError::NotText { what: "host or port".into(), value })
}

struct Scanner<'t, I: Iterator<Item = OsString>> {
    argv0: String,
    words: Peekable<I>,
    table: &'t [&'static Item],
    raw: RawArgs,
}

impl<I: Iterator<Item = OsString>> Scanner<'_, I> {
    /// A word of letters: `-lkv`, `-w5`, `-w 5`.
    fn letters(&mut self, word: &OsStr) -> Result<Next, UsageError> {
        let bytes = word.as_encoded_bytes();
        for at in 1..bytes.len() {
            let letter = char::from(bytes[at]);
            let Some(item) = self.by_letter(letter) else {
                let letter = whole_letter(word, at);
                return Err(UsageError::InvalidLetter { argv0: self.argv0.clone(), letter });
            };
            let written = format!("-{letter}");
            if item.value.is_none() {
                match self.apply(item, &written, None)? {
                    Next::Scan => continue,
                    stop => return Ok(stop),
                }
            }
            // The rest of the word is the value; if there is none, the next word, whatever it is.
            let value = if at + 1 < bytes.len() { tail(word, at + 1) } else { self.words.next() };
            let value = value.ok_or_else(|| UsageError::LetterNeedsValue {
                argv0: self.argv0.clone(),
                letter,
            })?;
            return self.apply(item, &written, Some(value));
        }
        Ok(Next::Scan)
    }

    /// A long option: `--wait=5`, `--wait 5`, `--wa 5`.
    fn long(&mut self, word: &OsStr) -> Result<Next, UsageError> {
        let argv0 = || self.argv0.clone();
        let body = &word.as_encoded_bytes()[2..];
        let name_len = body.iter().position(|byte| *byte == b'=').unwrap_or(body.len());
        let written = || tail(word, 2).unwrap_or_default().to_string_lossy().into_owned();
        let item = match self.by_name(&body[..name_len]) {
            Found::One(item) => item,
            Found::None => {
                let near = nearest(&String::from_utf8_lossy(&body[..name_len]), self.table);
                return Err(UsageError::Unrecognized { argv0: argv0(), written: written(), near });
            }
            Found::Several(possibilities) => {
                let written = written();
                return Err(UsageError::Ambiguous { argv0: argv0(), written, possibilities });
            }
        };
        let option = item.long.unwrap_or_default();
        let attached = (name_len < body.len()).then(|| tail(word, 2 + name_len + 1)).flatten();
        let value = match (item.value.is_some(), attached) {
            (false, Some(_)) => return Err(UsageError::UnwantedValue { argv0: argv0(), option }),
            (true, None) => match self.words.next() {
                None => return Err(UsageError::NeedsValue { argv0: argv0(), option }),
                next => next,
            },
            (_, attached) => attached,
        };
        self.apply(item, &format!("--{option}"), value)
    }

    fn by_letter(&self, letter: char) -> Option<&'static Item> {
        self.table.iter().copied().find(|item| item.short == Some(letter))
    }

    /// A whole name; else an abbreviation of one of Ncat's; else one of ours. So an option of ours
    /// never changes what Ncat's users have been typing.
    fn by_name(&self, name: &[u8]) -> Found {
        let long = |item: &&'static Item| item.long.unwrap_or_default().as_bytes();
        let with_long = || self.table.iter().copied().filter(|item| item.long.is_some());
        if let Some(item) = with_long().find(|item| long(item) == name) {
            return Found::One(item);
        }
        [Origin::Ncat, Origin::Ours]
            .into_iter()
            .map(|origin| {
                let begins = with_long().filter(|item| item.origin == origin);
                narrow(begins.filter(|item| long(item).starts_with(name)).collect())
            })
            .find(|found| !matches!(found, Found::None))
            .unwrap_or(Found::None)
    }

    fn apply(
        &mut self,
        item: &'static Item,
        written: &str,
        value: Option<OsString>,
    ) -> Result<Next, UsageError> {
        available(item, written, cfg!(unix))?;
        match item.update {
            Update::Help => return Ok(Next::Help),
            Update::Version => return Ok(Next::Version),
            Update::Flag(set) => set(&mut self.raw),
            Update::Value(set) => {
                let value = value.unwrap_or_default();
                set(&mut self.raw, &Given { written, value: &value })?;
            }
            Update::Absent(set) => {
                set(&mut self.raw);
                self.raw.absent.push(AbsentOption {
                    name: item.canonical(),
                    written: written.to_owned(),
                    value: value.map(|value| value.to_string_lossy().into_owned()),
                });
            }
        }
        Ok(Next::Scan)
    }
}

/// What an abbreviation stands for.
enum Found {
    None,
    One(&'static Item),
    Several(Vec<&'static str>),
}

/// glibc's rule: names that take a value alike and return the same code as the first one are not
/// ambiguous with it, and the first one it is. The message lists the first and those that differ.
fn narrow(mut candidates: Vec<&'static Item>) -> Found {
    candidates.sort_by_key(|item| table::place(item));
    let Some((&first, rest)) = candidates.split_first() else {
        return Found::None;
    };
    let kind = |item: &Item| (item.value.is_some(), item.getopt_code());
    let others: Vec<_> = rest.iter().filter(|item| kind(item) != kind(first)).collect();
    if others.is_empty() {
        return Found::One(first);
    }
    Found::Several([first].iter().chain(others).filter_map(|item| item.long).collect())
}

/// Refuses what the system does not have. Split from [`Scanner::apply`] for the sake of its test.
pub(super) fn available(item: &Item, written: &str, is_unix: bool) -> Result<(), UsageError> {
    if item.unix_only && !is_unix {
        return Err(UsageError::NotOnThisSystem {
            option: written.to_owned(),
            lacks: "Unix domain sockets that ncat can use",
        });
    }
    Ok(())
}

/// The known name within two changes of what was written, for a hint.
fn nearest(written: &str, table: &[&'static Item]) -> Option<&'static str> {
    // Names of one letter are near to everything short.
    if written.len() < 4 {
        return None;
    }
    let shown = table.iter().filter(|item| !item.hidden).filter_map(|item| item.long);
    let near = shown.map(|name| (changes(written, name), name)).min()?;
    (near.0 <= 2).then_some(near.1)
}

/// Levenshtein's distance, one row at a time.
fn changes(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    // A word longer than any name is far from every one; the bound keeps hostile input cheap.
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// What stands in a word from this byte on. What is before it is ASCII.
#[cfg(unix)]
fn tail(word: &OsStr, from: usize) -> Option<OsString> {
    use std::os::unix::ffi::OsStrExt;
    word.as_bytes().get(from..).map(|bytes| OsStr::from_bytes(bytes).to_owned())
}

/// What stands in a word from this byte on. What is before it is ASCII, one unit for each byte.
#[cfg(windows)]
fn tail(word: &OsStr, from: usize) -> Option<OsString> {
    use std::os::windows::ffi::{OsStrExt, OsStringExt};
    let units: Vec<u16> = word.encode_wide().collect();
    units.get(from..).map(OsString::from_wide)
}

/// The letter that begins at this byte, whole: getopt would show its first byte, which is no letter.
fn whole_letter(word: &OsStr, at: usize) -> char {
    let rest = String::from_utf8_lossy(&word.as_encoded_bytes()[at..]).into_owned();
    rest.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
}
