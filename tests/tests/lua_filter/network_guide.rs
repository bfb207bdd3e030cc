//! The guide about filters and the network names tests; each must be there.

use std::collections::HashSet;

#[test]
fn every_test_the_network_guide_names_is_there() {
    let guide = include_str!("../../../docs/guide/filters-network.md");
    let sources = [
        include_str!("elsewhere.rs"),
        include_str!("ends.rs"),
        include_str!("examples.rs"),
        include_str!("interplay.rs"),
        include_str!("modes.rs"),
        include_str!("outgoing.rs"),
        include_str!("relaying.rs"),
        include_str!("upgrade.rs"),
        include_str!("../guest/filters.rs"),
    ];
    let tests: HashSet<&str> = sources
        .iter()
        .flat_map(|text| text.split("fn ").skip(1))
        .filter_map(|text| text.split('(').next())
        .collect();
    let words = guide.split('`').skip(1).step_by(2);
    let named: Vec<&str> =
        words.filter(|word| word.matches('_').count() >= 2 && !word.contains(['(', ' '])).collect();
    assert!(named.len() >= 45, "{}", named.len());
    for name in named {
        let is_method = name == "get_ssl_certificate";
        assert!(is_method || tests.contains(name), "no test {name}");
    }
}
