//! The answer: whether, why, and what would change it.

use serde::{Deserialize, Serialize};

use crate::Code;

/// One thing that speaks against it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Reason {
    /// The code.
    pub code: Code,
    /// The rule's id; none where no rule is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The value that failed and what it was compared with, in words.
    pub text: String,
    /// The rule is on trial: it is recorded and does not deny.
    #[serde(default)]
    pub simulated: bool,
}

/// A rule that speaks for it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Matched {
    /// The rule's id.
    pub rule: String,
    /// What matched: a network, a grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What would permit it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Advice {
    /// What has to change, in words.
    pub text: String,
    /// A command that asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// False when hand-written rules are involved and only some of what they ask could be tried.
    pub exact: bool,
}

/// The decision.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Answer {
    /// What the rules say.
    pub permit: bool,
    /// Whether that holds: false for a denial in simulate mode, which is recorded only.
    pub enforced: bool,
    /// What speaks against it, in the order of the stages.
    pub reasons: Vec<Reason>,
    /// What speaks for it.
    pub matched: Vec<Matched>,
    /// The grant that made the difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// What would permit it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<Advice>,
    /// Rules that could not be evaluated, with why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

impl Answer {
    /// The code that is said first; none for what is permitted.
    pub fn code(&self) -> Option<&Code> {
        self.reasons.iter().find(|reason| !reason.simulated).map(|reason| &reason.code)
    }

    /// Whether the operation may go on.
    pub fn goes_on(&self) -> bool {
        self.permit || !self.enforced
    }
}
