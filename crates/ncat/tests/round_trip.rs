//! The program itself, on every system: bytes one way and the other, and the exit codes.
//!
//! Uses nothing but the standard library, so that it runs wherever the program does.

#![expect(clippy::disallowed_methods, reason = "starts the program it tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

fn ncat(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_ncat"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// The port a listener says it has.
fn port(listener: &mut Child) -> String {
    let mut lines = BufReader::new(listener.stderr.take().expect("a pipe")).lines();
    let line = lines
        .find_map(|line| line.expect("text").strip_prefix("Ncat: Listening on ").map(str::to_owned))
        .expect("it listens");
    // Read on, or a later message would find a closed pipe.
    std::thread::spawn(move || lines.for_each(drop));
    line.rsplit(':').next().expect("a port").to_owned()
}

/// Gives `input` to the program and takes all it says.
fn feed(child: &mut Child, input: Vec<u8>) -> Vec<u8> {
    let mut stdin = child.stdin.take().expect("a pipe");
    let feeder = std::thread::spawn(move || {
        // A program that wants no more closes its end; what arrived is compared anyway.
        let _ = stdin.write_all(&input);
    });
    let mut output = Vec::new();
    child.stdout.take().expect("a pipe").read_to_end(&mut output).expect("readable");
    feeder.join().expect("the feeder ends");
    output
}

fn bytes(seed: u8) -> Vec<u8> {
    (0..1_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect()
}

#[test]
fn a_file_to_a_listener() {
    let mut listener = ncat(&["-v", "-l", "127.0.0.1", "0"]);
    let port = port(&mut listener);
    let mut sender = ncat(&["--send-only", "127.0.0.1", &port]);
    let receiver = std::thread::spawn(move || {
        drop(listener.stdin.take());
        let received = feed_nothing(&mut listener);
        (received, listener.wait().expect("it ends"))
    });
    assert!(feed(&mut sender, bytes(1)).is_empty());
    assert!(sender.wait().expect("it ends").success());
    let (received, status) = receiver.join().expect("the receiver ends");
    assert!(status.success());
    assert!(received == bytes(1), "{} bytes came", received.len());
}

fn feed_nothing(child: &mut Child) -> Vec<u8> {
    let mut output = Vec::new();
    child.stdout.take().expect("a pipe").read_to_end(&mut output).expect("readable");
    output
}

/// The program with a file as its input: what is ready is sent, whoever has ended first.
fn ncat_with(input: &[u8], args: &[&str]) -> Child {
    let name = format!("ncat-round-trip-{}-{}", std::process::id(), input[0]);
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, input).expect("a file");
    let file = std::fs::File::open(&path).expect("the file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ncat"));
    let command = command.args(args).stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the program starts");
    // On Windows it stays until the program has ended.
    let _ = std::fs::remove_file(&path);
    child
}

#[test]
fn both_ways_at_once() {
    let mut listener = ncat_with(&bytes(2), &["-v", "-l", "127.0.0.1", "0"]);
    let port = port(&mut listener);
    let mut client = ncat_with(&bytes(3), &["127.0.0.1", &port]);
    let server = std::thread::spawn(move || {
        let received = feed_nothing(&mut listener);
        (received, listener.wait().expect("it ends"))
    });
    let received = feed_nothing(&mut client);
    assert!(client.wait().expect("it ends").success());
    let (at_server, status) = server.join().expect("the server ends");
    assert!(status.success());
    assert!(received == bytes(2), "{} bytes came to the client", received.len());
    assert!(at_server == bytes(3), "{} bytes came to the server", at_server.len());
}

#[test]
fn exit_codes() {
    let refused = ncat(&["-z", "127.0.0.1", "1"]).wait_with_output().expect("it ends");
    assert_eq!(refused.status.code(), Some(1));
    let unknown = ncat(&["--no-such-option"]).wait_with_output().expect("it ends");
    assert_eq!(unknown.status.code(), Some(2));
    let version = ncat(&["--version"]).wait_with_output().expect("it ends");
    assert_eq!(version.status.code(), Some(0));
    assert!(version.stdout.starts_with(b"Ncat: Version "));
}
