//! What the leaves say in the order of the log: chains, times, rotations, removals.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::Report;
use super::bundle::Bundle;
use super::heads::Found;
use crate::Hash;
use crate::chain::{Chains, Link};
use crate::event::Leaf;
use crate::keys::VerifierKey;
use crate::log::{Removal, rotated_key};
use crate::source::Stamp;

/// Findings listed for one bundle; more are counted.
const LISTED_MAX: usize = 8;

pub(super) struct Leaves {
    origin: String,
    chains: Chains,
    times: HashMap<String, Stamp>,
    rotations: Vec<(u64, VerifierKey)>,
    removals: Vec<(u64, Removal)>,
    /// Gaps that the log itself has told: source, first, last.
    told_gaps: BTreeSet<(String, u64, u64)>,
    /// Bundles without entries, payloads, hashes.
    missing: [Vec<u64>; 3],
    /// Ranges of leaves whose payloads are marked as erased.
    erased: Vec<Range<u64>>,
    size: u64,
}

impl Leaves {
    pub(super) fn new(found: &Found, range: &Range<u64>) -> Self {
        let whole = range.start == 0;
        Self {
            origin: found.origin.clone(),
            chains: if whole { Chains::default() } else { Chains::beginning_anywhere() },
            times: HashMap::new(),
            rotations: Vec::new(),
            removals: Vec::new(),
            told_gaps: BTreeSet::new(),
            missing: Default::default(),
            erased: Vec::new(),
            size: found.base.size,
        }
    }

    /// Takes the next bundle.
    pub(super) fn take(&mut self, bundle: Bundle, inside: bool, report: &mut Report) {
        // Every bundle gets its word, though one that is all wrong has much to say.
        let more = bundle.failures.len().saturating_sub(LISTED_MAX);
        let last = bundle.failures.last().map(|(check, _)| *check);
        bundle
            .failures
            .into_iter()
            .take(LISTED_MAX)
            .for_each(|(check, text)| report.fail(check, text));
        if let Some(check) = last.filter(|_| more > 0) {
            report.fail(check, format!("bundle {}: {more} more findings", bundle.n));
        }
        for (missing, bundles) in bundle.missing.into_iter().zip(&mut self.missing) {
            if missing {
                bundles.push(bundle.n);
            }
        }
        if inside && bundle.missing[0] && self.chains.is_empty() {
            // Whether it was pruned in order is V12's business; chains begin after it.
            self.chains = Chains::beginning_anywhere();
        }
        report.payloads += bundle.payloads;
        report.erased += bundle.erased.len() as u64;
        for index in bundle.erased {
            match self.erased.last_mut().filter(|range| range.end == index) {
                Some(range) => range.end += 1,
                None => self.erased.push(index..index + 1),
            }
        }
        for (index, leaf, hash) in bundle.leaves {
            report.leaves += 1;
            self.leaf(index, &leaf, hash, report);
        }
    }

    fn leaf(&mut self, index: u64, leaf: &Leaf, hash: Hash, report: &mut Report) {
        if leaf.log != self.origin {
            report.fail(1, format!("leaf {index} is for the log {:?}", leaf.log));
        }
        let (source, seq) = (&leaf.src, leaf.seq);
        let link = self.chains.offer(leaf, hash);
        match link {
            Link::Next => self.time(index, leaf, report),
            Link::Gap(..) => {
                self.times.insert(source.clone(), stamp(leaf));
            }
            Link::Fills => {}
            Link::Broken => report.fail(
                8,
                format!(
                    "leaf {index}: record {seq} of {source:?} does not follow on its neighbour"
                ),
            ),
            Link::Taken => {
                report.fail(8, format!("leaf {index}: record {seq} of {source:?} is there twice"))
            }
        }
        if leaf.kind == "audit.gap" {
            let int = |key| {
                leaf.extra(key).and_then(|value| value.as_int()).and_then(|v| u64::try_from(v).ok())
            };
            if let (Some(source), Some(from), Some(to)) =
                (leaf.extra("src").and_then(|v| v.as_text()), int("from"), int("to"))
            {
                self.told_gaps.insert((source.to_owned(), from, to));
            }
        }
        if let Some(key) = rotated_key(leaf) {
            self.rotations.push((index, key));
        }
        if let Some(removal) = Removal::of(leaf) {
            self.removals.push((index, removal));
        }
    }

