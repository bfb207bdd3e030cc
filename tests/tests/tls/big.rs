//! 2 GB each way over TLS with hashes, against ourselves and other people's programs, either side
//! ending first. Runs when `NCAT_BIG` is 1, as `cargo xtask test` sets it, with the release build
//! where there is one that has TLS.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use testkit::data;
use testkit::peer::{Peer, listening_port};
use testkit::process::{Input, Program};

use crate::interop::{Files, as_client, as_server, files};

const BYTES: usize = 2 << 30;
/// For a slow disk with other tests on it.
const TIME: Duration = Duration::from_secs(240);

struct Sample {
    path: PathBuf,
    hash: String,
    _dir: TempDir,
}

/// The file that is sent; `None`, said aloud, when this run is not for big files.
fn sample() -> Option<&'static Sample> {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    if std::env::var_os("NCAT_BIG").is_none_or(|value| value != "1") {
        let line = b"SKIPPED: 2 GB transfers over TLS (NCAT_BIG=1 runs them)\n";
        let _ = std::io::stderr().write_all(line);
        return None;
    }
    Some(SAMPLE.get_or_init(|| {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("sample");
        let mut file = File::create(&path).unwrap();
        // Pieces differ by their first bytes, so that one too many or too few is seen.
        let mut piece = data::bytes(9, 8 << 20);
        for n in 0..BYTES / piece.len() {
            piece[..8].copy_from_slice(&(n as u64).to_le_bytes());
            file.write_all(&piece).unwrap();
        }
        Sample { hash: hash(&path), path, _dir: dir }
    }))
}

fn hash(path: &Path) -> String {
    let ended = Program::new("sha256sum").args([path]).start().finish_within(TIME).expect_code(0);
    String::from_utf8(ended.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

/// One at a time: they measure nothing, but share one disk.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The peer; of our own program the release build, if it has TLS, unless `NCAT_BIN` names another.
fn find(peer: Peer) -> Option<Program> {
    static RELEASE: OnceLock<Option<PathBuf>> = OnceLock::new();
    if peer != Peer::Ours {
        return peer.find();
    }
    let release = RELEASE.get_or_init(|| {
        let built = testkit::process::ncat_path();
        let release = built.parent()?.with_file_name("release").join("ncat");
        let is_named = std::env::var_os("NCAT_BIN").is_some();
        let has_tls = || Program::new(&release).args(["--ssl", "--explain", "x", "1"]).run().code();
        (!is_named && release.exists() && has_tls() == Some(0)).then_some(release)
    });
    release.as_ref().map_or_else(|| peer.find(), |release| Some(Program::new(release)))
}

/// Which end sends, and which is the first to end.
#[derive(Clone, Copy, Debug)]
struct Way {
    listener_sends: bool,
    /// The receiver has no input and says so at once; otherwise its input stays open, and the
    /// sender's end is the first.
    receiver_first: bool,
}

fn run(sample: &Sample, files: &Files, listener: Peer, connector: Peer, way: Way) {
    let _alone = alone();
    let dir = TempDir::new().unwrap();
    let to = dir.path().join("received");
    let sends =
        |program: Program| program.input(Input::Fd(File::open(&sample.path).unwrap().into()));
    let receives = |program: Program| {
        let input = if way.receiver_first { Input::Null } else { Input::Held };
        program.input(input).output(File::create(&to).unwrap())
    };
    let Some(program) = find(listener) else { return };
    let program = as_server(program, listener, files);
    let program = if way.listener_sends { sends(program) } else { receives(program) };
    let mut served = program.start();
    let port = listening_port(&served);
    let Some(program) = find(connector) else { return };
    let program = as_client(program, connector, port);
    let program = if way.listener_sends { receives(program) } else { sends(program) };
    let mut connected = program.start();
    let (receiver, taker, giver) = match way.listener_sends {
        true => (&mut connected, connector, listener),
        false => (&mut served, listener, connector),
    };
    if taker != Peer::Ours || giver == Peer::Openssl {
        // Not all of them end with the peer, but with their own input, or never.
        let all = || std::fs::metadata(&to).is_ok_and(|file| file.len() == BYTES as u64);
        let until = std::time::Instant::now() + TIME;
        while !all() {
            assert!(std::time::Instant::now() < until, "{}", receiver.messages());
            std::thread::sleep(Duration::from_millis(20));
        }
        receiver.end_input();
    }
    let mut ended = Vec::new();
    for (process, peer) in [(served, listener), (connected, connector)] {
        match peer {
            // It never ends by itself.
            Peer::Openssl => drop(process),
            _ => ended.push((peer, process.finish_within(TIME))),
        }
    }
    let what = format!("{listener:?} listens, {connector:?} connects, {way:?}: {ended:?}");
    assert_eq!(hash(&to), sample.hash, "{what}");
    for (peer, ended) in ended {
        if peer == Peer::Ours {
            ended.expect_code(0);
        }
    }
}

#[test]
fn two_gigabytes_with_ourselves() {
    let (Some(sample), files) = (sample(), files()) else { return };
    for listener_sends in [true, false] {
        for receiver_first in [true, false] {
            run(sample, &files, Peer::Ours, Peer::Ours, Way { listener_sends, receiver_first });
        }
    }
}

/// We send to it and receive from it, in both roles. Where it sends, our input stays open: a peer
/// that loses its own tail when we end first is no news.
fn with(peer: Peer) {
    let (Some(sample), files) = (sample(), files()) else { return };
    let way = |listener_sends, receiver_first| Way { listener_sends, receiver_first };
    run(sample, &files, Peer::Ours, peer, way(true, false));
    run(sample, &files, peer, Peer::Ours, way(false, false));
    run(sample, &files, peer, Peer::Ours, way(true, false));
    run(sample, &files, Peer::Ours, peer, way(false, false));
}

#[test]
fn two_gigabytes_with_ncat() {
    with(Peer::Ncat);
}

#[test]
fn two_gigabytes_with_socat() {
    with(Peer::Socat);
}

#[test]
fn two_gigabytes_with_openssl() {
    with(Peer::Openssl);
}
