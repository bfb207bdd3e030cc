//! Whole dialogues, cut at every byte; what no server should say, and what some do.

use proptest::prelude::*;

use super::*;
use crate::split::{cuts, pieces, spiked};

/// What the server says at once, and what the client is to have said by then.
type Turn = (&'static [u8], &'static [u8]);

const XMPP_HELLO: &[u8] =
    b"<?xml version='1.0'?><stream:stream to='a&amp;b.example' version='1.0' \
    xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
const XMPP_FEATURES: &[u8] = b"<?xml version='1.0'?>\n<stream:stream from='b.example' id='a>b' \
    xmlns:stream='http://etherx.jabber.org/streams' version=\"1.0\" xmlns='jabber:client'>\
    <stream:features>\n<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>\
    <mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>\
    </stream:features>";
const XMPP_ASK: &[u8] = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const LDAP_YES: &[u8] =
    b"\x30\x24\x02\x01\x01\x78\x1f\x0a\x01\x00\x04\x00\x04\x00\x8a\x161.3.6.1.4.1.1466.20037";
/// As Active Directory writes lengths.
const LDAP_LONG: &[u8] =
    b"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\
    \x04\x00\x04\x00";
const LDAP_ASK: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const MYSQL_GREETING: &[u8] =
    b"\x2c\0\0\0\x0a10.11.6-MariaDB\0\x07\0\0\0saltsalt\0\xfe\xff\x2d\x02\0\
    \xff\x81\x15\0\0\0\0\0\0";
const MYSQL_ASK: &[u8] =
    b"\x20\0\0\x01\x00\x8a\x08\0\0\0\0\x01\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0";
const PG_ASK: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];

/// Dialogues that end with leave to begin.
const GOOD: &[(Protocol, &[Turn])] = &[
    (
        Protocol::Smtp,
        &[
            (b"", b""),
            (b"220 mail.example ESMTP\r\n", b"EHLO [192.0.2.9]\r\n"),
            (b"250-mail.example\r\n250-SIZE 1000\r\n250-starttls\r\n250 HELP\r\n", b"STARTTLS\r\n"),
            (b"220 2.0.0 Ready to start TLS\r\n", b""),
        ],
    ),
    (
        Protocol::Smtp,
        &[
            (b"220-mail.example\r\n220-no spam\r\n220 ready\n", b"EHLO [192.0.2.9]\r\n"),
            (b"250-mail.example\n250 STARTTLS\n", b"STARTTLS\r\n"),
            (b"220-go\r\n220 ahead\r\n", b""),
        ],
    ),
    (
        Protocol::Lmtp,
        &[
            (b"220 ready\r\n", b"LHLO [192.0.2.9]\r\n"),
            (b"250-x\r\n250 STARTTLS\r\n", b"STARTTLS\r\n"),
            (b"220 go\r\n", b""),
        ],
    ),
    (
        Protocol::Ftp,
        &[
            (b"120 in a minute\r\n220-Welcome\r\n  to all\r\n220x\r\n220 ready\r\n", b"AUTH TLS\r\n"),
            (b"234 Proceed with negotiation.\r\n", b""),
        ],
    ),
    (
        Protocol::Nntp,
        &[(b"201 no posting\r\n", b"STARTTLS\r\n"), (b"382 Continue with TLS negotiation\r\n", b"")],
    ),
    (Protocol::Pop3, &[(b"+OK <1.2@x>\r\n", b"STLS\r\n"), (b"+OK Begin TLS\r\n", b"")]),
    (
        Protocol::Imap,
        &[
            (b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready.\r\n", b"a001 STARTTLS\r\n"),
            (b"* CAPABILITY X\r\n* OK {8}\r\na001 NO\n end\r\na001 OK Begin now.\r\n", b""),
        ],
    ),
    (
        Protocol::Sieve,
        &[
            (
                b"\"IMPLEMENTATION\" {4+}\r\nOK\r\n\r\n\"SASL\" \"\"\r\n\"STARTTLS\"\r\nOK \"ready.\"\r\n",
                b"STARTTLS\r\n",
            ),
            (b"OK \"Begin TLS negotiation now.\"\r\n", b""),
        ],
    ),
    (
        Protocol::Irc,
        &[
            (b"", b"STARTTLS\r\n"),
            (
                b":irc.example NOTICE * :*** Looking up your hostname...\r\n@time=1 :irc.example 670 * \
                  :STARTTLS successful, proceed with TLS handshake\r\n",
                b"",
            ),
        ],
    ),
    (Protocol::Ldap, &[(b"", LDAP_ASK), (LDAP_YES, b"")]),
    (Protocol::Ldap, &[(b"", LDAP_ASK), (LDAP_LONG, b"")]),
    (Protocol::Postgres, &[(b"", PG_ASK), (b"S", b"")]),
    (Protocol::Mysql, &[(b"", b""), (MYSQL_GREETING, MYSQL_ASK)]),
    (
        Protocol::Xmpp,
        &[
            (b"", XMPP_HELLO),
            (XMPP_FEATURES, XMPP_ASK),
            (b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b""),
        ],
    ),
    (
        Protocol::Xmpp,
        &[
            (b"", XMPP_HELLO),
            (XMPP_FEATURES, XMPP_ASK),
            (b" <proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'></proceed>", b""),
        ],
    ),
];

fn begin(protocol: Protocol) -> Dialogue {
    let own = "192.0.2.9".parse().ok();
    Dialogue::new(protocol, Names { server: Some("a&b.example"), own })
}

/// What came of it: the client's bytes, what was said, and the end, without the text in it that
/// depends on how much had arrived.
fn play(protocol: Protocol, pieces: &[&[u8]]) -> (Vec<u8>, Vec<Said>, Result<Progress, Refusal>) {
    let mut dialogue = begin(protocol);
    let (mut out, mut result) = (dialogue.take_output(), Ok(Progress::More));
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        result = dialogue.receive(piece);
        out.extend(dialogue.take_output());
        if result.is_err() {
            break;
        }
    }
    let result = result.map_err(|refusal| match refusal {
        Refusal::Injected { .. } => Refusal::Injected { bytes: String::new() },
        Refusal::Strange { wanted, .. } => Refusal::Strange { wanted, answer: String::new() },
        other => other,
    });
    (out, dialogue.take_said(), result)
}

