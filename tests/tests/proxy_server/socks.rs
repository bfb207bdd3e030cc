//! SOCKS 4, 4a and 5, byte by byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use crate::proxy::{Proxy, rest};
use crate::web;
use testkit::PATIENCE;

fn echo() -> SocketAddr {
    web::serve(|mut socket| {
        let mut buf = [0; 4096];
        while let Ok(n @ 1..) = socket.read(&mut buf) {
            socket.write_all(&buf[..n]).unwrap();
        }
    })
}

fn exactly(socket: &mut TcpStream, n: usize) -> Vec<u8> {
    let mut buf = vec![0; n];
    socket.read_exact(&mut buf).unwrap();
    buf
}

fn echoes(mut socket: TcpStream) {
    socket.write_all(b"hello").unwrap();
    assert_eq!(exactly(&mut socket, 5), b"hello");
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(rest(&mut socket), b"");
}

fn v4(addr: SocketAddr, command: u8) -> Vec<u8> {
    [&[4, command], &addr.port().to_be_bytes()[..], &[127, 0, 0, 1], b"me\0"].concat()
}

fn v5(addr: SocketAddr, command: u8) -> Vec<u8> {
    [&[5, command, 0, 1, 127, 0, 0, 1], &addr.port().to_be_bytes()[..]].concat()
}

/// Writes every byte by itself.
fn dribble(socket: &mut TcpStream, bytes: &[u8]) {
    for byte in bytes {
        socket.write_all(&[*byte]).unwrap();
    }
}

#[test]
fn every_version_in_single_bytes() {
    let echo = echo();
    let port = echo.port().to_be_bytes();
    for kind in ["socks", "any"] {
        let proxy = Proxy::new(kind, &[]);
        let mut socket = proxy.connect();
        dribble(&mut socket, &v4(echo, 1));
        assert_eq!(exactly(&mut socket, 8)[..2], [0, 0x5a]);
        echoes(socket);

        let mut socket = proxy.connect();
        dribble(&mut socket, &[&[4, 1], &port[..], &[0, 0, 0, 1], b"\0localhost\0"].concat());
        assert_eq!(exactly(&mut socket, 8)[..2], [0, 0x5a]);
        echoes(socket);

        for target in [&b"\x01\x7f\0\0\x01"[..], b"\x03\x09localhost"] {
            let mut socket = proxy.connect();
            dribble(&mut socket, &[5, 2, 2, 0]);
            assert_eq!(exactly(&mut socket, 2), [5, 0]);
            dribble(&mut socket, &[&[5, 1, 0], target, &port[..]].concat());
            let reply = exactly(&mut socket, 10);
            assert_eq!(reply[..8], [5, 0, 0, 1, 127, 0, 0, 1], "where we connect from");
            echoes(socket);
        }
    }
}

#[test]
fn a_whole_dialogue_in_one_segment_and_what_follows_it() {
    let (echo, proxy) = (echo(), Proxy::new("socks5", &[]));
    let mut socket = proxy.connect();
    socket.write_all(&[&[5, 1, 0][..], &v5(echo, 1), b"early"].concat()).unwrap();
    assert_eq!(exactly(&mut socket, 12)[..4], [5, 0, 5, 0]);
    assert_eq!(exactly(&mut socket, 5), b"early");
}

#[test]
fn only_what_is_spoken_is_answered() {
    let echo = echo();
    let v5_all = [&[5, 1, 0][..], &v5(echo, 1)].concat();
    for (kind, text) in [("socks4", v5_all), ("socks5", v4(echo, 1)), ("http", vec![4, 1])] {
        let proxy = Proxy::new(kind, &[]);
        let answer = proxy.ask(text);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.0 400"), "{kind}: {answer}");
    }
    let proxy = Proxy::new("socks", &[]);
    assert_eq!(proxy.ask("GET http://a/ HTTP/1.1\r\n\r\n"), "");
}

