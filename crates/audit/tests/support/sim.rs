//! A disk in memory. Operations fail when told to, and a power cut forgets what was not synced.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use audit::{Disk, DiskFile};

use super::Random;

#[derive(Clone, Default)]
struct Inode {
    /// What reading shows.
    cached: Vec<u8>,
    /// What a power cut leaves.
    durable: Vec<u8>,
    /// Bytes that the next sync will write begin here. After a failed sync the kernel forgets that it has any.
    dirty: usize,
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: HashMap<PathBuf, usize>,
    durable_names: HashMap<PathBuf, usize>,
    operations: u64,
    fail: Option<(u64, u64, ErrorKind)>,
    locks: Vec<PathBuf>,
}

#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// From the nth operation that writes on, `count` of them fail.
    pub fn fail(&self, from: u64, count: u64, kind: ErrorKind) {
        let mut state = self.0.lock().unwrap();
        state.operations = 0;
        state.fail = Some((from, count, kind));
    }

    pub fn heal(&self) {
        self.0.lock().unwrap().fail = None;
    }

    /// Operations since `fail`.
    pub fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }

    /// Cuts the power: a disk with what was durable, and of the rest what chance leaves.
    pub fn power_cut(&self, random: &mut Random) -> Self {
        let state = self.0.lock().unwrap();
        let names = if random.below(2) == 0 { &state.names } else { &state.durable_names };
        let mut next = State::default();
        for (name, inode) in names {
            let inode = &state.inodes[*inode];
            let mut bytes = inode.durable.clone();
            let pending = &inode.cached[inode.dirty..];
            bytes.resize(inode.dirty, 0);
            bytes.extend_from_slice(&pending[..random.below(pending.len() as u64 + 1) as usize]);
            if bytes.len() > inode.dirty && random.below(3) == 0 {
                // Pages reach the disk in any order: a hole.
                let at = inode.dirty + random.below((bytes.len() - inode.dirty) as u64) as usize;
                let end = (at + 64).min(bytes.len());
                bytes[at..end].fill(0);
            }
            let dirty = bytes.len();
            next.inodes.push(Inode { cached: bytes.clone(), durable: bytes, dirty });
            next.names.insert(name.clone(), next.inodes.len() - 1);
        }
        next.durable_names = next.names.clone();
        Self(Arc::new(Mutex::new(next)))
    }

    /// Changes a file behind everybody's back.
    pub fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock().unwrap();
        let inode = state.names[path];
        let inode = &mut state.inodes[inode];
        change(&mut inode.cached);
        inode.durable = inode.cached.clone();
        inode.dirty = inode.cached.len();
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.fail {
            Some((from, count, kind)) if (from..from + count).contains(&self.operations) => {
                Err(kind.into())
            }
            _ => Ok(()),
        }
    }
}

struct SimFile(SimDisk, usize);

impl DiskFile for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        let result = state.step();
        // A failed write has written a part.
        let length = if result.is_ok() { bytes.len() } else { bytes.len() / 2 };
        state.inodes[self.1].cached.extend_from_slice(&bytes[..length]);
        result
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        let result = state.step();
        let Inode { cached, durable, dirty } = &mut state.inodes[self.1];
        if result.is_ok() {
            durable.resize(*dirty, 0);
            durable.extend_from_slice(&cached[*dirty..]);
        }
        *dirty = cached.len();
        result
    }
}

struct Held(SimDisk, PathBuf);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().locks.retain(|path| *path != self.1);
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        if state.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        state.names.insert(path.to_owned(), inode);
        Ok(Box::new(SimFile(self.clone(), inode)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.0.lock().unwrap();
        let inode = state.names.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(state.inodes[*inode].cached.clone())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.0.lock().unwrap();
        let mut names = Vec::new();
        for path in state.names.keys() {
            if let Ok(rest) = path.strip_prefix(dir) {
                let mut parts = rest.iter().map(|part| part.to_string_lossy().into_owned());
                let first = parts.next().expect("a name");
                let name = if parts.next().is_some() { first + "/" } else { first };
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        let inode = state.names.remove(from).ok_or(ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if !state.names.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        state.step()?;
        state.names.remove(path);
        Ok(())
    }

    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        let inside = |path: &Path| path.parent() == Some(dir);
        let State { names, durable_names, .. } = &mut *state;
        durable_names.retain(|path, _| !inside(path));
        let now = names.iter().filter(|(path, _)| inside(path));
        durable_names.extend(now.map(|(path, inode)| (path.clone(), *inode)));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.0.lock().unwrap();
        if state.locks.iter().any(|held| held == path) {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.locks.push(path.to_owned());
        Ok(Box::new(Held(self.clone(), path.to_owned())))
    }
}
