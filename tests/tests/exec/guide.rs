//! The guide names tests; each must be there.

use std::collections::HashSet;

#[test]
fn every_test_the_guide_names_is_there() {
    let guide = include_str!("../../../docs/guide/commands.md");
    let sources = [
        include_str!("datagrams.rs"),
        include_str!("ends.rs"),
        include_str!("environment.rs"),
        include_str!("hostile.rs"),
        include_str!("many.rs"),
        include_str!("modes.rs"),
        include_str!("options.rs"),
    ];
    let tests: HashSet<&str> = sources
        .iter()
        .flat_map(|text| text.split("fn ").skip(1))
        .filter_map(|text| text.split('(').next())
        .collect();
    let words = guide.split('`').skip(1).step_by(2);
    let named: Vec<&str> = words.filter(|word| word.matches('_').count() >= 3).collect();
    let named: Vec<&str> = named.into_iter().filter(|name| !name.starts_with("NCAT_")).collect();
    assert!(named.len() >= 20, "{named:?}");
    for name in named {
        assert!(tests.contains(name), "no test {name}");
    }
}
