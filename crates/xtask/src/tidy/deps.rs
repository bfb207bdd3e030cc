//! The crates that end up in `ncat`: a list in the tree, so that a new one is a visible change.

use std::collections::BTreeSet;

use super::{Finding, read};
use crate::step::{cargo, root};

const LIST: &str = "docs/reference/deps.txt";
/// One system's, whoever asks.
const TARGET: &str = "x86_64-unknown-linux-gnu";

pub(super) fn update() -> Result<(), String> {
    let path = root().join(LIST);
    let dir = path.parent().unwrap_or(&path);
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&path, current()?))
        .map_err(|error| format!("{LIST}: {error}"))
}

pub(super) fn check() -> Result<Vec<Finding>, String> {
    let current = current().map_err(|error| format!("cargo tree: {error}"))?;
    let kept = read(&root(), LIST)?;
    let (current, kept) = (lines(&current), lines(&kept));
    let come = current.difference(&kept).map(|name| format!("{name} is new"));
    let gone = kept.difference(&current).map(|name| format!("{name} is gone"));
    let hint = "; if that is meant: cargo xtask tidy --update";
    Ok(come
        .chain(gone)
        .map(|text| Finding { rule: "deps", file: LIST.into(), text: text + hint })
        .collect())
}

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().collect()
}

/// Names and versions, sorted, each once.
fn current() -> std::io::Result<String> {
    let args = ["tree", "-p", "ncat", "-e", "normal", "--prefix", "none", "--target", TARGET];
    let output = cargo(args).output()?;
    if !output.status.success() {
        return Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(tidied(&String::from_utf8_lossy(&output.stdout)))
}

/// Without where the tree is on this disk, and without marks of repetition.
fn tidied(tree: &str) -> String {
    let name = |line: &str| line.split(" (").next().unwrap_or(line).to_owned() + "\n";
    let names: BTreeSet<String> = tree.lines().filter(|line| !line.is_empty()).map(name).collect();
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_only() {
        let tree = "ncat v0.1.0 (/x/crates/ncat)\nz v1.0.0\na v2.0.0 (proc-macro)\nz v1.0.0 (*)\n";
        assert_eq!(super::tidied(tree), "a v2.0.0\nncat v0.1.0\nz v1.0.0\n");
    }
}
