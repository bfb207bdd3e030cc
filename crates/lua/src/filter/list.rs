//! `--lua-list`: the filters that can be found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plan::Filters;

use super::bundled::{ABSENT, BUNDLED};
use super::engine::{Engine, broken};
use super::find::{self, SearchPath};
use super::native::{Log, Shared};

/// A line for each: its name, what it is for, where it is from. Scripts are run for that, as they are when
/// they are loaded; one that cannot be says why.
///
/// # Errors
/// A line without its end: there is no Lua.
pub fn list(filters: &Filters, path: &SearchPath, log: Log) -> Result<String, String> {
    let mut all: BTreeMap<String, (String, String)> = BTreeMap::new();
    let log = Arc::new(log);
    for directory in &path.0 {
        for name in scripts(directory) {
            let place = directory.display().to_string();
            all.entry(name.clone()).or_insert_with(|| {
                let file = directory.join(format!("{name}.lua"));
                (about(&file.to_string_lossy(), filters, path, &log), place)
            });
        }
    }
    for (name, _) in BUNDLED {
        let only = SearchPath::default();
        all.entry((*name).to_owned())
            .or_insert_with(|| (about(name, filters, &only, &log), "bundled".to_owned()));
    }
    for (name, feature) in ABSENT {
        all.entry((*name).to_owned()).or_insert_with(|| {
            (format!("not available: built without {feature}"), "bundled".to_owned())
        });
    }
    let width = all.keys().map(String::len).max().unwrap_or(0);
    let lines =
        all.iter().map(|(name, (about, from))| format!("{name:width$}  {about}  ({from})\n"));
    Ok(lines.collect())
}

/// The names of the scripts in a directory, without `.lua`.
fn scripts(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let is_script =
        |path: &PathBuf| path.extension().is_some_and(|end| end == "lua") && path.is_file();
    let name = |path: PathBuf| path.file_stem().map(|name| name.to_string_lossy().into_owned());
    paths.filter(is_script).filter_map(name).collect()
}

/// What a filter is for, in one line.
fn about(what: &str, filters: &Filters, path: &SearchPath, log: &Arc<Log>) -> String {
    let log = Arc::clone(log);
    let load = || -> Result<String, String> {
        let shared = Shared {
            log: Box::new(move |level, name, id, text| log(level, name, id, text)),
            ..Shared::new(filters.limits)
        };
        let engine = Engine::empty(Arc::new(shared), path).map_err(|error| broken(&error))?;
        let found = find::find(what, path)?;
        let args = engine.arguments(&[])?;
        let (table, _) = engine.run(1, &found, &args, &Arc::default())?;
        Ok(table.raw_get::<Option<String>>("about").ok().flatten().unwrap_or_default())
    };
    let text = load().unwrap_or_else(|why| format!("cannot be used: {why}"));
    text.lines().next().unwrap_or_default().to_owned()
}
