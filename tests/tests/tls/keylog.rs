//! `--ssl-keylog`: by explicit wish only, for the owner only, at either end the same secrets.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use openssl::ssl::SslVersion;
use testkit::process::{Input, ncat};

use crate::peer::{Server, drain, half_close, try_client};
use crate::pki::{Identity, Wanted};

fn server() -> Server {
    Server::new(&Identity::alone(&Wanted::name(&["a"])), |_| {})
}

/// Our client, once, writing to `file`.
fn connect(server: &Server, version: &str, file: &Path) {
    let ncat = ncat(["--ssl-max", version, "--ssl-keylog"]).args([file]);
    let ncat = ncat.args(["127.0.0.1", &server.port()]).bytes("hello").start();
    let mut tls = server.accept();
    assert_eq!(drain(&mut tls).0, b"hello");
    half_close(&mut tls);
    ncat.finish().expect_code(0);
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn secrets_are_written_only_on_demand() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let server = server();
    let ncat = ncat(["--ssl", "127.0.0.1", &server.port()]).env("SSLKEYLOGFILE", &path).start();
    half_close(&mut server.accept());
    ncat.finish().expect_code(0);
    assert!(!path.exists());
    connect(&server, "tls1.3", &path);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let labels: BTreeSet<String> =
        lines(&path).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    for label in [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
    ] {
        assert!(labels.contains(label), "{labels:?}");
    }
    // The next run's are added.
    let before = lines(&path);
    connect(&server, "tls1.2", &path);
    let after = lines(&path);
    assert_eq!(after[..before.len()], before[..]);
    assert!(after[before.len()].starts_with("CLIENT_RANDOM "), "{after:?}");
}

#[test]
fn both_ends_write_the_same_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name| dir.path().join(name);
    let server = ncat(["-lv", "--ssl", "--ssl-keylog"]).args([path("server")]);
    let server = server.args(["127.0.0.1", "0"]).start();
    let port = server.listening().port().to_string();
    let client = ncat(["--ssl", "--ssl-keylog"]).args([path("client")]);
    client.args(["127.0.0.1", &port]).bytes("hello").run().expect_code(0);
    assert_eq!(server.finish().expect_code(0).stdout, b"hello");
    let all = |name| lines(&path(name)).into_iter().collect::<BTreeSet<String>>();
    let (client, server) = (all("client"), all("server"));
    assert!(client.len() >= 4, "{client:?}");
    assert_eq!(client, server);
}

/// Of every client of a listener, one after the other.
#[test]
fn a_listener_writes_for_each_client() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let server = ncat(["-lkv", "--ssl", "--ssl-keylog"]).args([&path]).args(["127.0.0.1", "0"]);
    let server = server.held().start();
    for n in 1..=3 {
        let mut tls = try_client(server.listening().port(), |builder, _| {
            builder.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        });
        std::io::Write::write_all(tls.as_mut().unwrap(), b"x").unwrap();
        server.wait_output(n);
        assert_eq!(lines(&path).len(), n);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("none").join("keys")] {
        for args in [&["127.0.0.1", "1"][..], &["-l", "127.0.0.1", "0"]] {
            let ncat = ncat(["--ssl", "--ssl-keylog"]).args([&path]).args(args);
            let done = ncat.input(Input::Null).run().expect_code(2);
            let first = format!("Ncat: can't open {} for writing: ", path.display());
            assert!(done.first_line().starts_with(&first), "{}", done.stderr);
        }
    }
}
