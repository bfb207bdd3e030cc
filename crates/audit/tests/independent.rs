//! Cross-checks with code that shares nothing with ours: Go's sumdb packages (Debian's
//! golang-golang-x-mod-dev) and a Python script written from the specifications.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use audit::tile::{Kind, Tile};
use audit::tree::{self, Edge, HashTiles};
use audit::{Hash, Log, Note, Result, Signer};
use support::{Random, entries, places, real, removal, signer, small_log};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent")
}

/// A missing program is told loudly, and is a failure where peers are required.
fn skip(what: &str) {
    assert!(std::env::var_os("NCAT_REQUIRE_PEERS").is_none(), "{what} is missing");
    let mut out = std::io::stdout();
    writeln!(out, "SKIPPED: {what} is not installed").unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a checker run by the test itself")]
fn run(command: &mut Command, input: &str) -> Option<(bool, String)> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Some((output.status.success(), text + &errors))
}

/// Python with Ed25519.
fn python() -> Option<&'static str> {
    let works = |python: &&str| {
        let ed25519 = "import cryptography.hazmat.primitives.asymmetric.ed25519";
        run(Command::new(python).args(["-c", ed25519]), "").is_some_and(|(ok, _)| ok)
    };
    ["python3", "/usr/bin/python3"].into_iter().find(works)
}

/// The checker in Go, built into `dir`. Go's cache is kept with ours, since it compiles its library first.
fn go_checker(dir: &Path) -> Option<PathBuf> {
    let go = ["go", "/usr/lib/go-1.19/bin/go", "/usr/lib/go/bin/go"];
    let go = go.into_iter().find(|go| run(Command::new(go).arg("version"), "").is_some())?;
    if !Path::new("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog").exists() {
        return None;
    }
    let checker = dir.join("check");
    let mut command = Command::new(go);
    command.arg("build").arg("-o").arg(&checker).arg(here().join("check.go"));
    command.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", "");
    command
        .env("CGO_ENABLED", "0")
        .env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"));
    let (ok, text) = run(command.env("HOME", dir), "")?;
    assert!(ok, "{text}");
    Some(checker)
}

/// Its answers to questions, one a line.
fn go(checker: &Path, questions: &str) -> Vec<String> {
    let (ok, text) = run(&mut Command::new(checker), questions).unwrap();
    assert!(ok, "{text}");
    text.lines().map(ToOwned::to_owned).collect()
}

#[derive(Default)]
struct Memory(HashMap<(Kind, u64), Vec<Hash>>);

impl Memory {
    fn of(size: u64) -> (Self, Vec<Hash>) {
        let mut memory = Self::default();
        let mut edge = Edge::default();
        let mut roots = Vec::new();
        for index in 0..size {
            roots.push(edge.root());
            edge.push(Hash::leaf(&index.to_be_bytes()), |tile, hashes| {
                memory.0.insert((tile.kind, tile.n), hashes);
            });
        }
        roots.push(edge.root());
        for (tile, hashes) in edge.partial() {
            memory.0.insert((tile.kind, tile.n), hashes.to_vec());
        }
        (memory, roots)
    }
}

impl HashTiles for Memory {
    fn hashes(&self, tile: Tile) -> Result<Vec<Hash>> {
        Ok(self.0[&(tile.kind, tile.n)][..tile.width.into()].to_vec())
    }
}

fn spelled(hashes: &[Hash]) -> String {
    hashes.iter().map(Hash::base64).collect::<Vec<_>>().join(",")
}

