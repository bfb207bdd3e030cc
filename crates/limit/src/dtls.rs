//! DTLS from the other side: datagrams sent to an echo and counted as they come back, and the echo that
//! a tool runs as its command.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use openssl::ssl::{ErrorCode, HandshakeError, Ssl, SslContext, SslFiletype, SslMethod, SslStream};

/// Datagrams under way at most: far fewer than the default receive buffer holds.
const WINDOW: u64 = 32;
/// After this long without an echo what is under way is lost.
const SILENCE: Duration = Duration::from_millis(100);

/// Each write is a datagram.
#[derive(Debug)]
struct Wire(UdpSocket);

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

type Shaken = Result<SslStream<Wire>, HandshakeError<Wire>>;

/// OpenSSL sends again what was lost when it is called after its time.
fn shake(mut result: Shaken) -> io::Result<SslStream<Wire>> {
    loop {
        match result {
            Ok(done) => return Ok(done),
            Err(HandshakeError::WouldBlock(middle)) => result = middle.handshake(),
            Err(error) => return Err(io::Error::other(error.to_string())),
        }
    }
}

fn connect(port: u16) -> io::Result<SslStream<Wire>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(SILENCE))?;
    let context = SslContext::builder(SslMethod::dtls_client())?.build();
    shake(Ssl::new(&context)?.connect(Wire(socket)))
}

/// The least echo: one client, blocking, a datagram at a time.
pub(crate) fn echo_back(port: u16, certificate: &str, key: &str) -> io::Result<()> {
    let mut builder = SslContext::builder(SslMethod::dtls_server())?;
    builder.set_certificate_file(certificate, SslFiletype::PEM)?;
    builder.set_private_key_file(key, SslFiletype::PEM)?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    let (_, from) = socket.peek_from(&mut [0; 1])?;
    socket.connect(from)?;
    let mut dtls = shake(Ssl::new(&builder.build())?.accept(Wire(socket)))?;
    let mut buf = vec![0; 20_000];
    loop {
        match dtls.ssl_read(&mut buf) {
            Ok(n) => _ = dtls.ssl_write(&buf[..n]).map_err(io::Error::other)?,
            Err(end) if end.code() == ErrorCode::ZERO_RETURN => return Ok(()),
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

/// Sends datagrams of `size` bytes for `seconds`; says how many came back in a second, and how many
/// never did.
pub(crate) fn echo(port: u16, size: usize, seconds: u64) -> io::Result<()> {
    let mut dtls = connect(port)?;
    let mut payload = vec![b'd'; size];
    // Some echoes are of lines.
    payload[size - 1] = b'\n';
    let (mut buf, size) = (vec![0; 20_000], size as u64);
    let (mut under_way, mut back, mut lost) = (0, 0_u64, 0);
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    while Instant::now() < until {
        while under_way < WINDOW {
            dtls.ssl_write(&payload).map_err(io::Error::other)?;
            under_way += 1;
        }
        match dtls.ssl_read(&mut buf) {
            Ok(n) => {
                // An echo through a stream may join some.
                let n = n as u64;
                under_way = under_way.saturating_sub(n / size);
                back += n;
            }
            Err(error) if error.code() == ErrorCode::WANT_READ => {
                lost += under_way;
                under_way = 0;
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    let rate = back as f64 / size as f64 / began.elapsed().as_secs_f64();
    let _ = dtls.shutdown();
    writeln!(io::stdout(), "{rate} {lost}")
}

/// Standard input back to standard output, `size` bytes in each write, which a tool sends as one.
pub(crate) fn echo_command(size: usize) -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let (mut buf, mut len) = (vec![0; 64 * 1024 / size * size], 0);
    loop {
        match input.read(&mut buf[len..])? {
            0 => return Ok(()),
            n => len += n,
        }
        let whole = len / size * size;
        for piece in buf[..whole].chunks(size) {
            // As a line buffer would keep it otherwise.
            output.write_all(piece)?;
            output.flush()?;
        }
        buf.copy_within(whole..len, 0);
        len -= whole;
    }
}
