//! Clients that mean no good.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use testkit::procfs::{descriptors, resident_kib};
use testkit::script::Peer as Client;

use super::room::{broker, chat, hears, join};
use super::serve_support::{PATIENCE, Watch, assert_same, eventually, noise, on_thread};

#[test]
fn two_thousand_come_and_go() {
    let server = broker(&["-m", "3000"]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    let at: SocketAddr = server.listening();
    let before = resident_kib(server.pid());
    let storm = on_thread(move || {
        for round in 0..2000 {
            let mut client = Client::connect(at);
            match round % 4 {
                0 => client.reset(),
                1 => client.half_close(),
                2 => drop(client.try_send(b"~")),
                _ => {}
            }
        }
    });
    // The others talk meanwhile.
    let (mut rounds, mut slowest) = (0, Duration::ZERO);
    while rounds < 20 || storm.try_recv().is_err() {
        let began = Instant::now();
        one.send(b"?");
        while two.take(1) != b"?" {}
        two.send(b"!");
        while one.take(1) != b"!" {}
        (rounds, slowest) = (rounds + 1, slowest.max(began.elapsed()));
    }
    assert!(slowest < Duration::from_secs(5), "an answer took {slowest:?}");
    // Who is gone is let go of once something was sent to it.
    eventually("the crowd to be gone", || {
        one.send(b"?");
        (descriptors(server.pid()) < 30).then_some(())
    });
    let grown = resident_kib(server.pid()).saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB");
}

#[test]
fn those_who_came_and_left_lock_nobody_out() {
    let server = broker(&["-m", "10"]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    // Nothing is sent, so nothing shows that they are gone.
    for _ in 0..100 {
        drop(join(&server));
    }
    let mut three = join(&server);
    three.send(b"I am in");
    hears(&mut one, "I am in");
    hears(&mut two, "I am in");
    assert!(!server.messages().contains("denied"), "{}", server.messages());
}

#[test]
fn a_chat_survives_a_crowd() {
    let server = chat(&["-m", "400"]).start();
    let mut first = join(&server);
    let at: SocketAddr = server.listening();
    let crowd: Vec<Client> = (0..300).map(|_| Client::connect(at)).collect();
    server.said_times("Connection from", 301);
    drop(crowd);
    let mut lines =
        std::io::BufReader::new(std::net::TcpStream::from(first.socket().try_clone().unwrap()));
    let (mut line, mut text, mut left) = (String::new(), String::new(), 0);
    while left < 300 {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut lines, &mut line).unwrap() > 0, "{text}");
        left += usize::from(line.ends_with("> is disconnected.\n"));
        text.push_str(&line);
    }
    first.send(b"quiet at last\n");
    assert!(text.contains(" more.\n"), "a list is bounded");
}

#[test]
fn anything_at_all_comes_out_as_it_went_in() {
    let server = broker(&[]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    let bytes = noise(4 * 1024 * 1024, 77);
    let copy = bytes.clone();
    let sending = on_thread(move || {
        one.send(&copy);
        one
    });
    assert_same(&two.take(bytes.len()), &bytes, "binary");
    drop(sending);
}

#[test]
fn a_chat_makes_lines_of_anything() {
    let server = chat(&[]).start();
    let (mut one, two) = (join(&server), join(&server));
    // Ten megabytes without a line end, then everything a byte can be.
    let long = b"y".repeat(10 * 1024 * 1024);
    let binary = noise(1024 * 1024, 8);
    let before = resident_kib(server.pid());
    let copy = two.socket().try_clone().unwrap();
    let long_part = vec![b'y'; 64 * 1024];
    let reading = on_thread(move || {
        let mut lines = std::io::BufReader::new(std::net::TcpStream::from(copy));
        let (mut text, mut ys) = (Vec::new(), 0);
        while std::io::BufRead::read_until(&mut lines, b'\n', &mut text).unwrap() > 0 {
            let line = std::mem::take(&mut text);
            assert!(line.len() < 4 * 64 * 1024 + 16);
            let (_, said) = line.split_at("<user1> ".len());
            // The long line is compared as a whole: letter by letter would take a debug build long.
            if long_part.starts_with(&said[..said.len() - 1]) {
                ys += said.len() - 1;
                continue;
            }
            let line = String::from_utf8(line).expect("UTF-8");
            assert!(line.ends_with('\n'), "{line:?}");
            let marked = line.starts_with("<user1> ") || line.starts_with("<announce> ");
            assert!(marked, "{line:?}");
            assert!(!line.trim_end().contains(|c: char| c.is_control() && c != '\t'), "{line:?}");
            if line.starts_with("<announce> <user1> is disconnected") {
                break;
            }
        }
        ys
    });
    one.send(&long);
    one.send(&binary);
    one.half_close();
    let ys = reading.recv_timeout(PATIENCE).unwrap();
    // The last part of the long line ends with the binary's first line.
    assert!(ys > long.len() - 64 * 1024, "{ys}");
    let grown = resident_kib(server.pid()).saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB");
    drop(two);
}

#[test]
fn tiny_pieces_for_one_who_never_reads_do_not_fill_the_memory() {
    let server = broker(&["--slow-reader=wait"]).start();
    let (sender, _stalled) = (join(&server), join(&server));
    sender.socket().set_tcp_nodelay(true).unwrap();
    sender.socket().set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let before = resident_kib(server.pid());
    let mut sender = sender;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) && sender.try_send(b"x").is_ok() {}
    let grown = resident_kib(server.pid()).saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB");
}

#[test]
fn two_who_send_before_they_read_do_not_stop_the_rest() {
    let server = broker(&["--slow-reader=disconnect,500ms"]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    let bytes = noise(16 * 1024 * 1024, 1);
    let copy = bytes.clone();
    let first = on_thread(move || one.try_send(&copy).is_ok());
    let second = on_thread(move || two.try_send(&bytes).is_ok());
    // One of them is disconnected, the other gets rid of everything.
    let results = [first.recv_timeout(PATIENCE).unwrap(), second.recv_timeout(PATIENCE).unwrap()];
    assert_ne!(results[0], results[1], "{}", server.messages());
    let (mut three, mut four) = (join(&server), join(&server));
    // What was on its way when they ended comes first.
    three.send(b"and everybody else is free");
    let mut heard = Vec::new();
    while !heard.ends_with(b"and everybody else is free") {
        heard.extend(four.take(1));
    }
}
