//! The guide and the tests name each other.

use std::collections::BTreeSet;

const GUIDE: &str = include_str!("../../../docs/guide/end-of-stream.md");
const SOURCES: [&str; 5] = [
    include_str!("cells.rs"),
    include_str!("datagrams.rs"),
    include_str!("names.rs"),
    include_str!("../guest/ending.rs"),
    include_str!("../dtls/ends.rs"),
];

/// Test names in the last column of the guide's tables.
fn named() -> BTreeSet<&'static str> {
    let rows = GUIDE.lines().filter(|line| line.starts_with('|'));
    let last = rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    last.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

fn existing() -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    for source in SOURCES {
        let mut is_test = false;
        for line in source.lines().map(str::trim) {
            let cell = line.split_once(" => ").filter(|_| line.ends_with(");"));
            found.extend(cell.map(|(name, _)| name).filter(|name| !name.contains(['$', '('])));
            if let (true, Some(rest)) = (is_test, line.strip_prefix("fn ")) {
                found.extend(rest.split('(').next());
            }
            is_test = line == "#[test]";
        }
    }
    found
}

#[test]
fn every_cell_has_its_test_and_every_test_its_cell() {
    let (named, existing) = (named(), existing());
    assert!(named.len() > 54, "the guide's tables were not found");
    let missing: Vec<_> = named.difference(&existing).collect();
    assert!(missing.is_empty(), "named in the guide, but no test: {missing:?}");
    let unnamed: Vec<_> = existing.difference(&named).collect();
    assert!(unnamed.is_empty(), "tests that the guide does not name: {unnamed:?}");
}
