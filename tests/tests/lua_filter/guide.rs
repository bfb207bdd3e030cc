//! The filters that the guide shows.

use super::named;
use super::serve_support::{ncat, scratch};

#[test]
fn every_filter_in_the_guide_is_one_and_passes_its_tests() {
    let guide = include_str!("../../../docs/guide/filters.md");
    // A block is lines with four blanks in front, or none at all.
    let mut blocks = vec![String::new()];
    for line in guide.lines() {
        let last = blocks.len() - 1;
        match line.strip_prefix("    ") {
            Some(code) => blocks[last].push_str(&format!("{code}\n")),
            None if line.is_empty() => blocks[last].push('\n'),
            None => blocks.push(String::new()),
        }
    }
    let dir = scratch();
    let (mut filters, mut tested) = (0, 0);
    for block in blocks.iter().map(|block| block.trim()).filter(|b| b.starts_with("return {")) {
        let path = named(dir.path(), "example.lua", block);
        let ran = ncat(["--lua-check", "-L"]).args([&path]).run().expect_code(0);
        let text = String::from_utf8(ran.stdout).unwrap();
        filters += 1;
        tested += usize::from(text.contains("tests passed"));
    }
    assert!(filters >= 5 && tested >= 2, "{filters} {tested}");
}
