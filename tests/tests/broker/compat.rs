//! `--compat=ncat` beside Debian's ncat: the same bytes to every client.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use testkit::peer::listening_port;
use testkit::script::Peer as Client;

use super::room::{broker, hears, join, name};
use super::serve_support::{Peer, Process, Program, eventually, ncat, peer, scratch};

/// What is done in a chat, by clients that are numbered as they come.
enum Step {
    Join,
    JoinV6,
    Say(usize, &'static [u8]),
    Host(&'static [u8]),
    Leave(usize),
    HalfClose(usize),
}

/// A client, what it has heard, and whether it may hear more.
struct Seat {
    client: Client,
    heard: Vec<u8>,
    is_open: bool,
}

/// Everything each client gets. `server` listens on both families if `dual`.
fn play(server: Program, dual: bool, steps: &[Step]) -> Vec<Vec<u8>> {
    let mut server = server.held().start();
    let port = listening_port(&server);
    if dual {
        eventually("both listeners", || {
            (server.messages().matches("Listening on").count() == 2).then_some(())
        });
    }
    let mut clients: Vec<Option<Seat>> = Vec::new();
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for step in steps {
        match step {
            Step::Join | Step::JoinV6 => {
                let host: std::net::IpAddr = match step {
                    Step::Join => Ipv4Addr::LOCALHOST.into(),
                    _ => Ipv6Addr::LOCALHOST.into(),
                };
                let client = Client::connect(SocketAddr::new(host, port));
                names.push(name(&client));
                clients.push(Some(Seat { client, heard: Vec::new(), is_open: true }));
                all.push(Vec::new());
            }
            Step::Say(who, text) => clients[*who].as_mut().unwrap().client.send(text),
            Step::Host(text) => server.send(text),
            Step::HalfClose(who) => clients[*who].as_ref().unwrap().client.half_close(),
            Step::Leave(who) => all[*who] = clients[*who].take().unwrap().heard,
        }
        // Every step but the last words of one who leaves is heard by somebody.
        settle(&mut clients, step);
    }
    for (at, client) in clients.into_iter().enumerate() {
        if let Some(seat) = client {
            all[at] = seat.heard;
        }
    }
    all.into_iter().map(|heard| without_ports(&heard, &names)).collect()
}

/// Takes what a step made everybody hear: waits for the first byte and then for a silence.
fn settle(clients: &mut [Option<Seat>], step: &Step) {
    let speaker = match step {
        Step::Say(who, _) => Some(*who),
        _ => None,
    };
    for (at, client) in clients.iter_mut().enumerate() {
        let Some(Seat { client, heard, is_open: is_open @ true }) = client else { continue };
        if speaker == Some(at) {
            continue;
        }
        let mut buffer = [0; 65_536];
        let mut stream: std::net::TcpStream = client.socket().try_clone().unwrap().into();
        let mut wait = testkit::PATIENCE;
        loop {
            stream.set_read_timeout(Some(wait)).unwrap();
            match std::io::Read::read(&mut stream, &mut buffer) {
                Ok(0) => {
                    *is_open = false;
                    break;
                }
                Err(_) => break,
                Ok(n) => heard.extend_from_slice(&buffer[..n]),
            }
            wait = std::time::Duration::from_millis(60);
        }
        assert!(!*is_open || wait < testkit::PATIENCE, "client {at} heard nothing");
        stream.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
    }
}

/// Ncat 7.93 names clients without their ports, later ones with them, as we do (spec section 7.2).
fn without_ports(heard: &[u8], names: &[String]) -> Vec<u8> {
    let mut text = String::from_utf8(heard.to_vec()).unwrap();
    for name in names {
        let addr: SocketAddr = name.parse().unwrap();
        text = text.replace(name, &addr.ip().to_string());
    }
    text.into_bytes()
}

fn both(args: &[&str], dual: bool, steps: &[Step]) {
    let Some(theirs) = peer(Peer::Ncat, ["-v", "-l", "--chat"]) else { return };
    let dir = scratch();
    let log = dir.path().join("log");
    let args: Vec<&str> =
        args.iter().map(|arg| if *arg == "LOG" { log.to_str().unwrap() } else { arg }).collect();
    let ours = ncat(["-v", "-l", "--chat", "--compat=ncat"]).args(&args);
    let ours = if dual { ours.args(["-p", "0"]) } else { ours.args(["127.0.0.1", "0"]) };
    let ours = play(ours, dual, steps);
    // Debian's ncat takes port 0 for both families apart, so it is given one that was free.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let theirs = theirs.args(&args);
    let theirs = if dual {
        theirs.args([free.to_string()])
    } else {
        theirs.args(["127.0.0.1".to_owned(), free.to_string()])
    };
    let theirs = play(theirs, dual, steps);
    assert_eq!(ours.len(), theirs.len());
    for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        let (ours, theirs) = (String::from_utf8_lossy(ours), String::from_utf8_lossy(theirs));
        assert_eq!(ours, theirs, "client {at}");
    }
    assert!(ours.iter().any(|heard| heard.len() > 100), "nothing was compared");
}

fn every_byte() -> &'static [u8] {
    static ALL: [u8; 256] = {
        let mut all = [0; 256];
        let mut at = 0;
        while at < 256 {
            all[at] = at as u8;
            at += 1;
        }
        all
    };
    &ALL
}

