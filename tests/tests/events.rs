//! What is said: the event lines of `--json`, totals on request, and ends by signal.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use testkit::process::{Input, Process, ncat, shell};
use testkit::script::{Deaf, Listener, Peer};

/// Every event, with its fields and their kinds: s string, n number, a attempts; `?` may be null.
const SCHEMA: &[(&str, &[(&str, &str)])] = &[
    ("listening", &[("addr", "s"), ("protocol", "s")]),
    ("accepted", &[("peer", "s"), ("protocol", "s")]),
    ("refused", &[("peer", "s"), ("why", "s"), ("rule", "s")]),
    ("connected", &[("peer", "s"), ("local", "s"), ("protocol", "s"), ("attempts", "a")]),
    ("failed", &[("target", "s"), ("reason", "s"), ("attempts", "a")]),
    ("eof", &[("peer", "s"), ("side", "s")]),
    (
        "closed",
        &[
            ("peer", "s"),
            ("sent", "n"),
            ("received", "n"),
            ("duration", "n"),
            ("ended_by", "s"),
            ("reason", "s"),
            ("error", "s?"),
        ],
    ),
];

fn has_kind(value: &Value, kind: &str) -> bool {
    match kind {
        "s" => value.is_string(),
        "s?" => value.is_string() || value.is_null(),
        "n" => value.is_number(),
        "a" => value.as_array().is_some_and(|all| {
            all.iter().all(|attempt| {
                attempt.as_object().is_some_and(|fields| fields.len() == 3)
                    && has_kind(&attempt["addr"], "s")
                    && has_kind(&attempt["seconds"], "n")
                    && has_kind(&attempt["error"], "s?")
            })
        }),
        _ => unreachable!(),
    }
}

