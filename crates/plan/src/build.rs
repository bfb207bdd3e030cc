//! From options to a plan: every rule that spans options.

use crate::{Plan, RawArgs};

/// Why the options cannot be carried out; its text is the first line shown, exit code 2.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(pub String);

/// Applies the rules.
///
/// # Errors
/// [`PlanError`] for every refused combination.
pub fn build(_raw: &RawArgs) -> Result<Plan, PlanError> {
    Err(PlanError("not yet".into()))
}
