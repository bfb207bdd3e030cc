//! What is printed: results on standard output, talk on standard error, one JSON document with `--json`. Text from
//! elsewhere is made safe here.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::ArgMatches;
use proto::escape::terminal;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    json: bool,
    quiet: bool,
}

impl Out {
    pub(crate) fn new(matches: &ArgMatches) -> Self {
        Self { json: matches.get_flag("json"), quiet: matches.get_flag("quiet") }
    }

    /// Whether a document is wanted.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// A line for people; nothing when a document is wanted.
    pub(crate) fn line(self, text: impl AsRef<str>) {
        if !self.json {
            raw(&format!("{}\n", terminal(text.as_ref().as_bytes())));
        }
    }

    /// A result of several lines, each made safe.
    pub(crate) fn lines(self, text: &str) {
        text.lines().for_each(|line| self.line(line));
    }

    /// The document; nothing for people.
    pub(crate) fn document(self, schema: &str, mut body: Value) {
        if let (true, Some(members)) = (self.json, body.as_object_mut()) {
            members.insert("schema".into(), format!("ncat-guard/{schema}/1").into());
            raw(&format!("{}\n", safe_json(&body)));
        }
    }

    /// Talk: what happened, beside the result.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        if !self.quiet {
            told(text.as_ref());
        }
    }

    /// Why it failed.
    pub(crate) fn failure(self, failure: &Failure) {
        told(&format!("ncat-guard: {}", failure.what));
        for line in &failure.lines {
            told(&format!("  {line}"));
        }
        if failure.exit == Exit::Internal {
            told("  this is a mistake in ncat-guard; please report it");
        }
        let code = failure.exit as u8;
        self.document(
            "error",
            json!({"error": failure.what, "lines": failure.lines, "exit": code}),
        );
    }
}

/// Bytes that are a result as they are: proofs, checkpoints, keys.
pub(crate) fn raw(text: &str) {
    // A reader that has gone away is not worth a word: the exit code says what was done.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

fn told(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", terminal(text.as_bytes()));
}

/// JSON in which no character can move a cursor or turn a line around.
pub(crate) fn safe_json(value: &Value) -> String {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let mut buffer = [0; 4];
        let one = character.encode_utf8(&mut buffer);
        if character.is_ascii() && character != '\x7f' || terminal(one.as_bytes()) == *one {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String does not fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_safe_and_say_the_same() {
        let value = json!({"a": "x\u{202e}y\u{9b}z\u{7f}\u{1b}[2J\u{e0041} Grüße"});
        let text = safe_json(&value);
        assert!(!text.contains(['\u{202e}', '\u{9b}', '\u{7f}', '\u{1b}', '\u{e0041}']), "{text}");
        assert!(text.contains("Grüße"));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
