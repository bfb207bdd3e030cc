//! Opening a file that is surely below a directory, whatever others do to the links on the way.

use std::fs::File;
use std::io;
use std::path::Path;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum For {
    /// Reading it.
    Reading,
    /// Writing it, from nothing; it is made if need be.
    Writing,
    /// Writing at its end; it is made if need be.
    Appending,
}

/// Opens `path`, wherever it is. A file that is made has mode 0664 less the mask.
///
/// # Errors
/// The system's.
pub fn open(path: &Path, what_for: For) -> io::Result<File> {
    options(what_for).open(path)
}

/// Opens `directory`/`rest`. `rest` is relative and has neither `..` nor links: what has become a link
/// meanwhile is refused. Linux 5.6 looks at every part of the path; elsewhere only the last one is safe from
/// somebody who may write in `directory` at the same time.
///
/// # Errors
/// The system's; `FilesystemLoop` and the like when a link is in the way.
pub fn open_below(directory: &Path, rest: &Path, what_for: For) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    match beneath(directory, rest, what_for) {
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {}
        opened => return Ok(opened?),
    }
    let mut options = options(what_for);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
    options.open(directory.join(rest))
}

fn options(what_for: For) -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    match what_for {
        For::Reading => options.read(true),
        For::Writing => options.write(true).create(true).truncate(true),
        For::Appending => options.append(true).create(true),
    };
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o664);
    options
}

#[cfg(target_os = "linux")]
fn beneath(directory: &Path, rest: &Path, what_for: For) -> rustix::io::Result<File> {
    use rustix::fs::{Mode, OFlags, ResolveFlags};
    let place = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, place, Mode::empty())?;
    let (flags, mode) = match what_for {
        For::Reading => (OFlags::RDONLY, Mode::empty()),
        For::Writing => (OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC, Mode::from(0o664)),
        For::Appending => (OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND, Mode::from(0o664)),
    };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = rustix::fs::openat2(&directory, rest, flags | OFlags::CLOEXEC, mode, resolve)?;
    Ok(File::from(file))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn nothing_outside_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(dir.path().join("secret"), "outside").unwrap();
        std::os::unix::fs::symlink("../secret", inner.join("link")).unwrap();
        let open = |rest: &str, what_for| open_below(&inner, Path::new(rest), what_for);
        open("new", For::Writing).unwrap().write_all(b"a").unwrap();
        open("new", For::Appending).unwrap().write_all(b"b").unwrap();
        let mut text = String::new();
        open("new", For::Reading).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "ab");
        for rest in ["link", "../secret"] {
            for what_for in [For::Reading, For::Writing, For::Appending] {
                let is_safe = open(rest, what_for).is_err();
                assert!(is_safe || !cfg!(target_os = "linux"), "{rest}");
            }
        }
        assert_eq!(std::fs::read(dir.path().join("secret")).unwrap(), b"outside");
    }
}
