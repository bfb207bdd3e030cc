//! 2 GB each way over TLS with hashes, against ourselves and other people's programs, either side
//! ending first (`testkit::big` says when they run).

use std::fs::File;

use tempfile::TempDir;
use testkit::big::{self, Sample, TIME, alone, hash};
use testkit::peer::{Peer, listening_port};
use testkit::process::{Input, Program};

use crate::interop::{Files, as_client, as_server, files};

/// The peer; after an end socat gives the other direction as long as it takes.
fn find(peer: Peer) -> Option<Program> {
    let program = big::find(peer, &["--ssl"])?;
    Some(if peer == Peer::Socat { program.args(["-t240"]) } else { program })
}

fn sample() -> Option<&'static Sample> {
    big::sample("2 GB transfers over TLS")
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
        big::wait_for_all(&to, receiver);
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

/// We send to it and receive from it, in both roles, and the sender ends first.
fn with(peer: Peer) {
    let (Some(sample), files) = (sample(), files()) else { return };
    for listener_sends in [true, false] {
        let way = Way { listener_sends, receiver_first: false };
        run(sample, &files, Peer::Ours, peer, way);
        run(sample, &files, peer, Peer::Ours, way);
    }
}

/// The receiver has told its end before the first byte comes. Debian's ncat gives up when that happens to
/// it while it listens and sends; no byte of ours is lost by that.
fn receiver_first(peer: Peer) {
    let (Some(sample), files) = (sample(), files()) else { return };
    for listener_sends in [true, false] {
        let way = Way { listener_sends, receiver_first: true };
        run(sample, &files, Peer::Ours, peer, way);
        if peer != Peer::Ncat || !listener_sends {
            run(sample, &files, peer, Peer::Ours, way);
        }
    }
}

#[test]
fn two_gigabytes_with_ncat() {
    with(Peer::Ncat);
}

#[test]
fn two_gigabytes_with_ncat_whose_receiver_ends_first() {
    receiver_first(Peer::Ncat);
}

#[test]
fn two_gigabytes_with_socat() {
    with(Peer::Socat);
}

#[test]
fn two_gigabytes_with_socat_whose_receiver_ends_first() {
    receiver_first(Peer::Socat);
}

#[test]
fn two_gigabytes_with_openssl() {
    with(Peer::Openssl);
}
