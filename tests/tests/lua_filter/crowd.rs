//! Many clients in one room, and one that never reads.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::serve_support::{Watch, ncat, scratch};
use super::{connect, script};

#[test]
fn a_thousand_clients_chat() {
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "-m", "1000", "-L", "chat"]).held().start();
    let mut clients: Vec<TcpStream> = Vec::new();
    for at in 1..=1000 {
        clients.push(connect(server.port()));
        if at % 50 == 0 {
            server.said_times("Connection from", at);
        }
    }
    for speaker in [0, 999] {
        clients[speaker].write_all(b"hello\n").unwrap();
        let said = format!("<{}> hello\n", speaker + 1);
        for (at, client) in clients.iter_mut().enumerate() {
            if at != speaker {
                let mut heard = vec![0; said.len()];
                client.read_exact(&mut heard).unwrap();
                assert_eq!(String::from_utf8_lossy(&heard), said, "{at}");
            }
        }
        server.printed(&said);
    }
    server.stop().expect_code(143);
}

#[test]
fn a_client_that_never_reads_holds_nobody_up() {
    let dir = scratch();
    let text = "return {recv = function(self)
        local data, code, why = self.super:recv()
        if not data then return nil, code, why end
        local _, full = connections.broadcast(data, self)
        if #full > 0 and not told then told = true ncat.log('warn', 'full: %s', table.concat(full, ' ')) end
        return data end}";
    let path = script(dir.path(), text);
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "-L"]).args([&path]).held().start();
    let mut clients: Vec<TcpStream> = Vec::new();
    for at in 1..=3 {
        clients.push(connect(server.port()));
        server.said_times("Connection from", at);
    }
    // The second reads nothing. Its socket takes some, its queue a megabyte, and then it misses the rest.
    let piece = vec![b'x'; 64 * 1024];
    let mut heard = vec![0; piece.len()];
    for _ in 0..320 {
        clients[0].write_all(&piece).unwrap();
        clients[2].read_exact(&mut heard).unwrap();
        assert_eq!(heard, piece);
    }
    server.wait_output(320 * piece.len());
    let ended = server.stop().expect_code(143);
    assert!(ended.stderr.contains("full: 2\n"), "{}", ended.stderr);
}
