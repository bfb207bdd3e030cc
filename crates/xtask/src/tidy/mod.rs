//! `cargo xtask tidy`: the house rules that a program can check.
//!
//! Each check returns findings, one line each. A finding may be excepted by a line in
//! `crates/xtask/tidy-exceptions.txt`; an exception that excepts nothing is a finding itself.

mod deps;
mod files;
mod paths;

use std::path::{Path, PathBuf};

use crate::step::root;

const EXCEPTIONS: &str = "crates/xtask/tidy-exceptions.txt";
/// Directories with nothing of ours, or nothing written by hand.
const PASSED_OVER: [&str; 5] = [".git", "target", "corpus", "artifacts", "seeds"];

/// Something that is not as it should be.
#[derive(Debug, Eq, PartialEq)]
struct Finding {
    /// The rule's name, as exceptions have it.
    rule: &'static str,
    /// The file, relative to the workspace.
    file: String,
    /// What is wrong.
    text: String,
}

/// Checks everything; `--update` rewrites the list of dependencies first.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    match args {
        [] => {}
        [arg] if arg == "--update" => deps::update()?,
        _ => return Err("usage: cargo xtask tidy [--update]".into()),
    }
    let root = root();
    let mut files = Vec::new();
    walk(&root, &root, &mut files)?;
    files.sort();

    let mut findings = files::check(&root, &files)?;
    findings.extend(paths::check(&root, &files)?);
    findings.extend(deps::check()?);
    let findings = except(findings, &read(&root, EXCEPTIONS)?);
    for Finding { rule, file, text } in &findings {
        println!("{file}: {text} [{rule}]");
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(format!("{count} against the house rules")),
    }
}

/// Takes out what is excepted, and complains about exceptions that are void.
fn except(mut findings: Vec<Finding>, exceptions: &str) -> Vec<Finding> {
    let mut void = Vec::new();
    for line in exceptions.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
    {
        let mut words = line.split_whitespace();
        let (rule, file) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let before = findings.len();
        findings.retain(|finding| finding.rule != rule || finding.file != file);
        let complaint = if words.next().is_none() {
            format!("{line:?} says not why")
        } else if findings.len() == before {
            format!("{line:?} excepts nothing")
        } else {
            continue;
        };
        void.push(Finding { rule: "exceptions", file: EXCEPTIONS.into(), text: complaint });
    }
    findings.extend(void);
    findings
}

/// Every file below `dir`, relative to `root`, with `/` between names.
fn walk(root: &Path, dir: &Path, files: &mut Vec<String>) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{}: {error}", dir.display());
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let kind = entry.file_type().map_err(fail)?;
        let name = entry.file_name();
        if kind.is_dir() {
            if !PASSED_OVER.iter().any(|passed| name == *passed) {
                walk(root, &entry.path(), files)?;
            }
        } else if let Ok(file) = entry.path().strip_prefix(root) {
            files.push(file.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}

fn read(root: &Path, file: &str) -> Result<String, String> {
    let path: PathBuf = root.join(file);
    std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(file: &str) -> Finding {
        Finding { rule: "lines", file: file.into(), text: String::new() }
    }

    #[test]
    fn exceptions_except_and_are_checked() {
        let list = "# comment\n\nlines a.rs one table\nlines b.rs gone\nlines c.rs\n";
        let left = except(vec![finding("a.rs"), finding("d.rs"), finding("c.rs")], list);
        let texts: Vec<&str> = left.iter().map(|left| &left.text[..]).collect();
        assert_eq!(left[0], finding("d.rs"));
        assert_eq!(
            texts[1..],
            [r#""lines b.rs gone" excepts nothing"#, r#""lines c.rs" says not why"#]
        );
    }
}
