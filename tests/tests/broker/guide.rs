//! The guide names tests that exist.

const GUIDE: &str = include_str!("../../../docs/guide/broker.md");
const SOURCES: [&str; 9] = [
    include_str!("chat.rs"),
    include_str!("compat.rs"),
    include_str!("datagrams.rs"),
    include_str!("ends.rs"),
    include_str!("files.rs"),
    include_str!("options.rs"),
    include_str!("relay.rs"),
    include_str!("../../../crates/endpoint/tests/broker/main.rs"),
    include_str!("../../../crates/endpoint/tests/broker/faults.rs"),
];

#[test]
fn every_test_named_in_the_guide_exists() {
    let spans = GUIDE.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_name = |name: &&str| {
        name.matches('_').count() > 1 && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase())
    };
    let names: Vec<&str> = spans.filter(is_name).collect();
    assert!(names.len() > 20, "the guide's tests were not found");
    for name in names {
        let function = format!("fn {name}(");
        assert!(SOURCES.iter().any(|source| source.contains(&function)), "no test {name}");
    }
}