#[test]
fn what_cannot_be_done_has_its_number() {
    let proxy = Proxy::new("socks", &[]);
    let nobody = web::nobody();
    let ask = |request: &[u8]| {
        let mut socket = proxy.connect();
        socket.write_all(&[&[5, 1, 0], request].concat()).unwrap();
        assert_eq!(exactly(&mut socket, 2), [5, 0]);
        exactly(&mut socket, 10)[1]
    };
    assert_eq!(ask(&v5(nobody, 1)), 5, "refused");
    assert_eq!(ask(&v5(nobody, 9)), 7, "no such command");
    assert_eq!(ask(&[5, 1, 0, 7, 1, 2, 3, 4, 5, 6]), 8, "no such address type");
    assert_eq!(ask(b"\x05\x01\x00\x03\x09a.invalid\x00\x50"), 4, "no such name");
    assert_eq!(ask(b"\x05\x01\x00\x03\x03a\0b\x00\x50"), 1, "no name at all");
    assert_eq!(ask(&v5(proxy.addr, 1)), 2, "ourselves");
    let mut socket = proxy.connect();
    socket.write_all(&v4(nobody, 1)).unwrap();
    assert_eq!(exactly(&mut socket, 8)[..2], [0, 0x5b]);
    // A method nobody has.
    assert_eq!(proxy.ask([5, 1, 0x80]).len(), "\u{5}\u{fffd}".len());
}

/// The longest that the lengths of one byte allow, and the longest user id.
#[test]
fn long_names_and_passwords_are_taken() {
    let (user, password) = ("u".repeat(255), "p".repeat(255));
    let proxy = Proxy::new("socks", &["--proxy-auth", &format!("{user}:{password}")]);
    let echo = echo();
    let mut socket = proxy.connect();
    let greeting =
        [b"\x05\x01\x02\x01\xff", user.as_bytes(), b"\xff", password.as_bytes()].concat();
    socket.write_all(&[&greeting, &v5(echo, 1)[..]].concat()).unwrap();
    assert_eq!(exactly(&mut socket, 14)[..6], [5, 2, 1, 0, 5, 0]);
    echoes(socket);
    // A name of 255 bytes is one that nobody has.
    let mut socket = proxy.connect();
    let name = format!("{}.a", ["a"; 127].join("."));
    let request = [b"\x05\x01\x00\x03\xff", &name.as_bytes()[..255], &[0, 80]].concat();
    socket.write_all(&[&greeting[..], &request].concat()).unwrap();
    let reply = exactly(&mut socket, 14);
    assert_eq!(reply[..4], [5, 2, 1, 0]);
    assert!(matches!(reply[5], 1 | 4), "{reply:?}");
    let id = format!("{}:{}", &user[..200], &password[..54]);
    let four = Proxy::new("socks4", &["--proxy-auth", &id]);
    let mut socket = four.connect();
    let port = echo.port().to_be_bytes();
    let request = [&[4, 1], &port[..], &[127, 0, 0, 1], id.as_bytes(), b"\0"].concat();
    socket.write_all(&request).unwrap();
    assert_eq!(exactly(&mut socket, 8)[..2], [0, 0x5a]);
    echoes(socket);
}

#[test]
fn broken_dialogues_end_and_harm_nobody() {
    let proxy = Proxy::new("any", &[]);
    let endless = [&[4, 1, 0, 80, 127, 0, 0, 1][..], &[b'x'; 5000]].concat();
    for text in [
        &[5, 0][..],
        &[5, 1, 0, 5, 1, 0, 3, 0, 0, 80],
        &[5, 1, 0, 5, 1, 0, 3, 3, b'a', 0, b'b', 0, 80],
        &[5, 1, 0, 9],
        &[4],
        &[5],
        &[4, 1, 0, 80, 0, 0, 0, 1, 0, 0],
        &endless,
    ] {
        let answer = proxy.ask(text);
        assert!(answer.len() < 20, "{answer:?}");
    }
    let mut socket = proxy.connect();
    socket.write_all(&v4(echo(), 1)).unwrap();
    assert_eq!(exactly(&mut socket, 8)[..2], [0, 0x5a]);
}

