//! SCTP with other programs at the other end, and what connecting and listening say.

use std::time::Duration;

use rustix::process::Signal;
use testkit::data;
use testkit::peer::Peer;
use testkit::process::{Process, Program, ncat};

/// A transfer that is longer than every buffer, many times over.
const LONG: usize = 21_000_000;
/// A transfer that is longer than every buffer.
const SHORT: usize = 3_000_000;

fn listener(args: &[&str]) -> (Process, String) {
    let ncat = ncat(["--sctp", "-lv"]).args(args).start();
    let port = ncat.listening().port().to_string();
    (ncat, port)
}

fn client(args: &[&str]) -> Program {
    ncat(["--sctp"]).args(args)
}

/// The other program, listening by SCTP on a port it does not tell: one that is free here.
fn other_listener(peer: Peer, port: u16) -> Option<(Program, String)> {
    let program = peer.find()?;
    let text = port.to_string();
    let program = match peer {
        Peer::Socat => program.args(["-", &format!("SCTP4-LISTEN:{port},bind=127.0.0.1")]),
        _ => program.args(["--sctp", "-l", "127.0.0.1", &text]),
    };
    Some((program, text))
}

/// Waits until an SCTP socket listens on the port.
fn listens(port: u16) {
    testkit::eventually("an SCTP listener", || {
        let all = std::fs::read_to_string("/proc/net/sctp/eps").unwrap();
        let is_there = |line: &str| line.split_whitespace().any(|word| word == port.to_string());
        all.lines().skip(1).any(is_there).then_some(())
    });
}

/// The other program sends, ours receives.
fn receives_from(peer: Peer, address: &str, len: usize) {
    let Some(program) = peer.find() else { return };
    let (ours, port) = listener(&[address, "0"]);
    let sent = data::bytes(11, len);
    let program = match peer {
        Peer::Socat => program.args(["-u", "-", &format!("SCTP-CONNECT:[{address}]:{port}")]),
        _ => program.args(["--sctp", "--send-only", address, &port]),
    };
    program.bytes(sent.clone()).run().expect_code(0);
    data::assert_same("from the other", &ours.finish().expect_code(0).stdout, &sent);
}

