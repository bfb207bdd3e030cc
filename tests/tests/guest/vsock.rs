//! vsock over loopback, machine 1.

use rustix::process::Signal;
use testkit::data;
use testkit::peer::Peer;
use testkit::process::{Process, ncat};

/// The port it says it listens on.
pub(crate) fn port(listener: &Process) -> String {
    let line = listener.wait_message("Listening on ");
    line.rsplit(':').next().unwrap().to_owned()
}

/// Our listener on a port of the system's choice, which it says with the number for any machine.
pub(crate) fn listener(args: &[&str]) -> (Process, String) {
    let ncat = ncat(["--vsock", "-lv"]).args(args).start();
    let port = port(&ncat);
    (ncat, port)
}

#[ignore = "needs vsock"]
#[test]
fn vsock_both_ways() {
    let (up, down) = (data::bytes(21, 21_000_000), data::bytes(22, 21_000_000));
    let server = ncat(["--vsock", "-lv", "0"]).bytes(down.clone()).start();
    let line = server.wait_message("Listening on ");
    assert!(line.starts_with("Ncat: Listening on 4294967295:"), "{line}");
    let client = ncat(["--vsock", "-v", "1", &port(&server)]).bytes(up.clone()).start();
    let ended = client.finish().expect_code(0);
    data::assert_same("down", &ended.stdout, &down);
    assert!(ended.stderr.contains("Ncat: Connected to 1:"), "{}", ended.stderr);
    let ended = server.finish().expect_code(0);
    data::assert_same("up", &ended.stdout, &up);
    assert!(ended.stderr.contains("Ncat: Connection from 1:"), "{}", ended.stderr);
}

#[ignore = "needs vsock"]
#[test]
fn vsock_serves_many() {
    let (server, port) = listener(&["-k", "0"]);
    for word in ["one", "two", "three"] {
        ncat(["--vsock", "1", &port]).bytes(word).run().expect_code(0);
    }
    server.wait_output("onetwothree".len());
    ncat(["--vsock", "-z", "1", &port]).run().expect_code(0);
    server.signal(Signal::TERM);
    server.finish().expect_code(143);
}

#[ignore = "needs vsock"]
#[test]
fn vsock_listens_on_a_port_and_on_a_machine_and_port() {
    for (args, at) in [
        (&["70001"][..], "4294967295:70001"),
        (&["local", "70002"], "1:70002"),
        (&["-p", "4000000000", "1"], "1:4000000000"),
        (&["-p", "70003"], "4294967295:70003"),
    ] {
        let server = ncat(["--vsock", "-lv"]).args(args).start();
        server.wait_message(&format!("Listening on {at}"));
        let port = at.rsplit(':').next().unwrap();
        ncat(["--vsock", "1", port]).bytes("x").run().expect_code(0);
        assert_eq!(server.finish().expect_code(0).stdout, b"x");
    }
}

#[ignore = "needs vsock"]
#[test]
fn vsock_comes_from_the_source_asked_for() {
    let (server, port) = listener(&["0"]);
    let args = ["--vsock", "-s", "1", "-p", "70010", "1", &port];
    ncat(args).bytes("x").run().expect_code(0);
    server.wait_message("Connection from 1:70010.");
    server.finish().expect_code(0);
}

#[ignore = "needs vsock"]
#[test]
fn vsock_wrong_port_and_wrong_machine() {
    let ended = ncat(["--vsock", "1", "9"]).run().expect_code(1);
    assert_eq!(ended.first_line(), "Ncat: Connection reset by peer.");
    assert!(ended.stderr.contains("hint: nothing listens on port 9 of machine 1"));
    ncat(["--vsock", "-z", "1", "9"]).run().expect_code(1);
    let ended = ncat(["--vsock", "77", "9"]).run().expect_code(1);
    assert_eq!(ended.first_line(), "Ncat: No such device.");
    assert!(ended.stderr.contains("modprobe vhost_vsock"), "{}", ended.stderr);
    let ended = ncat(["--vsock", "-l", "77", "9"]).run().expect_code(2);
    let line = "Ncat: bind to 77:9: Cannot assign requested address. QUITTING.";
    assert_eq!(ended.first_line(), line);
}

#[ignore = "needs vsock"]
#[test]
fn vsock_allow_lists_let_no_machine_in() {
    let (server, port) = listener(&["-k", "--allow", "0.0.0.0/0", "0"]);
    ncat(["--vsock", "1", &port]).run();
    server.wait_message("New connection denied: not allowed");
    let (server, port) = listener(&["--deny", "0.0.0.0/0", "0"]);
    ncat(["--vsock", "1", &port]).bytes("x").run().expect_code(0);
    assert_eq!(server.finish().expect_code(0).stdout, b"x");
}

#[ignore = "needs vsock"]
#[test]
fn vsock_datagrams_are_refused_with_the_reason() {
    for (args, code) in [(&["1", "9"][..], 1), (&["-l", "9"], 2)] {
        let ended = ncat(["--vsock", "-u"]).args(args).run().expect_code(code);
        assert!(ended.first_line().contains("No such device"), "{}", ended.stderr);
        assert!(ended.stderr.contains("datagrams"), "{}", ended.stderr);
    }
}

#[ignore = "needs vsock"]
#[test]
fn vsock_with_socat() {
    let Some(socat) = Peer::Socat.find() else { return };
    let sent = data::bytes(24, 3_000_000);
    let (server, port) = listener(&["0"]);
    let to = format!("VSOCK-CONNECT:1:{port}");
    socat.args(["-u", "-", &to]).bytes(sent.clone()).run().expect_code(0);
    data::assert_same("from socat", &server.finish().expect_code(0).stdout, &sent);

    let Some(socat) = Peer::Socat.find() else { return };
    let other = socat.args(["-d", "-d", "-u", "VSOCK-LISTEN:70020", "-"]).start();
    other.wait_message("listening on");
    ncat(["--vsock", "1", "70020"]).bytes(sent.clone()).run().expect_code(0);
    data::assert_same("to socat", &other.finish().expect_code(0).stdout, &sent);
}

#[ignore = "needs vsock"]
#[test]
fn vsock_carries_commands() {
    let (server, port) = listener(&["-e", "/bin/cat", "0"]);
    let ended = ncat(["--vsock", "1", &port]).bytes("echo").run().expect_code(0);
    assert_eq!(ended.stdout, b"echo");
    server.finish().expect_code(0);
}
