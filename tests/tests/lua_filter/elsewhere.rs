//! `connect` that dials somebody else, and what it answers for while it does.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::serve_support::{Finished, Watch, ncat, scratch};
use super::{filters, patient, script};

/// What `ncat 127.0.0.1 1` does with this filter and these arguments.
fn run(text: &str, args: &[&str]) -> Finished {
    let dir = scratch();
    let path = script(dir.path(), text);
    ncat(["127.0.0.1", "1", "-L"]).args([&path]).args(args.iter()).bytes("sent\n").run()
}

/// A peer that takes one connection, says `hello` and reads to the end.
fn peer() -> (u16, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = std::thread::spawn(move || {
        let mut stream = patient(listener.accept().unwrap().0);
        stream.write_all(b"hello\n").unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        got
    });
    (port, serve)
}

#[test]
fn a_filter_with_leave_dials_somebody_else() {
    let (port, peer) = peer();
    let text = format!(
        "return {{ connect = function(self, host, port)
          assert(host == '127.0.0.1' and port == 1)
          assert(self.conn.remote_addr == '' and self.conn.remote_port == nil)
          local ok, err, why = self.super:connect('127.0.0.1', {port})
          if not ok then return ok, err, why end
          assert(self.conn.remote_port == {port} and self.conn.remote_addr == '127.0.0.1')
          local yes, lhost, lport, rhost, rport = self.conn:get_info()
          assert(yes and lhost == '127.0.0.1' and lport > 0 and rhost == lhost and rport == {port})
          assert(self.super:recv() == 'hello\\n')
          assert(self.super:send('CONNECT ' .. host .. ':' .. port .. '\\n'))
          return true
        end }}"
    );
    let ended = run(&text, &["--lua-allow", "net"]).expect_code(0);
    assert_eq!((ended.stdout.as_slice(), &ended.stderr[..]), (&b""[..], ""));
    assert_eq!(peer.join().unwrap(), b"CONNECT 127.0.0.1:1\nsent\n");
}

#[test]
fn without_leave_only_the_named_target_is_dialled() {
    let (port, _peer) = peer();
    let text = format!(
        "return {{ connect = function(self, host, port)
          local ok, err, why = self.super:connect('127.0.0.1', {port})
          assert(ok == nil and err == 'DENIED' and why:find('net', 1, true), why)
          return ok, err, why
        end }}"
    );
    let ended = run(&text, &[]).expect_code(1);
    let said = "Ncat: only the target the user named can be dialled (--lua-allow net).\n";
    assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
}

#[test]
fn dialling_can_be_tried_again() {
    let (port, peer) = peer();
    let text = format!(
        "return {{ connect = function(self)
          for _ = 1, 2 do
            local ok, err = self.super:connect('127.0.0.1', 1)
            assert(ok == nil and err == 'REFUSED', err)
          end
          local ok, err = self.super:connect('no.such.name.invalid', 80)
          assert(ok == nil and err == 'RESOLVE', err)
          assert(not pcall(self.super.connect, self.super, nil, 80))
          assert(self.super:connect('127.0.0.1', {port}))
          assert(self.super:connect('127.0.0.1', {port}))
          local ok, err, why = self.super:connect('127.0.0.1', 2)
          assert(ok == nil and err == 'ERROR' and why:find 'already')
          return true
        end }}"
    );
    let ended = run(&text, &["--lua-allow", "net"]).expect_code(0);
    assert_eq!(ended.stdout, b"hello\n");
    assert_eq!(peer.join().unwrap(), b"sent\n");
}

#[test]
fn two_that_dial_elsewhere_stand_on_each_other() {
    let dir = scratch();
    let (port, peer) = peer();
    let by = |name: &str, host: &str, port: u16| {
        super::named(
            dir.path(),
            name,
            &format!(
                "return {{ connect = function(self, host, port)
                  local ok, err, why = self.super:connect('{host}', {port})
                  if not ok then return ok, err, why end
                  assert(self.super:send('to ' .. host .. ':' .. port .. '\\n'))
                  return true
                end }}"
            ),
        )
    };
    let (near, far) = (by("near.lua", "127.0.0.1", port), by("far.lua", "proxy.example", 8080));
    let specs = [near.to_str().unwrap(), far.to_str().unwrap()];
    let client = ncat(["--lua-allow", "net"]).args(filters(&specs)).args(["example.org", "80"]);
    let ended = client.bytes("data").run().expect_code(0);
    assert_eq!(ended.stdout, b"hello\n");
    let got = String::from_utf8(peer.join().unwrap()).unwrap();
    assert_eq!(got, "to proxy.example:8080\nto example.org:80\ndata");
}

