//! Filters that serve clients by themselves: `ncat.relay`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::outgoing::{echo, holds};
use super::serve_support::{Watch, ncat, noise, scratch};
use super::{connect, patient, script};

/// A filter that serves its clients by joining them with a server.
fn proxy(port: u16) -> String {
    format!(
        "return {{ accept = function(self)
          local s, err, why = ncat.connect('127.0.0.1', {port})
          if not s then return nil, err, why end
          local up, down = ncat.relay(RELAYED, s)
          print('moved', up, down)
          return false
        end }}"
    )
}

#[test]
fn a_filter_serves_clients_by_itself() {
    // Natively, and by way of Lua: an instance is no native object.
    for relayed in ["self.super", "self"] {
        let port = echo(2);
        let dir = scratch();
        let path = script(dir.path(), &proxy(port).replace("RELAYED", relayed));
        let server = ncat(["-v", "-lk", "127.0.0.1", "0", "--lua-allow", "net"]);
        let server = server.args(["-L", "null", "-L"]).args([&path]).held().start();
        let port = server.port().to_string();
        let data = noise(4_000_000, 31);
        let mut wanted = data.clone();
        wanted.make_ascii_uppercase();
        let clients: Vec<_> =
            (0..2).map(|_| ncat(["127.0.0.1", &port]).bytes(data.clone()).start()).collect();
        for client in clients {
            let got = client.finish().expect_code(0).stdout;
            testkit::data::assert_same(relayed, &got, &wanted);
        }
        server.said_times("moved", 2);
        let said = server.stop().expect_code(143).stderr;
        assert_eq!(said.matches("4000000").count(), 4, "{said}");
        assert!(!said.contains("error") && !said.contains("Closing connection"), "{said}");
    }
}

#[test]
fn relaying_is_not_held_to_the_limit_of_handshakes_and_counts_as_activity() {
    let port = echo(1);
    let dir = scratch();
    let path = script(dir.path(), &proxy(port).replace("RELAYED", "self.super"));
    let limits = ["--lua-limit", "handshake=200ms", "-i", "700ms"];
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "--lua-allow", "net"]).args(limits);
    let server = server.args(["-L"]).args([&path]).held().start();
    let mut client = connect(server.port());
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1500) {
        client.write_all(b"a").unwrap();
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"A");
        std::thread::sleep(Duration::from_millis(100));
    }
    // Silence ends it.
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    let ended = server.finish().expect_code(1);
    assert!(ended.stderr.contains("Idle timeout expired (700 ms)"), "{}", ended.stderr);
}

#[test]
fn relaying_half_closes_and_tells_what_broke() {
    // The server ends first; what the client still says arrives.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let dir = scratch();
    for relayed in ["self.super", "self"] {
        let path = script(dir.path(), &proxy(port).replace("RELAYED", relayed));
        let server = ncat(["-v", "-l", "127.0.0.1", "0", "--lua-allow", "net", "-L"]);
        let server = server.args([&path]).held().start();
        let mut client = connect(server.port());
        let mut far = patient(listener.accept().unwrap().0);
        far.write_all(b"good-bye").unwrap();
        far.shutdown(std::net::Shutdown::Write).unwrap();
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"good-bye");
        client.write_all(b"and you").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        got.clear();
        far.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"and you");
        let ended = server.finish().expect_code(0);
        assert!(ended.stderr.contains("moved\\t7\\t8") || ended.stderr.contains("moved\t7\t8"));
    }
    holds(
        "assert(not pcall(ncat.relay, 1, 2))
        local none, code, why = ncat.relay(self.super, self.super)
        assert(none == nil and code == 'ERROR')
        local broken = {recv = function() return nil, 'RESET', 'gone' end, send = function() end}
        local quiet = {recv = function() ncat.sleep(3600) end, send = function() end}
        local up, code, why, one, two = ncat.relay(broken, quiet)
        assert(up == nil and code == 'RESET' and why == 'gone' and one == 0 and two == 0)",
    );
}

#[test]
fn relaying_ends_with_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let dir = scratch();
    let path = script(dir.path(), &proxy(port).replace("RELAYED", "self.super"));
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "--lua-allow", "net", "-L"]).args([&path]);
    let server = server.held().start();
    // A client that is reset in the middle: the other side hears of it, the next client is served.
    let client = connect(server.port());
    let mut far = patient(listener.accept().unwrap().0);
    let socket = socket2::Socket::from(client);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(socket);
    let mut rest = Vec::new();
    let _ = far.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    drop(far);
    let mut client = connect(server.port());
    let mut far = patient(listener.accept().unwrap().0);
    client.write_all(b"x").unwrap();
    let mut byte = [0];
    far.read_exact(&mut byte).unwrap();
    // And one in the middle of whose conversation the program is ended.
    let began = Instant::now();
    server.stop().expect_code(143);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(far.read(&mut byte).unwrap_or(0), 0);
    assert_eq!(client.read(&mut byte).unwrap_or(0), 0);
}