/// Ours sends, the other program receives.
fn sends_to(peer: Peer, port: u16, args: &[&str], len: usize) {
    let Some((program, text)) = other_listener(peer, port) else { return };
    let other = program.held().start();
    listens(port);
    let sent = data::bytes(12, len);
    client(args).args(["127.0.0.1", &text]).bytes(sent.clone()).run().expect_code(0);
    data::assert_same("to the other", &other.finish().stdout, &sent);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_from_ncat_over_ipv4() {
    receives_from(Peer::Ncat, "127.0.0.1", LONG);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_from_ncat_over_ipv6() {
    receives_from(Peer::Ncat, "::1", SHORT);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_from_socat_over_ipv6() {
    receives_from(Peer::Socat, "::1", SHORT);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_to_socat() {
    sends_to(Peer::Socat, 7001, &[], LONG);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_to_socat_send_only() {
    sends_to(Peer::Socat, 7002, &["--send-only"], SHORT);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_to_ncat() {
    sends_to(Peer::Ncat, 7003, &["--send-only"], LONG);
}

/// Both of ours, both directions at once.
fn both_ways(address: &str, len: usize) {
    let (up, down) = (data::bytes(13, len), data::bytes(14, len));
    let server = ncat(["--sctp", "-lv", address, "0"]).bytes(down.clone()).start();
    let port = server.listening().port().to_string();
    let client = client(&[address, &port]).bytes(up.clone()).start();
    data::assert_same("down", &client.finish().expect_code(0).stdout, &down);
    data::assert_same("up", &server.finish().expect_code(0).stdout, &up);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_both_ways_over_ipv4() {
    both_ways("127.0.0.1", LONG);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_both_ways_over_ipv6() {
    both_ways("::1", SHORT);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_a_hundred_megabytes_each_way() {
    // Made and summed by other programs: the guest has not that much memory to compare. In a network of
    // its own, where packets are as large as they get.
    let line = "ip link set lo up; seq 13000000 | md5sum; \
        (seq 13000000 | \"$NCAT\" --sctp -l 127.0.0.1 7010 | md5sum) & \
        until grep -q ' 7010 ' /proc/net/sctp/eps; do sleep 0.1; done; \
        seq 13000000 | \"$NCAT\" --sctp 127.0.0.1 7010 | md5sum; wait";
    let ended = testkit::process::shell(line).under(["unshare", "-n"]).run().expect_code(0);
    let text = String::from_utf8(ended.stdout).unwrap();
    let sums: Vec<&str> = text.lines().collect();
    assert_eq!(sums, [sums[0]; 3], "{}", ended.stderr);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_serves_many_on_both_families() {
    let (server, port) = listener(&["-k", "0"]);
    for (address, word) in [("127.0.0.1", "four"), ("::1", "six"), ("localhost", "name")] {
        client(&["--send-only", address, &port]).bytes(word).run().expect_code(0);
    }
    server.wait_output("foursixname".len());
    let said = server.messages();
    let listening = format!("Ncat: Listening on [::]:{port}\nNcat: Listening on 0.0.0.0:{port}\n");
    assert!(said.contains(&listening), "{said}");
    server.signal(Signal::TERM);
    server.finish().expect_code(143);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_what_is_input_reaches_every_client() {
    let mut server = ncat(["--sctp", "-lkv", "127.0.0.1", "0"]).held().start();
    let port = server.listening().port().to_string();
    let clients = [(); 2].map(|()| client(&["127.0.0.1", &port]).held().start());
    testkit::eventually("both clients", || {
        (server.messages().matches("Connection from").count() == 2).then_some(())
    });
    server.send(b"to all");
    for mut client in clients {
        assert_eq!(client.wait_output(6), b"to all");
        client.end_input();
        client.finish().expect_code(0);
    }
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_limits_and_access_rules_hold() {
    let (server, port) = listener(&["-k", "-m", "1", "--deny", "::1", "0"]);
    let mut first = client(&["-v", "127.0.0.1", &port]).held().start();
    first.wait_message("Connected to 127.0.0.1:");
    server.wait_message("Connection from 127.0.0.1:");
    client(&["127.0.0.1", &port]).run().expect_code(0);
    server.wait_message("New connection denied: connection limit reached (1)");
    first.end_input();
    first.finish().expect_code(0);
    client(&["::1", &port]).run().expect_code(0);
    server.wait_message("New connection denied: not allowed");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_refused_port_and_unknown_host() {
    let ended = client(&["127.0.0.1", "9"]).run().expect_code(1);
    assert_eq!(ended.first_line(), "Ncat: Connection refused.");
    assert!(ended.stderr.contains("1 address tried"), "{}", ended.stderr);
    client(&["-z", "127.0.0.1", "9"]).run().expect_code(1);
    let ended = client(&["nowhere.invalid", "9"]).run().expect_code(2);
    assert!(ended.first_line().starts_with("Ncat: Could not resolve hostname"), "{}", ended.stderr);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_probe_says_whether_somebody_is_there() {
    let (server, port) = listener(&["-k", "0"]);
    let ended = client(&["-zv", "localhost", &port]).run().expect_code(0);
    assert!(ended.stderr.contains("Ncat: Connected to "), "{}", ended.stderr);
    server.wait_message("Connection from ");
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_comes_from_the_source_asked_for() {
    let (server, port) = listener(&["127.0.0.1", "0"]);
    let args = ["-s", "127.0.0.2", "-p", "7777", "--send-only", "127.0.0.1", &port];
    client(&args).bytes("x").run().expect_code(0);
    server.wait_message("Connection from 127.0.0.2:7777.");
    server.finish().expect_code(0);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_port_in_use_is_said() {
    let (_server, port) = listener(&["-k", "127.0.0.1", "0"]);
    let ended = ncat(["--sctp", "-l", "127.0.0.1", &port]).run().expect_code(2);
    let line = format!("Ncat: bind to 127.0.0.1:{port}: Address already in use. QUITTING.");
    assert_eq!(ended.first_line(), line);
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_transcripts_and_events_name_it() {
    let dir = tempfile::TempDir::new().unwrap();
    let log = dir.path().join("log");
    let (server, port) = listener(&["127.0.0.1", "0"]);
    let ended = client(&["-o"]).args([&log]).args(["--json", "127.0.0.1", &port]).bytes("hi").run();
    assert!(ended.expect_code(0).stderr.contains("\"protocol\":\"sctp\""));
    assert_eq!(std::fs::read(&log).unwrap(), b"hi");
    assert_eq!(server.finish().expect_code(0).stdout, b"hi");
}

/// An address that answers nothing: the deadline of `-w` holds for all of them together.
#[ignore = "needs SCTP"]
#[test]
fn sctp_connecting_has_a_deadline() {
    let rule = Program::new("ip").args(["route", "add", "blackhole", "203.0.113.0/24"]).run();
    rule.expect_code(0);
    let started = std::time::Instant::now();
    client(&["-w", "1s", "203.0.113.7", "9"]).run().expect_code(1);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[ignore = "needs SCTP"]
#[test]
fn sctp_carries_commands_and_a_broker() {
    let (server, port) = listener(&["-k", "-c", "echo $NCAT_PROTO; cat", "0"]);
    for word in ["one\n", "two\n"] {
        let ended = client(&["127.0.0.1", &port]).bytes(word).run().expect_code(0);
        assert_eq!(String::from_utf8_lossy(&ended.stdout), format!("SCTP\n{word}"));
    }
    server.signal(Signal::TERM);
    server.finish().expect_code(143);
    let (server, port) = listener(&["--broker", "0"]);
    let mut clients = [(); 2].map(|()| client(&["127.0.0.1", &port]).held().start());
    testkit::eventually("both clients", || {
        (server.messages().matches("Connection from").count() == 2).then_some(())
    });
    clients[0].send(b"to the other");
    assert_eq!(clients[1].wait_output(12), b"to the other");
}
