//! Whatever standard input and output are.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use tempfile::NamedTempFile;
use testkit::data;
use testkit::process::{Input, Process, ncat};
use testkit::script::{Ended, Listener, Peer};

use crate::peers::{bytes, file};

fn start(input: Input, output: Option<OwnedFd>) -> (Process, Peer) {
    let listener = Listener::tcp();
    let port = listener.port().to_string();
    let program = ncat(["-vv", "127.0.0.1", &port]).input(input);
    let program = match output {
        Some(output) => program.output(output),
        None => program,
    };
    (program.start(), listener.accept())
}

/// Sends and says which way it went.
fn sends(input: Input) -> String {
    let (ncat, mut peer) = start(input, None);
    let (got, ended) = peer.drain();
    assert_eq!(ended, Ended::Fin);
    data::assert_same("to the peer", &got, bytes(1));
    drop(peer);
    ncat.finish().expect_code(0).stderr
}

/// Receives and says which way it went.
fn receives(output: Option<OwnedFd>) -> (Vec<u8>, String) {
    let (ncat, mut peer) = start(Input::Null, output);
    peer.send(bytes(2));
    drop(peer);
    let ended = ncat.finish().expect_code(0);
    (ended.stdout, ended.stderr)
}

#[track_caller]
fn says(text: &str, line: &str) {
    assert!(text.contains(&format!("NCAT DEBUG: {line}")), "{line:?} not in:\n{text}");
}

#[test]
fn input_is_a_file() {
    says(&sends(Input::Fd(file(bytes(1)))), "send: sendfile (regular file to socket)");
}

#[test]
fn input_is_a_pipe() {
    says(&sends(Input::Bytes(bytes(1).to_vec())), "send: splice (pipe to socket)");
}

#[test]
fn input_is_a_socket() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let feeder = std::thread::spawn(move || ours.write_all(bytes(1)).unwrap());
    let said = sends(Input::Fd(theirs.into()));
    feeder.join().unwrap();
    says(&said, "send: buffered (the kernel does not splice from socket to socket)");
}

#[test]
fn input_is_the_rest_of_a_file() {
    // What is before the position was read by somebody else, as in (read line; ncat ...) < file.
    let mut whole = b"a line\n".to_vec();
    whole.extend_from_slice(bytes(1));
    let mut file = File::from(file(&whole));
    file.read_exact(&mut [0; 7]).unwrap();
    sends(Input::Fd(file.into()));
}

#[test]
fn output_is_a_pipe() {
    let (got, said) = receives(None);
    data::assert_same("standard output", &got, bytes(2));
    says(&said, "recv: splice (socket to pipe)");
}

#[test]
fn output_is_a_file() {
    let file = NamedTempFile::new().unwrap();
    let (_, said) = receives(Some(file.reopen().unwrap().into()));
    data::assert_same("the file", &std::fs::read(file.path()).unwrap(), bytes(2));
    says(&said, "recv: splice through a pipe (socket to file or null device)");
}

#[test]
fn output_is_appended_to() {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "before").unwrap();
    let output = File::options().append(true).open(file.path()).unwrap();
    let (_, said) = receives(Some(output.into()));
    let got = std::fs::read(file.path()).unwrap();
    assert_eq!(&got[..6], b"before");
    data::assert_same("the file", &got[6..], bytes(2));
    says(&said, "recv: buffered (the kernel does not splice to a file opened for appending)");
}

#[test]
fn output_is_a_socket() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        ours.read_to_end(&mut got).unwrap();
        got
    });
    let (_, said) = receives(Some(theirs.into()));
    data::assert_same("the socket", &reader.join().unwrap(), bytes(2));
    says(&said, "recv: buffered (the kernel does not splice from socket to socket)");
}

#[test]
fn output_is_the_null_device() {
    let null = File::options().write(true).open("/dev/null").unwrap();
    let (_, said) = receives(Some(null.into()));
    says(&said, "recv: splice through a pipe (socket to file or null device)");
    assert!(said.contains(&format!("{} bytes received", bytes(2).len())), "{said}");
}

#[test]
fn output_is_a_terminal() {
    let (controller, terminal) = terminal();
    let mut controller = File::from(controller);
    // A terminal is small and slow; a megabyte says as much.
    let sent = &bytes(2)[..1 << 20];
    let (ncat, mut peer) = start(Input::Null, Some(terminal));
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; 1 << 20];
        controller.read_exact(&mut got).unwrap();
        got
    });
    peer.send(sent);
    drop(peer);
    data::assert_same("the terminal", &reader.join().unwrap(), sent);
    let said = ncat.finish().expect_code(0).stderr;
    says(&said, "recv: buffered (a terminal is at one end)");
}

/// A terminal that changes nothing on the way: its two ends.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    let controller =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    let mut settings = tcgetattr(&terminal).unwrap();
    settings.make_raw();
    tcsetattr(&terminal, OptionalActions::Now, &settings).unwrap();
    (controller, terminal)
}

#[test]
fn input_is_a_terminal() {
    let (controller, terminal) = terminal();
    let mut controller = File::from(controller);
    let (ncat, mut peer) = start(Input::Fd(terminal), None);
    controller.write_all(b"typed").unwrap();
    assert_eq!(peer.take(5), b"typed");
    // Nothing more is typed: the peer's end is the end, at once.
    drop(peer);
    let said = ncat.finish().expect_code(0).stderr;
    says(&said, "send: buffered (a terminal is at one end)");
}
