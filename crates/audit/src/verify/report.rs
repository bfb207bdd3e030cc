//! What verification says.

use std::fmt;

/// Findings listed for one check; more are counted.
const LISTED_MAX: usize = 100;

/// What a check came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Checked, and as it must be.
    Ok,
    /// Checked, and not as it must be.
    Fail,
    /// Not checked, for the reason that is told.
    NotChecked,
}

/// One of the checks V1 to V12.
#[derive(Clone, Debug)]
pub struct Check {
    /// `V1` to `V12`.
    pub id: &'static str,
    /// What is checked.
    pub what: &'static str,
    /// What came out.
    pub outcome: Outcome,
    /// What was found, or why something was not checked; at most 100 lines.
    pub findings: Vec<String>,
    /// How many findings there were.
    pub count: u64,
}

/// The checks, in order.
pub(super) const CHECKS: [(&str, &str); 12] = [
    ("V1", "every leaf is the one its tile has"),
    ("V2", "every tile is the one the tile above has"),
    ("V3", "the roots of the checkpoints"),
    ("V4", "signatures of the checkpoints"),
    ("V5", "consistency with checkpoints kept outside"),
    ("V6", "witnesses"),
    ("V7", "timestamp tokens"),
    ("V8", "the chain of each source"),
    ("V9", "payloads are those committed to"),
    ("V10", "times of each source"),
    ("V11", "projections"),
    ("V12", "what is missing was removed in order"),
];

/// The result of a verification.
#[derive(Clone, Debug)]
pub struct Report {
    /// V1 to V12.
    pub checks: Vec<Check>,
    /// Leaves that the checkpoint covers.
    pub size: u64,
    /// Leaves read.
    pub leaves: u64,
    /// Sources they are from.
    pub sources: usize,
    /// Payloads that are there and right.
    pub payloads: u64,
    /// Payloads that were erased.
    pub erased: u64,
    /// Leaves that were pruned.
    pub pruned: u64,
    /// Checkpoints from outside that the log agrees with: name and size.
    pub outside: Vec<(String, u64)>,
}

impl Report {
    pub(super) fn new() -> Self {
        let checks = CHECKS.map(|(id, what)| Check {
            id,
            what,
            outcome: Outcome::Ok,
            findings: Vec::new(),
            count: 0,
        });
        let checks = checks.to_vec();
        let outside = Vec::new();
        Self { checks, size: 0, leaves: 0, sources: 0, payloads: 0, erased: 0, pruned: 0, outside }
    }

    fn note(&mut self, number: usize, outcome: Outcome, text: String) {
        let check = &mut self.checks[number - 1];
        if check.outcome != Outcome::Fail {
            check.outcome = outcome;
        }
        check.count += 1;
        if check.findings.len() < LISTED_MAX {
            check.findings.push(text);
        }
    }

    /// Something is not as it must be.
    pub(super) fn fail(&mut self, number: usize, text: impl Into<String>) {
        self.note(number, Outcome::Fail, text.into());
    }

    /// Something could not be checked.
    pub(super) fn not_checked(&mut self, number: usize, why: impl Into<String>) {
        self.note(number, Outcome::NotChecked, why.into());
    }

    /// Everything that nothing is known of yet cannot be checked.
    pub(super) fn nothing_checked(&mut self, why: &str) {
        for number in 1..=self.checks.len() {
            if self.checks[number - 1].outcome == Outcome::Ok {
                self.not_checked(number, why);
            }
        }
    }

    /// Whether a check failed.
    pub fn failed(&self) -> bool {
        self.checks.iter().any(|check| check.outcome == Outcome::Fail)
    }

    /// A check by its id.
    pub fn check(&self, id: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.id == id)
    }

    /// The last line: what somebody would have needed to deceive this verification.
    pub fn statement(&self) -> String {
        if self.failed() {
            return "this log, or what is given of it, was altered or damaged".to_owned();
        }
        match self.outside.iter().max_by_key(|(_, size)| size) {
            None => "no checkpoint from outside was given: whoever has the signing key could have \
                     replaced the whole log"
                .to_owned(),
            Some((name, size)) => format!(
                "agrees with {} checkpoints from outside, the newest {name} of {size} leaves; whoever has \
                 the signing key could have replaced only what came after",
                self.outside.len()
            ),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let outcome = match check.outcome {
                Outcome::Ok => "ok",
                Outcome::Fail => "FAIL",
                Outcome::NotChecked => "not checked",
            };
            writeln!(f, "{:<4}{outcome:<12}{}", check.id, check.what)?;
            for finding in &check.findings {
                writeln!(f, "      {finding}")?;
            }
            let more = check.count - check.findings.len() as u64;
            if more > 0 {
                writeln!(f, "      and {more} more")?;
            }
        }
        let Self { size, leaves, sources, payloads, erased, pruned, .. } = self;
        writeln!(
            f,
            "{leaves} of {size} leaves from {sources} sources; payloads: {payloads} intact, {erased} erased; {pruned} leaves pruned"
        )?;
        writeln!(f, "{}", self.statement())
    }
}
