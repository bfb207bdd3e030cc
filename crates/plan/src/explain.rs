//! `--explain`: a plan in words.

use crate::Plan;

/// The plan, one fact a line.
pub fn explain(plan: &Plan) -> String {
    format!("{plan:#?}\n")
}
