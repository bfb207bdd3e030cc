//! The other options with a broker.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::room::{SILENCE, broker, chat, hears, join, name};
use super::serve_support::{PATIENCE, Watch, assert_took, eventually, ncat, scratch};

#[test]
fn send_only_and_recv_only() {
    let mut server = broker(&["--send-only"]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    one.send(b"discarded");
    server.send(b"from the host");
    hears(&mut two, "from the host");
    two.assert_silent_for(SILENCE);

    let mut server = broker(&["--recv-only"]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    one.send(b"nobody hears");
    two.send(b"anything");
    two.assert_silent_for(SILENCE);
    one.assert_silent_for(SILENCE);
    assert!(server.is_running());
    assert_eq!(server.output(), "");
}

fn written(path: &Path, len: usize) -> String {
    eventually("the transcript", || {
        let text = fs::read_to_string(path).unwrap_or_default();
        (text.len() >= len).then_some(text)
    })
}

#[test]
fn a_transcript_has_each_message_once() {
    let dir = scratch();
    let log = dir.path().join("log");
    let mut server = broker(&["-o", log.to_str().unwrap(), "-C"]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    one.send(b"one\n");
    hears(&mut two, "one\n");
    server.send(b"host\n");
    // -C is about standard input alone.
    hears(&mut two, "host\r\n");
    two.send(b"two\n");
    hears(&mut one, "host\r\ntwo\n");
    assert_eq!(written(&log, 14), "one\nhost\r\ntwo\n");
}

#[test]
fn a_chats_transcript_is_what_was_heard() {
    let dir = scratch();
    let log = dir.path().join("log");
    let server = chat(&["-o", log.to_str().unwrap()]).start();
    let mut one = join(&server);
    one.send(b"h\x07i\n");
    one.half_close();
    let expected = format!(
        "<announce> {} is connected as <user1>.\n<announce> already connected: nobody.\n\
         <user1> h\\007i\n<announce> <user1> is disconnected.\n",
        name(&one)
    );
    assert_eq!(written(&log, expected.len()), expected);
}

#[test]
fn a_hex_transcript_has_one_record_a_message() {
    let dir = scratch();
    let log = dir.path().join("log");
    let server = broker(&["-x", log.to_str().unwrap()]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    for _ in 0..2 {
        one.send(b"abc");
        hears(&mut two, "abc");
    }
    let text = written(&log, 148);
    assert_eq!(text.lines().filter(|line| line.starts_with("0000   61 62 63 ")).count(), 2);
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn a_full_disk_ends_it() {
    let server = broker(&["-o", "/dev/full"]).start();
    let mut one = join(&server);
    one.send(b"x");
    let end = server.wait().expect_code(2);
    assert!(end.stderr.contains("Ncat: /dev/full: No space left on device. QUITTING."));
}

#[test]
fn the_delay_is_after_each_read_of_a_client() {
    let mut server = broker(&["-d", "1s"]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    let began = Instant::now();
    server.send(b"at once");
    hears(&mut two, "at once");
    hears(&mut one, "at once");
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    let began = Instant::now();
    one.send(b"later");
    // Another client's words do not wait for these.
    two.send(b"as well");
    hears(&mut two, "later");
    hears(&mut one, "as well");
    assert_took(began, Duration::from_secs(1), Duration::from_millis(1950));
}

#[test]
fn telnet_commands_of_clients_are_answered_and_taken_out() {
    let server = broker(&["-t"]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    one.send(b"a\xff\xfd\x01b");
    assert_eq!(one.take(3), b"\xff\xfc\x01");
    hears(&mut two, "ab");
}

#[test]
fn a_stalled_client_is_cut_and_the_senders_go_on() {
    let server = broker(&["--slow-reader=disconnect,400ms"]).start();
    let (mut sender, mut good, stalled) = (join(&server), join(&server), join(&server));
    let bytes = super::serve_support::noise(24 * 1024 * 1024, 3);
    let copy = bytes.clone();
    let sending = super::serve_support::on_thread(move || {
        sender.send(&copy);
        sender
    });
    super::serve_support::assert_same(&good.take(bytes.len()), &bytes, "the good client");
    let line = format!("{} disconnected: it took nothing while bytes waited.\n", name(&stalled));
    server.said(&line);
    drop(sending.recv_timeout(PATIENCE).unwrap());
}

#[test]
fn events_tell_who_came_and_went() {
    let server = broker(&["--json"]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    let name = name(&one);
    one.send(b"12345");
    hears(&mut two, "12345");
    two.send(b"x");
    hears(&mut one, "x");
    drop(one);
    // That it is gone shows when something is sent to it.
    eventually("the end of the first", || {
        two.send(b"?");
        server.messages().contains("\"closed\"").then_some(())
    });
    let err = server.messages();
    let events: Vec<serde_json::Value> =
        err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of = |event: &str| {
        let mut found = events.iter().filter(|e| e["event"] == event && e["peer"] == name);
        found.next().unwrap_or_else(|| panic!("no {event} in {err}")).clone()
    };
    assert_eq!(of("accepted")["protocol"], "tcp");
    let closed = of("closed");
    assert_eq!(
        (closed["received"].as_u64(), closed["reason"].as_str()),
        (Some(5), Some("remote_eof"))
    );
}

#[test]
fn what_is_refused() {
    for (line, first) in [
        ("--chat h", "Ncat: Invalid option combination: `--chat' with connect. QUITTING."),
        (
            "-l --broker-eof",
            "Ncat: Invalid option combination: --broker-eof without --broker. QUITTING.",
        ),
        (
            "--broker --history x",
            "Ncat: Invalid --history number \"x\" (must be 0 to 1024M, in bytes or with K or M behind). QUITTING.",
        ),
        (
            "--broker -u --broker-eof",
            "Ncat: Invalid option combination: --broker-eof and -u. QUITTING.",
        ),
    ] {
        let end = ncat(line.split(' ')).run().expect_code(2);
        assert_eq!(end.first_line(), first, "{line}");
    }
}
