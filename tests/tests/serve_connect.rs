//! Connecting by TCP: families, names, sources, and one deadline for all of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod serve_support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serve_support::{PATIENCE, Program, Told, Watch, assert_took, is_root, ncat, scratch, skip};
use socket2::{Domain, Socket, Type};

fn port_of(listener: &TcpListener) -> String {
    listener.local_addr().unwrap().port().to_string()
}

fn v4_listener() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = port_of(&listener);
    (listener, port)
}

fn v6_listener() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let port = port_of(&listener);
    (listener, port)
}

/// An address that takes connections until its queue is full and then answers nothing at all.
struct BlackHole {
    listener: Socket,
    _fill: Vec<Socket>,
}

impl BlackHole {
    fn at(address: SocketAddr) -> Self {
        let listener = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        listener.bind(&address.into()).unwrap();
        listener.listen(0).unwrap();
        let at = listener.local_addr().unwrap();
        let mut fill = Vec::new();
        // A queue of no length holds one or two; then the kernel drops what asks.
        loop {
            let one = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
            let done = one.connect_timeout(&at, Duration::from_millis(150)).is_ok();
            fill.push(one);
            if !done {
                break;
            }
        }
        Self { listener, _fill: fill }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().as_socket().unwrap().port()
    }
}

/// The program in a mount namespace of its own, where `/etc/hosts` says this; `None` without root.
fn with_hosts(program: Program, dir: &std::path::Path, hosts: &str) -> Option<Program> {
    if !is_root() {
        skip("names of our own need root (unshare, mount)");
        return None;
    }
    let file = dir.join("hosts");
    fs::write(&file, hosts).unwrap();
    let script = format!("mount --bind {} /etc/hosts && exec \"$0\" \"$@\"", file.display());
    Some(program.under(["unshare", "-m", "sh", "-c", &script]))
}

const BOTH: &str = "127.0.0.1 both.test\n::1 both.test\n";

#[test]
fn literals_of_both_families_and_the_families_asked_for() {
    for (listener, port, host, right, wrong) in [
        (v4_listener().0, String::new(), "127.0.0.1", "-4", "-6"),
        (v6_listener().0, String::new(), "::1", "-6", "-4"),
    ] {
        let port = port + &port_of(&listener);
        ncat(["-z", host, &port]).run().expect_code(0);
        ncat(["-z", "-n", host, &port]).run().expect_code(0);
        ncat(["-z", right, host, &port]).run().expect_code(0);
        let refused = ncat(["-z", wrong, host, &port]).run().expect_code(2);
        let wanted = format!("Ncat: Could not resolve hostname \"{host}\": ");
        assert!(refused.stderr.starts_with(&wanted), "{}", refused.stderr);
    }
}

#[test]
fn a_name_reaches_the_server_on_either_family() {
    let dir = scratch();
    for (listener, port) in [v4_listener(), v6_listener()] {
        let Some(client) = with_hosts(ncat(["-z", "-v", "both.test", &port]), dir.path(), BOTH)
        else {
            return;
        };
        let ended = client.run().expect_code(0);
        let at = listener.local_addr().unwrap();
        assert!(ended.stderr.contains(&format!("Ncat: Connected to {at}.\n")), "{}", ended.stderr);
    }
}

#[test]
fn the_failed_address_is_named_before_the_next_is_tried() {
    let dir = scratch();
    // One of the two servers is on the family that the resolver puts second.
    let mut seconds = 0;
    for (server, host, other) in
        [(v4_listener(), "127.0.0.1", "[::1]"), (v6_listener(), "[::1]", "127.0.0.1")]
    {
        let (_listener, port) = server;
        let client = ncat(["-z", "-v", "both.test", &port]);
        let Some(client) = with_hosts(client, dir.path(), BOTH) else { return };
        let stderr = client.run().expect_code(0).stderr;
        let wanted = format!(
            "Ncat: Connection to {other}:{port} failed: Connection refused.\n\
             Ncat: Trying next address...\nNcat: Connected to {host}:{port}.\n"
        );
        seconds += usize::from(stderr.contains(&wanted));
        assert!(stderr.contains(&format!("Ncat: Connected to {host}:{port}.\n")), "{stderr}");
    }
    assert_eq!(seconds, 1);
    let (listener, port) = v4_listener();
    drop(listener);
    let client = with_hosts(ncat(["both.test", &port]), dir.path(), BOTH).unwrap();
    let ended = client.run().expect_code(1);
    assert!(
        ended.stderr.starts_with("Ncat: Connection refused.\n"),
        "only the last: {}",
        ended.stderr
    );
    assert!(ended.stderr.contains("2 addresses tried"), "{}", ended.stderr);
}

