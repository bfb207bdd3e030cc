//! Sessions that go on: by a file of the client's, by tickets of a listener with `-k`. No byte is
//! lost by it, and nothing is trusted that was not checked.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use openssl::ssl::{Ssl, SslContext, SslMethod, SslSession, SslSessionCacheMode, SslVersion};
use rustix::process::Signal;
use testkit::process::{Finished, Process, ncat};

use crate::peer::{Server, drain, half_close};
use crate::pki::{Identity, Wanted};

/// One run of ours with `file`, against a server that answers.
fn run(server: &Server, file: &Path, args: &[&str]) -> (Finished, bool) {
    let client = ncat(["-v", "--ssl-session"])
        .args([file])
        .args(args)
        .args(["localhost", &server.port()])
        .bytes("hello")
        .start();
    let mut tls = server.accept();
    let is_resumed = tls.ssl().session_reused();
    tls.write_all(b"answer").unwrap();
    assert_eq!(drain(&mut tls).0, b"hello");
    half_close(&mut tls);
    let done = client.finish().expect_code(0);
    assert_eq!(done.stdout, b"answer");
    assert_eq!(done.stderr.contains("session resumed"), is_resumed, "{}", done.stderr);
    (done, is_resumed)
}

#[test]
fn a_session_is_resumed_by_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    for (name, version) in [("12", SslVersion::TLS1_2), ("13", SslVersion::TLS1_3)] {
        let file = dir.path().join(name);
        let server = Server::new(&Identity::alone(&Wanted::name(&["localhost"])), |builder| {
            builder.set_max_proto_version(Some(version)).unwrap();
            builder.set_session_id_context(b"test").unwrap();
        });
        assert!(!run(&server, &file, &[]).1, "there is nothing to resume yet");
        let mode = std::fs::metadata(&file).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
        assert!(run(&server, &file, &[]).1, "TLS {name}");
        assert!(run(&server, &file, &[]).1, "and again");
        // Other rules, another name: another session.
        assert!(!run(&server, &file, &["--ssl-servername", "b.example"]).1);
        std::fs::write(&file, "garbage").unwrap();
        assert!(!run(&server, &file, &[]).1);
    }
}

#[test]
fn a_session_that_was_not_verified_vouches_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("session");
    let root = Identity::root();
    let server = Server::new(&root.issue(&Wanted::name(&["localhost"])), |builder| {
        builder.set_session_id_context(b"test").unwrap();
    });
    let trust = dir.path().join("root.pem");
    std::fs::write(&trust, root.certificate.to_pem().unwrap()).unwrap();
    let strict = ["--ssl-trustfile", trust.to_str().unwrap()];
    run(&server, &file, &[]);
    let (done, is_resumed) = run(&server, &file, &strict);
    assert!(!is_resumed && done.stderr.contains("verified: name+chain"), "{}", done.stderr);
    let (done, is_resumed) = run(&server, &file, &strict);
    assert!(is_resumed && done.stderr.contains("verified: name+chain"), "{}", done.stderr);
    assert!(done.stderr.contains("Certificate 0: CN=localhost"), "{}", done.stderr);
}

/// Where it cannot be kept the connection is as good as any; where it cannot be read nothing is opened.
#[test]
fn a_session_that_cannot_be_kept_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(&Identity::alone(&Wanted::name(&["localhost"])), |builder| {
        builder.set_session_id_context(b"test").unwrap();
    });
    let (done, _) = run(&server, &dir.path().join("none").join("session"), &[]);
    assert!(done.stderr.contains("The session is not kept in "), "{}", done.stderr);
    let ncat = ncat(["--ssl-session"]).args([dir.path()]).args(["localhost", "1"]);
    let done = ncat.run().expect_code(2);
    let first = format!("Ncat: --ssl-session {}: ", dir.path().display());
    assert!(done.first_line().starts_with(&first), "{}", done.stderr);
}

/// A client that keeps what sessions it gets.
fn keeping(sessions: &Arc<Mutex<Vec<SslSession>>>) -> SslContext {
    let mut builder = SslContext::builder(SslMethod::tls_client()).unwrap();
    builder.set_session_cache_mode(SslSessionCacheMode::CLIENT);
    let kept = Arc::clone(sessions);
    builder.set_new_session_callback(move |_, session| kept.lock().unwrap().push(session));
    builder.build()
}

fn connect(context: &SslContext, port: u16) -> openssl::ssl::SslStream<std::net::TcpStream> {
    let socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
    Ssl::new(context).unwrap().connect(socket).unwrap()
}

#[test]
fn a_listener_gives_a_ticket_with_its_first_data_and_not_before() {
    let mut server: Process = ncat(["-lkv", "--ssl", "127.0.0.1", "0"]).held().start();
    let port = server.listening().port();
    let sessions: Arc<Mutex<Vec<SslSession>>> = Arc::default();
    let context = keeping(&sessions);
    let mut tls = connect(&context, port);
    tls.write_all(b"x").unwrap();
    server.wait_output(1);
    assert!(sessions.lock().unwrap().is_empty());
    server.send(b"data");
    let mut buf = [0; 4];
    tls.read_exact(&mut buf).unwrap();
    assert_eq!((&buf, sessions.lock().unwrap().len()), (b"data", 1));
    drop(tls);

    let file = tempfile::tempdir().unwrap();
    let pem = file.path().join("session.der");
    std::fs::write(&pem, sessions.lock().unwrap()[0].to_der().unwrap()).unwrap();
    // Other people's client goes on with it.
    let s_client = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-sess_in"])
        .arg(as_pem(&pem))
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&s_client.stdout).into_owned();
    assert!(said.contains("Reused, TLSv1.3"), "{said}");
    server.wait_message("session resumed");
    server.signal(Signal::TERM);
    server.finish().expect_code(128 + 15);
}

/// The same session as `openssl` reads it.
fn as_pem(der: &Path) -> std::path::PathBuf {
    let pem = der.with_extension("pem");
    let done = Command::new("openssl")
        .args(["sess_id", "-inform", "DER", "-outform", "PEM", "-in"])
        .arg(der)
        .arg("-out")
        .arg(&pem)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    pem
}

/// Tickets that nobody reads would reset the connection of who sends and leaves at once.
#[test]
fn who_sends_and_leaves_loses_nothing_to_tickets() {
    let mut server = ncat(["-lkv", "--ssl", "127.0.0.1", "0"]).held().start();
    let port = server.listening().port().to_string();
    let piece = vec![b'x'; 100_000];
    for n in 1..=20 {
        let done = ncat(["--ssl", "--send-only", "127.0.0.1", &port]).bytes(piece.clone()).run();
        done.expect_code(0);
        assert_eq!(server.wait_output(n * piece.len()).len(), n * piece.len());
    }
    server.end_input();
    server.signal(Signal::TERM);
    server.finish();
}
