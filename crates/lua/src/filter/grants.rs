//! What one filter may do: `--lua-allow`, what bundled filters need, and files named in arguments.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::UserData;
use plan::Capability;
use sys::below::For;

use super::code::Failure;

/// The words that `needs` may have. `shared` is granted wherever connections share a state.
const KNOWN: [&str; 6] = ["net", "read", "write", "env", "unsafe", "shared"];

#[derive(Debug, Default)]
struct Granted {
    net: bool,
    env: bool,
    whole: bool,
    /// Directories as they really are; `None` is everywhere.
    read: Vec<Option<PathBuf>>,
    write: Vec<Option<PathBuf>>,
    /// Named by the user in an argument of type `path`.
    files: Vec<PathBuf>,
}

/// What a filter was granted.
#[derive(Debug, Default)]
pub(super) struct Grants(Mutex<Granted>);

/// Where a file is that a filter may open.
#[derive(Debug, PartialEq)]
pub(super) enum Place {
    /// There, links and all: the user said so.
    Anywhere(PathBuf),
    /// Below a directory, by a path without links.
    Below(PathBuf, PathBuf),
}

impl Grants {
    /// What the command line grants; otherwise which directory cannot be used, and why.
    pub(super) fn new(list: &[Capability]) -> Result<Self, String> {
        let mut granted = Granted::default();
        let real = |directory: &Option<PathBuf>| match directory {
            None => Ok(None),
            Some(directory) => match std::fs::canonicalize(directory) {
                Ok(real) => Ok(Some(real)),
                Err(error) => {
                    let why = crate::source::words(&error);
                    Err(format!("--lua-allow: {}: {why}", directory.display()))
                }
            },
        };
        for capability in list {
            match capability {
                Capability::Net => granted.net = true,
                Capability::Env => granted.env = true,
                Capability::Unsafe => granted.whole = true,
                Capability::Read(directory) => granted.read.push(real(directory)?),
                Capability::Write(directory) => granted.write.push(real(directory)?),
            }
        }
        Ok(Self(Mutex::new(granted)))
    }

    fn lock(&self) -> MutexGuard<'_, Granted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has some of what `need` names.
    pub(super) fn has(&self, need: &str) -> bool {
        let granted = self.lock();
        match need {
            "net" => granted.net,
            "env" => granted.env,
            "unsafe" => granted.whole,
            "read" => !granted.read.is_empty(),
            "write" => !granted.write.is_empty(),
            "shared" => true,
            _ => false,
        }
    }

    /// Grants what a bundled filter lists in `needs`.
    pub(super) fn add(&self, need: &str) {
        let mut granted = self.lock();
        match need {
            "net" => granted.net = true,
            "env" => granted.env = true,
            "read" => granted.read.push(None),
            "write" => granted.write.push(None),
            _ => {}
        }
    }

    /// Grants files that the user named.
    pub(super) fn add_files(&self, files: Vec<PathBuf>) {
        self.lock().files.extend(files);
    }

    /// What of `needs` is missing; the error is what follows the filter's name.
    pub(super) fn check(&self, needs: &[String], is_bundled: bool) -> Result<(), String> {
        for need in needs {
            if !KNOWN.contains(&&need[..]) {
                return Err(format!(" needs \"{need}\", which is no capability"));
            }
            if is_bundled {
                self.add(need);
            }
            if !self.has(need) {
                return Err(format!(" needs \"{need}\"; allow it with --lua-allow {need}"));
            }
        }
        Ok(())
    }

