//! `NAME:help`.

use std::sync::Arc;

use mlua::{Table, Value};
use plan::Filters;

use super::engine::{Engine, broken};
use super::find::{self, SearchPath};
use super::native::{Log, Shared};

/// What a filter is for and what its options are, for people.
///
/// # Errors
/// A line without its end: it cannot be found, read or loaded.
pub fn help(what: &str, filters: &Filters, path: &SearchPath, log: Log) -> Result<String, String> {
    let shared = Shared { log, ..Shared::new(filters.limits) };
    let engine = Engine::empty(Arc::new(shared), path).map_err(|error| broken(&error))?;
    let found = find::find(what, path)?;
    let args = engine.arguments(&[])?;
    let (table, _) = engine.run(1, &found, &args, &Arc::default())?;
    let about: Option<String> = table.raw_get("about").unwrap_or_default();
    let mut text = format!("{what}: {}\n", about.unwrap_or_default());
    if let Ok(Some(declared)) = table.raw_get::<Option<Table>>("options") {
        let options = declared.pairs::<String, Table>().filter_map(Result::ok);
        let mut lines: Vec<String> = options.map(|(name, option)| line(&name, &option)).collect();
        lines.sort();
        text.extend(lines);
    }
    Ok(text)
}

/// One option; of a secret no value is shown.
fn line(name: &str, option: &Table) -> String {
    let word = |key: &str| match option.raw_get::<Value>(key) {
        Ok(Value::Nil) | Err(_) => None,
        Ok(value) => value.to_string().ok(),
    };
    let kind = match option.raw_get::<Value>("type") {
        Ok(Value::Table(words)) => {
            let words = words.sequence_values::<String>().filter_map(Result::ok);
            words.collect::<Vec<_>>().join("|")
        }
        Ok(Value::String(kind)) => kind.to_string_lossy(),
        _ => "string".into(),
    };
    let help = word("help").unwrap_or_default();
    let is_secret = option.raw_get("secret").unwrap_or(false);
    let default = word("default").filter(|_| !is_secret);
    let default = default.map(|value| format!(" (default {value:?})")).unwrap_or_default();
    let required = option.raw_get::<Option<bool>>("required").ok().flatten().unwrap_or(false);
    let required = if required { " (required)" } else { "" };
    format!("  {name}=<{kind}>  {help}{default}{required}\n")
}
