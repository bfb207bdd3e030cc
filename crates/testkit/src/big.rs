//! 2 GB files for the tests that send them: made once for each test program, told apart by a hash.
//! They are sent when `NCAT_BIG` is 1, as `cargo xtask test` sets it, by the release build where there is
//! one: the daily one takes minutes.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::data;
use crate::peer::Peer;
use crate::process::{Process, Program, ncat_path};

/// Size of the file that is sent.
pub const BYTES: usize = 2 << 30;
/// For a slow disk with other tests on it.
pub const TIME: Duration = Duration::from_secs(240);

/// The file that is sent, removed with the test program's last temporary files.
#[derive(Debug)]
pub struct Sample {
    /// Where it is.
    pub path: PathBuf,
    /// Its SHA-256.
    pub hash: String,
    _dir: TempDir,
}

/// The file that is sent; `None`, said aloud with `what` is not tested then, when this run is not for
/// big files.
///
/// # Panics
/// When there is no room for it.
pub fn sample(what: &str) -> Option<&'static Sample> {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    if std::env::var_os("NCAT_BIG").is_none_or(|value| value != "1") {
        let line = format!("SKIPPED: {what} (NCAT_BIG=1 runs them)\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
        return None;
    }
    Some(SAMPLE.get_or_init(|| {
        let dir = TempDir::new().expect("a temporary directory");
        let path = dir.path().join("sample");
        let mut file = File::create(&path).expect("a new file");
        // Pieces differ by their first bytes, so that one too many or too few is seen.
        let mut piece = data::bytes(9, 8 << 20);
        for n in 0..BYTES / piece.len() {
            piece[..8].copy_from_slice(&(n as u64).to_le_bytes());
            file.write_all(&piece).expect("room for 2 GB");
        }
        Sample { hash: hash(&path), path, _dir: dir }
    }))
}

/// A file's SHA-256.
///
/// # Panics
/// When it cannot be read.
pub fn hash(path: &Path) -> String {
    hash_of(Program::new("sha256sum").args([path]).start())
}

/// What a `sha256sum` that runs makes of its input.
///
/// # Panics
/// When it fails.
pub fn hash_of(hasher: Process) -> String {
    let said = hasher.finish_within(TIME).expect_code(0).stdout;
    String::from_utf8_lossy(&said).split(' ').next().unwrap_or_default().to_owned()
}

/// One at a time: they measure nothing, but share one disk.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The peer; of our own program the release build, if it understands `args`, unless `NCAT_BIN` names
/// another.
pub fn find(peer: Peer, args: &[&str]) -> Option<Program> {
    static RELEASE: OnceLock<Option<PathBuf>> = OnceLock::new();
    if peer != Peer::Ours {
        return peer.find();
    }
    let release = RELEASE.get_or_init(|| {
        let release = ncat_path().parent()?.with_file_name("release").join("ncat");
        let is_named = std::env::var_os("NCAT_BIN").is_some();
        let understands = || {
            Program::new(&release).args(args).args(["--explain", "x", "1"]).run().code() == Some(0)
        };
        (!is_named && release.exists() && understands()).then_some(release)
    });
    release.as_ref().map_or_else(|| peer.find(), |release| Some(Program::new(release)))
}

/// Waits until a file has all of it.
///
/// # Panics
/// When it has not in time; what `receiver` said is shown.
pub fn wait_for_all(to: &Path, receiver: &Process) {
    let until = Instant::now() + TIME;
    while !std::fs::metadata(to).is_ok_and(|file| file.len() >= BYTES as u64) {
        assert!(Instant::now() < until, "{}", receiver.messages());
        std::thread::sleep(Duration::from_millis(20));
    }
}