    /// Where `path` is, if it may be opened. Looks at the file system; not on the thread of the scripts.
    pub(super) fn place(&self, path: &Path, what_for: For) -> Result<Place, Failure> {
        let granted = self.lock();
        let full = std::path::absolute(path).map_err(|error| Failure::from(&error))?;
        let places = if what_for == For::Reading { &granted.read } else { &granted.write };
        let is_named = |file: &PathBuf| std::path::absolute(file).is_ok_and(|file| file == full);
        if places.contains(&None) || granted.files.iter().any(is_named) {
            return Ok(Place::Anywhere(full));
        }
        let real = really(&full);
        for directory in places.iter().flatten() {
            if let Ok(rest) = real.as_deref().unwrap_or(&full).strip_prefix(directory)
                && real.is_some()
            {
                let rest = if rest.as_os_str().is_empty() { Path::new(".") } else { rest };
                return Ok(Place::Below(directory.clone(), rest.to_owned()));
            }
        }
        let (verb, word) =
            if what_for == For::Reading { ("reading", "read") } else { ("writing", "write") };
        let detail =
            format!("{verb} {} is not allowed; --lua-allow {word}=DIR allows it", path.display());
        Err(Failure::new("DENIED", detail))
    }
}

/// What scripts' functions know the grants of their script by.
pub(super) struct Held(pub(super) Arc<Grants>);

impl UserData for Held {}

/// A path without links and `..`; the file itself need not be there.
fn really(path: &Path) -> Option<PathBuf> {
    if let Ok(real) = std::fs::canonicalize(path) {
        return Some(real);
    }
    // Of `a/..` there is no name, and so no place.
    let parent = std::fs::canonicalize(path.parent()?).ok()?;
    Some(parent.join(path.file_name()?))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn files_are_granted_below_directories_only() {
        let dir = tempfile::tempdir().unwrap();
        let top = std::fs::canonicalize(dir.path()).unwrap();
        let inner = top.join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(top.join("secret"), "").unwrap();
        std::fs::write(inner.join("own"), "").unwrap();
        std::os::unix::fs::symlink("../secret", inner.join("out")).unwrap();
        std::os::unix::fs::symlink("own", inner.join("in")).unwrap();
        let grants = Grants::new(&[Capability::Read(Some(inner.clone()))]).unwrap();
        let place = |path: &Path, what_for| grants.place(path, what_for);
        let below = |rest: &str| Ok(Place::Below(inner.clone(), rest.into()));
        assert_eq!(place(&inner.join("own"), For::Reading), below("own"));
        assert_eq!(place(&inner.join("in"), For::Reading), below("own"));
        assert_eq!(place(&inner.join("new"), For::Reading), below("new"));
        for bad in ["out", "../secret", "../inner/../secret", "..", "x/../../secret"] {
            let why = place(&inner.join(bad), For::Reading).unwrap_err();
            assert_eq!(why.code, "DENIED", "{bad}");
        }
        assert!(place(&top.join("inner-not"), For::Reading).is_err());
        assert!(place(&inner.join("own"), For::Writing).is_err());
        grants.add_files(vec![top.join("secret")]);
        assert_eq!(
            place(&top.join("secret"), For::Writing),
            Ok(Place::Anywhere(top.join("secret")))
        );
        assert!(Grants::new(&[Capability::Write(Some("/nonexistent".into()))]).is_err());
        let everywhere = Grants::new(&[Capability::Write(None)]).unwrap();
        assert!(everywhere.place(Path::new("/x"), For::Appending).is_ok());
        assert!(everywhere.place(Path::new("/x"), For::Reading).is_err());
    }

    #[test]
    fn needs_are_met_or_told() {
        let needs = |list: &[&str]| list.iter().map(|need| (*need).to_owned()).collect::<Vec<_>>();
        let none = Grants::default();
        assert_eq!(none.check(&needs(&["shared"]), false), Ok(()));
        let said = none.check(&needs(&["net"]), false).unwrap_err();
        assert_eq!(said, " needs \"net\"; allow it with --lua-allow net");
        assert!(none.check(&needs(&["fire"]), true).unwrap_err().contains("no capability"));
        assert_eq!(none.check(&needs(&["net", "env"]), true), Ok(()));
        assert!(none.has("net") && none.has("env") && !none.has("unsafe"));
        // Nothing that is part of the program takes everything.
        assert!(none.check(&needs(&["unsafe"]), true).is_err());
    }
}
