//! Many clients on one socket: with `-k`, with commands, of a broker, of a chat.

use testkit::process::ncat;

use crate::peer::{Dtls, client, drain, end, next, send};

#[test]
fn a_hundred_clients_are_served_on_one_socket() {
    let mut ncat = ncat(["-lk", "-v", "-u", "--ssl", "127.0.0.1", "0"]).held().start();
    let port = ncat.listening().port();
    let mut clients: Vec<Dtls> = (0..100).map(|_| client(port)).collect();
    for (at, dtls) in clients.iter_mut().enumerate() {
        send(dtls, format!("{at:04}").as_bytes());
        ncat.wait_output((at + 1) * 4);
    }
    let told: String = (0..100).map(|at| format!("{at:04}")).collect();
    assert_eq!(ncat.wait_output(400), told.as_bytes());
    ncat.send(b"to all of you");
    for dtls in &mut clients {
        assert_eq!(next(dtls).unwrap(), b"to all of you");
    }
    // The hundred are all there may be; when one has left there is room.
    let mut left = clients.remove(0);
    end(&mut left);
    assert_eq!(next(&mut left), None, "its end is answered");
    drop(left);
    let mut late = client(port);
    send(&mut late, b"late");
    assert!(ncat.wait_output(404).ends_with(b"late"));
}

#[test]
fn each_datagram_client_has_a_command_of_its_own() {
    let line = "echo \"$NCAT_TLS_VERSION $NCAT_TLS_PEER\"; cat; echo over";
    let ncat = ncat(["-lk", "-v", "-u", "--ssl", "-c", line, "127.0.0.1", "0"]).start();
    let port = ncat.listening().port();
    let mut clients: Vec<Dtls> = (0..5).map(|_| client(port)).collect();
    for (at, dtls) in clients.iter_mut().enumerate() {
        assert_eq!(next(dtls).unwrap(), b"DTLSv1.2 NOT VERIFIED\n");
        for data in [vec![b'a' + at as u8], vec![b'A' + at as u8; 8192]] {
            send(dtls, &data);
            assert_eq!(next(dtls).unwrap(), data);
        }
    }
    for mut dtls in clients {
        // The end is the command's end of input, and what it says to that still comes.
        end(&mut dtls);
        assert_eq!(drain(&mut dtls), [b"over\n"]);
    }
}

#[test]
fn one_client_has_the_one_command() {
    let ncat = ncat(["-l", "-v", "-u", "--ssl", "-e", "/bin/cat", "127.0.0.1", "0"]).start();
    let mut dtls = client(ncat.listening().port());
    send(&mut dtls, b"hello");
    assert_eq!(next(&mut dtls).unwrap(), b"hello");
    end(&mut dtls);
    assert_eq!(next(&mut dtls), None);
    ncat.finish().expect_code(0);
}

#[test]
fn a_broker_joins_datagram_clients() {
    let ncat = ncat(["--broker", "-v", "-u", "--ssl", "127.0.0.1", "0"]).held().start();
    let port = ncat.listening().port();
    let mut clients: Vec<Dtls> = (0..3).map(|_| client(port)).collect();
    // Who has sent is in for certain.
    for dtls in &mut clients {
        send(dtls, b"!");
    }
    let mut greeted = 0;
    while greeted < 3 {
        greeted = ncat.messages().matches("DTLSv1.2").count();
        std::thread::yield_now();
    }
    let big = vec![b'x'; 16_384];
    send(&mut clients[0], &big);
    for dtls in &mut clients[1..] {
        let got = std::iter::from_fn(|| next(dtls)).find(|got| *got != b"!");
        assert_eq!(got.unwrap(), big);
    }
}

#[test]
fn a_chat_of_datagram_clients() {
    let ncat = ncat(["-l", "--chat", "-v", "-u", "--ssl", "127.0.0.1", "0"]).held().start();
    let port = ncat.listening().port();
    let mut one = client(port);
    let first = String::from_utf8(next(&mut one).unwrap()).unwrap();
    assert!(first.contains("is connected as <user1>."), "{first}");
    let mut two = client(port);
    let second = String::from_utf8(next(&mut two).unwrap()).unwrap();
    assert!(second.contains("already connected: "), "{second}");
    next(&mut one).unwrap();
    send(&mut two, b"hello\n");
    let heard = String::from_utf8(next(&mut one).unwrap()).unwrap();
    assert!(heard.ends_with("> hello\n"), "{heard}");
    end(&mut two);
    let gone = String::from_utf8(next(&mut one).unwrap()).unwrap();
    assert!(gone.contains("is disconnected"), "{gone}");
}

#[test]
fn a_datagram_client_that_has_ended_is_gone() {
    for how in [&["--broker"][..], &["-lk"]] {
        let ncat =
            ncat(how).args(["-v", "-m", "1", "-u", "--ssl", "127.0.0.1", "0"]).held().start();
        let port = ncat.listening().port();
        for _ in 0..3 {
            let mut dtls = client(port);
            send(&mut dtls, b"hello");
            end(&mut dtls);
            assert_eq!(next(&mut dtls), None, "it is answered, and its place is free");
        }
    }
}
