//! Where scripts are looked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::bundled::{ABSENT, BUNDLED};
use crate::source::{Source, SourceError};

/// The longest filter, in bytes.
const FILTER_MAX: u64 = 1 << 20;

/// The directories in which bare names are looked for, in order.
#[derive(Clone, Debug, Default)]
pub struct SearchPath(pub Vec<PathBuf>);

impl SearchPath {
    /// `--lua-path`, `NCAT_LUA_PATH`, the user's configuration, the installation's data.
    pub fn new(given: &[PathBuf], variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut all = given.to_vec();
        if let Some(list) = variable("NCAT_LUA_PATH") {
            all.extend(std::env::split_paths(&list).filter(|dir| !dir.as_os_str().is_empty()));
        }
        let home =
            |name: &str, below: &str| variable(name).map(|dir| PathBuf::from(dir).join(below));
        let configuration = if cfg!(windows) {
            home("APPDATA", "ncat/filters")
        } else {
            let own = variable("XDG_CONFIG_HOME").filter(|dir| Path::new(dir).is_absolute());
            own.map(|dir| PathBuf::from(dir).join("ncat/filters"))
                .or_else(|| home("HOME", ".config/ncat/filters"))
        };
        all.extend(configuration);
        let program = std::env::current_exe().ok();
        let beside = program.as_deref().and_then(Path::parent).and_then(Path::parent);
        all.extend(beside.map(|dir| dir.join("share/ncat/filters")));
        Self(all)
    }
}

/// A script that was found.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) source: Source,
    /// Where the script is; `None` for one that is part of the program.
    pub(super) directory: Option<PathBuf>,
    /// It hides one that is part of the program.
    pub(super) hides: bool,
}

/// The script that `what` names; otherwise a line without its end.
pub(super) fn find(what: &str, path: &SearchPath) -> Result<Found, String> {
    let has_separator = what.contains('/') || cfg!(windows) && what.contains('\\');
    if has_separator {
        return read(Path::new(what), what);
    }
    let is_file_name = what.ends_with(".lua");
    if is_file_name && Path::new(what).exists() {
        return read(Path::new(what), what);
    }
    let file = if is_file_name { what.to_owned() } else { format!("{what}.lua") };
    let bundled = BUNDLED.iter().find(|(name, _)| format!("{name}.lua") == file);
    for directory in &path.0 {
        let path = directory.join(&file);
        if path.is_file() {
            let found = read(&path, what)?;
            return Ok(Found { hides: bundled.is_some(), ..found });
        }
    }
    if let Some((_, text)) = bundled {
        let source = Source { name: file, text: text.as_bytes().to_vec() };
        return Ok(Found { source, directory: None, hides: false });
    }
    if let Some((name, feature)) = ABSENT.iter().find(|(name, _)| format!("{name}.lua") == file) {
        let text = format!(
            "This Ncat was built without {feature}; the filter \"{name}\" is not available"
        );
        return Err(text);
    }
    let looked = path.0.iter().map(|dir| format!("{}, ", dir.display())).collect::<String>();
    Err(format!("Cannot find Lua filter \"{what}\" (looked in {looked}bundled filters)"))
}

fn read(path: &Path, what: &str) -> Result<Found, String> {
    let cannot =
        |reason: String| format!("Cannot read Lua filter \"{}\": {reason}", path.display());
    let source = Source::read(path, FILTER_MAX).map_err(|error| match error {
        SourceError::Open(_, error) if error.kind() == std::io::ErrorKind::NotFound => {
            let place = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            let place = place.unwrap_or(Path::new("."));
            format!("Cannot find Lua filter \"{what}\" (looked in {})", place.display())
        }
        SourceError::Open(_, error) | SourceError::Read(_, error) => {
            cannot(crate::source::words(&error))
        }
        other => cannot(other.to_string()),
    })?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let directory = path.parent().map(Path::to_owned);
    Ok(Found { source: Source { name, ..source }, directory, hides: false })
}

/// The module `name` for a script in `directory`: beside it, then in `lib` of each directory of the path.
pub(super) fn module(
    name: &str,
    directory: Option<&Path>,
    path: &SearchPath,
) -> Result<Source, String> {
    let is_name = !name.is_empty()
        && name.split('.').all(|part| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            !part.is_empty() && part.bytes().all(plain)
        });
    if !is_name {
        return Err(format!("module {name:?} has no proper name"));
    }
    let below = name.replace('.', "/");
    let places = directory.map(Path::to_owned).into_iter();
    for place in places.chain(path.0.iter().map(|dir| dir.join("lib"))) {
        for file in [format!("{below}.lua"), format!("{below}/init.lua")] {
            let path = place.join(file);
            if path.is_file() {
                let source = Source::read(&path, FILTER_MAX).map_err(|error| error.to_string())?;
                return Ok(source);
            }
        }
    }
    Err(format!("module {name:?} not found"))
}
