//! TLS the least way: OpenSSL on a blocking socket, buffers of 256 KiB.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslFiletype, SslMethod, SslSession, SslSessionCacheMode, SslStream,
};
use openssl::x509::{X509, X509NameBuilder};

const BUFFER: usize = 256 * 1024;

fn connect(port: u16, context: &SslContext) -> io::Result<SslStream<TcpStream>> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    Ssl::new(context)?.connect(socket).map_err(io::Error::other)
}

fn client() -> Result<SslContext, ErrorStack> {
    Ok(SslContext::builder(SslMethod::tls_client())?.build())
}

/// Standard input to the listener on `port`.
pub(crate) fn send(port: u16) -> io::Result<()> {
    let mut tls = connect(port, &client()?)?;
    let (mut input, mut buf) = (io::stdin().lock(), vec![0; BUFFER]);
    loop {
        match input.read(&mut buf)? {
            0 => break,
            n => tls.write_all(&buf[..n])?,
        }
    }
    tls.shutdown().map_err(io::Error::other)?;
    Ok(())
}

/// The one client's bytes to standard output.
pub(crate) fn recv(port: u16, certificate: &str, key: &str) -> io::Result<()> {
    let mut builder = SslContext::builder(SslMethod::tls_server())?;
    builder.set_certificate_file(certificate, SslFiletype::PEM)?;
    builder.set_private_key_file(key, SslFiletype::PEM)?;
    builder.set_num_tickets(0)?;
    let (socket, _) = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.accept()?;
    let mut tls = Ssl::new(&builder.build())?.accept(socket).map_err(io::Error::other)?;
    let (mut output, mut buf) = (io::stdout().lock(), vec![0; BUFFER]);
    loop {
        match tls.ssl_read(&mut buf) {
            Ok(n) => output.write_all(&buf[..n])?,
            Err(end) if end.code() == ErrorCode::ZERO_RETURN => return output.flush(),
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

/// So many full handshakes one after the other; says how many there were in a second.
pub(crate) fn handshakes(port: u16, count: u32) -> io::Result<()> {
    let context = client()?;
    let began = std::time::Instant::now();
    for _ in 0..count {
        let _ = connect(port, &context)?.shutdown();
    }
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    writeln!(io::stdout(), "{rate}")
}

/// The same with the session of a first one, all of TLS 1.3.
#[expect(unsafe_code, reason = "sessions of a context are used with that context only")]
pub(crate) fn resumed(port: u16, count: u32) -> io::Result<()> {
    let kept: Arc<Mutex<Option<SslSession>>> = Arc::default();
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    builder.set_session_cache_mode(SslSessionCacheMode::CLIENT);
    let keep = Arc::clone(&kept);
    builder.set_new_session_callback(move |_, session| {
        *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
    });
    let context = builder.build();
    let mut first = connect(port, &context)?;
    let session = loop {
        if let Some(session) = kept.lock().unwrap_or_else(PoisonError::into_inner).take() {
            break session;
        }
        first.ssl_read(&mut [0; 64]).map_err(io::Error::other)?;
    };
    let _ = first.shutdown();
    // OpenSSL uses a session of TLS 1.3 once; a copy has not been used.
    let kept = session.to_der()?;
    let began = std::time::Instant::now();
    for _ in 0..count {
        let mut ssl = Ssl::new(&context)?;
        let session = SslSession::from_der(&kept)?;
        // SAFETY: a session that was read from its encoding belongs to no other context.
        unsafe { ssl.set_session(&session)? };
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        let mut tls = ssl.connect(socket).map_err(io::Error::other)?;
        if !tls.ssl().session_reused() {
            return Err(io::Error::other("the server began a new session"));
        }
        let _ = tls.shutdown();
    }
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    writeln!(io::stdout(), "{rate}")
}

/// So many clients that made a handshake and say no more, until the input ends.
pub(crate) fn idle(port: u16, count: u64) -> io::Result<()> {
    let context = client()?;
    let mut sockets = Vec::new();
    for _ in 0..count {
        let tls = connect(port, &context)?;
        // What is kept of each is the socket: a library's memory would be this program's.
        sockets.push(tls.get_ref().try_clone()?);
    }
    writeln!(io::stdout(), "ready")?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}

/// Writes a certificate for this machine, and its key.
pub(crate) fn identity(certificate: &str, key: &str) -> io::Result<()> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let private = PKey::from_ec_key(EcKey::generate(&curve)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "localhost")?;
    let name = name.build();
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(30)?)?;
    builder.set_pubkey(&private)?;
    builder.sign(&private, MessageDigest::sha256())?;
    std::fs::write(certificate, builder.build().to_pem()?)?;
    std::fs::write(key, private.private_key_to_pem_pkcs8()?)
}
