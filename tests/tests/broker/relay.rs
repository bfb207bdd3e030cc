//! Who hears what.

use testkit::script::{Ended, Peer as Client};

use super::room::{SILENCE, broker, hears, join, join_v6, name};
use super::serve_support::{
    PATIENCE, Peer, Process, Watch, assert_same, eventually, ncat, noise, on_thread, peer, scratch,
};

#[test]
fn everybody_else_hears_it_and_standard_output_does_not() {
    let mut server = broker(&[]).start();
    let (mut one, mut two, mut three) = (join(&server), join(&server), join(&server));
    one.send(b"from one ");
    hears(&mut two, "from one ");
    hears(&mut three, "from one ");
    two.send(b"from two ");
    hears(&mut one, "from two ");
    hears(&mut three, "from two ");
    server.send(b"from the host");
    for client in [&mut one, &mut two, &mut three] {
        hears(client, "from the host");
        client.assert_silent_for(SILENCE);
    }
    // The end of standard input only stops standard input.
    server.end_input();
    three.send(b"go on");
    hears(&mut one, "go on");
    assert_eq!(server.output(), "");
    assert!(server.is_running());
}

#[test]
fn both_families_meet() {
    // Without a host, on every address of both; -l is implied, -k too.
    let server = ncat(["-v", "--broker", "-p", "0"]).start();
    if !server.said("Listening on").contains("[::]") {
        return super::serve_support::skip("this system has no IPv6");
    }
    let (mut four, mut six) = (join(&server), join_v6(&server));
    assert!(name(&six).starts_with("[::1]"));
    four.send(b"by four");
    hears(&mut six, "by four");
    six.send(b"by six");
    hears(&mut four, "by six");
}

/// The clients people have, connected to `at`.
fn programs(at: u16) -> Vec<(&'static str, Process)> {
    let port = at.to_string();
    [
        ("ncat", peer(Peer::Ncat, ["127.0.0.1", &port])),
        ("socat", peer(Peer::Socat, ["-", &format!("TCP:127.0.0.1:{port}")])),
        ("nc", peer(Peer::NcOpenbsd, ["127.0.0.1", &port])),
        ("ours", peer(Peer::Ours, ["127.0.0.1", &port])),
    ]
    .into_iter()
    .filter_map(|(name, program)| Some((name, program?.held().start())))
    .collect()
}

#[test]
fn the_clients_people_have_meet() {
    let server = broker(&[]).start();
    let mut clients = programs(server.port());
    eventually("all to be let in", || {
        (server.messages().matches("Connection from").count() == clients.len()).then_some(())
    });
    let mut heard = vec![String::new(); clients.len()];
    for at in 0..clients.len() {
        let line = format!("{} was here\n", clients[at].0);
        clients[at].1.send(line.as_bytes());
        for (other, (what, client)) in clients.iter().enumerate() {
            if other != at {
                heard[other].push_str(&line);
                client.wait_output(heard[other].len());
                assert_eq!(client.output(), heard[other], "{what}");
            }
        }
    }
}

#[test]
fn many_speak_at_once_and_nothing_is_lost() {
    const TALKERS: usize = 8;
    const LEN: usize = 2 * 1024 * 1024;
    let server = broker(&[]).start();
    let mut listener = join(&server);
    let talkers: Vec<Client> = (0..TALKERS).map(|_| join(&server)).collect();
    // Everybody sends its number, and hears all others meanwhile.
    let done: Vec<_> = talkers
        .into_iter()
        .enumerate()
        .map(|(at, client)| {
            let copy = client.socket().try_clone().unwrap();
            let reader = on_thread(move || {
                let mut stream: std::net::TcpStream = copy.into();
                let mut got = vec![0; (TALKERS - 1) * LEN];
                std::io::Read::read_exact(&mut stream, &mut got).unwrap();
                got
            });
            let mut client = client;
            let sender = on_thread(move || {
                client.send(&vec![u8::try_from(at).unwrap(); LEN]);
                client
            });
            (at, reader, sender)
        })
        .collect();
    let all = listener.take(TALKERS * LEN);
    for at in 0..TALKERS {
        assert_eq!(all.iter().filter(|byte| usize::from(**byte) == at).count(), LEN);
    }
    for (at, reader, sender) in done {
        let got = reader.recv_timeout(PATIENCE).unwrap();
        assert!(!got.contains(&u8::try_from(at).unwrap()), "{at} heard itself");
        drop(sender.recv_timeout(PATIENCE).unwrap());
    }
}

#[test]
fn a_client_that_has_ended_still_hears() {
    let server = broker(&[]).start();
    let (mut asks, mut answers) = (join(&server), join(&server));
    asks.send(b"a question");
    asks.half_close();
    hears(&mut answers, "a question");
    // Nobody is told that it has ended.
    answers.assert_silent_for(SILENCE);
    let answer = noise(3 * 1024 * 1024, 5);
    answers.send(&answer);
    assert_same(&asks.take(answer.len()), &answer, "the answer");
    drop(answers);
    asks.assert_silent_for(SILENCE);
}

#[test]
fn the_place_of_one_who_only_listens_goes_to_one_who_comes() {
    let server = broker(&["-m", "2"]).start();
    let (mut gone, mut stays) = (join(&server), join(&server));
    gone.half_close();
    let mut new = join(&server);
    assert_eq!(gone.drain(), (Vec::new(), Ended::Fin));
    new.send(b"I am in");
    hears(&mut stays, "I am in");
    // Nobody else may be sent away: it is full.
    let mut refused = Client::connect(server.listening());
    assert_eq!(refused.drain().0, b"");
    server.said("New connection denied: connection limit reached (2)\n");
    stays.send(b"still");
    hears(&mut new, "still");
}

#[test]
fn who_comes_late_is_told_the_last_of_it() {
    let server = broker(&["--history", "1K"]).start();
    let (mut early, mut other) = (join(&server), join(&server));
    let said = noise(5000, 11);
    early.send(&said);
    assert_same(&other.take(5000), &said, "who was there");
    let mut late = join(&server);
    assert_same(&late.take(1024), &said[5000 - 1024..], "who came late");
    other.send(b"now");
    hears(&mut late, "now");
}

#[test]
fn access_rules_are_those_of_every_listener() {
    let server = broker(&["--deny", "127.0.0.2"]).start();
    let mut inside = join(&server);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    socket.connect(&server.listening().into()).unwrap();
    server.said("New connection denied: not allowed\n");
    drop(socket);
    inside.assert_silent_for(SILENCE);
}

/// Ncat has no broker on Unix sockets. Datagrams from whoever has an address of its own.
#[test]
fn unix_sockets_meet() {
    for flags in [&["-U"][..], &["-U", "-u"]] {
        let dir = scratch();
        let path = dir.path().join("room");
        let path = path.to_str().unwrap();
        let server = ncat(["-v", "--broker"]).args(flags).args([path]).held().start();
        server.said("Listening on");
        let mut clients: Vec<Process> =
            (0..3).map(|_| ncat(flags).args([path]).held().start()).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(b"here ");
            eventually("it is in", || {
                (server.messages().matches("Connection from").count() > n).then_some(())
            });
        }
        clients[2].send(b"to both");
        for client in &clients[..2] {
            client.printed("to both");
        }
    }
}