#[test]
fn what_a_filter_says_about_its_own_negotiation_is_told() {
    let (port, _peer) = peer();
    let text = format!(
        "return {{ connect = function(self)
          assert(not self.super:connect('127.0.0.1', 1))
          assert(self.super:connect('127.0.0.1', {port}))
          return nil, 'DENIED', 'the proxy does not like us'
        end }}"
    );
    let ended = run(&text, &["--lua-allow", "net"]).expect_code(1);
    assert!(ended.stderr.starts_with("Ncat: the proxy does not like us.\n"), "{}", ended.stderr);
}

#[test]
fn the_limit_of_handshakes_does_not_run_while_the_root_dials() {
    // Nobody answers there: the queue of a listener that accepts nobody is full.
    let full = super::full_listener();
    let port = full.port;
    let text = format!(
        "return {{ connect = function(self)
          local ok, err = self.super:connect('127.0.0.1', {port})
          assert(ok == nil and err == 'TIMEOUT', err)
          return nil, 'ERROR', 'gave up after -w'
        end }}"
    );
    let began = Instant::now();
    let args = ["--lua-allow", "net", "-w", "1500ms", "--lua-limit", "handshake=300ms"];
    let ended = run(&text, &args).expect_code(1);
    assert!(ended.stderr.starts_with("Ncat: gave up after -w.\n"), "{}", ended.stderr);
    assert!(began.elapsed() >= Duration::from_millis(1400), "{:?}", began.elapsed());

    // What the filter does itself is under the limit.
    let text = "return { connect = function(self) ncat.sleep(3600) return true end }";
    let began = Instant::now();
    let ended = run(text, &["--lua-limit", "handshake=300ms"]).expect_code(1);
    assert!(ended.stderr.starts_with("Ncat: TIMEOUT"), "{}", ended.stderr);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn by_a_unix_socket_the_target_is_a_path() {
    let dir = scratch();
    let named = dir.path().join("named");
    let other = dir.path().join("other");
    let server = ncat(["-v", "-lU"]).args([&other]).held().start();
    server.said("Listening on");
    let text = format!(
        "return {{ connect = function(self, host, port)
          assert(host == '{}' and port == nil)
          return self.super:connect('{}')
        end }}",
        named.display(),
        other.display()
    );
    let path = script(dir.path(), &text);
    let client = ncat(["--lua-allow", "net", "-L"]).args([&path]).args(["-U"]).args([&named]);
    client.bytes("unix").run().expect_code(0);
    assert_eq!(server.finish().stdout, b"unix");
}

#[test]
fn probing_runs_connect_and_says_good_bye() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let dir = scratch();
    let text = "return {
      connect = function(self, ...) print('connect') return self.super:connect(...) end,
      recv = function() print('recv') end, send = function() print('send') end,
      close = function(self, reason) print('close', reason) return self.super:close() end }";
    let path = script(dir.path(), text);
    let ended = ncat(["-z", "127.0.0.1", &port, "-L"]).args([&path]).run().expect_code(0);
    let said: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].ends_with("[1]: connect"), "{said:?}");
    assert!(said[1].contains("[1]: close") && said[1].ends_with("done"), "{said:?}");
    let mut rest = Vec::new();
    patient(listener.accept().unwrap().0).read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    ncat(["-z", "127.0.0.1", "1", "-L"]).args([&path]).run().expect_code(1);

    // By UDP the question is a datagram, and that goes the way of all others.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    ncat(["-zu", "-i", "100ms", "127.0.0.1", &port, "-L", "hex"]).run().expect_code(0);
    let mut got = [0; 8];
    assert_eq!(socket.recv(&mut got).unwrap(), 2);
    assert_eq!(&got[..2], b"00");
}
