//! 20 MB each way with other people's programs, either side ending first.

use testkit::data::{assert_same, bytes};
use testkit::peer::{Peer, listening_port};
use testkit::process::{Program, ncat};

use crate::pki::{Identity, Wanted};

const MB20: usize = 20 << 20;

pub(crate) struct Files {
    _dir: tempfile::TempDir,
    certificate: String,
    key: String,
    both: String,
}

pub(crate) fn files() -> Files {
    let dir = tempfile::tempdir().unwrap();
    let own = Identity::alone(&Wanted { ips: &["127.0.0.1"], ..Wanted::name(&["localhost"]) });
    let (certificate, key) = own.files(&dir, "own");
    let both = dir.path().join("both");
    let joined = [std::fs::read(&certificate).unwrap(), std::fs::read(&key).unwrap()].concat();
    std::fs::write(&both, joined).unwrap();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    Files { certificate: text(&certificate), key: text(&key), both: text(&both), _dir: dir }
}

/// The peer; after an end socat gives the other direction 3 s.
fn find(peer: Peer) -> Option<Program> {
    let program = peer.find()?;
    Some(if peer == Peer::Socat { program.args(["-t3"]) } else { program })
}

pub(crate) fn as_server(program: Program, peer: Peer, files: &Files) -> Program {
    let listen = format!("OPENSSL-LISTEN:0,bind=127.0.0.1,cert={},verify=0", files.both);
    match peer {
        Peer::Ours | Peer::Ncat => program.args(["-l", "127.0.0.1", "0", "--ssl-cert"]).args([
            &files.certificate,
            "--ssl-key",
            &files.key,
        ]),
        Peer::Socat => program.args(["-b65536", "-", &listen]),
        _ => program
            .args(["s_server", "-quiet", "-naccept", "1", "-accept", "127.0.0.1:0", "-cert"])
            .args([&files.certificate, "-key", &files.key]),
    }
}

pub(crate) fn as_client(program: Program, peer: Peer, port: u16) -> Program {
    let port = port.to_string();
    let connect = format!("OPENSSL:127.0.0.1:{port},verify=0");
    match peer {
        Peer::Ours | Peer::Ncat => program.args(["--ssl", "127.0.0.1", &port]),
        Peer::Socat => program.args(["-b65536", "-", &connect]),
        _ => program.args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")]),
    }
}

/// We send everything, the peer nothing, and ends when we do.
fn to_server(peer: Peer) {
    let (files, sent) = (files(), bytes(1, MB20));
    let Some(program) = find(peer) else { return };
    let program = as_server(program, peer, &files);
    // Not all of them go on after the end of their own input.
    let server = program.held().start();
    let port = listening_port(&server).to_string();
    ncat(["--ssl", "127.0.0.1", &port, "--send-only"]).bytes(sent.clone()).run().expect_code(0);
    assert_same("received", &server.finish().stdout, &sent);
}

/// The peer sends everything and ends first.
fn from_server(peer: Peer) {
    let (files, sent) = (files(), bytes(2, MB20));
    let Some(program) = find(peer) else { return };
    let program = as_server(program, peer, &files);
    let server = program.bytes(sent.clone()).start();
    let port = listening_port(&server).to_string();
    let done = ncat(["--ssl", "127.0.0.1", &port]).held().run().expect_code(0);
    assert_same("received", &done.stdout, &sent);
}

/// The client sends everything and ends first.
fn from_client(peer: Peer) {
    let sent = bytes(3, MB20);
    let server = ncat(["-lv", "--ssl", "127.0.0.1", "0"]).held().start();
    let Some(program) = find(peer) else { return };
    let program = as_client(program, peer, server.listening().port());
    let client = program.bytes(sent.clone()).start();
    assert_same("received", &server.wait_output(sent.len()), &sent);
    if peer == Peer::Openssl {
        // It does not end by itself.
        drop(client);
    } else {
        client.finish();
    }
    server.finish().expect_code(0);
}

/// We send everything to a client that says nothing.
fn to_client(peer: Peer) {
    let sent = bytes(4, MB20);
    let server =
        ncat(["-lv", "--ssl", "--send-only", "127.0.0.1", "0"]).bytes(sent.clone()).start();
    let Some(program) = find(peer) else { return };
    let program = as_client(program, peer, server.listening().port());
    let client = program.held().start();
    assert_same("received", &client.wait_output(sent.len()), &sent);
    server.finish().expect_code(0);
}

macro_rules! with {
    ($($module:ident $peer:ident: $($row:ident)*;)*) => {
        $(mod $module { use super::Peer; $(#[test] fn $row() { super::$row(Peer::$peer); })* })*
    };
}

with! {
    ours Ours: to_server from_server from_client to_client;
    ncat Ncat: to_server from_server from_client to_client;
    socat Socat: to_server from_server from_client to_client;
    openssl Openssl: to_server from_client to_client;
}