fn whole(turns: &[Turn]) -> Vec<u8> {
    turns.iter().flat_map(|(server, _)| server.iter().copied()).collect()
}

#[test]
fn each_dialogue_goes_as_its_document_has_it() {
    for (protocol, turns) in GOOD {
        let mut dialogue = begin(*protocol);
        let mut result = Ok(Progress::More);
        for (server, client) in *turns {
            if !server.is_empty() {
                assert_eq!(result, Ok(Progress::More), "{protocol:?}");
                result = dialogue.receive(server);
            }
            assert_eq!(dialogue.take_output(), *client, "{protocol:?} {}", server.escape_ascii());
        }
        assert_eq!(result, Ok(Progress::Ready), "{protocol:?}");
        assert!(!dialogue.take_said().is_empty(), "{protocol:?}");
    }
}

#[test]
fn each_dialogue_may_be_cut_at_every_byte() {
    for (protocol, turns) in GOOD {
        let all = whole(turns);
        let once = play(*protocol, &[&all]);
        assert_eq!(once.2, Ok(Progress::Ready), "{protocol:?}");
        for at in 0..=all.len() {
            let (one, two) = all.split_at(at);
            assert_eq!(play(*protocol, &[one, two]), once, "{protocol:?} at {at}");
        }
        let bytes: Vec<&[u8]> = all.chunks(1).collect();
        assert_eq!(play(*protocol, &bytes), once, "{protocol:?} byte by byte");
    }
}

#[test]
fn what_follows_the_leave_is_refused() {
    for (protocol, turns) in GOOD {
        for extra in [&b"\n"[..], b"\0", b" ", b"220 ok\r\n", b"\x16\x03\x01"] {
            let mut all = whole(turns);
            let end = all.len();
            all.extend(extra);
            for at in [0, end, end + 1] {
                let (one, two) = all.split_at(at);
                let (_, _, result) = play(*protocol, &[one, two]);
                let injected = Err(Refusal::Injected { bytes: String::new() });
                assert_eq!(result, injected, "{protocol:?} {}", extra.escape_ascii());
            }
        }
    }
}

#[test]
fn a_server_that_stalls_or_ends_is_told_with_what_it_had_said() {
    for (protocol, turns) in GOOD {
        let all = whole(turns);
        for at in 0..all.len() {
            let mut dialogue = begin(*protocol);
            if at > 0 {
                assert_eq!(dialogue.receive(&all[..at]), Ok(Progress::More), "{protocol:?} {at}");
            }
            let Refusal::Ended { said_something, .. } = dialogue.ended() else { panic!("{at}") };
            assert_eq!(said_something, at > 0);
            assert!(dialogue.ended().to_string().contains("closed"));
        }
    }
}