#[test]
fn bind_waits_for_whom_it_was_told() {
    for version in [4, 5] {
        let proxy = Proxy::new("socks", &[]);
        let mut socket = proxy.connect();
        let nowhere = "127.0.0.1:0".parse().unwrap();
        let reply = |socket: &mut TcpStream| -> SocketAddr {
            let reply = if version == 4 { exactly(socket, 8) } else { exactly(socket, 10) };
            assert_eq!(reply[1], if version == 4 { 0x5a } else { 0 });
            let port = if version == 4 { &reply[2..4] } else { &reply[8..10] };
            SocketAddr::from(([127, 0, 0, 1], u16::from_be_bytes([port[0], port[1]])))
        };
        if version == 4 {
            socket.write_all(&v4(nowhere, 2)).unwrap();
        } else {
            socket.write_all(&[&[5, 1, 0][..], &v5(nowhere, 2)].concat()).unwrap();
            exactly(&mut socket, 2);
        }
        let at = reply(&mut socket);
        // Somebody else is not let in.
        let stranger =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        stranger.bind(&"127.0.0.9:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        stranger.connect(&at.into()).unwrap();
        assert_eq!(TcpStream::from(stranger).read(&mut [0]).unwrap_or(0), 0);
        let mut peer = TcpStream::connect(at).unwrap();
        assert_eq!(reply(&mut socket), peer.local_addr().unwrap(), "who came");
        peer.write_all(b"from afar").unwrap();
        assert_eq!(exactly(&mut socket, 9), b"from afar");
        socket.write_all(b"and back").unwrap();
        assert_eq!(exactly(&mut peer, 8), b"and back");
    }
}

#[test]
fn datagrams_are_relayed_both_ways_while_the_connection_stays() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    for socket in [&server, &stranger, &client] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    let proxy = Proxy::new("socks5", &[]);
    let mut socket = proxy.connect();
    socket.write_all(&[5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    let reply = exactly(&mut socket, 12);
    assert_eq!(reply[..6], [5, 0, 5, 0, 0, 1]);
    let relay = SocketAddr::from(([127, 0, 0, 1], u16::from_be_bytes([reply[10], reply[11]])));
    let port = server.local_addr().unwrap().port().to_be_bytes();
    let header = [&[0, 0, 0, 1, 127, 0, 0, 1], &port[..]].concat();
    let mut buf = vec![0; 65_536];
    for payload in [&b"one"[..], b"", &[7; 60_000]] {
        client.send_to(&[&header, payload].concat(), relay).unwrap();
        let (n, from) = server.recv_from(&mut buf).unwrap();
        assert_eq!(&buf[..n], payload);
        // Who was not written to is not let in.
        stranger.send_to(b"spam", from).unwrap();
        server.send_to(payload, from).unwrap();
        let n = client.recv(&mut buf).unwrap();
        assert_eq!(buf[..n], [&header, payload].concat());
    }
    // By name; a fragment goes nowhere.
    client.send_to(&[&[0, 0, 1, 1, 127, 0, 0, 1], &port[..], b"part"].concat(), relay).unwrap();
    client.send_to(&[b"\0\0\0\x03\x09localhost", &port[..], b"named"].concat(), relay).unwrap();
    let n = server.recv(&mut buf).unwrap();
    assert_eq!(&buf[..n], b"named");
    drop(socket);
    proxy.process.wait_message("UDP ASSOCIATE");
}

/// An association that says nothing holds no buffers, which would be the largest thing about it.
#[test]
fn silent_associations_cost_little() {
    const MANY: u64 = 200;
    let proxy = Proxy::new("socks5", &["-m", "300"]);
    let associate = || {
        let mut socket = proxy.connect();
        socket.write_all(&[5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(exactly(&mut socket, 12)[..4], [5, 0, 5, 0]);
        socket
    };
    let first: Vec<_> = (0..10).map(|_| associate()).collect();
    let before = testkit::procfs::resident_kib(proxy.process.pid());
    let open: Vec<_> = (0..MANY).map(|_| associate()).collect();
    let each = (testkit::procfs::resident_kib(proxy.process.pid()) - before) / MANY;
    assert!(each <= 48, "{each} KiB each");
    drop((first, open));
}
