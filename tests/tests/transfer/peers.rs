//! Both roles, both directions at once, either side ending first.

use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use tempfile::NamedTempFile;
use testkit::data;
use testkit::peer::{Peer, listening_port};
use testkit::process::{Input, Process};

pub(crate) fn bytes(seed: u64) -> &'static [u8] {
    static DATA: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let all = DATA.get_or_init(|| [data::bytes(1, 20 << 20), data::bytes(2, 20 << 20)]);
    &all[usize::from(seed != 1)]
}

pub(crate) fn file(bytes: &[u8]) -> OwnedFd {
    let mut file = NamedTempFile::new().unwrap().into_file();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file.into()
}

/// Who says that it has nothing (more) to send before the transfer is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum First {
    /// The one who listens has no input: its end goes out at once.
    Listener,
    /// The one who connects.
    Connector,
}

/// Which input is a file; the other kind is a pipe.
#[derive(Clone, Copy, Debug)]
enum Kind {
    File,
    Pipe,
}

fn input(kind: Kind, bytes: &'static [u8]) -> Input {
    match kind {
        Kind::File => Input::Fd(file(bytes)),
        Kind::Pipe => Input::Bytes(bytes.to_vec()),
    }
}

fn listen(peer: Peer, input: Input) -> Option<(Process, u16)> {
    let program = peer.find()?;
    let program = match peer {
        Peer::Ours | Peer::Ncat => program.args(["-lv", "127.0.0.1", "0"]),
        // With -v it tells its port; -N has it end its direction with its input.
        Peer::NcOpenbsd => program.args(["-lN", "127.0.0.1", "0"]),
        // -t: how long it goes on once one direction has ended.
        Peer::Socat => program.args(["-t60", "-", "TCP-LISTEN:0,bind=127.0.0.1"]),
        Peer::Openssl => return None,
    };
    let process = program.input(input).start();
    let port = listening_port(&process);
    Some((process, port))
}

fn connect(peer: Peer, port: u16, input: Input) -> Option<Process> {
    let (program, port) = (peer.find()?, port.to_string());
    let program = match peer {
        Peer::Ours | Peer::Ncat => program.args(["127.0.0.1", &port]),
        Peer::NcOpenbsd => program.args(["-N", "127.0.0.1", &port]),
        Peer::Socat => program.args(["-t60", "-", &format!("TCP:127.0.0.1:{port}")]),
        Peer::Openssl => return None,
    };
    Some(program.input(input).start())
}

fn run(listener: Peer, connector: Peer, first: First, kind: Kind) {
    let empty = &[][..];
    let (to_connector, to_listener) = match first {
        First::Listener => (empty, bytes(1)),
        First::Connector => (bytes(1), empty),
    };
    let Some((listening, port)) = listen(listener, input(kind, to_connector)) else { return };
    let Some(connecting) = connect(connector, port, input(kind, to_listener)) else { return };
    let (connecting, listening) = (connecting.finish(), listening.finish());
    let what = format!("{listener:?} listens, {connector:?} connects, {first:?} ends first");
    data::assert_same(&format!("{what}; to the listener"), &listening.stdout, to_listener);
    data::assert_same(&format!("{what}; to the connector"), &connecting.stdout, to_connector);
    for (peer, ended) in [(listener, listening), (connector, connecting)] {
        if peer == Peer::Ours {
            ended.expect_code(0);
        }
    }
}

/// Everything with one peer that does not cut itself short.
fn both_roles(peer: Peer) {
    for kind in [Kind::File, Kind::Pipe] {
        for first in [First::Listener, First::Connector] {
            run(Peer::Ours, peer, first, kind);
            run(peer, Peer::Ours, first, kind);
        }
    }
}

/// With a peer that drops what it has not sent when we end first (rows 4 and 5 of the specification,
/// section 16; nc.openbsd does it to socat too): it sends with us holding our end open.
fn where_it_ends_first(peer: Peer) {
    for kind in [Kind::File, Kind::Pipe] {
        run(peer, Peer::Ours, First::Listener, kind);
        run(Peer::Ours, peer, First::Connector, kind);
        let (listening, port) = listen(Peer::Ours, Input::Held).unwrap();
        let Some(sending) = connect(peer, port, input(kind, bytes(1))) else { return };
        let listening = listening.finish().expect_code(0);
        data::assert_same("from the connector", &listening.stdout, bytes(1));
        drop(sending.finish());
    }
}

#[test]
fn transfer_with_ourselves() {
    both_roles(Peer::Ours);
}

#[test]
fn transfer_with_nc_openbsd() {
    where_it_ends_first(Peer::NcOpenbsd);
}

#[test]
fn transfer_with_socat() {
    both_roles(Peer::Socat);
}

#[test]
fn transfer_with_ncat() {
    where_it_ends_first(Peer::Ncat);
}

/// Both directions at once, with ourselves: neither end cuts the other short.
#[test]
fn transfer_both_ways_at_once() {
    for kind in [Kind::File, Kind::Pipe] {
        let (listening, port) = listen(Peer::Ours, input(kind, bytes(1))).unwrap();
        let connecting = connect(Peer::Ours, port, input(kind, bytes(2))).unwrap();
        let (connecting, listening) = (connecting.finish(), listening.finish());
        data::assert_same("to the connector", &connecting.expect_code(0).stdout, bytes(1));
        data::assert_same("to the listener", &listening.expect_code(0).stdout, bytes(2));
    }
}
