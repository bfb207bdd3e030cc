//! The few things done to files, behind a trait, so that tests can make each of them fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// A directory tree that survives.
pub trait Disk: Send + Sync {
    /// Creates a file that does not exist, for writing at its end.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// A whole file.
    ///
    /// # Errors
    /// What the system says; `NotFound` if it does not exist.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Names of the files and directories in a directory, in no order; directories end in `/`.
    ///
    /// # Errors
    /// What the system says; `NotFound` if it does not exist.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Moves a file over another, at once.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates a directory and those above it.
    ///
    /// # Errors
    /// What the system says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes names created, moved and removed in a directory durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Locks a file (creates it first) until the result is dropped or the process ends.
    ///
    /// # Errors
    /// `WouldBlock` when another process has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
}

/// A file open for writing at its end.
pub trait DiskFile: Send {
    /// Writes all of it.
    ///
    /// # Errors
    /// What the system says; how much was written is unknown then.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes durable what was written: `fdatasync`.
    ///
    /// # Errors
    /// What the system says; what is durable is unknown then, and calling it again proves nothing.
    fn sync(&mut self) -> io::Result<()>;
}

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Box::new(RealFile(options.open(path)?)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let mark = if entry.file_type()?.is_dir() { "/" } else { "" };
            names.push(entry.file_name().to_string_lossy().into_owned() + mark);
        }
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    #[cfg(unix)]
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    /// Windows keeps names durable by itself and cannot sync a directory.
    #[cfg(not(unix))]
    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(lock(path)?))
    }
}

#[cfg(unix)]
fn lock(path: &Path) -> io::Result<File> {
    use rustix::fs::{FlockOperation, flock};
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Nobody else can open a file that shares nothing.
#[cfg(windows)]
fn lock(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;
    /// ERROR_SHARING_VIOLATION.
    const SHARING: i32 = 32;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).share_mode(0);
    options.open(path).map_err(|error| match error.raw_os_error() {
        Some(SHARING) => io::ErrorKind::WouldBlock.into(),
        _ => error,
    })
}

#[cfg(not(any(unix, windows)))]
fn lock(_path: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Puts a file in place whole: written beside it, made durable, moved over it. The directory's own
/// durability is the caller's business, who often has several files in it.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    replace_from(disk, Path::new(&name), path, bytes)
}

/// The same, written at another place of the same file system first. What a crash leaves there the next
/// call removes.
pub(crate) fn replace_from(
    disk: &dyn Disk,
    draft: &Path,
    path: &Path,
    bytes: &[u8],
) -> io::Result<()> {
    match disk.remove(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = disk.create(draft)?;
    file.write(bytes)?;
    file.sync()?;
    drop(file);
    disk.rename(draft, path)
}
