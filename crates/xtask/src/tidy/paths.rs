//! Paths that documents name exist.

use std::path::Path;

use super::{Finding, read};

pub(super) fn check(root: &Path, files: &[String]) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    let tops: Vec<&str> = files.iter().filter_map(|file| Some(file.split_once('/')?.0)).collect();
    for file in files.iter().filter(|file| is_document(file)) {
        let text = read(root, file)?;
        let here = Path::new(file).parent().unwrap_or(Path::new(""));
        let mut note = |name: &str| {
            let text = format!("names {name}, which is not there");
            findings.push(Finding { rule: "paths", file: file.clone(), text });
        };
        for name in code_spans(&text).filter(|name| is_path(name, &tops)) {
            if !root.join(place(name)).exists() {
                note(name);
            }
        }
        for link in links(&text) {
            if !root.join(here).join(place(link)).exists() {
                note(link);
            }
        }
    }
    Ok(findings)
}

/// The changelog is left out: it names what there was.
fn is_document(file: &str) -> bool {
    let listed = ["ARCHITECTURE.md", "COMPAT.md", "CONTRIBUTING.md", "README.md"];
    listed.contains(&file) || file.starts_with("docs/") && file.ends_with(".md")
}

/// A file of this tree, not a command, an URL or a pattern: begins with one of its directories.
fn is_path(name: &str, tops: &[&str]) -> bool {
    let Some((top, rest)) = name.split_once('/') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:#".contains(c);
    tops.contains(&top) && !rest.starts_with('/') && name.chars().all(plain)
}

/// Without what follows the file's name: a line number, an anchor.
fn place(name: &str) -> &str {
    name.split([':', '#']).next().unwrap_or(name)
}

/// What stands between backticks on one line.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Targets of links into this tree.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    targets
        .filter(|link| !link.contains("://") && !link.starts_with(['#', '<']) && !link.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_a_path() {
        let tops = ["crates", "docs"];
        for (name, expected) in [
            ("crates/plan/src/lib.rs", true),
            ("crates/plan", true),
            ("docs/a.md#top", true),
            ("crates/*/src", false),
            ("tcp://host", false),
            ("read/write", false),
            ("cargo xtask", false),
        ] {
            assert_eq!(is_path(name, &tops), expected, "{name}");
        }
        assert_eq!(place("crates/a.rs:12"), "crates/a.rs");
    }

    #[test]
    fn what_is_looked_at() {
        let text = "see `a/b` and `c`, [x](docs/y.md#z), [w](https://e.example/), [v](#here)\n`d`";
        assert_eq!(code_spans(text).collect::<Vec<_>>(), ["a/b", "c", "d"]);
        assert_eq!(links(text).collect::<Vec<_>>(), ["docs/y.md#z"]);
    }
}
