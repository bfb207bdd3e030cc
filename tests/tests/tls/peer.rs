//! The test's own side of a TLS connection.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslStream, SslVerifyMode,
};
use testkit::PATIENCE;

use crate::pki::Identity;

/// A connection whose writes can be split into segments of this many bytes.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) socket: TcpStream,
    pub(crate) piece: usize,
}

impl Wire {
    fn new(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, piece: usize::MAX }
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buf)
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        for piece in buf.chunks(self.piece) {
            self.socket.write_all(piece)?;
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) type Tls = SslStream<Wire>;

/// A server, which asks for nothing unless `setup` does.
pub(crate) struct Server {
    listener: TcpListener,
    context: SslContext,
}

impl Server {
    pub(crate) fn new(own: &Identity, setup: impl FnOnce(&mut SslContextBuilder)) -> Self {
        Self::prepared(own, |_| {}, setup)
    }

    /// As [`Server::new`], with what must be set before the certificate: its own level of security.
    pub(crate) fn weakly(own: &Identity, before: Option<fn(&mut SslContextBuilder)>) -> Self {
        Self::prepared(own, |builder| before.into_iter().for_each(|set| set(builder)), |_| {})
    }

    fn prepared(
        own: &Identity,
        before: impl FnOnce(&mut SslContextBuilder),
        setup: impl FnOnce(&mut SslContextBuilder),
    ) -> Self {
        let mut builder = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
        before(&mut builder);
        builder.set_certificate(&own.certificate).unwrap();
        builder.set_private_key(&own.key).unwrap();
        for above in &own.chain {
            builder.add_extra_chain_cert(above.clone()).unwrap();
        }
        setup(&mut builder);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { listener, context: builder.build() }
    }

    pub(crate) fn port(&self) -> String {
        self.listener.local_addr().unwrap().port().to_string()
    }

    pub(crate) fn try_accept(&self) -> Result<Tls, String> {
        let (socket, _) = self.listener.accept().unwrap();
        let ssl = Ssl::new(&self.context).unwrap();
        ssl.accept(Wire::new(socket)).map_err(|error| error.to_string())
    }

    /// As [`Server::try_accept`], after something was said in the clear.
    pub(crate) fn accept_after(&self, preface: impl FnOnce(&mut TcpStream)) -> Result<Tls, String> {
        let (mut socket, _) = self.listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        preface(&mut socket);
        let ssl = Ssl::new(&self.context).unwrap();
        ssl.accept(Wire::new(socket)).map_err(|error| error.to_string())
    }

    pub(crate) fn accept(&self) -> Tls {
        self.try_accept().unwrap()
    }
}

/// A client, which checks nothing unless `setup` has it do so.
pub(crate) fn try_client(
    port: u16,
    setup: impl FnOnce(&mut SslContextBuilder, &mut Option<&'static str>),
) -> Result<Tls, String> {
    let mut builder = SslContextBuilder::new(SslMethod::tls_client()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    let mut name = None;
    setup(&mut builder, &mut name);
    let mut ssl = Ssl::new(&builder.build()).unwrap();
    if let Some(name) = name {
        ssl.set_hostname(name).unwrap();
    }
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    ssl.connect(Wire::new(socket)).map_err(|error| error.to_string())
}

pub(crate) fn client(port: u16) -> Tls {
    try_client(port, |_, _| {}).unwrap()
}

/// How a peer ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// With close_notify.
    Told,
    /// Without.
    Cut,
}

/// Everything the peer sends, and how it ends.
pub(crate) fn drain(tls: &mut Tls) -> (Vec<u8>, Ended) {
    let mut all = Vec::new();
    let mut buf = vec![0; 64 * 1024];
    loop {
        match tls.ssl_read(&mut buf) {
            Ok(n) => all.extend_from_slice(&buf[..n]),
            Err(e) if e.code() == ErrorCode::ZERO_RETURN => return (all, Ended::Told),
            Err(_) => return (all, Ended::Cut),
        }
    }
}

/// Exactly these many bytes.
pub(crate) fn take(tls: &mut Tls, n: usize) -> Vec<u8> {
    let mut bytes = vec![0; n];
    tls.read_exact(&mut bytes).unwrap();
    bytes
}

/// Ends our direction and goes on receiving.
pub(crate) fn half_close(tls: &mut Tls) {
    let _ = tls.shutdown().unwrap();
}
