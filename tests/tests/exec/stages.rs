//! Everything that changes or writes down bytes, with a command.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::serve_support::{Watch, ncat, scratch};
use super::{connect, rest, served, some};

#[test]
fn crlf_is_for_the_commands_output() {
    let (server, mut client) = served(&["-C", "-c", "cat; echo end"]);
    client.write_all(b"a\nb").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "a\r\nbend\r\n");
    server.finish().expect_code(0);
}

#[test]
fn telnet_commands_do_not_reach_the_command() {
    let (server, mut client) = served(&["-t", "-c", "wc -c"]);
    client.write_all(b"ab\xff\xfb\x01cd").unwrap();
    let mut reply = [0; 3];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(reply, [255, 254, 1], "DONT");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "4\n");
    server.finish().expect_code(0);
}

#[test]
fn transcripts_have_both_directions_after_crlf() {
    let dir = scratch();
    let (raw, hex) = (dir.path().join("raw"), dir.path().join("hex"));
    let (raw_path, hex_path) = (raw.to_str().unwrap(), hex.to_str().unwrap());
    let (server, mut client) =
        served(&["-C", "-o", raw_path, "-x", hex_path, "-c", "read l; echo got $l"]);
    client.write_all(b"line\n").unwrap();
    assert_eq!(rest(&mut client), "got line\r\n");
    drop(client);
    server.finish().expect_code(0);
    assert_eq!(std::fs::read_to_string(raw).unwrap(), "line\ngot line\r\n");
    let hex = std::fs::read_to_string(hex).unwrap();
    assert!(hex.starts_with("0000   6c 69 6e 65 0a "), "{hex}");
}

#[test]
fn with_stages_everything_still_arrives_and_ends() {
    let dir = scratch();
    let log = dir.path().join("log");
    let (server, mut client) =
        served(&["-o", log.to_str().unwrap(), "-c", "exec <&-; head -c 3000000 /dev/zero"]);
    let mut writer = client.try_clone().unwrap();
    let feeder = std::thread::spawn(move || {
        let _ = writer.write_all(&vec![1; 2_000_000]);
        let _ = writer.shutdown(Shutdown::Write);
    });
    assert_eq!(rest(&mut client).len(), 3_000_000);
    feeder.join().unwrap();
    server.finish().expect_code(0);
}

#[test]
fn the_delay_is_between_reads() {
    let (server, mut client) = served(&["-d", "200ms", "-c", "echo a; sleep 0.05; echo b"]);
    let began = Instant::now();
    assert_eq!(rest(&mut client), "a\nb\n");
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    server.finish().expect_code(0);
}

#[test]
fn send_only_gives_the_command_nothing() {
    let (server, mut client) = served(&["--send-only", "-c", "readlink /proc/self/fd/0; wc -c"]);
    client.write_all(b"discarded").unwrap();
    assert_eq!(rest(&mut client), "/dev/null\n0\n");
    server.finish().expect_code(0);
}

#[test]
fn recv_only_takes_nothing_from_the_command() {
    let args = ["--recv-only", "-c", "cat >&2; echo nobody hears"];
    let (server, mut client) = served(&args);
    client.write_all(b"heard").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "");
    assert!(server.finish().expect_code(0).stderr.contains("heard"));
    // A command that ends by itself ends it, though the peer has not.
    let (server, mut client) = served(&["--recv-only", "-c", "head -c 3 >/dev/null"]);
    client.write_all(b"abc").unwrap();
    assert_eq!(rest(&mut client), "");
    server.finish().expect_code(0);
}

#[test]
fn a_transcript_that_cannot_be_written_ends_the_connection() {
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "-o", "/dev/full", "-e", "/bin/cat"]).start();
    let mut client = connect(server.port());
    client.write_all(b"x").unwrap();
    let ended = server.finish().expect_code(2);
    assert!(ended.stderr.contains("No space left on device"), "{}", ended.stderr);
}

#[test]
fn the_bytes_are_counted() {
    let (server, mut client) = served(&["-c", "head -c 5; exec <&-; sleep 0.2; echo bye"]);
    client.write_all(b"12345").unwrap();
    assert_eq!(some(&mut client, 5), "12345");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "bye\n");
    let ended = server.finish().expect_code(0);
    assert!(ended.stderr.contains("Ncat: 9 bytes sent, 5 bytes received in "), "{}", ended.stderr);
}
