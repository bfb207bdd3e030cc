//! `--help` and `--version`.

use std::fmt::Write;

use super::item::{Group, Item};
use super::items;

/// What the program calls itself in its banner.
pub fn name() -> &'static str {
    "Ncat"
}

/// The line of `--version`, and the first of `-v`, newline at the end.
pub fn version() -> String {
    format!("{}: Version {}\n", name(), env!("CARGO_PKG_VERSION"))
}

/// The text of `--help`, newline at the end.
pub fn help() -> String {
    help_for(env!("CARGO_PKG_VERSION"))
}

/// The text of `--help` under another version number, for a copy that outlives a release.
pub fn help_for(version: &str) -> String {
    let mut text = format!("{} {version}\n", name());
    text.push_str(
        "Usage: ncat [options] [hostname] [port]\n\n\
         Options taking a time assume seconds. Append 'ms' for milliseconds,\n\
         's' for seconds, 'm' for minutes, or 'h' for hours (e.g. 500ms).\n",
    );
    for group in Group::ALL {
        let shown = items().filter(|item| item.group == group && !item.is_absent());
        let lines: String = shown.filter(|item| !item.hidden).map(line).collect();
        if !lines.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n{}:\n{lines}", group.title());
        }
    }
    let absent = items().filter(|item| item.is_absent() && !item.hidden);
    let absent = absent.map(|item| item.spellings().trim_start().replace(", ", "/"));
    let absent: Vec<String> = absent.collect();
    if !absent.is_empty() {
        let _ = write!(text, "\nNot in this build:\n{}", wrapped(&absent));
    }
    text.push_str("\nSee the ncat(1) manpage for full options, descriptions and usage examples\n");
    text
}

/// One option: names and value in 27 columns, as Ncat has them, then what it does.
fn line(item: &Item) -> String {
    const COLUMN: usize = 27;
    let value = item.value.map(|value| format!(" <{value}>")).unwrap_or_default();
    let names = format!("  {}{value}", item.spellings());
    let doc = item.doc;
    if names.len() <= COLUMN {
        format!("{names:<COLUMN$}  {doc}\n")
    } else {
        format!("{names}\n{:<COLUMN$}  {doc}\n", "")
    }
}

/// Words separated by commas, in lines of at most 76 columns.
fn wrapped(words: &[String]) -> String {
    let mut text = String::new();
    let mut column = 0;
    for (at, word) in words.iter().enumerate() {
        let comma = if at + 1 < words.len() { "," } else { "" };
        if column > 0 && column + word.len() + 2 > 76 {
            text.push('\n');
            column = 0;
        }
        text.push_str(if column == 0 { "  " } else { " " });
        text.push_str(word);
        text.push_str(comma);
        column += word.len() + 2;
    }
    text.push('\n');
    text
}