#[test]
fn go_agrees_on_roots_proofs_notes_and_names() {
    const LARGE: u64 = 70_000;
    let dir = tempfile::tempdir().unwrap();
    let Some(checker) = go_checker(dir.path()) else { return skip("Go with golang.org/x/mod") };
    let (tiles, roots) = Memory::of(LARGE);
    let random = &mut Random(1);
    let mut sizes: Vec<u64> = (1..=2000).collect();
    sizes.extend((0..200).map(|_| random.below(LARGE - 1) + 1));
    let mut questions = Vec::new();
    for size in sizes {
        let root = roots[size as usize];
        questions.push((format!("root {size}"), root.base64()));
        let (index, old) = (random.below(size), random.below(size) + 1);
        let leaf = Hash::leaf(&index.to_be_bytes()).base64();
        // The tiles are the large tree's: those of an earlier size are their beginning.
        let within = Within(&tiles, LARGE);
        let proof = tree::inclusion(&within, index, size).unwrap();
        let (root, old_root) = (root.base64(), roots[old as usize].base64());
        questions.push((
            format!("inclusion {size} {root} {index} {leaf} {}", spelled(&proof)),
            "ok".into(),
        ));
        let proof = tree::consistency(&within, old, size).unwrap();
        questions.push((
            format!("consistency {size} {root} {old} {old_root} {}", spelled(&proof)),
            "ok".into(),
        ));
    }
    for (level, n, width) in [(0, 0, 256), (0, 1_234_067, 256), (3, 999, 17), (1, 1000, 1)] {
        let tile = Tile { kind: Kind::Hashes(level), n, width };
        questions.push((format!("tile {level} {n} {width}"), tile.path()));
    }
    for seed in 0..20 {
        let signer = Signer::generate("a.example/log").unwrap();
        let note = Note::sign(&format!("text {seed}\n\nmore\n"), &signer).unwrap().encode();
        let coded = base64(note.as_bytes());
        questions.push((format!("note {} {coded}", signer.verifier()), "ok".into()));
    }
    let asked: String = questions.iter().map(|(question, _)| format!("{question}\n")).collect();
    let answers = go(&checker, &asked);
    assert_eq!(answers.len(), questions.len());
    for ((question, expected), answer) in questions.iter().zip(answers) {
        assert_eq!(*expected, answer, "{question}");
    }
    // And the checker can say no.
    let no =
        go(&checker, &format!("consistency 5 {} 3 {} \n", roots[5].base64(), roots[4].base64()));
    assert!(no[0].starts_with("no"), "{no:?}");
}

/// Tiles of a smaller tree, cut from those of a larger one.
struct Within<'a>(&'a Memory, u64);

impl HashTiles for Within<'_> {
    fn hashes(&self, tile: Tile) -> Result<Vec<Hash>> {
        assert!(Tile::of(tile.kind, tile.n, self.1).is_some());
        self.0.hashes(tile)
    }
}

fn base64(bytes: &[u8]) -> String {
    let (ok, text) =
        run(Command::new("base64").arg("-w0"), &String::from_utf8_lossy(bytes)).unwrap();
    assert!(ok, "{text}");
    text
}

#[test]
fn a_script_of_its_own_verifies_a_log() {
    let Some(python) = python() else { return skip("Python with cryptography") };
    let root = tempfile::tempdir().unwrap();
    let (mut log, mut source) = small_log(root.path(), 1300);
    log.forget(&removal(&mut source, &audit::Removal::Payloads(0..10)), &[]).unwrap();
    log.append(&entries(&mut source, 5)).unwrap();
    let (checkpoint, key) = (log.checkpoint().clone(), signer(1).verifier().to_string());
    let (dir, high) = places(root.path());
    let script = here().join("check.py");
    let check = || run(Command::new(python).arg(&script).arg(&dir).arg(&key), "").unwrap();
    let expected =
        format!("{} {}\n{} payloads intact\n", checkpoint.size, checkpoint.root, 1300 - 10 + 5);
    assert_eq!(check(), (true, expected));
    // And it can say no.
    let path = dir.join("tile/entries/001");
    let mut bytes = fs::read(&path).unwrap();
    bytes[700] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(!check().0);
    drop(log);
    drop(Log::open(real(), &dir, &high, signer(1)).unwrap());
}

#[test]
fn a_script_of_its_own_finds_the_same_roots() {
    let Some(python) = python() else { return skip("Python with cryptography") };
    let (_, roots) = Memory::of(3000);
    let sizes: Vec<usize> = (0..300).chain((300..3000).step_by(97)).collect();
    let asked: String = sizes.iter().map(|size| format!("{size}\n")).collect();
    let script = here().join("check.py");
    let (ok, text) = run(Command::new(python).arg(script).arg("-"), &asked).unwrap();
    assert!(ok, "{text}");
    let expected: Vec<String> = sizes.iter().map(|size| roots[*size].to_string()).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}
