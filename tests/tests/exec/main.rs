//! Commands in the place of standard input and output, with the real binary.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

#[path = "../serve_support/mod.rs"]
mod serve_support;

mod bulk;
mod datagrams;
mod ends;
mod environment;
mod hostile;
mod many;
mod modes;
mod options;
mod refused;
mod stages;

use std::io::Read;
use std::net::TcpStream;

use serve_support::{PATIENCE, Process, Watch, eventually, ncat};

/// A listener with a command, and a client of it.
fn served(args: &[&str]) -> (Process, TcpStream) {
    let server = ncat(["-v", "-l", "127.0.0.1", "0"]).args(args).held().start();
    let client = connect(server.port());
    (server, client)
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What comes until the end, which must be an end and no reset.
fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn some(stream: &mut TcpStream, len: usize) -> String {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Whether a process is there and not a zombie.
fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// The letter of a process's state; `None` when it is gone.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// The children of a process, zombies too.
fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

fn wait_gone(pid: u32) {
    eventually("the end of a process", || (!is_alive(pid)).then_some(()));
}
