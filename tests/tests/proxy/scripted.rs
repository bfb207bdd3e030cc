//! Targets and proxies that are threads of the test.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use testkit::PATIENCE;

/// A target that gives back what it gets, and ends when its client has.
pub(crate) fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || {
                let (mut from, mut to) = (&client, &client);
                let _ = std::io::copy(&mut from, &mut to);
                let _ = client.shutdown(Shutdown::Write);
                // Until the client has seen it, so that nothing is reset.
                let _ = from.read(&mut [0]);
            });
        }
    });
    addr
}

/// A proxy that plays `play` for every client; what it was told, connection by connection.
pub(crate) struct Scripted {
    pub(crate) addr: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(crate) fn new(play: impl Fn(usize, &mut Client) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&heard);
        thread::spawn(move || {
            for (n, stream) in listener.incoming().flatten().enumerate() {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut client = Client { stream, heard: Arc::clone(&noted) };
                play(n, &mut client);
            }
        });
        Self { addr, heard }
    }

    /// Answers every request head with `answer`, and then echoes.
    pub(crate) fn http(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |_, client| {
            client.head();
            client.say(&answer);
            client.echo();
        })
    }

    /// Every request it was sent, in order.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Client {
    /// Reads a request up to its blank line; empty when the client is gone.
    pub(crate) fn head(&mut self) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && matches!(self.stream.read(&mut byte), Ok(1)) {
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        if !head.is_empty() {
            self.heard.lock().unwrap().push(head.clone());
        }
        head
    }

    /// Reads this many bytes.
    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        let _ = self.stream.read_exact(&mut bytes);
        bytes
    }

    /// Reads what comes with one segment.
    pub(crate) fn some(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        let n = self.stream.read(&mut bytes).unwrap_or(0);
        bytes.truncate(n);
        bytes
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Says it in two writes that the client sees apart.
    pub(crate) fn say_cut(&mut self, bytes: &[u8], at: usize) {
        self.stream.set_nodelay(true).unwrap();
        self.say(&bytes[..at]);
        thread::sleep(std::time::Duration::from_millis(3));
        self.say(&bytes[at..]);
    }

    pub(crate) fn echo(&mut self) {
        let (mut from, mut to) = (&self.stream, &self.stream);
        let _ = std::io::copy(&mut from, &mut to);
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Says nothing until the client has gone.
    pub(crate) fn stall(&mut self) {
        let _ = std::io::copy(&mut &self.stream, &mut std::io::sink());
    }

    pub(crate) fn reset(&self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}
