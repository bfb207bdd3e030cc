//! A broker of datagrams.

use std::net::UdpSocket;

use super::serve_support::{PATIENCE, Peer, Process, Watch, assert_same, ncat, noise, peer};

fn broker(args: &[&str]) -> Process {
    ncat(["-v", "--broker", "-u"]).args(args).args(["127.0.0.1", "0"]).held().start()
}

/// A peer whose first datagram has made it known.
fn join(server: &Process, first: &[u8]) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.listening()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send(first).unwrap();
    server.said(&format!("Connection from {}.\n", socket.local_addr().unwrap()));
    socket
}

fn take(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let len = socket.recv(&mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

#[test]
fn boundaries_are_kept() {
    let server = broker(&[]);
    let one = join(&server, b"");
    let two = join(&server, b"first");
    assert_eq!(take(&one), b"first");
    for len in [1, 0, 8192, 8193, 1400, 20_000, 65_507] {
        let sent = noise(len, len as u64 + 1);
        two.send(&sent).unwrap();
        assert_same(&take(&one), &sent, &format!("{len} bytes"));
    }
}

#[test]
fn standard_input_is_cut_and_goes_to_all() {
    let mut server = broker(&["--datagram-size", "1000"]);
    let one = join(&server, b"x");
    let two = join(&server, b"y");
    assert_eq!(take(&one), b"y");
    server.send(&noise(2500, 3));
    for socket in [&one, &two] {
        let got: Vec<Vec<u8>> = (0..3).map(|_| take(socket)).collect();
        assert_eq!(got.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1000, 500]);
        assert_same(&got.concat(), &noise(2500, 3), "all of it");
    }
}

#[test]
fn late_peers_are_told_whole_datagrams() {
    let server = broker(&["--history", "10"]);
    let one = join(&server, b"12345");
    let two = join(&server, b"678");
    assert_eq!(take(&two), b"12345");
    assert_eq!(take(&one), b"678");
    one.send(b"abc").unwrap();
    assert_eq!(take(&two), b"abc");
    let three = join(&server, b"");
    // The five before do not fit with the six after.
    assert_eq!(take(&three), b"678");
    assert_eq!(take(&three), b"abc");
}

#[test]
fn a_chat_by_datagrams_has_one_message_each() {
    let server = ncat(["-v", "-l", "--chat", "-u", "127.0.0.1", "0"]).held().start();
    let one = join(&server, b"hello\n");
    assert!(take(&one).starts_with(b"<announce> 127.0.0.1:"));
    let two = join(&server, b"no end of line");
    assert!(take(&one).ends_with(b" as <user1>.\n"));
    assert_eq!(take(&one), b"<user2> no end of line\n");
    take(&two);
    one.send(b"a\nb\n").unwrap();
    assert_eq!(take(&two), b"<user1> a\n<user1> b\n");
}

#[test]
fn debians_ncat_and_socat_meet() {
    let server = broker(&[]);
    let port = server.port().to_string();
    let to = format!("UDP:127.0.0.1:{port}");
    let (Some(ncat), Some(socat)) =
        (peer(Peer::Ncat, ["-u", "127.0.0.1", &port]), peer(Peer::Socat, ["-", &to]))
    else {
        return;
    };
    let (mut ncat, mut socat) = (ncat.held().start(), socat.held().start());
    ncat.send(b"I am ncat\n");
    server.said_times("Connection from", 1);
    socat.send(b"I am socat\n");
    ncat.printed("I am socat\n");
    ncat.send(b"hello\n");
    socat.printed("hello\n");
}
