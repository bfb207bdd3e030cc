//! What a run opens before it is of use: reading the system's certificates takes longer than a handshake.

use testkit::peer::find;
use testkit::process::ncat;

use crate::peer::Server;
use crate::pki::{Identity, Wanted};

/// The files that a look at a port opens.
fn opened(args: &[&str], code: i32) -> Option<String> {
    let server = Server::new(&Identity::alone(&Wanted::name(&["a"])), |_| {});
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let strace = find("strace", "strace")?;
    drop(strace);
    let wrapper = ["strace", "-f", "-e", "trace=file", "-o", trace.to_str().unwrap()];
    let client = ncat(args).args(["127.0.0.1", &server.port()]).under(wrapper).start();
    let _ = server.try_accept();
    client.finish().expect_code(code);
    Some(std::fs::read_to_string(&trace).unwrap())
}

#[test]
fn a_trust_store_is_read_only_to_verify() {
    let is_store = |line: &&str| {
        line.contains("/ssl/certs") || line.contains("cert.pem") || line.contains("ca-certificates")
    };
    let Some(trace) = opened(&["-z", "--ssl"], 0) else { return };
    let read: Vec<&str> = trace.lines().filter(is_store).collect();
    assert!(read.is_empty(), "{read:?}");
    let Some(trace) = opened(&["-z", "--ssl-verify"], 1) else { return };
    assert!(trace.lines().any(|line| is_store(&line)), "{trace}");
}

/// Without TLS nothing of the library is set up, be its options read or not.
#[test]
fn without_tls_nothing_of_it_is_read() {
    let Some(strace) = find("strace", "strace") else { return };
    drop(strace);
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let wrapper = ["strace", "-f", "-e", "trace=file", "-o", trace.to_str().unwrap()];
    ncat(["-z", "127.0.0.1", &port]).under(wrapper).run().expect_code(0);
    let trace = std::fs::read_to_string(&trace).unwrap();
    assert!(!trace.contains("openssl.cnf") && !trace.contains("/ssl/certs"), "{trace}");
}