#[test]
fn four_or_six_choose_the_address_of_a_name() {
    let dir = scratch();
    let (_four, port) = v4_listener();
    for (option, code) in [("-4", 0), ("-6", 1)] {
        let client = ncat([option, "-z", "both.test", &port]);
        let Some(client) = with_hosts(client, dir.path(), BOTH) else { return };
        client.run().expect_code(code);
    }
}

#[test]
fn a_source_port_follows_the_family_that_answers() {
    let dir = scratch();
    for (listener, port) in [v4_listener(), v6_listener()] {
        // A port that was free a moment ago; taken meanwhile, another is tried.
        let from = (0..5).find_map(|_| {
            let from = v4_listener().1;
            let client = ncat(["-z", "-p", &from, "both.test", &port]);
            let client = with_hosts(client, dir.path(), BOTH)?;
            (client.run().code() == Some(0)).then_some(from)
        });
        let Some(from) = from else {
            assert!(!is_root(), "no source port worked");
            return;
        };
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer.port().to_string(), from);
    }
}

#[test]
fn the_source_address_is_seen_by_the_server() {
    let (listener, port) = v4_listener();
    ncat(["-z", "-s", "127.0.0.9", "127.0.0.1", &port]).run().expect_code(0);
    assert_eq!(listener.accept().unwrap().1.ip().to_string(), "127.0.0.9");
    let ended = ncat(["-z", "-s", "192.0.2.1", "127.0.0.1", &port]).run();
    assert_ne!(ended.code(), Some(0));
    assert!(ended.stderr.contains("Cannot assign requested address"), "{}", ended.stderr);
}

#[test]
fn numeric_only_never_looks_a_name_up() {
    let began = Instant::now();
    let ended = ncat(["-n", "localhost", "9"]).run().expect_code(2);
    let wanted = "Ncat: Could not resolve hostname \"localhost\": ";
    assert!(ended.stderr.starts_with(wanted), "{}", ended.stderr);
    assert_took(began, Duration::ZERO, Duration::from_secs(5));
    let ended = ncat(["no-such-name.invalid", "9"]).run().expect_code(2);
    assert!(
        ended.stderr.starts_with("Ncat: Could not resolve hostname \"no-such-name.invalid\": ")
    );
    assert!(ended.stderr.contains(". QUITTING.\n"), "{}", ended.stderr);
}

#[test]
fn a_silent_address_ends_at_the_deadline() {
    let hole = BlackHole::at("127.0.0.1:0".parse().unwrap());
    let began = Instant::now();
    let ended = ncat(["-w", "700ms", "127.0.0.1", &hole.port().to_string()]).run().expect_code(1);
    assert_took(began, Duration::from_millis(700), Duration::from_millis(5000));
    assert!(ended.stderr.starts_with("Ncat: TIMEOUT.\n"), "{}", ended.stderr);
    let wanted = "took longer than 0.7 s (-w); 1 address tried\n";
    assert!(ended.stderr.contains(wanted), "{}", ended.stderr);
}

