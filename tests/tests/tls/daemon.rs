//! Other people's servers, each with a directory and a port of its own, ended by their number.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use testkit::process::{Process, Program};
use testkit::procfs::listening_ports;

use crate::pki::{Identity, Wanted};

/// Ports tried: another test may take the one that was free.
const TRIES: usize = 8;
/// How long a daemon may take to end by itself.
const PARTING: Duration = Duration::from_secs(5);

/// What a daemon is started with.
pub(crate) struct Place {
    pub(crate) port: u16,
    /// A second one, for those that need it.
    pub(crate) other_port: u16,
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Daemons give up their rights, and must still find their way.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, two) = (free(), free());
        let [port, other_port] = [one, two].map(|at| at.local_addr().unwrap().port());
        let place = Self { port, other_port, dir };
        let root = Identity::root();
        let own = root.issue(&Wanted { ips: &["127.0.0.1"], ..Wanted::name(&["localhost"]) });
        root.files(&place.dir, "root");
        own.files(&place.dir, "own");
        root.issue(&Wanted::name(&["client.example"])).files(&place.dir, "client");
        place
    }

    /// A path in its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The same as text, for configurations.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn make_dir(&self, name: &str) -> PathBuf {
        std::fs::create_dir_all(self.path(name)).unwrap();
        self.path(name)
    }

    /// Writes a file in which `DIR`, `PORT` and `OTHER` stand for what they are.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let text = text
            .replace("DIR", self.dir.path().to_str().unwrap())
            .replace("PORT", &self.port.to_string())
            .replace("OTHER", &self.other_port.to_string());
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }
}

/// A server that runs.
pub(crate) struct Daemon {
    pub(crate) process: Process,
    pub(crate) place: Place,
}

impl Daemon {
    /// Starts what `prepare` makes of a place, and waits until it listens; `None` when the program is
    /// not here, which has been said.
    pub(crate) fn start(prepare: impl Fn(&Place) -> Option<Program>) -> Option<Self> {
        for _ in 0..TRIES {
            let place = Place::new();
            let mut process = prepare(&place)?.start();
            let listens = testkit::eventually("a daemon that listens, or ends", || {
                let listens = listening_ports(process.pid()).contains(&place.port);
                (listens || !process.is_running()).then_some(listens)
            });
            if listens {
                return Some(Self { process, place });
            }
            let done = process.finish();
            let said = format!("{}{}", done.stderr, String::from_utf8_lossy(&done.stdout));
            let is_taken = said.to_lowercase().contains("in use");
            assert!(is_taken, "the daemon ended with {}:\n{said}", done.status);
        }
        panic!("no free port in {TRIES} tries");
    }

    pub(crate) fn port(&self) -> String {
        self.place.port.to_string()
    }
}

impl Drop for Daemon {
    /// In good order, so that its children end too.
    fn drop(&mut self) {
        if self.process.is_running() {
            self.process.signal(Signal::TERM);
            self.process.runs_for(PARTING);
        }
    }
}

/// Whether we may start what wants root; said aloud when not.
pub(crate) fn is_root(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        testkit::peer::missing(&format!("root, which {what} needs,"));
    }
    is_root
}

/// The numbers of a user, from the list of them.
pub(crate) fn account(name: &str) -> (u32, u32) {
    let list = std::fs::read_to_string("/etc/passwd").unwrap();
    let entry = list.lines().find(|line| line.split(':').next() == Some(name));
    let fields: Vec<&str> = entry.unwrap_or_else(|| panic!("no user {name}")).split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

/// Gives a file or directory to a user.
pub(crate) fn give(path: &Path, user: &str) {
    let (user, group) = account(user);
    chown(path, Some(user), Some(group)).unwrap();
}
