//! SIGHUP: certificates and trust are read again, and nobody who is there notices.

use std::io::Write;

use rustix::process::Signal;
use tempfile::TempDir;
use testkit::process::{Process, ncat};

use crate::peer::{client, drain, half_close, take, try_client};
use crate::pki::{Identity, Wanted};

fn listener(dir: &TempDir, args: &[&str]) -> (Process, u16) {
    let path = |end: &str| dir.path().join(format!("own.{end}"));
    let ncat = ncat(["-lkv", "--ssl", "--ssl-cert"])
        .args([path("pem")])
        .args(["--ssl-key".as_ref(), path("key").as_os_str()])
        .args(args)
        .args(["127.0.0.1", "0"])
        .held()
        .start();
    let port = ncat.listening().port();
    (ncat, port)
}

fn put(dir: &TempDir, own: &Identity) {
    let (certificate, key) = own.files(dir, "new");
    std::fs::rename(certificate, dir.path().join("own.pem")).unwrap();
    std::fs::rename(key, dir.path().join("own.key")).unwrap();
}

fn served(port: u16) -> Vec<u8> {
    client(port).ssl().peer_certificate().unwrap().to_der().unwrap()
}

#[test]
fn a_new_certificate_is_for_new_clients_and_sessions_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) =
        (Identity::alone(&Wanted::name(&["old"])), Identity::alone(&Wanted::name(&["new"])));
    put(&dir, &old);
    let (mut ncat, port) = listener(&dir, &[]);
    let mut first = client(port);
    first.write_all(b"before ").unwrap();
    assert_eq!(ncat.wait_output(7), b"before ");
    put(&dir, &new);
    ncat.signal(Signal::HUP);
    ncat.wait_message("read again (SIGHUP)");
    assert_eq!(served(port), new.certificate.to_der().unwrap());
    // The old session carries data both ways.
    first.write_all(b"after").unwrap();
    assert_eq!(ncat.wait_output(12), b"before after");
    ncat.send(b"to all");
    assert_eq!(take(&mut first, 6), b"to all");
    half_close(&mut first);
    ncat.signal(Signal::TERM);
    ncat.finish().expect_code(128 + 15);
    drain(&mut first);
}

#[test]
fn what_cannot_be_used_leaves_the_old_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let old = Identity::alone(&Wanted::name(&["old"]));
    put(&dir, &old);
    let (ncat, port) = listener(&dir, &["--json"]);
    std::fs::write(dir.path().join("own.pem"), "garbage").unwrap();
    ncat.signal(Signal::HUP);
    ncat.wait_message("there is no certificate in it");
    ncat.wait_message("the certificate and trust of before stay in use");
    ncat.wait_message(r#""event":"renewal_failed""#);
    assert_eq!(served(port), old.certificate.to_der().unwrap());
    // Nor does a key that does not belong to it.
    put(&dir, &old);
    Identity::alone(&Wanted::name(&["other"])).files(&dir, "other");
    std::fs::rename(dir.path().join("other.key"), dir.path().join("own.key")).unwrap();
    ncat.signal(Signal::HUP);
    ncat.wait_message("it is not the key of the certificate");
    assert_eq!(served(port), old.certificate.to_der().unwrap());
    ncat.signal(Signal::TERM);
    ncat.finish().expect_code(128 + 15);
}

#[test]
fn who_is_trusted_is_read_again_too() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir, &Identity::alone(&Wanted::name(&["own"])));
    let (root, other) = (Identity::root(), Identity::root());
    let trust = dir.path().join("trust.pem");
    std::fs::write(&trust, root.certificate.to_pem().unwrap()).unwrap();
    let (ncat, port) = listener(&dir, &["--ssl-client-ca", trust.to_str().unwrap()]);
    let member = root.issue(&Wanted::name(&["member"]));
    let come = || {
        let tls = try_client(port, |builder, _| {
            builder.set_certificate(&member.certificate).unwrap();
            builder.set_private_key(&member.key).unwrap();
        });
        // With TLS 1.3 a client learns of its refusal when it reads.
        tls.map(|mut tls| {
            let _ = tls.write_all(b"x");
            drain(&mut tls);
        })
    };
    let mut first = {
        let tls = try_client(port, |builder, _| {
            builder.set_certificate(&member.certificate).unwrap();
            builder.set_private_key(&member.key).unwrap();
        });
        tls.unwrap()
    };
    ncat.wait_message("Peer: verified: chain.");
    std::fs::write(&trust, other.certificate.to_pem().unwrap()).unwrap();
    ncat.signal(Signal::HUP);
    ncat.wait_message("read again (SIGHUP)");
    let _ = come();
    ncat.wait_message("Certificate verification failed");
    first.write_all(b"still here").unwrap();
    assert_eq!(ncat.wait_output(10), b"still here");
    ncat.signal(Signal::TERM);
    ncat.finish().expect_code(128 + 15);
}

#[test]
fn with_nothing_to_read_again_the_signal_ends_the_run() {
    let ncat = ncat(["-lkv", "--ssl", "127.0.0.1", "0"]).held().start();
    ncat.listening();
    ncat.signal(Signal::HUP);
    ncat.finish().expect_code(128 + 1);
}