#[test]
fn the_deadline_is_one_for_all_addresses() {
    let dir = scratch();
    let names: Vec<String> = (2..=6).map(|n| format!("127.0.9.{n}")).collect();
    let first = BlackHole::at(format!("{}:0", names[0]).parse().unwrap());
    let port = first.port();
    let _others: Vec<BlackHole> = names[1..]
        .iter()
        .map(|ip| BlackHole::at(format!("{ip}:{port}").parse().unwrap()))
        .collect();
    let hosts: String = names.iter().map(|ip| format!("{ip} holes.test\n")).collect();
    let began = Instant::now();
    let client = ncat(["-v", "-w", "1500ms", "holes.test", &port.to_string()]);
    let Some(client) = with_hosts(client, dir.path(), &hosts) else { return };
    let ended = client.run().expect_code(1);
    assert_took(began, Duration::from_millis(1500), Duration::from_millis(4500));
    assert!(ended.stderr.contains("Ncat: TIMEOUT.\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("5 addresses tried"), "{}", ended.stderr);
}

#[test]
fn a_silent_first_address_costs_a_quarter_of_a_second() {
    let dir = scratch();
    let hole = BlackHole::at("127.0.9.9:0".parse().unwrap());
    let port = hole.port();
    let listener = TcpListener::bind(("127.0.9.10", port)).unwrap();
    let hosts = "127.0.9.9 slow.test\n127.0.9.10 slow.test\n";
    let began = Instant::now();
    let client = ncat(["-v", "slow.test", &port.to_string()]).bytes("hello");
    let Some(client) = with_hosts(client, dir.path(), hosts) else { return };
    let client = client.start();
    let (mut stream, _) = listener.accept().unwrap();
    assert_took(began, Duration::ZERO, Duration::from_secs(4));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    drop(stream);
    client.wait().expect_code(0);
}

#[test]
fn a_first_address_that_answers_has_no_rival() {
    let dir = scratch();
    let one = TcpListener::bind("127.0.9.20:0").unwrap();
    let port = one.local_addr().unwrap().port();
    let two = TcpListener::bind(("127.0.9.21", port)).unwrap();
    two.set_nonblocking(true).unwrap();
    let hosts = "127.0.9.20 race.test\n127.0.9.21 race.test\n";
    let client = ncat(["race.test", &port.to_string()]).bytes("x");
    let Some(client) = with_hosts(client, dir.path(), hosts) else { return };
    let client = client.start();
    let (mut stream, _) = one.accept().unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 1);
    drop(stream);
    client.wait().expect_code(0);
    assert!(two.accept().is_err(), "the first answered at once; no other was asked");
}

#[test]
fn json_tells_each_address_tried() {
    let dir = scratch();
    let (_listener, port) = v6_listener();
    let hosts = "127.0.0.1 four-first.test\n127.0.0.3 four-first.test\n";
    let client = ncat(["--json", "four-first.test", &port]);
    let Some(client) = with_hosts(client, dir.path(), hosts) else { return };
    let ended = client.run().expect_code(1);
    let line = ended.stderr.lines().find(|line| line.contains("\"failed\"")).unwrap();
    assert!(line.contains(&format!("127.0.0.1:{port}")), "{line}");
    assert!(line.contains(&format!("127.0.0.3:{port}")), "{line}");
    assert!(line.contains("Connection refused"), "{line}");
}

#[test]
fn port_0_is_attempted() {
    let ended = ncat(["127.0.0.1", "0"]).run().expect_code(1);
    assert!(ended.stderr.starts_with("Ncat: Connection refused.\n"), "{}", ended.stderr);
}

#[test]
fn a_host_without_a_port_means_31337() {
    // Nobody is expected there; the message names what was tried.
    let ended = ncat(["127.8.8.8"]).run().expect_code(1);
    assert!(ended.stderr.contains("127.8.8.8:31337"), "{}", ended.stderr);
}

#[test]
fn a_reset_is_told_with_1() {
    let (listener, port) = v4_listener();
    let client = ncat(["127.0.0.1", &port]).held().start();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"so far").unwrap();
    client.printed("so far");
    reset(stream);
    let ended = client.finish().expect_code(1);
    assert!(ended.stderr.starts_with("Ncat: Connection reset by peer.\n"), "{}", ended.stderr);
    assert_eq!(ended.text(), "so far");
}

fn reset(stream: TcpStream) {
    let socket = Socket::from(stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}
