//! Large amounts through commands, with hashes.

use std::io::Write;
use std::net::Shutdown;

use super::serve_support::{Watch, ncat, noise};
use super::{connect, served};

/// What came back, compared while it comes; how much that was.
fn echoed(stream: &mut std::net::TcpStream, piece: &[u8], rounds: usize, pid: u32) -> usize {
    use std::io::Read;
    let mut buffer = vec![0; piece.len()];
    for round in 0..rounds {
        stream.read_exact(&mut buffer).unwrap();
        assert!(buffer == piece, "piece {round} differs");
        if round == rounds / 2 {
            assert!(testkit::procfs::resident_kib(pid) < 32 * 1024);
        }
    }
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rounds * piece.len() + rest.len()
}

fn echo(args: &[&str], bytes: usize) {
    let (server, mut client) = served(args);
    let piece = noise(1 << 20, 5);
    let rounds = bytes / piece.len();
    let mut writer = client.try_clone().unwrap();
    let sent = piece.clone();
    let feeder = std::thread::spawn(move || {
        for _ in 0..rounds {
            writer.write_all(&sent).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    assert_eq!(echoed(&mut client, &piece, rounds, server.pid()), rounds * piece.len());
    feeder.join().unwrap();
    server.finish().expect_code(0);
}

#[test]
fn an_echo_of_64_mib_by_every_way() {
    echo(&["-e", "/bin/cat"], 64 << 20);
    echo(&["-e", "/bin/cat", "-o", "/dev/null"], 64 << 20);
    echo(&["--exec-handover", "-e", "/bin/cat"], 64 << 20);
}

/// As the transfers in `big.rs`, only where big files are wanted.
#[test]
fn a_gigabyte_each_way_with_hashes() {
    if std::env::var_os("NCAT_BIG").is_none_or(|value| value != "1") {
        let line = b"SKIPPED: a gigabyte through a command (NCAT_BIG=1 runs it)\n";
        let _ = std::io::stderr().write_all(line);
        return;
    }
    echo(&["-e", "/bin/cat"], 1 << 30);
    // The command's own hash of what it was given, and of what it gave.
    let piece = noise(1 << 20, 6);
    let mut hasher = testkit::process::Program::new("sha256sum").held().start();
    let (server, mut client) = served(&["-e", "/usr/bin/sha256sum"]);
    for _ in 0..1024 {
        client.write_all(&piece).unwrap();
        hasher.send(&piece);
    }
    client.shutdown(Shutdown::Write).unwrap();
    hasher.end_input();
    let wanted = hasher.finish().stdout;
    let mut got = Vec::new();
    std::io::Read::read_to_end(&mut client, &mut got).unwrap();
    assert_eq!(got, wanted);
    server.finish().expect_code(0);
}

#[test]
fn a_gigabyte_nobody_reads_is_discarded_without_memory() {
    let server =
        ncat(["-v", "-l", "127.0.0.1", "0", "-c", "exec <&-; echo closed; sleep 2; echo end"]);
    let server = server.start();
    let mut client = connect(server.port());
    assert_eq!(super::some(&mut client, 7), "closed\n");
    let piece = vec![0; 1 << 20];
    let gigabyte = std::env::var_os("NCAT_BIG").is_some_and(|value| value == "1");
    for _ in 0..if gigabyte { 1024 } else { 128 } {
        client.write_all(&piece).unwrap();
    }
    assert!(testkit::procfs::resident_kib(server.pid()) < 32 * 1024);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(super::rest(&mut client), "end\n");
    server.finish().expect_code(0);
}
