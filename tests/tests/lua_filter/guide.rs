//! The guide names tests; each must be there.

use std::collections::HashSet;

#[test]
fn every_test_the_guide_names_is_there() {
    let guide = include_str!("../../../docs/guide/filters.md");
    let sources = [
        include_str!("bundled.rs"),
        include_str!("chat.rs"),
        include_str!("contract.rs"),
        include_str!("loading.rs"),
        include_str!("order.rs"),
        include_str!("stack.rs"),
    ];
    let tests: HashSet<&str> = sources
        .iter()
        .flat_map(|text| text.split("fn ").skip(1))
        .filter_map(|text| text.split('(').next())
        .collect();
    let words = guide.split('`').skip(1).step_by(2);
    let named: Vec<&str> =
        words.filter(|word| word.matches('_').count() >= 3 && !word.contains(' ')).collect();
    assert!(named.len() >= 15, "{named:?}");
    for name in named {
        assert!(tests.contains(name), "no test {name}");
    }
}
