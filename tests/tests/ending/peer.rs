//! The peer's side of a session: plain, or with TLS around it.

use std::io::{Read, Write};
use std::time::Duration;

use openssl::ssl::{ErrorCode, Ssl, SslContextBuilder, SslMethod, SslStream, SslVerifyMode};
use socket2::Socket;
use testkit::PATIENCE;
use testkit::script::{Ended, Peer as Plain};

#[path = "../tls/pki.rs"]
#[allow(dead_code, reason = "most of it is for other tests")]
mod pki;

pub(crate) enum Peer {
    Plain(Plain),
    Tls(SslStream<Socket>),
}

impl Peer {
    /// Plays the TLS server on a connection that was accepted, or the client on one that was made.
    pub(crate) fn tls(peer: &Plain, accepts: bool) -> Self {
        let socket = peer.socket().try_clone().unwrap();
        let method = if accepts { SslMethod::tls_server() } else { SslMethod::tls_client() };
        let mut builder = SslContextBuilder::new(method).unwrap();
        builder.set_verify(SslVerifyMode::NONE);
        if accepts {
            let own = pki::Identity::alone(&pki::Wanted::name(&["a"]));
            builder.set_certificate(&own.certificate).unwrap();
            builder.set_private_key(&own.key).unwrap();
        }
        let ssl = Ssl::new(&builder.build()).unwrap();
        let tls = if accepts { ssl.accept(socket) } else { ssl.connect(socket) };
        Self::Tls(tls.unwrap())
    }

    /// The socket below.
    pub(crate) fn socket(&self) -> &Socket {
        match self {
            Self::Plain(peer) => peer.socket(),
            Self::Tls(tls) => tls.get_ref(),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(peer) => peer.send(bytes),
            Self::Tls(tls) => tls.write_all(bytes).unwrap(),
        }
    }

    /// Of TLS: close_notify, and the connection below stays as it is.
    pub(crate) fn half_close(&mut self) {
        match self {
            Self::Plain(peer) => peer.half_close(),
            Self::Tls(tls) => drop(tls.shutdown().unwrap()),
        }
    }

    pub(crate) fn reset(self) {
        match self {
            Self::Plain(peer) => peer.reset(),
            Self::Tls(tls) => tls.get_ref().set_linger(Some(Duration::ZERO)).unwrap(),
        }
    }

    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        match self {
            Self::Plain(peer) => peer.take(n),
            Self::Tls(tls) => {
                let mut buf = vec![0; n];
                tls.read_exact(&mut buf).unwrap();
                buf
            }
        }
    }

    /// Everything until the other side ends; of TLS only close_notify is an end in good order.
    pub(crate) fn drain(&mut self) -> (Vec<u8>, Ended) {
        let tls = match self {
            Self::Plain(peer) => return peer.drain(),
            Self::Tls(tls) => tls,
        };
        let (mut all, mut buf) = (Vec::new(), vec![0; 65_536]);
        loop {
            match tls.ssl_read(&mut buf) {
                Ok(n) => all.extend_from_slice(&buf[..n]),
                Err(e) if e.code() == ErrorCode::ZERO_RETURN => return (all, Ended::Fin),
                Err(_) => return (all, Ended::Reset),
            }
        }
    }

    #[track_caller]
    pub(crate) fn assert_silent_for(&mut self, time: Duration) {
        let tls = match self {
            Self::Plain(peer) => return peer.assert_silent_for(time),
            Self::Tls(tls) => tls,
        };
        tls.get_ref().set_read_timeout(Some(time)).unwrap();
        let seen = tls.ssl_read(&mut [0]);
        tls.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        match seen {
            Err(e) if e.code() == ErrorCode::WANT_READ => {}
            seen => panic!("something came: {seen:?}"),
        }
    }
}
