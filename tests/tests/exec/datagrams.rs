//! UDP and Unix datagrams: one command for each peer.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::children;
use super::serve_support::{PATIENCE, Signal, Watch, eventually, ncat, scratch};

fn client(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    socket
}

fn heard(socket: &UdpSocket) -> String {
    let mut buffer = [0; 70_000];
    let n = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..n]).into_owned()
}

#[test]
fn each_peer_has_a_command_of_its_own() {
    let server = ncat(["-v", "-u", "-lk", "127.0.0.1", "0", "-e", "/bin/cat"]).start();
    let port = server.port();
    let clients: Vec<UdpSocket> = (0..10).map(|_| client(port)).collect();
    for round in 0..3 {
        for (at, client) in clients.iter().enumerate() {
            client.send(format!("{round} of {at}").as_bytes()).unwrap();
        }
        for (at, client) in clients.iter().enumerate().rev() {
            assert_eq!(heard(client), format!("{round} of {at}"));
        }
    }
    assert_eq!(children(server.pid()).len(), 10);
    server.stop().expect_code(143);
}

#[test]
fn single_mode_and_connect_mode() {
    let server = ncat(["-v", "-u", "-l", "127.0.0.1", "0", "-c", "read l; echo got $l"]).start();
    let first = client(server.port());
    first.send(b"a line\n").unwrap();
    assert_eq!(heard(&first), "got a line\n");
    server.finish().expect_code(0);

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let script = "echo $NCAT_PROTO; read l; echo got $l";
    let connected = ncat(["-u", "127.0.0.1", &port, "-c", script]).start();
    let mut buffer = [0; 100];
    let (n, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"UDP\n");
    socket.send_to(b"answer\n", from).unwrap();
    let n = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"got answer\n");
    connected.finish().expect_code(0);
}

#[test]
fn a_large_datagram_is_one_write_and_one_read_is_a_datagram() {
    let server = ncat(["-v", "-u", "-lk", "127.0.0.1", "0"]);
    let script = "head -c 20000 | wc -c; head -c 20000 /dev/zero";
    let server = server.args(["-c", script]).start();
    let client = client(server.port());
    client.send(&[b'x'; 20_000]).unwrap();
    let mut sizes = Vec::new();
    let mut all = String::new();
    while all.len() < 6 + 20_000 {
        let datagram = heard(&client);
        sizes.push(datagram.len());
        all.push_str(&datagram);
    }
    assert!(all.starts_with("20000\n"), "{}", &all[..10]);
    assert!(sizes.iter().all(|size| *size <= 8192), "{sizes:?}");
    server.stop().expect_code(143);
}

#[test]
fn what_the_command_writes_in_one_call_is_one_datagram() {
    let server = ncat(["-v", "-u", "-lk", "127.0.0.1", "0"]);
    // Twenty short writes as fast as it can, then one longer than a pipe's packet.
    let script = "read l; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo $i; done; \
                  dd if=/dev/zero bs=6000 count=1 2>/dev/null; echo end";
    let server = server.args(["-c", script]).start();
    let client = client(server.port());
    for round in 1..=5 {
        client.send(b"go\n").unwrap();
        for wanted in 1..=20 {
            assert_eq!(heard(&client), format!("{wanted}\n"));
        }
        assert_eq!(heard(&client).len(), 6000);
        assert_eq!(heard(&client), "end\n");
        // What comes while the old command's session ends is the old command's.
        server.said_times("exited with status 0.", round);
    }
    server.stop().expect_code(143);
}

#[test]
fn a_silent_peers_command_is_stopped_and_one_that_ended_is_started_anew() {
    let args = ["-v", "-u", "-lk", "-i", "300ms", "127.0.0.1", "0", "-c", "echo $$; exec cat"];
    let server = ncat(args).start();
    let client = client(server.port());
    let number = |text: String| text.lines().next().unwrap().parse::<u32>().unwrap();
    client.send(b"x").unwrap();
    let first = number(heard(&client));
    super::wait_gone(first);
    // By the end of its input or by the signal, whichever it sees first.
    server.said("Command (process ");
    // What the first one had still to say may be on its way.
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    while client.recv(&mut [0; 100]).is_ok() {}
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send(b"y").unwrap();
    assert_ne!(number(heard(&client)), first);
    server.stop().expect_code(143);
}

#[test]
fn the_limit_counts_commands_of_datagram_peers() {
    let args = ["-v", "-u", "-lk", "-m", "2", "127.0.0.1", "0", "-e", "/bin/cat"];
    let server = ncat(args).start();
    let port = server.port();
    let clients = [client(port), client(port), client(port)];
    for client in &clients[..2] {
        client.send(b"hello").unwrap();
        assert_eq!(heard(client), "hello");
    }
    clients[2].send(b"no room").unwrap();
    server.said("connection limit reached (2)");
    assert_eq!(children(server.pid()).len(), 2);
    let first = children(server.pid())[0];
    let first = rustix::process::Pid::from_raw(first.cast_signed()).unwrap();
    rustix::process::kill_process(first, Signal::KILL).unwrap();
    server.said("was ended by signal 9.");
    eventually("a place", || {
        clients[2].send(b"room").unwrap();
        clients[2].set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        clients[2].recv(&mut [0; 100]).ok()
    });
    server.stop().expect_code(143);
}

#[test]
fn unix_datagrams() {
    let dir = scratch();
    let (path, mine) = (dir.path().join("s"), dir.path().join("c"));
    let args = ["-v", "-u", "-lkU", path.to_str().unwrap(), "-c", "echo $NCAT_PROTO; exec cat"];
    let server = ncat(args).start();
    server.said("Listening on");
    let client = UnixDatagram::bind(&mine).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.connect(&path).unwrap();
    client.send(b"hello").unwrap();
    let mut text = String::new();
    let mut buffer = [0; 100];
    while text.len() < "UDP\nhello".len() {
        let n = client.recv(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    assert_eq!(text, "UDP\nhello");
    server.stop().expect_code(143);
}
