//! Two ends of a bad link, made by the lab's `netlab`.

use std::path::{Path, PathBuf};

use super::{Finished, Program, is_root, ncat_path, skip};

/// The lab beside the repository, or beside a worktree of it.
pub fn netlab() -> Option<PathBuf> {
    if !is_root() || !Path::new("/dev/net/tun").exists() {
        skip("netlab needs root and /dev/net/tun");
        return None;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here
        .ancestors()
        .flat_map(|dir| [dir.join("shared/tools/netlab"), dir.join("../shared/tools/netlab")])
        .find(|path| path.exists());
    if found.is_none() {
        skip("../shared/tools/netlab is missing");
    }
    found
}

/// One run: `a` listens, `b` connects; `$NCAT` is our program and `$DIR` the scratch directory.
pub fn run(dir: &Path, link: &[&str], a: &str, b: &str) -> Option<Finished> {
    let words = [link, &["--stats", "--timeout", "100", "--ready", "tcp:5000", a, b]].concat();
    let lab = Program::new(netlab()?).args(words);
    Some(lab.env("NCAT", ncat_path()).env("DIR", dir).run())
}
