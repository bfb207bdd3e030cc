//! The proxy under test, and what is said to it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use testkit::PATIENCE;
use testkit::process::{Process, ncat};

/// A proxy that listens on a loopback port.
pub(crate) struct Proxy {
    pub(crate) process: Process,
    pub(crate) addr: SocketAddr,
}

impl Proxy {
    /// Of this type, with these options besides.
    pub(crate) fn new(kind: &str, options: &[&str]) -> Self {
        let base = ["-l", "-v", "--proxy-type", kind];
        let args = base.iter().chain(options).chain(&["127.0.0.1", "0"]);
        let process = ncat(args).start();
        let addr = process.listening();
        Self { process, addr }
    }

    pub(crate) fn http(options: &[&str]) -> Self {
        Self::new("http", options)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.addr).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    }

    /// Says this, ends, and hears everything.
    pub(crate) fn ask(&self, text: impl AsRef<[u8]>) -> String {
        let mut socket = self.connect();
        // It may have hung up in the middle, having heard enough.
        let _ = socket.write_all(text.as_ref());
        let _ = socket.shutdown(Shutdown::Write);
        String::from_utf8_lossy(&rest(&mut socket)).into_owned()
    }

    /// A tunnel by `CONNECT`.
    pub(crate) fn tunnel(&self, to: SocketAddr) -> TcpStream {
        let mut socket = self.connect();
        write!(socket, "CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").unwrap();
        let head = head(&mut socket);
        assert_eq!(head, "HTTP/1.1 200 OK\r\n\r\n");
        socket
    }
}

/// Everything up to the end, be it a reset.
pub(crate) fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = socket.read_to_end(&mut all);
    all
}

/// A head, and not a byte of what follows.
pub(crate) fn head(socket: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut byte = [0];
    while !all.ends_with(b"\r\n\r\n") {
        let n = socket.read(&mut byte).unwrap();
        assert_ne!(n, 0, "the connection ended within a head: {}", String::from_utf8_lossy(&all));
        all.push(byte[0]);
    }
    String::from_utf8(all).unwrap()
}

/// The value of a header line, and that there is one only.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut found = head.lines().filter_map(|line| {
        let (one, value) = line.split_once(':')?;
        one.eq_ignore_ascii_case(name).then_some(value.trim())
    });
    let first = found.next();
    assert_eq!(found.next(), None, "{name} twice in {head}");
    first
}

/// The body that a head's `Content-Length` tells of.
pub(crate) fn body(socket: &mut TcpStream, head: &str) -> Vec<u8> {
    let length = header(head, "Content-Length").unwrap().parse().unwrap();
    let mut body = vec![0; length];
    socket.read_exact(&mut body).unwrap();
    body
}
