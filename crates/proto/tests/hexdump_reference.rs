//! The hex dump against the installed Ncat: the same bytes, the same transcript.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// Makes the peer log `pieces`, one after another, and returns its transcript.
///
/// Ncat connects to us, so the port is the system's and nothing has to be waited for. A piece counts
/// as read once it has come out of Ncat's standard output: pieces neither merge nor split.
#[expect(clippy::disallowed_methods, reason = "the other end of a test, not a session")]
fn reference(pieces: &[Vec<u8>]) -> Option<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("hex");
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut command = Command::new("ncat");
    command.args(["--recv-only", "-x"]).arg(&log).args(["127.0.0.1", &port]);
    let mut ncat = match command.stdout(Stdio::piped()).spawn() {
        Ok(ncat) => ncat,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("cannot start ncat: {error}"),
    };
    let mut stdout = ncat.stdout.take().unwrap();
    let (mut conn, _) = listener.accept().unwrap();
    for piece in pieces {
        conn.write_all(piece).unwrap();
        let mut echo = vec![0; piece.len()];
        stdout.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, piece);
    }
    drop(conn);
    assert!(ncat.wait().unwrap().success());
    Some(std::fs::read(&log).unwrap())
}

#[test]
fn ncat_writes_the_same() {
    let mut pieces = vec![(0..=255).collect::<Vec<u8>>()];
    pieces.extend((1..=33).map(|length| vec![b'a' + length; usize::from(length)]));
    // Ncat reads 8,192 bytes at a time; longer pieces would be two.
    pieces.push((0..8192).map(|at| (at % 251) as u8).collect());
    let Some(expected) = reference(&pieces) else {
        assert!(std::env::var_os("NCAT_REQUIRE_PEERS").is_none(), "ncat is required and missing");
        let skip = "SKIPPED: no ncat installed, so the hex dump was not compared with it";
        // Not eprintln, which the test harness would keep to itself.
        writeln!(std::io::stderr(), "{skip}").unwrap();
        return;
    };
    let mut ours = Vec::new();
    for piece in &pieces {
        proto::hexdump::write(piece, &mut ours);
    }
    assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&expected));
}
