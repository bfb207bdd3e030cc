//! Other people's programs at the other end.

use std::time::Duration;

use testkit::peer::Peer;
use testkit::process::{Process, Program, ncat};
use testkit::{eventually, procfs};

use crate::pki::{Identity, Wanted};

struct Files {
    dir: tempfile::TempDir,
    both: String,
}

fn files() -> Files {
    let dir = tempfile::tempdir().unwrap();
    let own = Identity::alone(&Wanted { ips: &["127.0.0.1"], ..Wanted::name(&["localhost"]) });
    let (certificate, key) = own.files(&dir, "own");
    let both = dir.path().join("both");
    let joined = [std::fs::read(&certificate).unwrap(), std::fs::read(&key).unwrap()].concat();
    std::fs::write(&both, joined).unwrap();
    Files { both: both.to_str().unwrap().to_owned(), dir }
}

fn client(peer: Peer, port: u16) -> Option<Program> {
    let program = peer.find()?;
    let (port, at) = (port.to_string(), format!("127.0.0.1:{port}"));
    Some(match peer {
        Peer::Ours | Peer::Ncat => program.args(["--udp", "--ssl", "127.0.0.1", &port]),
        Peer::Socat => program.args(["-", &format!("OPENSSL-DTLS-CLIENT:{at},verify=0")]),
        _ => program.args(["s_client", "-quiet", "-dtls1_2", "-connect", &at]),
    })
}

fn server(peer: Peer, files: &Files) -> Option<Program> {
    let program = peer.find()?;
    Some(match peer {
        Peer::Ours => program.args(["-l", "-u", "--ssl-cert"]).args([
            &files.both,
            "--ssl-key",
            &files.both,
            "127.0.0.1",
            "0",
        ]),
        Peer::Socat => {
            let listen =
                format!("OPENSSL-DTLS-SERVER:0,bind=127.0.0.1,cert={},verify=0", files.both);
            program.args(["-", &listen])
        }
        _ => program
            .args(["s_server", "-quiet", "-dtls1_2", "-accept", "127.0.0.1:0", "-cert"])
            .args([&files.both]),
    })
}

fn port_of(process: &Process) -> u16 {
    eventually("a port", || procfs::udp_ports(process.pid()).first().copied())
}

/// Something each way with their client.
fn with_client(peer: Peer) {
    let mut ours = ncat(["-lv", "-u", "--ssl", "127.0.0.1", "0"]).held().start();
    let Some(program) = client(peer, ours.listening().port()) else { return };
    let mut theirs = program.held().start();
    ours.wait_message("DTLSv1.2");
    theirs.send(b"question\n");
    assert_eq!(ours.wait_output(9), b"question\n");
    ours.send(b"answer\n");
    assert_eq!(theirs.wait_output(7), b"answer\n");
    ours.send(&[b'x'; 8000]);
    assert_eq!(theirs.wait_output(8007).len(), 8007);
}

/// Something each way with their server; then our end ends.
fn with_server(peer: Peer) {
    let files = files();
    let Some(program) = server(peer, &files) else { return };
    let mut theirs = program.held().start();
    let port = port_of(&theirs).to_string();
    let mut ours = ncat(["-v", "-u", "--ssl", "127.0.0.1", &port]).held().start();
    ours.wait_message("DTLSv1.2");
    ours.send(b"question\n");
    assert_eq!(theirs.wait_output(9), b"question\n");
    theirs.send(b"answer\n");
    assert_eq!(ours.wait_output(7), b"answer\n");
    ours.end_input();
    ours.finish_within(Duration::from_secs(20)).expect_code(0);
    assert!(files.dir.path().exists());
}

#[test]
fn ncat_as_client() {
    with_client(Peer::Ncat);
}

#[test]
fn ourselves_both_ways() {
    with_client(Peer::Ours);
    with_server(Peer::Ours);
}

#[test]
fn socat_both_ways() {
    with_client(Peer::Socat);
    with_server(Peer::Socat);
}

#[test]
fn openssl_both_ways() {
    with_client(Peer::Openssl);
    with_server(Peer::Openssl);
}

/// A server that keeps sessions has them go on, though datagrams have no tickets here.
#[test]
fn a_datagram_session_is_resumed_by_the_next_run() {
    let files = files();
    let Some(program) = server(Peer::Openssl, &files) else { return };
    let theirs = program.held().start();
    let port = port_of(&theirs).to_string();
    let session = files.dir.path().join("session");
    for is_resumed in [false, true] {
        let ncat = ncat(["-z", "-v", "-u", "--ssl", "--ssl-session"]).args([&session]);
        let done = ncat.args(["127.0.0.1", &port]).run().expect_code(0);
        assert_eq!(done.stderr.contains("session resumed"), is_resumed, "{}", done.stderr);
    }
}

/// Debian's ncat has no DTLS when it listens; if one day it has, this says so.
#[test]
fn ncat_does_not_listen() {
    let Some(program) = Peer::Ncat.find() else { return };
    let done = program.args(["-l", "--udp", "--ssl", "127.0.0.1", "0"]).run();
    assert!(done.stderr.contains("DTLS is not supported in listen mode"), "{}", done.stderr);
}
