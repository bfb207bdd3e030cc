//! Lua programs in the place of standard input and output, with the real binary.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

#[path = "../serve_support/mod.rs"]
mod serve_support;

mod examples;
mod httpd;
mod modes;
mod trouble;

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serve_support::{PATIENCE, Process, Watch, ncat};

/// A script of its own in `dir`.
fn script(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("x.lua");
    std::fs::write(&path, text).unwrap();
    path
}

/// One of the programs that are shipped.
fn example(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/lua/programs")).join(name)
}

/// A listener with a program, and a client of it.
fn served(program: &Path, more: &[&str]) -> (Process, TcpStream) {
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "--lua-exec"])
        .args([program])
        .args(more)
        .held()
        .start();
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
