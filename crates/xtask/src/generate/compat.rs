//! COMPAT.md: every option of Ncat and what became of it, with the test that shows it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use ncat_cli::flags::{Compat, Group, Item, Origin, items};

const OPENING: &str = "\
# Compatibility with Ncat

Written by `cargo xtask gen` from the option table; edit that.

*same*: nothing a user could notice. *better*: what Ncat gets wrong is put right, as the note says.
*differs*: another choice, and why. *absent*: not in this build; the option is understood, and refused
with exit code 2. *ours*: Ncat does not have it. The tests named are functions, each in the file beside
it.

A test in `crates/ncat/src/flags` or `crates/plan/src/build` shows that the option is read and planned as
it should be; what is then done with the bytes is shown by the tests of the crates that do it.

The command line is read as glibc's `getopt_long` reads it, and compared with it over random command
lines by `command_lines_mean_what_they_mean_to_getopt_long`. An option of ours never changes what an
abbreviation of one of Ncat's means. Lines for refused command lines begin as Ncat's do; what follows is
ours.
";

/// The page.
///
/// # Errors
/// When a test that an option names does not exist.
pub(crate) fn page(root: &Path) -> Result<String, String> {
    let mut tests = BTreeMap::new();
    for dir in ["crates", "tests"] {
        find_tests(root, &root.join(dir), &mut tests)?;
    }
    let mut page = OPENING.to_owned();
    for group in Group::ALL {
        let rows: Vec<&Item> = items().filter(|item| item.group == group).collect();
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "\n## {}\n\n| Option | Status | Note | Test |\n|---|---|---|---|\n",
            group.title()
        );
        for item in rows {
            page.push_str(&row(item, &tests)?);
        }
    }
    page.push_str(
        "\n## Refused combinations\n\nIn the order in which they are looked for; each has a row in \
         `every_refused_combination_says_its_line`.\n\n",
    );
    for combination in plan::refused_combinations() {
        let _ = writeln!(page, "- {combination}");
    }
    Ok(page)
}

fn row(item: &Item, tests: &BTreeMap<String, String>) -> Result<String, String> {
    let spellings = item.spellings();
    let value = item.value.map(|value| format!(" {value}")).unwrap_or_default();
    let option = format!("`{}{value}`", spellings.trim_start());
    let (status, note) = match (item.is_absent(), item.compat) {
        (true, _) => ("absent", ""),
        (false, Compat::Same) => ("same", ""),
        (false, Compat::Better(note)) => ("better", note),
        (false, Compat::Differs(note)) => ("differs", note),
        (false, Compat::Ours) => ("ours", item.doc),
    };
    let note = match (note, item.origin, item.alias_of) {
        ("", Origin::Ours, _) => "not one of Ncat's".to_owned(),
        (_, _, Some(name)) => format!("another name for `--{name}`"),
        (note, _, _) => note.replace('|', "\\|").replace('<', "&lt;"),
    };
    let test = match item.test {
        "" => String::new(),
        name => {
            let file = tests.get(name).ok_or_else(|| format!("{option}: no test {name}"))?;
            format!("`{name}` ({file})")
        }
    };
    Ok(format!("| {option} | {status} | {note} | {test} |\n"))
}

/// Notes each test function below a directory with its file.
fn find_tests(root: &Path, dir: &Path, tests: &mut BTreeMap<String, String>) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", dir.display());
    let mut entries: Vec<_> =
        fs::read_dir(dir).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    // The order of a directory is nobody's promise, and the page must not depend on it.
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            find_tests(root, &path, tests)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).map_err(failed)?;
            let file =
                path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            for name in test_names(&text) {
                tests.entry(name.to_owned()).or_insert_with(|| file.clone());
            }
        }
    }
    Ok(())
}

/// The functions under `#[test]`, perhaps with more attributes between.
fn test_names(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().map(str::trim_start).filter_map(move |line| {
        if line.starts_with("#[") {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            return None;
        }
        let was_test = std::mem::take(&mut is_test);
        let name = line.trim_start_matches("async ").strip_prefix("fn ").filter(|_| was_test)?;
        name.split(['(', '<']).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_by_their_attribute() {
        let text = "#[test]\nfn a() {}\nfn b() {}\n  #[test]\n  #[cfg(unix)]\n  fn c() {}\n\
                    #[tokio::test]\nasync fn d() {}\n";
        assert_eq!(test_names(text).collect::<Vec<_>>(), ["a", "c", "d"]);
    }
}
