//! The test's own side of a DTLS connection.

use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use openssl::ssl::{
    ErrorCode, HandshakeError, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions,
    SslStream, SslVerifyMode,
};
use testkit::PATIENCE;

use crate::pki::Identity;

/// A connected socket, each write of which is a datagram.
#[derive(Debug)]
pub(crate) struct Wire(pub(crate) UdpSocket);

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buf)
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.send(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) type Dtls = SslStream<Wire>;

/// A socket of this machine, connected to a port of it.
pub(crate) fn socket(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    socket
}

fn shake(first: Result<Dtls, HandshakeError<Wire>>) -> Result<Dtls, String> {
    let until = Instant::now() + PATIENCE;
    let mut result = first;
    loop {
        match result {
            Ok(done) => return Ok(done),
            // OpenSSL sends again what is lost when it is called after its time.
            Err(HandshakeError::WouldBlock(middle)) if Instant::now() < until => {
                result = middle.handshake();
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// A client on `socket`, which checks nothing unless `setup` has it do so.
pub(crate) fn try_client(
    socket: UdpSocket,
    setup: impl FnOnce(&mut SslContextBuilder),
) -> Result<Dtls, String> {
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut builder = SslContextBuilder::new(SslMethod::dtls_client()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    setup(&mut builder);
    shake(Ssl::new(&builder.build()).unwrap().connect(Wire(socket)))
}

pub(crate) fn client(port: u16) -> Dtls {
    try_client(socket(port), |_| {}).unwrap()
}

/// A server for one client, which asks for nothing unless `setup` does.
pub(crate) struct Server {
    pub(crate) socket: UdpSocket,
    context: SslContext,
}

impl Server {
    pub(crate) fn new(own: &Identity, setup: impl FnOnce(&mut SslContextBuilder)) -> Self {
        let mut builder = SslContextBuilder::new(SslMethod::dtls_server()).unwrap();
        builder.set_certificate(&own.certificate).unwrap();
        builder.set_private_key(&own.key).unwrap();
        for above in &own.chain {
            builder.add_extra_chain_cert(above.clone()).unwrap();
        }
        builder.set_options(SslOptions::NO_TICKET);
        setup(&mut builder);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self { socket, context: builder.build() }
    }

    pub(crate) fn port(&self) -> String {
        self.socket.local_addr().unwrap().port().to_string()
    }

    pub(crate) fn try_accept(self) -> Result<Dtls, String> {
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let (_, from) = self.socket.peek_from(&mut [0; 1]).unwrap();
        self.socket.connect(from).unwrap();
        self.socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        shake(Ssl::new(&self.context).unwrap().accept(Wire(self.socket)))
    }

    pub(crate) fn accept(self) -> Dtls {
        self.try_accept().unwrap()
    }
}

/// The next datagram; `None` when the peer has ended.
pub(crate) fn next(dtls: &mut Dtls) -> Option<Vec<u8>> {
    let (mut buf, until) = (vec![0; 20_000], Instant::now() + PATIENCE);
    loop {
        match dtls.ssl_read(&mut buf) {
            Ok(n) => return Some(buf[..n].to_vec()),
            Err(e) if e.code() == ErrorCode::ZERO_RETURN => return None,
            Err(e) if e.code() == ErrorCode::WANT_READ && Instant::now() < until => {}
            Err(e) => panic!("{e}"),
        }
    }
}

/// Everything until the peer ends.
pub(crate) fn drain(dtls: &mut Dtls) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| next(dtls)).collect()
}

pub(crate) fn send(dtls: &mut Dtls, data: &[u8]) {
    assert_eq!(dtls.ssl_write(data).unwrap(), data.len());
}

/// Says that this was all.
pub(crate) fn end(dtls: &mut Dtls) {
    let _ = dtls.shutdown().unwrap();
}
