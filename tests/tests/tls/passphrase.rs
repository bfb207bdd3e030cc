//! A key that is encrypted, and a terminal to ask on: the one the program was started from, whatever
//! standard input and output are.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use testkit::process::{Input, Process, Program, ncat_path};

use crate::peer::{Server, drain};
use crate::pki::{Identity, Wanted};

/// Both ends of a terminal: the person's, the program's.
fn terminal() -> (File, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let person = openpt(flags).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let program = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    (person.into(), program)
}

struct Key {
    dir: tempfile::TempDir,
}

impl Key {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let own = Identity::alone(&Wanted::name(&["client.example"]));
        let (_, key) = own.files(&dir, "own");
        own.encrypt_key(&key, b"open sesame");
        std::fs::write(dir.path().join("input"), "hello").unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `line` in a session of its own; with a terminal to ask on, or without any.
    fn run(&self, line: &str, port: &str, terminal: Option<OwnedFd>) -> Process {
        let input = match terminal {
            Some(terminal) => (&["--ctty"][..], Input::Fd(terminal)),
            None => (&[][..], Input::Null),
        };
        Program::new("setsid")
            .args(["--fork", "--wait"])
            .args(input.0)
            .args(["sh", "-c", line])
            .env("NCAT", ncat_path())
            .env("CERT", self.path("own.pem"))
            .env("KEY", self.path("own.key"))
            .env("INPUT", self.path("input"))
            .env("PORT", port)
            .input(input.1)
            .start()
    }
}

const CLIENT: &str =
    "exec \"$NCAT\" -v --ssl-cert \"$CERT\" --ssl-key \"$KEY\" 127.0.0.1 \"$PORT\" <\"$INPUT\"";

/// Reads what the program asks, until a colon ends it and nothing typed is shown any more.
fn question(person: &mut File) -> String {
    let mut asked = Vec::new();
    while !asked.ends_with(b":") {
        let mut byte = [0];
        person.read_exact(&mut byte).unwrap();
        asked.extend(byte);
    }
    testkit::eventually("a terminal that hides what is typed", || {
        let settings = tcgetattr(&*person).unwrap();
        (!settings.local_modes.contains(LocalModes::ECHO)).then_some(())
    });
    String::from_utf8(asked).unwrap()
}

/// What is on the screen, until the program has let go of it.
fn screen(mut person: File) -> String {
    let mut shown = Vec::new();
    // A terminal that nobody holds any more is an error to read from.
    let _ = person.read_to_end(&mut shown);
    String::from_utf8(shown).unwrap()
}

fn server() -> Server {
    Server::new(&Identity::alone(&Wanted::name(&["a"])), |_| {})
}

#[test]
fn a_passphrase_is_asked_for_on_the_terminal() {
    let (key, server) = (Key::new(), server());
    let (mut person, terminal) = terminal();
    let client = key.run(CLIENT, &server.port(), Some(terminal));
    let asked = question(&mut person);
    assert_eq!(asked, format!("Enter the pass phrase of {}:", key.path("own.key").display()));
    person.write_all(b"open sesame\n").unwrap();
    // Standard input is for the server, and all of it.
    let mut tls = server.accept();
    assert_eq!(drain(&mut tls).0, b"hello");
    drop(tls);
    client.finish().expect_code(0);
    let shown = screen(person);
    assert!(!shown.contains("sesame"), "it can be read on the screen: {shown:?}");
}

#[test]
fn a_wrong_passphrase_is_told_as_one() {
    let (key, server) = (Key::new(), server());
    // A wrong one, an empty one, Ctrl-D, Ctrl-C: none is asked for twice.
    for (typed, told, hint) in [
        ("open barley\n", "it cannot be decrypted (", "hint: was it the right passphrase?"),
        ("\n", "it cannot be decrypted (", "hint: was it the right passphrase?"),
        ("\x04", "it is encrypted, and no passphrase was given. QUITTING.", ""),
        ("\x03", "it is encrypted, and no passphrase was given. QUITTING.", ""),
    ] {
        let (mut person, terminal) = terminal();
        let client = key.run(CLIENT, &server.port(), Some(terminal));
        question(&mut person);
        person.write_all(typed.as_bytes()).unwrap();
        let done = client.finish().expect_code(2);
        let line = format!("Ncat: --ssl-key {}: {told}", key.path("own.key").display());
        assert!(done.stderr.contains(&line), "{typed:?}: {}", done.stderr);
        assert!(done.stderr.contains(hint), "{typed:?}: {}", done.stderr);
        assert!(!screen(person).contains("pass phrase"), "{typed:?}: asked twice");
    }
}

/// A listener asks before it listens.
#[test]
fn a_listener_asks_once_and_then_serves() {
    let key = Key::new();
    let (mut person, terminal) = terminal();
    let line = "exec \"$NCAT\" -lkv --ssl-cert \"$CERT\" --ssl-key \"$KEY\" -c 'echo welcome' \
                127.0.0.1 0 <\"$INPUT\"";
    let ncat = key.run(line, "", Some(terminal));
    question(&mut person);
    assert!(!ncat.messages().contains("Listening"), "{}", ncat.messages());
    person.write_all(b"open sesame\n").unwrap();
    let port = ncat.listening().port();
    for _ in 0..2 {
        assert_eq!(drain(&mut crate::peer::client(port)).0, b"welcome\n");
    }
}

/// Nobody is asked where there is nobody, least of all the data.
#[test]
fn without_a_terminal_nobody_is_asked() {
    let key = Key::new();
    let line = "printf 'open sesame\\n' | \"$NCAT\" --ssl-cert \"$CERT\" --ssl-key \"$KEY\" x 1";
    let done = key.run(line, "", None).finish().expect_code(2);
    assert!(done.stderr.contains("there is no terminal to ask"), "{}", done.stderr);
    assert!(done.stderr.contains("hint: --ssl-passphrase-file FILE"), "{}", done.stderr);
    assert!(Path::new("/dev/tty").exists(), "it would prove nothing");
}