/// Answers that are none, and what is said about them.
const BAD: &[(Protocol, &[u8], &str, &str)] = &[
    (Protocol::Smtp, b"554 5.7.1 go away\r\n", "the server refuses", "| 554 5.7.1 go away"),
    (Protocol::Smtp, b"220 x\r\n502 what\r\n", "the server refuses", "its answer to our greeting:"),
    (
        Protocol::Smtp,
        b"220 x\r\n250-y\r\n250 SIZE\r\n",
        "the server does not offer it",
        "| 250 SIZE",
    ),
    (
        Protocol::Smtp,
        b"220 x\r\n250-STARTTLS\r\n250 NOSTARTTLS\r\n",
        "the server does not offer it",
        "| 250-STARTTLS",
    ),
    (
        Protocol::Smtp,
        b"220 x\r\n250-y\r\n250 STARTTLS\r\n454 4.7.0 not now\x1b[2J\r\n",
        "the server refuses",
        "| 454 4.7.0 not now\\x1b[2J",
    ),
    (Protocol::Smtp, b"+OK POP3\r\n", "the server does not speak that protocol", "| +OK POP3"),
    (Protocol::Smtp, b"220-x\r\n221 y\r\n", "the server does not speak that protocol", "| 221 y"),
    (Protocol::Ftp, b"220 x\r\n530 Please login\r\n", "the server refuses", "AUTH TLS"),
    (Protocol::Nntp, b"502 no\r\n", "the server refuses", "| 502 no"),
    (Protocol::Nntp, b"200 x\r\n500 What?\r\n", "the server refuses", "| 500 What?"),
    (Protocol::Pop3, b"-ERR busy\r\n", "the server refuses", "| -ERR busy"),
    (Protocol::Pop3, b"+OK\r\n-ERR no\r\n", "the server refuses", "its answer to STLS:"),
    (Protocol::Pop3, b"* OK IMAP\r\n", "the server does not speak that protocol", "* OK IMAP"),
    (Protocol::Imap, b"* PREAUTH you\r\n", "the server refuses", "| * PREAUTH you"),
    (Protocol::Imap, b"* BYE\r\n", "the server refuses", "| * BYE"),
    (Protocol::Imap, b"* OK\r\na001 BAD no\r\n", "the server refuses", "| a001 BAD no"),
    (Protocol::Imap, b"* OK\r\na001 OKAY\r\n", "the server refuses", "| a001 OKAY"),
    (
        Protocol::Imap,
        b"* OK\r\na002 OK\r\n",
        "the server does not speak that protocol",
        "| a002 OK",
    ),
    (Protocol::Sieve, b"\"SASL\" \"\"\r\nOK\r\n", "the server does not offer it", "SASL"),
    (Protocol::Sieve, b"BYE \"full\"\r\n", "the server refuses", "| BYE \"full\""),
    (Protocol::Sieve, b"\"STARTTLS\"\r\nOK\r\nNO\r\n", "the server refuses", "| NO"),
    (Protocol::Sieve, b"OKAY\r\n", "the server does not speak that protocol", "| OKAY"),
    (Protocol::Irc, b":x 691 * :failed\r\n", "the server refuses", "| :x 691 * :failed"),
    (Protocol::Irc, b":x 421 * STARTTLS :?\r\n", "the server refuses", "421"),
    (Protocol::Irc, b":x 001 me :hi\r\n", "the server does not speak that protocol", "001"),
    (Protocol::Postgres, b"N", "the server refuses", "| N (ssl is off there)"),
    (
        Protocol::Postgres,
        b"E\0\0\0\x1dSFATAL\0C53300\0Mtoo many\0\0",
        "the server refuses",
        "| too many",
    ),
    (Protocol::Postgres, b"220 x\r\n", "the server does not speak that protocol", "| 220 x\\r\\n"),
    (Protocol::Postgres, b"E\xff\xff\xff\xff", "the server does not speak that protocol", "| E"),
    (Protocol::Mysql, b"\x0b\0\0\0\xff\x69\x04blocked!", "the server refuses", "| blocked!"),
    (Protocol::Mysql, b"220 x\r\n", "the server does not speak that protocol", "| 220 x"),
    (
        Protocol::Mysql,
        b"\x15\0\0\0\x0a8.0\0\x07\0\0\0saltsalt\0\xff\xf7\x2d",
        "the server does not offer it",
        "| 8.0: without SSL",
    ),
    (Protocol::Mysql, b"\x02\0\0\0\x0a8", "the server does not speak that protocol", "| \\n8"),
    (
        Protocol::Ldap,
        b"\x30\x11\x02\x01\x01\x78\x0c\x0a\x01\x02\x04\x00\x04\x05no\x1btl",
        "the server refuses",
        "protocolError: it knows no StartTLS (2): no\\x1btl",
    ),
    // Notice of disconnection: no answer to any request.
    (
        Protocol::Ldap,
        b"\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x00\x04\x00\x04\x00",
        "the server refuses",
        "success (0)",
    ),
    (Protocol::Ldap, b"220 x\r\n", "the server does not speak that protocol", "| 220 x"),
    (
        Protocol::Ldap,
        b"\x30\x80\x02\x01\x01\0\0",
        "the server does not speak that protocol",
        "\\x80",
    ),
    (Protocol::Ldap, b"\x30\x84\x7f\xff\xff\xff", "the server's line is longer", ""),
    (
        Protocol::Xmpp,
        b"<stream:stream><stream:error><host-unknown xmlns='x'/></stream:error>",
        "the server refuses",
        "| <host-unknown xmlns='x'/>",
    ),
    (
        Protocol::Xmpp,
        b"<stream:stream><stream:features><bind xmlns='y'/></stream:features>",
        "the server does not offer it",
        "| <bind xmlns='y'/>",
    ),
    (
        Protocol::Xmpp,
        b"<stream:stream><stream:features><starttls xmlns='urn:other'/></stream:features>",
        "the server does not offer it",
        "urn:other",
    ),
    (
        Protocol::Xmpp,
        b"<s:stream><s:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></s:features>\
          <failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        "the server refuses",
        "| <failure",
    ),
    (Protocol::Xmpp, b"<!DOCTYPE a>", "the server does not speak that protocol", "DOCTYPE"),
    (Protocol::Xmpp, b"220 x\r\n", "the server does not speak that protocol", "| 220 x"),
    (Protocol::Xmpp, b"<html>", "the server does not speak that protocol", "| <html>"),
];