/// The events in a text of events and messages; each is checked against the schema.
fn events(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let events: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &events {
        let name = event["event"].as_str().unwrap();
        let (_, fields) = SCHEMA.iter().find(|(known, _)| *known == name).expect(name);
        assert_eq!(event["v"], 1);
        assert!(event["time"].as_f64().unwrap() > 1e9);
        for (field, kind) in *fields {
            assert!(has_kind(&event[*field], kind), "{field} of {event}");
        }
        assert_eq!(event.as_object().unwrap().len(), fields.len() + 3, "fields of {event}");
    }
    events
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

fn client(args: &[&str], input: Input) -> (Process, Peer) {
    let listener = Listener::tcp();
    let port = listener.port().to_string();
    let ncat = ncat(args).args(["127.0.0.1", &port]).input(input).start();
    (ncat, listener.accept())
}

fn closed(text: &str, ended_by: &str, reason: &str) -> Value {
    let found = events(text).pop().unwrap();
    assert_eq!(found["event"], "closed", "{text}");
    assert_eq!(
        (found["ended_by"].as_str(), found["reason"].as_str()),
        (Some(ended_by), Some(reason))
    );
    found
}

#[test]
fn events_of_a_client() {
    let (ncat, mut peer) = client(&["--json"], Input::Bytes(b"hello".to_vec()));
    peer.drain();
    peer.send(b"late news");
    drop(peer);
    let said = ncat.finish().expect_code(0).stderr;
    let events = events(&said);
    assert_eq!(names(&events), ["connected", "eof", "eof", "closed"]);
    assert_eq!(events[0]["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(events[0]["protocol"], "tcp");
    assert_eq!((&events[1]["side"], &events[2]["side"]), (&"local".into(), &"remote".into()));
    let closed = closed(&said, "remote_end", "remote_eof");
    assert_eq!((closed["sent"].as_u64(), closed["received"].as_u64()), (Some(5), Some(9)));
    assert!(closed["error"].is_null());
}

#[test]
fn events_of_every_end() {
    let json = |args: &[&str], input| client(&[&["--json"], args].concat(), input);
    let (ncat, mut peer) = json(&["--send-only"], Input::Bytes(b"hello".to_vec()));
    peer.drain();
    closed(&ncat.finish().expect_code(0).stderr, "local_end", "local_eof");

    let (ncat, _peer) = json(&["-q", "100ms"], Input::Null);
    closed(&ncat.finish().expect_code(0).stderr, "quit_timer", "quit_timer");

    let (ncat, _peer) = json(&["-i", "100ms"], Input::Held);
    closed(&ncat.finish().expect_code(1).stderr, "idle", "idle");

    let (ncat, peer) = json(&[], Input::Held);
    ncat.wait_message("connected");
    peer.reset();
    let found = closed(&ncat.finish().expect_code(1).stderr, "error", "reset");
    assert_eq!(found["error"], "Connection reset by peer");

    let (ncat, _peer) = json(&[], Input::Fd(std::fs::File::open("/").unwrap().into()));
    closed(&ncat.finish().expect_code(1).stderr, "error", "input_error");

    let (ncat, _peer) = json(&[], Input::Held);
    ncat.wait_message("connected");
    ncat.signal(Signal::TERM);
    closed(&ncat.finish().stderr, "stopped", "stopped");
}

#[test]
fn events_of_a_failure() {
    let deaf = Deaf::bind();
    let port = deaf.port().to_string();
    let ended = ncat(["--json", "127.0.0.1", &port]).run().expect_code(1);
    let events = events(&ended.stderr);
    assert_eq!(names(&events), ["failed"]);
    assert_eq!(events[0]["target"], format!("127.0.0.1:{port}"));
    assert_eq!(events[0]["reason"], "Connection refused");
    assert_eq!(events[0]["attempts"][0]["addr"], format!("127.0.0.1:{port}"));
    assert_eq!(events[0]["attempts"][0]["error"], "Connection refused");

    let ended = ncat(["--json", "nosuch.invalid", "1"]).run().expect_code(2);
    assert_eq!(self::events(&ended.stderr)[0]["target"], "nosuch.invalid");

    let taken = Listener::tcp();
    let port = taken.port().to_string();
    let ended = ncat(["--json", "-l", "127.0.0.1", &port]).run().expect_code(2);
    assert_eq!(self::events(&ended.stderr)[0]["target"], format!("127.0.0.1:{port}"));
}

#[test]
fn events_of_a_listener() {
    let ncat = ncat(["-lkv", "--json", "--deny", "127.0.0.2", "127.0.0.1", "0"]).held().start();
    let at = ncat.listening();
    for word in ["first", "second"] {
        let mut peer = Peer::connect(at);
        peer.send(word.as_bytes());
        peer.half_close();
        peer.drain();
    }
    denied(at);
    ncat.wait_message("\"refused\"");
    testkit::eventually("both ends", || {
        (ncat.messages().matches("\"closed\"").count() == 2).then_some(())
    });
    ncat.signal(Signal::TERM);
    let events = events(&ncat.finish().expect_code(143).stderr);
    assert_eq!(events[0]["event"], "listening");
    assert_eq!(events[0]["addr"], at.to_string());
    let count = |name| names(&events).iter().filter(|n| **n == name).count();
    assert_eq!((count("accepted"), count("closed"), count("refused")), (2, 2, 1));
    let refused = events.iter().find(|event| event["event"] == "refused").unwrap();
    assert_eq!(refused["why"], "not allowed");
    assert!(refused["rule"].as_str().unwrap().contains("127.0.0.2"), "{refused}");
}

/// A client from 127.0.0.2.
fn denied(at: std::net::SocketAddr) {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    socket.connect(&at.into()).unwrap();
}

#[test]
fn events_go_where_they_are_sent() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("events");
    let listener = Listener::tcp();
    let ncat = shell(r#"exec "$NCAT" --json-fd 3 127.0.0.1 "$PORT" 3>"$EVENTS""#)
        .env("PORT", listener.port().to_string())
        .env("EVENTS", &file)
        .start();
    drop(listener.accept());
    assert_eq!(ncat.finish().expect_code(0).stderr, "");
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(names(&events(&text)).last(), Some(&"closed"));
    assert_eq!(events(&text).len(), text.lines().count());
}

#[test]
fn events_with_nowhere_to_go_are_refused() {
    let ended = ncat(["--json-fd", "77", "127.0.0.1", "1"]).run().expect_code(2);
    assert_eq!(ended.first_line(), "Ncat: --json-fd 77: Bad file descriptor. QUITTING.");
}

/// Waits for the totals that SIGUSR1 asks for.
fn totals(ncat: &Process, sent: u64, received: u64) {
    ncat.signal(Signal::USR1);
    ncat.wait_message(&format!("{sent} bytes sent, {received} bytes received in "));
}

#[test]
fn totals_of_a_client() {
    let (mut ncat, mut peer) = client(&[], Input::Held);
    ncat.send(b"hello");
    peer.take(5);
    peer.send(b"hi");
    ncat.wait_output(2);
    totals(&ncat, 5, 2);
    peer.send(b"!");
    ncat.wait_output(3);
    totals(&ncat, 5, 3);
    drop(peer);
    ncat.finish().expect_code(0);
}

#[test]
fn totals_of_listeners() {
    for args in [&["-lv"][..], &["-lkv"]] {
        let ncat = ncat(args).args(["127.0.0.1", "0"]).held().start();
        let at = ncat.listening();
        // Asked for before anybody came, too.
        totals(&ncat, 0, 0);
        let mut peer = Peer::connect(at);
        peer.send(b"hi");
        ncat.wait_output(2);
        totals(&ncat, 0, 2);
    }
}

#[test]
fn a_listener_ended_by_a_signal_says_which() {
    let signals =
        [(Signal::HUP, 129), (Signal::INT, 130), (Signal::QUIT, 131), (Signal::TERM, 143)];
    for (signal, code) in signals {
        for args in [&["-lv"][..], &["-lkv"]] {
            let waiting = ncat(args).args(["127.0.0.1", "0"]).held().start();
            waiting.listening();
            waiting.signal(signal);
            waiting.finish().expect_code(code);

            let serving = ncat(args).args(["127.0.0.1", "0"]).held().start();
            let _peer = Peer::connect(serving.listening());
            serving.wait_message("Connection from");
            serving.signal(signal);
            serving.finish().expect_code(code);
        }
    }
}

#[test]
fn a_listener_ended_by_a_signal_removes_its_path() {
    let dir = TempDir::new().unwrap();
    for (n, args) in [&["-lvU"][..], &["-lkvU"], &["-luvU"], &["-lukvU"]].into_iter().enumerate() {
        let path = dir.path().join(n.to_string());
        let ncat = ncat(args).args([&path]).held().start();
        ncat.wait_message("Listening on ");
        assert!(path.exists());
        ncat.signal(Signal::TERM);
        ncat.finish().expect_code(143);
        assert!(!path.exists(), "{args:?}");
    }
}

#[test]
fn a_client_is_ended_by_the_signal_itself() {
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
        let (ncat, mut peer) = client(&["-v"], Input::Held);
        ncat.wait_message("Connected to");
        ncat.signal(signal);
        let ended = ncat.finish();
        assert_eq!(ended.status.signal(), Some(signal.as_raw()));
        peer.drain();
    }
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    // As nohup(1) starts programs.
    for line in [
        r#"trap '' HUP; exec "$NCAT" -v 127.0.0.1 "$PORT""#,
        r#"trap '' HUP; exec "$NCAT" -lv 127.0.0.1 0"#,
    ] {
        let listener = Listener::tcp();
        let port = listener.port().to_string();
        let mut ncat = shell(line).env("PORT", port).held().start();
        let mut peer =
            if line.contains("-lv") { Peer::connect(ncat.listening()) } else { listener.accept() };
        ncat.signal(Signal::HUP);
        peer.send(b"still there?");
        assert_eq!(ncat.wait_output(12), b"still there?");
        assert!(ncat.is_running());
        drop(peer);
        ncat.finish().expect_code(0);
    }
}
