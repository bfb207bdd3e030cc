//! Many connections: nothing is left behind, the limit counts commands.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use super::serve_support::{Watch, eventually, ncat};
use super::{children, connect, rest, some};

#[test]
fn ten_thousand_connections_leave_no_descriptor_and_no_zombie() {
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "-e", "/bin/true"]).start();
    let port = server.port();
    assert_eq!(rest(&mut connect(port)), "");
    let settled =
        || (children(server.pid()).is_empty()).then(|| testkit::procfs::descriptors(server.pid()));
    let before = eventually("the first command's end", settled);
    let clients: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                for _ in 0..2500 {
                    assert_eq!(connect(port).read(&mut [0; 1]).unwrap(), 0);
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    eventually("everything to be given back", || settled().filter(|now| *now <= before));
    let memory = testkit::procfs::resident_kib(server.pid());
    assert!(memory < 64 * 1024, "{memory} KiB");
    server.stop().expect_code(143);
}

#[test]
fn the_limit_counts_commands_until_they_are_gone() {
    let server = ncat(["-v", "-lk", "-m", "2", "127.0.0.1", "0"]);
    let server = server.args(["-c", "echo in; cat; exec >&-; sleep 0.5"]).start();
    let port = server.port();
    let mut inside = [connect(port), connect(port)];
    for client in &mut inside {
        assert_eq!(some(client, 3), "in\n");
    }
    let turned_away =
        |client: &mut std::net::TcpStream| matches!(client.read(&mut [0; 3]), Ok(0) | Err(_));
    assert!(turned_away(&mut connect(port)));
    server.said("New connection denied: connection limit reached (2)");
    for client in &mut inside {
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(client), "", "the session is over, the command is not");
    }
    assert!(turned_away(&mut connect(port)));
    eventually("a place", || {
        let mut client = connect(port);
        let mut word = [0; 3];
        client.read_exact(&mut word).ok()
    });
    server.stop().expect_code(143);
}

#[test]
fn one_stalled_client_does_not_hold_up_the_others() {
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "-c", "echo in; exec cat"]).start();
    let port = server.port();
    let mut stalled = connect(port);
    assert_eq!(some(&mut stalled, 3), "in\n");
    stalled.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    while stalled.write(&[0; 65536]).is_ok() {}
    let mut client = connect(port);
    client.write_all(b"hello").unwrap();
    assert_eq!(some(&mut client, 8), "in\nhello");
    server.stop().expect_code(143);
}
