//! The guides name the tests that show what they say; each must be there.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("the directory is there");
    entries.map(|entry| entry.expect("its entries are readable").path()).collect()
}

/// The functions of the Rust files below `dir`.
fn functions(dir: &Path, into: &mut HashSet<String>) {
    for path in files(dir) {
        if path.is_dir() {
            functions(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(path).expect("sources are text");
            let names = text.split("fn ").skip(1).filter_map(|text| text.split('(').next());
            into.extend(names.map(str::to_owned));
        }
    }
}

/// The tests a guide names: words in backticks with two underscores or more.
fn named(guide: &str) -> Vec<&str> {
    let is_name = |word: &&str| {
        word.matches('_').count() >= 2
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    guide.split('`').skip(1).step_by(2).filter(is_name).collect()
}

#[test]
fn every_test_a_guide_names_is_there() {
    let mut tests = HashSet::new();
    functions(&root().join("tests"), &mut tests);
    functions(&root().join("crates"), &mut tests);
    let mut count = 0;
    for path in files(&root().join("docs/guide")) {
        // Its tests are made by macros; `ending` compares table and tests itself.
        if path.ends_with("end-of-stream.md") {
            continue;
        }
        let guide = fs::read_to_string(&path).unwrap();
        let names = named(&guide);
        assert!(names.len() >= 5, "{} names {} tests", path.display(), names.len());
        for name in &names {
            assert!(tests.contains(*name), "{}: no test {name}", path.display());
        }
        count += names.len();
    }
    assert!(count >= 300, "{count}");
}
