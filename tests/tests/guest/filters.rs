//! Filters in Lua around SCTP and vsock.

use rustix::process::Signal;
use testkit::data;
use testkit::peer::Peer;
use testkit::process::{Process, ncat};

/// What is sent ends with a trailer, and so does what is received.
const TRAILERS: &str = "return {
  init = function(self) assert(self.conn.proto == 'PROTO' and not self.conn.datagram) end,
  shutdown = function(self) self.super:send('<end>') return self.super:shutdown() end,
  recv = function(self, max)
    local data, err, why = self.super:recv(max)
    if data or self.done then return data, err, why end
    self.done = true
    return '<eof>'
  end }";

fn listener(base: &[&str], filters: &[&str], input: &[u8]) -> (Process, String) {
    let server = ncat(base).args(["-lv"]).args(filters).bytes(input).start();
    let line = server.wait_message("Listening on ");
    let port = line.rsplit(':').next().unwrap().to_owned();
    (server, port)
}

/// Both ways through filters, ours against ours, and with trailers.
fn both_ways(proto: &str, listens: &[&str], connects: &[&str]) {
    let (up, down) = (data::bytes(71, 400_000), data::bytes(72, 400_000));
    let filters = ["-L", "xor:key=secret", "-L", "hex"];
    let (server, port) = listener(listens, &filters, &down);
    let client = ncat(connects).args([&port[..]]).args(filters).bytes(up.clone()).start();
    data::assert_same("down", &client.finish().expect_code(0).stdout, &down);
    data::assert_same("up", &server.finish().expect_code(0).stdout, &up);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.lua");
    std::fs::write(&path, TRAILERS.replace("PROTO", proto)).unwrap();
    let path = path.to_str().unwrap();
    let (server, port) = listener(listens, &[], b"down");
    let client = ncat(connects).args([&port[..], "-L", path]).bytes("up").run();
    assert_eq!(client.expect_code(0).stdout, b"down<eof>");
    assert_eq!(server.finish().expect_code(0).stdout, b"up<end>");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_passes_filters_both_ways() {
    let listens = ["--sctp", "127.0.0.1", "0"];
    both_ways("sctp", &listens, &["--sctp", "127.0.0.1"]);
}

#[ignore = "needs vsock"]
#[test]
fn vsock_passes_filters_both_ways() {
    both_ways("vsock", &["--vsock", "0"], &["--vsock", "1"]);
}

#[cfg(feature = "tls")]
#[ignore = "needs TLS in the kernel"]
#[test]
fn filters_stand_above_tls_of_the_kernel() {
    let listens = ["--ssl", "127.0.0.1", "0"];
    both_ways("tcp", &listens, &["--ssl", "127.0.0.1"]);
    let (server, port) = listener(&listens, &["-L", "rot13"], b"");
    let client = ncat(["--ssl", "-vv", "127.0.0.1", &port, "-L", "rot13"]).bytes("whole").run();
    let said = client.expect_code(0).stderr;
    assert!(said.contains("TLS records are made by the kernel"), "{said}");
    assert_eq!(server.finish().expect_code(0).stdout, b"whole");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_filters_with_socat() {
    let Some(socat) = Peer::Socat.find() else { return };
    let (server, port) = listener(&["--sctp", "127.0.0.1", "0"], &["-L", "rot13"], b"hello\n");
    let client = socat.args(["-t5", "-", &format!("SCTP4-CONNECT:127.0.0.1:{port}")]).held();
    let mut client = client.start();
    assert_eq!(client.wait_output(6), b"uryyb\n");
    client.send(b"nafjre\n");
    server.wait_output(7);
    client.end_input();
    assert_eq!(server.finish().expect_code(0).stdout, b"answer\n");
}

#[ignore = "needs SCTP and vsock"]
#[test]
fn kept_open_listeners_give_each_client_a_stack() {
    for (listens, connects) in [
        (&["--sctp", "-k", "127.0.0.1", "0"][..], &["--sctp", "127.0.0.1"][..]),
        (&["--vsock", "-k", "0"], &["--vsock", "1"]),
    ] {
        let (server, port) = listener(listens, &["-L", "xor:key=secret", "-c", "cat"], b"");
        for word in ["one", "two", "three"] {
            let client = ncat(connects).args([&port[..], "-L", "xor:key=secret"]).bytes(word);
            let client = client.start();
            assert_eq!(client.wait_output(word.len()), word.as_bytes());
            drop(client);
        }
        server.signal(Signal::TERM);
        server.finish().expect_code(143);
    }
}
