//! STARTTLS with servers played by the test: all protocols, and what goes wrong in them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use testkit::data::{assert_same, bytes};
use testkit::process::{Finished, Program, ncat};

use crate::peer::{Ended, Server, drain, half_close, take};
use crate::pki::{Identity, Wanted};

/// What the client says (its end, where that is enough), and what the server answers.
type Turn = (&'static [u8], &'static [u8]);

const XMPP_FEATURES: &[u8] =
    b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'><stream:features>\
      <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";

const MYSQL_GREETING: &[u8] = b"\x15\0\0\0\x0a8.0\0\x07\0\0\0saltsalt\0\xff\xff\x2d";

/// Each protocol as its servers have it, to their leave.
const DIALOGUES: &[(&str, &[Turn])] = &[
    (
        "smtp",
        &[
            (b"", b"220 mail.example ESMTP\r\n"),
            (b"EHLO [127.0.0.1]\r\n", b"250-mail.example\r\n250 STARTTLS\r\n"),
            (b"STARTTLS\r\n", b"220 go\r\n"),
        ],
    ),
    (
        "lmtp",
        &[
            (b"", b"220 ready\r\n"),
            (b"LHLO [127.0.0.1]\r\n", b"250-x\r\n250 STARTTLS\r\n"),
            (b"STARTTLS\r\n", b"220 go\r\n"),
        ],
    ),
    ("imap", &[(b"", b"* OK ready\r\n"), (b" STARTTLS\r\n", b"a001 OK go\r\n")]),
    ("pop3", &[(b"", b"+OK ready\r\n"), (b"STLS\r\n", b"+OK go\r\n")]),
    ("ftp", &[(b"", b"220-Hello\r\n220 ready\r\n"), (b"AUTH TLS\r\n", b"234 go\r\n")]),
    ("nntp", &[(b"", b"200 ready\r\n"), (b"STARTTLS\r\n", b"382 go\r\n")]),
    ("sieve", &[(b"", b"\"STARTTLS\"\r\nOK\r\n"), (b"STARTTLS\r\n", b"OK\r\n")]),
    ("irc", &[(b"STARTTLS\r\n", b":x NOTICE * :wait\r\n:x 670 * :go\r\n")]),
    (
        "ldap",
        &[(b"1.3.6.1.4.1.1466.20037", b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")],
    ),
    ("postgres", &[(b"\x04\xd2\x16\x2f", b"S")]),
    ("mysql", &[(b"", MYSQL_GREETING), (b"\x20\0\0\x01", b"")]),
    (
        "xmpp",
        &[
            (b"http://etherx.jabber.org/streams'>", XMPP_FEATURES),
            (b"xmpp-tls'/>", b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        ],
    ),
];

/// Receives until what came has `wanted` in it.
fn expect(socket: &mut TcpStream, wanted: &[u8]) {
    let mut got = Vec::new();
    let is_in = |got: &[u8]| got.windows(wanted.len()).any(|window| window == wanted);
    while !wanted.is_empty() && !is_in(&got) {
        let mut byte = [0];
        assert_eq!(socket.read(&mut byte).unwrap(), 1, "{}", got.escape_ascii());
        got.push(byte[0]);
    }
}

/// Plays the server's part, in pieces of `piece` bytes.
fn play(socket: &mut TcpStream, turns: &[Turn], piece: usize) {
    socket.set_nodelay(true).unwrap();
    for (wanted, answer) in turns {
        expect(socket, wanted);
        answer.chunks(piece).for_each(|piece| socket.write_all(piece).unwrap());
    }
    // The rest of MySQL's request, which nothing answers.
    if let [.., (b"\x20\0\0\x01", _)] = turns {
        socket.read_exact(&mut [0; 32]).unwrap();
    }
}

fn client(protocol: &str, port: &str) -> Program {
    ncat(["--starttls", protocol, "--ssl-servername", "here.example", "127.0.0.1", port])
}

#[test]
fn each_protocol_begins_tls_and_the_stream_is_the_users() {
    let dir = tempfile::tempdir().unwrap();
    let root = Identity::root();
    let (trusted, _) = root.files(&dir, "root");
    let server = Server::new(&root.issue(&Wanted::name(&["here.example"])), |_| {});
    let (there, back) = (bytes(1, 300_000), bytes(2, 300_000));
    for (protocol, turns) in DIALOGUES {
        for piece in [1, usize::MAX] {
            let client = client(protocol, &server.port()).args(["-vv", "--ssl-trustfile"]);
            let client = client.args([&trusted]).bytes(there.clone()).start();
            let mut tls = server.accept_after(|socket| play(socket, turns, piece)).unwrap();
            assert_same(protocol, &take(&mut tls, there.len()), &there);
            tls.write_all(&back).unwrap();
            half_close(&mut tls);
            assert_eq!(drain(&mut tls), (Vec::new(), Ended::Told), "{protocol}");
            let done = client.finish().expect_code(0);
            assert_same(protocol, &done.stdout, &back);
            for said in ["STARTTLS > ", "Ncat: STARTTLS: 127.0.0.1:", "verified: name+chain"] {
                assert!(done.stderr.contains(said), "{protocol}: {}", done.stderr);
            }
        }
    }
}

/// A server that says only this, and then has the connection end, or waits.
fn against(protocol: &str, args: &[&str], serve: impl FnOnce(&mut TcpStream)) -> Finished {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = client(protocol, &port).args(args).bytes("hello").start();
    let (mut socket, _) = listener.accept().unwrap();
    socket.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
    serve(&mut socket);
    let done = client.finish();
    assert_eq!(done.stdout, b"", "{protocol}");
    // Nothing of the user's is said in the clear.
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest);
    assert!(!rest.windows(5).any(|window| window == b"hello"), "{protocol}");
    done.expect_code(1)
}

#[test]
fn what_comes_between_leave_and_handshake_is_refused() {
    for (protocol, turns) in DIALOGUES {
        let (last, before) = turns.split_last().unwrap();
        // MySQL gives its leave with its greeting.
        let (turns, (wanted, answer)) = match *protocol {
            "mysql" => (&[][..], &(&b""[..], MYSQL_GREETING)),
            _ => (before, last),
        };
        let done = against(protocol, &["-w", "30s"], |socket| {
            play(socket, turns, usize::MAX);
            expect(socket, wanted);
            socket.write_all(&[answer, &b"* OK \x1b[31mevil\r\n"[..]].concat()).unwrap();
        });
        let first = " failed: plaintext after the leave to begin TLS.";
        assert!(done.first_line().ends_with(first), "{protocol}: {}", done.stderr);
        assert!(done.stderr.contains("  | * OK \\x1b[31mevil"), "{protocol}: {}", done.stderr);
    }
}

#[test]
fn a_server_that_stalls_or_ends_is_told() {
    for (protocol, turns) in DIALOGUES {
        let whole: Vec<u8> = turns.iter().flat_map(|(_, answer)| answer.iter().copied()).collect();
        for said in [0, whole.len().saturating_sub(1)] {
            // Stalls: it stays until the client has gone.
            let began = Instant::now();
            let done = against(protocol, &["-w", "300ms"], |socket| {
                socket.write_all(&whole[..said]).unwrap();
            });
            assert!(began.elapsed().as_millis() >= 300, "{protocol}");
            assert_eq!(done.first_line(), "Ncat: TIMEOUT.", "{protocol}: {}", done.stderr);
            let what = "before TLS was not done within 0.3 s (-w)";
            assert!(done.stderr.contains(what), "{protocol}: {}", done.stderr);
            let done = against(protocol, &["-w", "30s"], |socket| {
                socket.write_all(&whole[..said]).unwrap();
                socket.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let first = " failed: the server closed the connection.";
            assert!(done.first_line().ends_with(first), "{protocol}: {}", done.stderr);
            assert_eq!(done.stderr.contains("it had said nothing"), said == 0, "{}", done.stderr);
        }
    }
}

#[test]
fn refusals_are_told_in_the_servers_words() {
    for (protocol, says, first, answer) in [
        ("smtp", &b"554 go away\r\n"[..], "the server refuses", "| 554 go away"),
        ("smtp", b"220 x\r\n250 HELP\r\n", "the server does not offer it", "| 250 HELP"),
        (
            "smtp",
            b"220 x\r\n250-x\r\n250 STARTTLS\r\n454 later\x07\r\n",
            "the server refuses",
            "| 454 later\\x07",
        ),
        ("imap", b"* PREAUTH hi\r\n", "the server refuses", "| * PREAUTH hi"),
        ("pop3", b"+OK\r\n-ERR no\r\n", "the server refuses", "| -ERR no"),
        ("ftp", b"220 x\r\n502 no\r\n", "the server refuses", "| 502 no"),
        ("nntp", b"200 x\r\n580 no\r\n", "the server refuses", "| 580 no"),
        ("sieve", b"OK\r\n", "the server does not offer it", "it offers nothing"),
        ("irc", b":x 691 * :no\r\n", "the server refuses", "| :x 691 * :no"),
        ("postgres", b"N", "the server refuses", "| N (ssl is off there)"),
        (
            "ldap",
            b"HTTP/1.1 400 Bad Request\r\n",
            "the server does not speak that protocol",
            "| HTTP/1.1",
        ),
        (
            "mysql",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "the server does not speak that protocol",
            "| SSH-2.0",
        ),
        ("xmpp", b"220 ready\r\n", "the server does not speak that protocol", "| 220 ready"),
    ] {
        let done = against(protocol, &["-w", "30s"], |socket| socket.write_all(says).unwrap());
        assert!(done.first_line().ends_with(&format!("failed: {first}.")), "{}", done.stderr);
        assert!(done.stderr.contains(answer), "{protocol}: {}", done.stderr);
    }
}

#[test]
fn an_endless_banner_and_an_endless_line_end() {
    for (line, first) in [
        (&b"220-la la la\r\n"[..], "said more than 65536 bytes."),
        (b"220-la la la", "line is longer than 8192 bytes."),
    ] {
        let done = against("smtp", &["-w", "60s"], |socket| {
            // Until the client will not have it any more.
            let banner = line.repeat(1000);
            while socket.write_all(&banner).is_ok() {}
        });
        assert!(done.first_line().ends_with(first), "{}", done.stderr);
    }
}

#[test]
fn a_handshake_that_fails_after_the_leave_is_the_handshakes_failure() {
    let done = against("pop3", &["-w", "30s"], |socket| {
        play(socket, &[(b"", b"+OK\r\n"), (b"STLS\r\n", b"+OK go\r\n")], usize::MAX);
        // The hello has come, so that this is read as TLS.
        expect(socket, &[0x16, 3, 1]);
        socket.write_all(b"+OK I lied\r\n").unwrap();
    });
    assert_eq!(done.first_line(), "Ncat: TLS handshake failed: wrong version number.");
}

#[test]
fn unix_sockets_and_probes_have_it_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let client = ncat(["--starttls", "smtp", "-vv", "-w", "5s", "-U"]).args([&path]).start();
    let (mut socket, _) = listener.accept().unwrap();
    socket.write_all(b"220 x\r\n502 what\r\n").unwrap();
    let done = client.finish().expect_code(1);
    assert!(done.stderr.contains("STARTTLS > EHLO localhost\n"), "{}", done.stderr);
    assert!(done.stderr.contains("its answer to our greeting:\n  | 502 what\n"), "{}", done.stderr);

    let server = Server::new(&Identity::alone(&Wanted::name(&["a"])), |_| {});
    let turns = DIALOGUES.iter().find(|(protocol, _)| *protocol == "imap").unwrap().1;
    let probe = self::client("imap", &server.port()).args(["-z", "--json"]).start();
    let mut tls = server.accept_after(|socket| play(socket, turns, usize::MAX)).unwrap();
    assert_eq!(drain(&mut tls), (Vec::new(), Ended::Told));
    let done = probe.finish().expect_code(0);
    let event = done.stderr.lines().find(|line| line.contains(r#""event":"starttls""#)).unwrap();
    assert!(event.contains(r#""protocol":"IMAP""#), "{event}");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_opened() {
    for (args, first) in [
        (&["-l"][..], "Ncat: Invalid option combination: --starttls with -l. QUITTING."),
        (&["-u", "x", "1"], "Ncat: Invalid option combination: --starttls with -u. QUITTING."),
    ] {
        let done = ncat(["--starttls", "smtp"]).args(args).run().expect_code(2);
        assert_eq!(done.first_line(), first);
    }
    let done = ncat(["--starttls", "gopher", "x", "1"]).run().expect_code(2);
    assert_eq!(done.first_line(), "Ncat: Invalid --starttls value \"gopher\". QUITTING.");
    assert!(
        done.stderr.contains("one of smtp, lmtp, imap, pop3, ftp, ldap, xmpp"),
        "{}",
        done.stderr
    );
    let done = ncat(["--starttls", "xmpp", "-U", "/nowhere"]).run().expect_code(2);
    assert!(done.stderr.contains("hint: --ssl-servername names the server"), "{}", done.stderr);
}
