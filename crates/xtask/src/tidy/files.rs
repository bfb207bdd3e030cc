//! Sizes and names of source files.

use std::path::Path;

use super::{Finding, read};

/// No source file is longer, in lines.
const LINES_MAX: usize = 800;
/// The median we aim for, in lines; told, not enforced.
const MEDIAN: std::ops::RangeInclusive<usize> = 100..=250;
/// Words that say nothing, and so attract everything.
const BANNED: [&str; 10] = [
    "common", "commons", "helper", "helpers", "manager", "managers", "misc", "util", "utils",
    "impl2",
];

pub(super) fn check(root: &Path, files: &[String]) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    let mut lengths = Vec::new();
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        let lines = read(root, file)?.lines().count();
        lengths.push(lines);
        if lines > LINES_MAX {
            let text = format!("{lines} lines; at most {LINES_MAX}");
            findings.push(Finding { rule: "lines", file: file.clone(), text });
        }
        if let Some(word) = banned_word(file) {
            let text = format!("{word:?} says nothing in a name");
            findings.push(Finding { rule: "names", file: file.clone(), text });
        }
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).ok_or("no source files found")?;
    let aim = if MEDIAN.contains(median) { "as it should be" } else { "100 to 250 is the aim" };
    println!("{} source files, median {median} lines, {aim}", lengths.len());
    Ok(findings)
}

/// Module and directory names are what the path is made of.
fn banned_word(file: &str) -> Option<&str> {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    stem.split(['/', '_', '-']).find(|word| BANNED.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banned_words() {
        assert_eq!(banned_word("crates/a/src/net_utils.rs"), Some("utils"));
        assert_eq!(banned_word("crates/common/src/lib.rs"), Some("common"));
        assert_eq!(banned_word("crates/a/src/utility.rs"), None);
    }
}
