//! 2 GB files each way with hashes, against ourselves and other people's programs, either side
//! ending first (`testkit::big` says when they run).
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fs::File;
use std::path::Path;

use tempfile::TempDir;
use testkit::big::{self, Sample, TIME, alone, hash, hash_of};
use testkit::peer::{Peer, listening_port};
use testkit::process::{Input, Process, Program};

fn listen(peer: Peer) -> Option<Program> {
    let program = big::find(peer, &[])?;
    Some(match peer {
        Peer::Ours | Peer::Ncat => program.args(["-l", "127.0.0.1", "0"]),
        Peer::NcOpenbsd => program.args(["-lN", "127.0.0.1", "0"]),
        _ => program.args(["-t60", "-", "TCP-LISTEN:0,bind=127.0.0.1"]),
    })
}

fn connect(peer: Peer, port: u16) -> Option<Program> {
    let (program, port) = (big::find(peer, &[])?, port.to_string());
    Some(match peer {
        Peer::Ours | Peer::Ncat => program.args(["127.0.0.1", &port]),
        Peer::NcOpenbsd => program.args(["-N", "127.0.0.1", &port]),
        _ => program.args(["-t60", "-", &format!("TCP:127.0.0.1:{port}")]),
    })
}

/// How the file leaves and how it arrives.
#[derive(Clone, Copy, Debug)]
enum Way {
    Files,
    Pipes,
}

fn sending(program: Program, way: Way, sample: &Sample) -> (Process, Option<Process>) {
    let file = File::open(&sample.path).unwrap();
    match way {
        Way::Files => (program.input(Input::Fd(file.into())).start(), None),
        Way::Pipes => {
            let (read, write) = pipe();
            let cat = Program::new("cat").input(Input::Fd(file.into())).output(write).start();
            (program.input(Input::Fd(read)).start(), Some(cat))
        }
    }
}

fn pipe() -> (std::os::fd::OwnedFd, std::os::fd::OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

/// Runs `program` with its output going to a file, or through a pipe to what hashes it.
fn receiving(program: Program, input: Input, way: Way, to: &Path) -> (Process, Option<Process>) {
    let program = program.input(input);
    match way {
        Way::Files => (program.output(File::create(to).unwrap()).start(), None),
        Way::Pipes => {
            let (read, write) = pipe();
            let hasher = Program::new("sha256sum").input(Input::Fd(read)).start();
            (program.output(write).start(), Some(hasher))
        }
    }
}

/// `listener_sends`: the direction. `receiver_first`: the receiver has no input and says so at once;
/// otherwise its input stays open and the sender's end is the first.
fn run(listener: Peer, connector: Peer, listener_sends: bool, receiver_first: bool, way: Way) {
    let Some(sample) = big::sample("2 GB transfers") else { return };
    let _alone = alone();
    let dir = TempDir::new().unwrap();
    let to = dir.path().join("received");
    let input = || if receiver_first { Input::Null } else { Input::Held };
    let Some(program) = listen(listener) else { return };
    let (sender, receiver) = if listener_sends {
        let sender = sending(program, way, sample);
        let Some(program) = connect(connector, listening_port(&sender.0)) else { return };
        (sender, receiving(program, input(), way, &to))
    } else {
        let receiver = receiving(program, input(), way, &to);
        let Some(program) = connect(connector, listening_port(&receiver.0)) else { return };
        (sending(program, way, sample), receiver)
    };
    let mut receiver = receiver;
    let receives = if listener_sends { connector } else { listener };
    if !receiver_first && receives != Peer::Ours {
        // Others do not end with the peer but with their own input: once they have everything.
        big::wait_for_all(&to, &receiver.0);
        receiver.0.end_input();
    }
    let received = receiver.0.finish_within(TIME);
    let sent = sender.0.finish_within(TIME);
    let hash = match receiver.1 {
        None => hash(&to),
        Some(hasher) => hash_of(hasher),
    };
    let what = format!("{listener:?} listens, {connector:?} connects, {way:?}");
    assert_eq!(hash, sample.hash, "{what}: sent {}, received {}", sent.stderr, received.stderr);
    let (of_listener, of_connector) =
        if listener_sends { (sent, received) } else { (received, sent) };
    for (peer, ended) in [(listener, of_listener), (connector, of_connector)] {
        if peer == Peer::Ours {
            ended.expect_code(0);
        }
    }
}

#[test]
fn two_gigabytes_with_ourselves() {
    for (listener_sends, receiver_first) in
        [(true, true), (true, false), (false, true), (false, false)]
    {
        for way in [Way::Files, Way::Pipes] {
            run(Peer::Ours, Peer::Ours, listener_sends, receiver_first, way);
        }
    }
}

/// We send to it and receive from it, in both roles. Where it sends, our input stays open: a peer
/// that loses its own tail when we end first is no news.
fn with(peer: Peer) {
    run(Peer::Ours, peer, true, false, Way::Files);
    run(peer, Peer::Ours, false, true, Way::Files);
    run(peer, Peer::Ours, true, false, Way::Files);
    run(Peer::Ours, peer, false, false, Way::Files);
}

#[test]
fn two_gigabytes_with_ncat() {
    with(Peer::Ncat);
}

#[test]
fn two_gigabytes_with_nc_openbsd() {
    with(Peer::NcOpenbsd);
}

#[test]
fn two_gigabytes_with_socat() {
    with(Peer::Socat);
}