    /// Time does not go back, unless the record says by how much the clock was set.
    fn time(&mut self, index: u64, leaf: &Leaf, report: &mut Report) {
        let now = stamp(leaf);
        let step = leaf
            .extra("step_us")
            .filter(|_| leaf.kind == "clock.step")
            .and_then(|step| step.as_int());
        if let Some(last) = self.times.insert(leaf.src.clone(), now) {
            if now.at < last.at.saturating_add(step.unwrap_or(0).min(0)) {
                let back = last.at - now.at;
                report.fail(
                    10,
                    format!(
                        "leaf {index}: {back} us before the record it follows, of {:?}",
                        leaf.src
                    ),
                );
            }
            if now.boot == last.boot && now.up_us < last.up_us {
                report.fail(
                    10,
                    format!("leaf {index}: the monotonic clock of {:?} went back", leaf.src),
                );
            }
        }
    }

    /// What can be said only at the end: V8's gaps, and V12.
    pub(super) fn finish(&mut self, report: &mut Report) {
        report.sources = self.chains.len();
        for (source, from, to) in self.chains.gaps() {
            let text = format!("{source:?}: records {from} to {to} never came");
            if self.told_gaps.contains(&(source.clone(), from, to)) {
                report.not_checked(8, format!("{text}, as the log itself says"));
            } else {
                report.fail(8, text);
            }
        }
        let pruned = self.pruned_end();
        for (what, bundles, check) in [("entries", 0, 1), ("payload", 1, 9), ("0", 2, 2)] {
            for n in &self.missing[bundles] {
                let covered = (n + 1) * 256 <= pruned
                    || bundles == 1 && self.covered(&(n * 256..(n + 1) * 256));
                if !covered {
                    report.fail(check, format!("tile/{what}, bundle {n}: missing"));
                    report.fail(
                        12,
                        format!("tile/{what}, bundle {n}: no record says that it was removed"),
                    );
                }
            }
        }
        let gone = self.missing[0].iter().filter(|n| (**n + 1) * 256 <= pruned).count();
        report.pruned = gone as u64 * 256;
        for range in &self.erased {
            if !self.covered(range) {
                report.fail(
                    12,
                    format!(
                        "payloads of leaves {} to {}: no record says that they were erased",
                        range.start, range.end
                    ),
                );
            }
        }
    }

    /// Whether records say of every leaf of the range that its payload was removed.
    fn covered(&self, range: &Range<u64>) -> bool {
        let mut next = range.start;
        while next < range.end.min(self.size) {
            let reach = |(at, removal): &(u64, Removal)| match removal {
                _ if *at <= next => None,
                Removal::Payloads(range) => range.contains(&next).then_some(range.end),
                Removal::Leaves(end) => (next < *end).then_some(*end),
                Removal::Chosen(list) => list.contains(&next).then_some(next + 1),
            };
            let Some(reached) = self.removals.iter().filter_map(reach).max() else { return false };
            next = reached;
        }
        true
    }

    /// Leaves before this one may be missing, by the records that say so.
    pub(super) fn pruned_end(&self) -> u64 {
        let end = |(index, removal): &(u64, Removal)| match removal {
            Removal::Leaves(end) if end <= index => *end,
            _ => 0,
        };
        self.removals.iter().map(end).max().unwrap_or(0)
    }

    pub(super) fn missing(&self) -> usize {
        // What was pruned is missing from the beginning on and one run; it must not stop the reading.
        let run = self.missing[0].iter().zip(0..).take_while(|(n, place)| **n == *place).count();
        self.missing[0].len() - run
    }

    pub(super) fn rotations(&self) -> &[(u64, VerifierKey)] {
        &self.rotations
    }
}

fn stamp(leaf: &Leaf) -> Stamp {
    Stamp { at: leaf.at, up_us: leaf.up_us, boot: leaf.boot }
}
