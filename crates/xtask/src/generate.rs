//! `cargo xtask gen`: writes every page and script that repeats the option table.
//!
//! `--check` writes nothing and fails when a file is not what would be written, so a change of the
//! table that forgets its pages does not pass CI. (The module is not called `gen`: that word is
//! reserved in edition 2024.)

mod command;
mod compat;
mod man;

use std::fs;
use std::path::{Path, PathBuf};

use clap_complete::Shell;

/// The task.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let check = match args {
        [] => false,
        [word] if word == "--check" => true,
        _ => return Err("usage: cargo xtask gen [--check]".into()),
    };
    let root = root()?;
    let mut stale = Vec::new();
    for (path, text) in files(&root)? {
        let full = root.join(path);
        if fs::read(&full).is_ok_and(|there| there == text.as_bytes()) {
            continue;
        }
        if check {
            stale.push(path);
        } else {
            write(&full, &text)?;
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("not as the option table has it: {}\n  hint: cargo xtask gen", stale.join(", ")))
}

/// Every generated file, by its path from the root.
fn files(root: &Path) -> Result<Vec<(&'static str, String)>, String> {
    Ok(vec![
        ("docs/reference/help.txt", ncat_cli::flags::help()),
        ("docs/reference/lua.md", lua::filter::page()?),
        ("docs/reference/ncat.1", man::page()),
        ("completions/ncat.bash", command::completion(Shell::Bash)?),
        ("completions/_ncat", command::completion(Shell::Zsh)?),
        ("completions/ncat.fish", command::completion(Shell::Fish)?),
        ("COMPAT.md", compat::page(root)?),
    ])
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", path.display());
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}

/// The workspace, from wherever the task was started.
fn root() -> Result<PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(Path::to_owned).ok_or_else(|| "no workspace above xtask".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `cargo xtask gen --check` says, in the ordinary test run.
    #[test]
    fn generated_files_are_up_to_date() {
        run(&["--check".to_owned()]).expect("up to date");
    }
}
