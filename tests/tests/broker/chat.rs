//! A chat: who says what, in whole lines that cannot do harm.

use super::room::{SILENCE, chat, hears, join, name};
use super::serve_support::{Peer, Watch, peer};

fn joined(name: &str, number: u32, others: &str) -> String {
    format!(
        "<announce> {name} is connected as <user{number}>.\n\
         <announce> already connected: {others}.\n"
    )
}

#[test]
fn coming_going_and_speaking() {
    let mut server = chat(&[]).start();
    let mut one = join(&server);
    let alone = joined(&name(&one), 1, "nobody");
    hears(&mut one, &alone);
    let mut two = join(&server);
    let both = joined(&name(&two), 2, &format!("{} as <user1>", name(&one)));
    hears(&mut one, &both);
    hears(&mut two, &both);
    one.send(b"hello\n");
    hears(&mut two, "<user1> hello\n");
    server.send(b"Go away, all of you.\n");
    hears(&mut one, "<user0> Go away, all of you.\n");
    hears(&mut two, "<user0> Go away, all of you.\n");
    one.assert_silent_for(SILENCE);
    drop(one);
    hears(&mut two, "<announce> <user1> is disconnected.\n");
    // A number is never used again.
    let mut three = join(&server);
    let third = joined(&name(&three), 3, &format!("{} as <user2>", name(&two)));
    hears(&mut two, &third);
    hears(&mut three, &third);
    // A reset is a leave too.
    three.reset();
    hears(&mut two, "<announce> <user3> is disconnected.\n");
    assert_eq!(server.output(), "");
}

#[test]
fn lines_are_whole_whatever_the_packets() {
    let server = chat(&[]).start();
    let mut one = join(&server);
    let alone = joined(&name(&one), 1, "nobody");
    hears(&mut one, &alone);
    let two = join(&server);
    // Byte by byte, and the half of a letter at a time.
    let mut reader = ReaderOf::new(two);
    for byte in "Grüße, 世界\nsecond".as_bytes() {
        one.send(&[*byte]);
    }
    assert_eq!(reader.line_of(1), "<user1> Grüße, 世界");
    one.send(b" line\nthird\nlast");
    assert_eq!(reader.line_of(1), "<user1> second line");
    assert_eq!(reader.line_of(1), "<user1> third");
    // The rest at its end.
    one.half_close();
    assert_eq!(reader.line_of(1), "<user1> last");
    assert_eq!(reader.line(), "<announce> <user1> is disconnected.");
}

/// Reads a client's lines.
struct ReaderOf(std::io::BufReader<std::net::TcpStream>);

impl ReaderOf {
    fn new(client: testkit::script::Peer) -> Self {
        Self(std::io::BufReader::new(client.socket().try_clone().unwrap().into()))
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        std::io::BufRead::read_until(&mut self.0, b'\n', &mut line).unwrap();
        assert_eq!(line.pop(), Some(b'\n'));
        String::from_utf8(line).unwrap()
    }

    /// The next line of a user.
    fn line_of(&mut self, user: u32) -> String {
        loop {
            let line = self.line();
            if line.contains(&format!("<user{user}> ")) && line.starts_with("<user") {
                return line;
            }
        }
    }
}

#[test]
fn what_could_do_harm_is_shown_and_text_is_kept() {
    let server = chat(&[]).start();
    let mut one = join(&server);
    let mut two = ReaderOf::new(join(&server));
    for (said, shown) in [
        (&b"\x1b[2J\x07bell\n"[..], "<user1> \\033[2J\\007bell"),
        (b"caf\xe9 \xf0\x9f\x98\n", "<user1> caf\\351 \\360\\237\\230"),
        (b"a\ttab and \\ back\n", "<user1> a\ttab and \\ back"),
        (b"I\r<user9> did it\r\n", "<user1> I\\015<user9> did it\r"),
        ("🦀 ñ \u{202e}txt\n".as_bytes(), "<user1> 🦀 ñ \\342\\200\\256txt"),
        (b"\0\n", "<user1> \\000"),
    ] {
        one.send(said);
        assert_eq!(two.line_of(1), shown);
    }
}

#[test]
fn a_line_without_an_end_comes_in_parts() {
    let server = chat(&[]).start();
    let mut one = join(&server);
    let mut two = ReaderOf::new(join(&server));
    one.send(&b"x".repeat(64 * 1024 + 10));
    assert_eq!(two.line_of(1).len(), "<user1> ".len() + 64 * 1024);
    one.send(b"\n");
    assert_eq!(two.line_of(1), "<user1> xxxxxxxxxx");
}

#[test]
fn announcements_are_not_made_with_recv_only_but_with_send_only() {
    let server = chat(&["--recv-only"]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    one.send(b"hello\n");
    two.assert_silent_for(SILENCE);
    one.assert_silent_for(SILENCE);

    let mut server = chat(&["--send-only"]).start();
    let mut one = join(&server);
    let alone = joined(&name(&one), 1, "nobody");
    hears(&mut one, &alone);
    one.send(b"nobody hears\n");
    server.send(b"hi\n");
    hears(&mut one, "<user0> hi\n");
    one.assert_silent_for(SILENCE);
}

#[test]
fn who_comes_late_reads_whole_lines() {
    let server = chat(&["--history=40"]).start();
    let mut one = join(&server);
    let mut two = ReaderOf::new(join(&server));
    for line in ["the first line\n", "the second\n", "the third\n"] {
        one.send(line.as_bytes());
        two.line_of(1);
    }
    let mut late = join(&server);
    hears(&mut late, "<user1> the second\n<user1> the third\n<announce> ");
}

#[test]
fn people_with_debians_ncat_and_nc_chat() {
    let server = chat(&[]).start();
    let port = server.port().to_string();
    let (Some(ncat), Some(nc)) =
        (peer(Peer::Ncat, ["127.0.0.1", &port]), peer(Peer::NcOpenbsd, ["127.0.0.1", &port]))
    else {
        return;
    };
    let mut one = ncat.held().start();
    one.printed("<announce> already connected: nobody.\n");
    let mut two = nc.held().start();
    one.printed("is connected as <user2>.\n");
    one.send(b"Is anyone there?\n");
    two.printed("<user1> Is anyone there?\n");
    two.send(b"I'm here.\n");
    one.printed("<user2> I'm here.\n");
    drop(two);
    one.printed("<announce> <user2> is disconnected.\n");
}
