//! Two of ours: what they agree on by themselves.

use std::io::Write as _;

use testkit::process::{Finished, Process, ncat};

fn pair(server: &[&str], client: &[&str]) -> (Finished, Process) {
    let listener = ncat(["-lv", "--ssl"]).args(server).args(["127.0.0.1", "0"]).held().start();
    let port = listener.listening().port().to_string();
    let client = ncat(["-vv", "--ssl"]).args(client).args(["127.0.0.1", &port]).bytes("x").run();
    (client, listener)
}

/// Whether the library of the program under test is 3.5 or newer, by its own word.
fn has_post_quantum(said: &str) -> bool {
    let version = said.split("TLS by OpenSSL ").nth(1).unwrap();
    let mut numbers = version.split(['.', ' ']).map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (3, 5)
}

/// The system's library may be older, in CI too: this is no missing program.
fn skip(test: &str) {
    let why = "post-quantum key exchange needs OpenSSL 3.5 (cargo xtask test --vendored has it)";
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

#[test]
fn two_of_ours_agree_on_a_post_quantum_key_exchange() {
    let (client, mut server) = pair(&[], &[]);
    let said = client.stderr.clone();
    if !has_post_quantum(&said) {
        return skip("two_of_ours_agree_on_a_post_quantum_key_exchange");
    }
    assert!(said.contains("group X25519MLKEM768 (post-quantum)"), "{said}");
    client.expect_code(0);
    server.wait_message("group X25519MLKEM768 (post-quantum)");
    server.end_input();
    server.finish().expect_code(0);

    let (client, mut server) = pair(&["--ssl-require-pq"], &["--ssl-require-pq"]);
    client.expect_code(0);
    server.end_input();
    server.finish().expect_code(0);
}

#[test]
fn a_listener_refuses_who_has_no_post_quantum_key_exchange() {
    let (_, server) = pair(&["--ssl-require-pq"], &["--ssl-groups", "P-256"]);
    let ended = server.finish().expect_code(1);
    let line = "the key exchange is not post-quantum (secp256r1)";
    assert!(ended.stderr.contains(line), "{}", ended.stderr);
    assert_eq!(ended.stdout, b"");
}

#[test]
fn safe_verifies_the_server() {
    let (client, server) = pair(&[], &["--safe"]);
    let client = client.expect_code(1);
    assert!(client.stderr.contains("Certificate verification failed"), "{}", client.stderr);
    drop(server);
}
