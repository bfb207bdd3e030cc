//! A map from address to the first rule that covers it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Addresses as numbers, both ends included, and the rule that covers them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Range {
    pub(super) first: u128,
    pub(super) last: u128,
    pub(super) rule: u32,
}

/// Ranges that do not overlap, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Ranges(Vec<Range>);

impl Ranges {
    /// Sorts and separates; where ranges overlap, the lowest rule number wins. Takes n·log n steps.
    pub(super) fn new(mut ranges: Vec<Range>) -> Self {
        let mut points: Vec<u128> = ranges
            .iter()
            .flat_map(|range| [Some(range.first), range.last.checked_add(1)])
            .flatten()
            .collect();
        points.sort_unstable();
        points.dedup();
        ranges.sort_unstable_by_key(|range| range.first);

        let mut separate: Vec<Range> = Vec::new();
        let mut covering = BinaryHeap::new();
        let mut coming = ranges.into_iter().peekable();
        for (at, &first) in points.iter().enumerate() {
            while let Some(range) = coming.next_if(|range| range.first == first) {
                covering.push(Reverse((range.rule, range.last)));
            }
            while covering.peek().is_some_and(|Reverse((_, last))| *last < first) {
                covering.pop();
            }
            let Some(&Reverse((rule, _))) = covering.peek() else { continue };
            let last = points.get(at + 1).map_or(u128::MAX, |next| next - 1);
            match separate.last_mut() {
                Some(before) if before.rule == rule && before.last + 1 == first => {
                    before.last = last
                }
                _ => separate.push(Range { first, last, rule }),
            }
        }
        Self(separate)
    }

    /// The first rule that covers the address.
    pub(super) fn find(&self, addr: u128) -> Option<u32> {
        let at = self.0.partition_point(|range| range.last < addr);
        self.0.get(at).filter(|range| range.first <= addr).map(|range| range.rule)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_whole_space() {
        let all = Ranges::new(vec![Range { first: 0, last: u128::MAX, rule: 3 }]);
        assert_eq!((all.find(0), all.find(u128::MAX)), (Some(3), Some(3)));
        assert_eq!(Ranges::default().find(0), None);
    }

    proptest! {
        #[test]
        fn as_looking_through_all(
            raw in prop::collection::vec((0_u128..50, 0_u128..50, 0_u32..9), 0..20),
            high in any::<bool>(),
        ) {
            // At the top of the numbers there is no room for a last + 1.
            let base = if high { u128::MAX - 49 } else { 0 };
            let ranges: Vec<Range> = raw
                .into_iter()
                .map(|(a, b, rule)| Range { first: base + a.min(b), last: base + a.max(b), rule })
                .collect();
            let built = Ranges::new(ranges.clone());
            for addr in base..=base + 49 {
                let covers = |range: &&Range| range.first <= addr && addr <= range.last;
                let first = ranges.iter().filter(covers).map(|range| range.rule).min();
                prop_assert_eq!(built.find(addr), first);
            }
        }
    }
}
