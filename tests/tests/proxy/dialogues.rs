//! What Ncat says to a proxy we say, and what it says to its user.

use testkit::peer::Peer;
use testkit::process::{Finished, Program, ncat};

use crate::scripted::Scripted;

/// Plays `answers`, and notes in hexadecimal what came before each.
fn record(
    answers: &'static [&'static [u8]],
    program: Program,
    options: &[&str],
) -> (Finished, Vec<u8>) {
    let (tell, told) = std::sync::mpsc::channel();
    let proxy = Scripted::new(move |_, client| {
        let mut said = Vec::new();
        for answer in answers {
            said.extend(client.some());
            client.say(answer);
        }
        tell.send(said).unwrap();
    });
    let place = proxy.addr.to_string();
    let line = program.args(["--proxy", &place]).args(options).args(["target.invalid", "80"]);
    (line.run(), told.recv_timeout(testkit::PATIENCE).unwrap())
}

#[test]
fn the_dialogues_are_ncats_to_the_byte() {
    const OK4: &[u8] = b"\0\x5a\0\0\0\0\0\0";
    const OK5: &[u8] = b"\x05\0\0\x01\0\0\0\0\0\0";
    let cases: &[(&[&str], &'static [&'static [u8]])] = &[
        (&["--proxy-type", "http"], &[b"HTTP/1.0 200 OK\r\n\r\n"]),
        (&["--proxy-type", "http"], &[b"HTTP/1.0 403 No\r\n\r\n"]),
        (&["--proxy-type", "http"], &[b"nonsense\r\n\r\n"]),
        (&["--proxy-type", "socks4"], &[OK4]),
        (&["--proxy-type", "socks4", "--proxy-auth", "us:er"], &[OK4]),
        (&["--proxy-type", "socks4"], &[b"\0\x5b\0\0\0\0\0\0"]),
        (&["--proxy-type", "socks5"], &[b"\x05\0", OK5]),
        (&["--proxy-type", "socks5", "--proxy-auth", "us:er:x"], &[b"\x05\x02", b"\x01\0", OK5]),
        (&["--proxy-type", "socks5", "--proxy-auth", "us:er"], &[b"\x05\0", OK5]),
        (&["--proxy-type", "socks5", "--proxy-auth", "us:er"], &[b"\x05\x02", b"\x01\x01"]),
        (&["--proxy-type", "socks5"], &[b"\x05\xff"]),
        (&["--proxy-type", "socks5"], &[b"\x05\x01"]),
        (&["--proxy-type", "socks5"], &[b"\x05\0", b"\x05\x01\0\x01\0\0\0\0\0\0"]),
        (&["--proxy-type", "socks5"], &[b"\x05\0", b"\x05\x02\0\x01\0\0\0\0\0\0"]),
        (&["--proxy-type", "socks5"], &[b"\x05\0", b"\x05\x03\0\x01\0\0\0\0\0\0"]),
        (&["--proxy-type", "socks5"], &[b"\x05\0", b"\x05\x04\0\x01\0\0\0\0\0\0"]),
        (&["--proxy-type", "socks5"], &[b"\x05\0", b"\x05\x05\0\x01\0\0\0\0\0\0"]),
        (&["--proxy-type", "socks5"], &[b"\x05\0", b"\x05\x06\0\x01\0\0\0\0\0\0"]),
        (&["--proxy-type", "socks5"], &[b"\x05\0", b"\x05\x07\0\x01\0\0\0\0\0\0"]),
        (&["--proxy-type", "socks5"], &[b"\x05\0", b"\x05\x08\0\x01\0\0\0\0\0\0"]),
        (&["--proxy-type", "socks5"], &[b"\x05\0", b"\x05\x09\0\x01\0\0\0\0\0\0"]),
    ];
    for (options, answers) in cases {
        let Some(reference) = Peer::Ncat.find() else { return };
        let (theirs, said) = record(answers, reference, options);
        let (ours, same) = record(answers, ncat(&[] as &[&str]), options);
        assert_eq!(same, said, "{options:?} {answers:?}");
        assert_eq!(ours.code(), theirs.code(), "{options:?} {answers:?}: {}", ours.stderr);
        assert_eq!(ours.first_line(), theirs.first_line(), "{options:?} {answers:?}");
    }
}

#[test]
fn the_short_words_4_and_5_are_socks() {
    let (done, said) =
        record(&[b"\x05\0", b"\x05\0\0\x01\0\0\0\0\0\0"], ncat(["--proxy-type", "5"]), &[]);
    done.expect_code(0);
    assert_eq!(said[..3], [5, 1, 0]);
}

#[test]
fn refusals_before_anything_is_opened() {
    for (options, code, first) in [
        (&["--proxy", "[::1"][..], 2, "Ncat: Invalid proxy IPv6 address \"[::1\". QUITTING."),
        (&["--proxy", "h:99999"], 2, "Ncat: Invalid proxy port number \"99999\". QUITTING."),
        (&["--proxy", "h:abc"], 2, "Ncat: Invalid proxy port number \"abc\". QUITTING."),
        (&["--proxy", "127.0.0.1:1"], 1, "Ncat: Proxy connection failed: Connection refused."),
        (
            &["--proxy", "h.invalid"],
            1,
            "Ncat: Could not resolve proxy \"h.invalid\": Name or service not known.",
        ),
        (
            &["--proxy", "a", "--proxy", "b"],
            2,
            "Ncat: You can't specify more than one --proxy. QUITTING.",
        ),
    ] {
        let done = ncat(options).args(["target.invalid", "80"]).run().expect_code(code);
        assert_eq!(done.first_line(), first, "{}", done.stderr);
        let Some(reference) = Peer::Ncat.find() else { return };
        let theirs = reference.args(options).args(["target.invalid", "80"]).run();
        if !first.contains("Could not resolve") {
            assert_eq!((theirs.code(), theirs.first_line()), (Some(code), first));
        }
    }
    for (options, word) in [
        (&["-u", "--proxy", "http://h"][..], "UDP goes through one SOCKS5 proxy"),
        (
            &["-u", "--proxy", "socks5://h", "--proxy", "socks5://h"],
            "UDP goes through one SOCKS5 proxy",
        ),
        (&["--sctp", "--proxy", "http://h"], "--proxy and --sctp"),
        (&["--proxy", "ftp://h"], "Invalid proxy type \"ftp\""),
        (
            &["--proxy", "http://h", "--proxy-type", "http"],
            "--proxy-type and a --proxy that is a URL",
        ),
        (&["--proxy-protocol", "accept"], "without -l"),
        (&["-l", "--proxy-protocol", "accept"], "Whose PROXY header is believed?"),
        (&["-l", "--proxy-protocol", "send1"], "who connects sends the header"),
    ] {
        let done = ncat(options).args(["127.0.0.1", "9"]).run().expect_code(2);
        assert!(done.stderr.contains(word), "{options:?}: {}", done.stderr);
    }
}