#[test]
fn each_refusal_says_what_the_server_answered() {
    for (protocol, bytes, first, more) in BAD {
        let mut dialogue = begin(*protocol);
        let what = format!("{protocol:?} {}", bytes.escape_ascii());
        let refusal = dialogue.receive(bytes).expect_err(&what);
        assert!(refusal.to_string().starts_with(first), "{what}: {refusal}");
        let lines = refusal.more(*protocol).join("\n");
        assert!(lines.contains(more), "{what}: {lines}");
        assert!(!refusal.is_attack());
        let once = play(*protocol, &[bytes]);
        for at in 0..bytes.len() {
            let (one, two) = bytes.split_at(at);
            assert_eq!(play(*protocol, &[one, two]), once, "{what} at {at}");
        }
    }
}

#[test]
fn endless_lines_and_endless_talk_are_cut_off() {
    let long = [b'a'; 100_000];
    for (protocol, _) in GOOD {
        // Garbage without an end is refused as what it is, or for its length.
        assert!(play(*protocol, &[&long]).2.is_err(), "{protocol:?}");
    }
    for (protocol, start, line) in [
        (Protocol::Smtp, &b""[..], &b"220-la la la\r\n"[..]),
        (Protocol::Ftp, b"220-\r\n", b"la la la\r\n"),
        (Protocol::Imap, b"* OK\r\n", b"* OK la la la\r\n"),
        (Protocol::Sieve, b"", b"\"LA\" \"la\"\r\n"),
        (Protocol::Irc, b"", b":x NOTICE * :la\r\n"),
        (Protocol::Xmpp, b"<s:stream><s:features>", b"<la/>"),
    ] {
        let talk = [start, &line.repeat(20_000)].concat();
        assert_eq!(play(protocol, &[&talk]).2, Err(Refusal::TooMuch), "{protocol:?}");
        let (_, said, result) = play(protocol, &talk.chunks(1000).collect::<Vec<_>>());
        assert_eq!(result, Err(Refusal::TooMuch), "{protocol:?}");
        assert!(said.len() <= 200);
    }
}

proptest! {
    #[test]
    fn garbage_is_taken_alike_in_any_pieces(
        input in spiked(b"2045\r\n -+*OK a{}\"<>/?='SE\x30\x02\x01\x78\x0a\0\xff"),
        which in 0..Protocol::ALL.len(),
        cuts in cuts(),
    ) {
        let protocol = Protocol::ALL[which];
        prop_assert_eq!(play(protocol, &pieces(&input, &cuts)), play(protocol, &[&input]));
    }

    #[test]
    fn a_dialogue_with_garbage_in_it_is_taken_alike_in_any_pieces(
        which in 0..GOOD.len(),
        garbage in spiked(b"\r\n <>-2E0S\0"),
        place in any::<prop::sample::Index>(),
        cuts in cuts(),
    ) {
        let (protocol, turns) = GOOD[which];
        let mut input = whole(turns);
        let place = place.index(input.len());
        input.splice(place..place, garbage);
        let once = play(protocol, &[&input]);
        prop_assert_eq!(play(protocol, &pieces(&input, &cuts)), once);
    }
}
