//! Many sources' chains, as a reader sees them: what follows, what is missing, what does not belong.
//!
//! A gap may be filled later, in any order; each record is then checked against its neighbours.

use std::collections::{BTreeMap, HashMap};

use crate::Hash;
use crate::event::Leaf;

/// Gaps remembered for one source; more are counted as broken.
const GAPS_MAX: usize = 4096;

/// What a record is to the chain of its source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Link {
    /// The next one.
    Next,
    /// The next after some that are missing: these numbers.
    Gap(u64, u64),
    /// One that was missing.
    Fills,
    /// It does not name the record before it, or the one after does not name it.
    Broken,
    /// Its number was taken before.
    Taken,
}

#[derive(Clone, Debug)]
struct Gap {
    to: u64,
    /// The hash of the record before, if it is known.
    before: Option<Hash>,
    /// What the record after names as the one before it.
    after: Hash,
}

/// One source's chain.
#[derive(Clone, Debug)]
struct Chain {
    seq: u64,
    hash: Hash,
    gaps: BTreeMap<u64, Gap>,
}

/// The chains of all sources.
#[derive(Clone, Debug, Default)]
pub struct Chains {
    chains: HashMap<String, Chain>,
    /// Whether a source may begin with another number than 1: what is before was pruned.
    begins_anywhere: bool,
}

impl Chains {
    /// Chains whose beginnings may be missing without being gaps.
    pub fn beginning_anywhere() -> Self {
        Self { begins_anywhere: true, ..Self::default() }
    }

    /// Takes the next record in the order of the log. `hash` is SHA-256 of the leaf. A record that is
    /// `Broken` is taken as the source's word all the same, so that one break is told once.
    pub fn offer(&mut self, leaf: &Leaf, hash: Hash) -> Link {
        let (seq, prev) = (leaf.seq, leaf.prev);
        let Some(chain) = self.chains.get_mut(&leaf.src) else {
            let mut chain = Chain { seq: 0, hash: Hash::ZERO, gaps: BTreeMap::new() };
            if self.begins_anywhere {
                (chain.seq, chain.hash) = (seq - 1, prev);
            }
            let link = chain.offer(seq, prev, hash);
            self.chains.insert(leaf.src.clone(), chain);
            return link;
        };
        chain.offer(seq, prev, hash)
    }

    /// Every gap that is left: source, first and last number.
    pub fn gaps(&self) -> Vec<(String, u64, u64)> {
        let gaps = self.chains.iter().flat_map(|(source, chain)| {
            chain.gaps.iter().map(move |(from, gap)| (source.clone(), *from, gap.to))
        });
        let mut gaps: Vec<_> = gaps.collect();
        gaps.sort_unstable();
        gaps
    }

    /// The last number and hash of a source.
    pub fn head(&self, source: &str) -> Option<(u64, Hash)> {
        self.chains.get(source).map(|chain| (chain.seq, chain.hash))
    }

    /// How many sources there are.
    pub fn len(&self) -> usize {
        self.chains.len()
    }

    /// Whether no record came yet.
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }
}

impl Chain {
    fn offer(&mut self, seq: u64, prev: Hash, hash: Hash) -> Link {
        if seq <= self.seq {
            return self.fill(seq, prev, hash);
        }
        let (last, before) = (self.seq, self.hash);
        (self.seq, self.hash) = (seq, hash);
        if seq == last + 1 {
            return if prev == before { Link::Next } else { Link::Broken };
        }
        if self.gaps.len() >= GAPS_MAX {
            return Link::Broken;
        }
        let gap = Gap { to: seq - 1, before: Some(before), after: prev };
        self.gaps.insert(last + 1, gap);
        Link::Gap(last + 1, seq - 1)
    }

    fn fill(&mut self, seq: u64, prev: Hash, hash: Hash) -> Link {
        let found = self.gaps.range(..=seq).next_back().map(|(from, gap)| (*from, gap.clone()));
        let Some((from, gap)) = found.filter(|(_, gap)| seq <= gap.to) else {
            return Link::Taken;
        };
        let follows = seq > from || gap.before.is_none_or(|before| before == prev);
        let precedes = seq < gap.to || gap.after == hash;
        if !follows || !precedes {
            return Link::Broken;
        }
        self.gaps.remove(&from);
        if from < seq {
            self.gaps.insert(from, Gap { to: seq - 1, before: gap.before, after: prev });
        }
        if seq < gap.to {
            self.gaps.insert(seq + 1, Gap { to: gap.to, before: Some(hash), after: gap.after });
        }
        Link::Fills
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::source::{Draft, Head, Source, Stamp};

    fn records(count: usize) -> Vec<(Leaf, Hash)> {
        let clock = || Stamp { at: 0, up_us: 0, boot: [0; 16] };
        let mut source = Source::new("log", "host", Head::START, Arc::new(clock));
        let entries = (0..count).map(|_| source.seal(&Draft::of("conn.open")).unwrap().remove(0));
        entries.map(|entry| (entry.check().unwrap(), entry.hash())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..Default::default() })]
        #[test]
        fn any_order_ends_whole(order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle()) {
            let records = records(12);
            let mut chains = Chains::default();
            for place in &order {
                let (leaf, hash) = &records[*place];
                prop_assert!(!matches!(chains.offer(leaf, *hash), Link::Broken | Link::Taken));
                prop_assert_eq!(chains.clone().offer(leaf, *hash), Link::Taken);
            }
            prop_assert_eq!(chains.gaps(), vec![]);
            prop_assert_eq!(chains.head("host"), Some((12, records[11].1)));
        }

        #[test]
        fn a_foreign_record_is_seen_by_a_neighbour(
            order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle(), odd in 0..11usize,
        ) {
            let mut mixed = records(12);
            mixed[odd] = records(12)[odd].clone();
            let mut chains = Chains::default();
            let links = order.iter().map(|place| chains.offer(&mixed[*place].0, mixed[*place].1));
            let broken = links.filter(|link| *link == Link::Broken).count();
            prop_assert!(broken > 0);
        }
    }
}
