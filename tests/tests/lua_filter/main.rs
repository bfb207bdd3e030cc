//! Filters in Lua around connections, with the real binary.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

#[path = "../serve_support/mod.rs"]
mod serve_support;

mod bounds;
mod bundled;
mod capabilities;
mod chat;
mod contract;
mod crowd;
mod elsewhere;
mod ends;
mod examples;
mod guide;
mod interplay;
mod library;
mod life;
mod loading;
mod modes;
mod order;
mod outgoing;
#[cfg(feature = "tls")]
#[allow(clippy::disallowed_methods, dead_code, reason = "not all of it is used here")]
#[path = "../tls/peer.rs"]
mod peer;
#[cfg(feature = "tls")]
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "../tls/pki.rs"]
mod pki;
mod relaying;
mod sessions;
mod stack;
#[cfg(feature = "tls")]
mod upgrade;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use serve_support::{Finished, PATIENCE, Watch, ncat};

/// A script of its own in `dir`.
fn script(dir: &Path, text: &str) -> PathBuf {
    named(dir, "x.lua", text)
}

fn named(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn filters(specs: &[&str]) -> Vec<String> {
    specs.iter().flat_map(|spec| ["-L".to_owned(), (*spec).to_owned()]).collect()
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn connect(port: u16) -> TcpStream {
    patient(TcpStream::connect(("127.0.0.1", port)).unwrap())
}

/// What arrives at the wire when `input` is sent through the filters; how the client ended.
fn on_wire(specs: &[&str], input: &[u8]) -> (Vec<u8>, Finished) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = ncat(["127.0.0.1", &port]).args(filters(specs)).bytes(input).start();
    let mut stream = patient(listener.accept().unwrap().0);
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).unwrap();
    drop(stream);
    (wire, client.finish())
}

/// What the user gets when these pieces come from the wire, each by itself; how the listener ended.
fn delivered(specs: &[&str], pieces: &[&[u8]]) -> (Vec<u8>, Finished) {
    let server = ncat(["-v", "-l", "127.0.0.1", "0"]).args(filters(specs)).held().start();
    let mut stream = connect(server.port());
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        stream.write_all(piece).unwrap();
        if pieces.len() < 10 {
            std::thread::yield_now();
        }
    }
    stream.shutdown(Shutdown::Write).unwrap();
    let ended = server.finish();
    (ended.stdout.clone(), ended)
}

/// An address that takes connections until its queue is full and then answers nothing at all.
struct FullListener {
    port: u16,
    _held: Vec<socket2::Socket>,
}

fn full_listener() -> FullListener {
    let at = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let socket = || {
        let (domain, kind) = (socket2::Domain::IPV4, socket2::Type::STREAM);
        socket2::Socket::new(domain, kind, None).unwrap()
    };
    let listener = socket();
    listener.bind(&at.into()).unwrap();
    listener.listen(0).unwrap();
    let at = listener.local_addr().unwrap();
    let port = at.as_socket().unwrap().port();
    let mut held = vec![listener];
    // A queue of no length holds one or two; then the kernel drops what asks.
    loop {
        let one = socket();
        let done = one.connect_timeout(&at, std::time::Duration::from_millis(150)).is_ok();
        held.push(one);
        if !done {
            return FullListener { port, _held: held };
        }
    }
}