#[test]
fn a_chat_as_debians_ncat_to_the_byte() {
    use Step::{HalfClose, Host, Join, Leave, Say};
    let steps = [
        Join,
        Join,
        Join,
        Say(0, b"hello\nworld\n"),
        Say(1, b"no end of line"),
        Say(1, b" and then one\n"),
        Say(2, every_byte()),
        Say(2, "Gr\u{fc}\u{df}e \u{4e16}\u{754c} \u{1f980}\r\n".as_bytes()),
        Host(b"from standard input \x1b[1m\xc3\xa9\n"),
        Host(b"no end"),
        Leave(1),
        Join,
        HalfClose(0),
        Join,
        Say(2, b"last\n"),
    ];
    // One listener, then with a transcript, which takes a number.
    both(&[], false, &steps);
    both(&["-o", "LOG"], false, &steps);
}

#[test]
fn with_two_listeners_as_debians_ncat() {
    use Step::{Join, JoinV6, Leave, Say};
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return super::serve_support::skip("this system has no IPv6");
    }
    let steps = [Join, JoinV6, Say(0, b"four\n"), Say(1, b"six\n"), Join, Leave(0), Join];
    both(&[], true, &steps);
}

#[test]
fn compat_disconnects_who_half_closes() {
    let server: Process = broker(&["--compat=ncat"]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    one.send(b"bye");
    one.half_close();
    hears(&mut two, "bye");
    assert_eq!(one.drain().0, b"");
    two.send(b"hello?");
    assert!(server.messages().contains("Listening"));
}

#[test]
fn a_broker_as_debians_ncat() {
    let Some(theirs) = peer(Peer::Ncat, ["-l", "--broker", "127.0.0.1", "0"]) else { return };
    // Joining makes no sound here: the host speaks until both have heard it.
    let steps = |program: Program| {
        let mut server = program.held().start();
        let port = listening_port(&server);
        let connect = || Client::connect((Ipv4Addr::LOCALHOST, port).into());
        let (mut one, mut two) = (connect(), connect());
        let mut heard = Vec::new();
        // Until both are in.
        eventually("both to be let in", || {
            server.send(b".");
            one.socket().set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
            let mut byte = [std::mem::MaybeUninit::uninit()];
            let first = one.socket().peek(&mut byte).is_ok();
            two.socket().set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
            (first && two.socket().peek(&mut byte).is_ok()).then_some(())
        });
        for client in [&one, &two] {
            client.socket().set_read_timeout(Some(testkit::PATIENCE)).unwrap();
        }
        one.send(every_byte());
        // Of the host's dots as many as there were, of the others all but the dot.
        while heard.len() < 255 {
            heard.extend(two.take(1).into_iter().filter(|byte| *byte != b'.'));
        }
        heard
    };
    let ours = steps(ncat(["-l", "--broker", "127.0.0.1", "0"]));
    assert_eq!(ours, steps(theirs));
    assert!(ours.len() >= 255);
}
