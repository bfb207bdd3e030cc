//! Connections that filters make for themselves.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use super::serve_support::{Finished, Peer, Watch, ncat, noise, scratch};
use super::{connect, patient, script};

/// A listener with this filter, which may use the network; its one client's conversation is `with`.
fn served<T>(text: &str, args: &[&str], with: impl FnOnce(TcpStream) -> T) -> (T, Finished) {
    let dir = scratch();
    let path = script(dir.path(), text);
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "--lua-allow", "net", "-L"]).args([&path]);
    let server = server.args(args.iter()).held().start();
    let result = with(connect(server.port()));
    (result, server.finish())
}

/// Runs `body` in `accept` of a filter that may use the network; nothing in it may fail.
#[track_caller]
pub(super) fn holds(body: &str) {
    let text = format!(
        "return {{ accept = function(self) {body}
          self.super:send('fine')
          return false
        end }}"
    );
    let (said, ended) = served(&text, &[], |mut client| {
        let mut said = String::new();
        let _ = client.read_to_string(&mut said);
        said
    });
    assert_eq!(said, "fine", "{}", ended.stderr);
    ended.expect_code(0);
}

/// A server that sends back what it gets, in capitals, and ends when its client does.
pub(super) fn echo(count: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for _ in 0..count {
            let mut stream = patient(listener.accept().unwrap().0);
            std::thread::spawn(move || {
                let mut buf = vec![0; 65_536];
                while let Ok(n) = stream.read(&mut buf)
                    && n > 0
                {
                    buf[..n].make_ascii_uppercase();
                    stream.write_all(&buf[..n]).unwrap();
                }
                let _ = stream.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    port
}

#[test]
fn filters_connect_for_themselves() {
    let port = echo(1);
    holds(&format!(
        "local s, err, why = ncat.connect('127.0.0.1', {port})
        assert(s, why)
        assert(s:send('abc') and s:recv() == 'ABC')
        assert(s:send('longer piece') and s:recv(6) == 'LONGER' and s:recv() == ' PIECE')
        assert(s:send('') and s:shutdown())
        local data, code = s:recv()
        assert(data == nil and code == 'EOF')
        local done, code = s:send('late')
        assert(done == nil and code == 'CLOSED')
        local yes, lhost, lport, rhost, rport = s:get_info()
        assert(yes and lhost == '127.0.0.1' and lport > 0 and rhost == '127.0.0.1' and rport == {port})
        assert(s:sslinfo() == nil and s:get_ssl_certificate() == nil)
        assert(s:close() and s:close())
        local data, code = s:recv()
        assert(data == nil and code ~= nil)
        assert(not pcall(s.send, s, 5))"
    ));
}

#[test]
fn connections_that_cannot_be_made_are_told() {
    let full = super::full_listener();
    holds(&format!(
        "local function no(code, ...)
          local s, err, why = ncat.connect(...)
          assert(s == nil and err == code, tostring(err) .. ': ' .. tostring(why))
        end
        no('REFUSED', '127.0.0.1', 1)
        no('RESOLVE', 'no.such.name.invalid', 80)
        no('TIMEOUT', '127.0.0.1', {}, {{timeout = 0.3}})
        no('ERROR', '/nonexistent', nil, {{proto = 'unix'}})
        no('ERROR', '127.0.0.1', 1, {{bind = '192.0.2.1'}})
        no('REFUSED', '127.0.0.1', 1, {{proxy = 'inherit'}})
        assert(not pcall(ncat.connect, '127.0.0.1', 1, {{proto = 'carrier pigeon'}}))
        assert(not pcall(ncat.connect, '127.0.0.1'))
        assert(not pcall(ncat.connect, '127.0.0.1', 1, {{tls = {{bogus = true}}}}))
        assert(not pcall(ncat.connect, nil, 1))",
        full.port
    ));
}

#[test]
fn without_leave_there_are_no_connections() {
    let text = "return { accept = function(self)
      for _, f in ipairs {ncat.connect, ncat.new_socket, ncat.resolve} do
        local s, err, why = f('127.0.0.1', 1)
        assert(s == nil and err == 'DENIED' and why:find('--lua-allow net', 1, true))
      end
      self.super:send('fine') return false end }";
    let dir = scratch();
    let path = script(dir.path(), text);
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "-L"]).args([&path]).held().start();
    let mut said = String::new();
    connect(server.port()).read_to_string(&mut said).unwrap();
    assert_eq!(said, "fine");
    server.finish().expect_code(0);
}

#[test]
fn datagrams_and_paths_are_connected_to_too() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp = socket.local_addr().unwrap().port();
    let answerer = std::thread::spawn(move || {
        let mut buf = [0; 2000];
        for _ in 0..3 {
            let (n, from) = socket.recv_from(&mut buf).unwrap();
            buf[..n].reverse();
            socket.send_to(&buf[..n], from).unwrap();
        }
    });
    let dir = scratch();
    let unix = dir.path().join("s");
    let server = ncat(["-v", "-lU"]).args([&unix]).args(["-c", "tr a-z A-Z"]).start();
    server.said("Listening on");
    holds(&format!(
        "local s = assert(ncat.connect('127.0.0.1', {udp}, {{proto = 'udp', bind = '127.0.0.1:0'}}))
        assert(s:send('abc') and s:recv() == 'cba')
        assert(s:send('') and s:recv() == '')
        local done, code = s:send(('x'):rep(65508))
        assert(done == nil and code == 'TOOBIG')
        assert(s:send('de') and s:recv() == 'ed')
        s:close()
        local u = assert(ncat.connect('{}', nil, {{proto = 'unix'}}))
        assert(u:send('unix') and u:shutdown())
        local text = ''
        for piece in u.recv, u do text = text .. piece end
        assert(text == 'UNIX')",
        unix.display()
    ));
    answerer.join().unwrap();
}

#[test]
fn sockets_speak_as_nse_does() {
    let port = echo(1);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp = socket.local_addr().unwrap().port();
    let answerer = std::thread::spawn(move || {
        let mut buf = [0; 2000];
        let (n, from) = socket.recv_from(&mut buf).unwrap();
        socket.send_to(&buf[..n], from).unwrap();
    });
    holds(&format!(
        "local s = ncat.new_socket()
        local data, code = s:receive()
        assert(data == nil and code == 'CLOSED', code)
        assert(s:connect('127.0.0.1', {port}, 'tcp'))
        assert(s:send('one\\ntwo\\nthree'))
        local ok, lines = s:receive_lines(2)
        assert(ok == true and lines:find('^ONE\\nTWO\\n'))
        if #lines == 8 then assert(select(2, s:receive_bytes(5)) == 'THREE') end
        s:send('key: value\\r\\nrest')
        ok, lines = s:receive_buf('\\r\\n', false)
        assert(ok and lines == 'KEY: VALUE', lines)
        ok, lines = s:receive_bytes(4)
        assert(ok and lines == 'REST', lines)
        s:send('a;b;')
        assert(select(2, s:receive_buf(';', true)) == 'A;' and s:recv() == 'B;')
        s:set_timeout(100)
        ok, code = s:receive()
        assert(ok == nil and code == 'TIMEOUT')
        s:set_timeout(-1)
        s:send('after') assert(select(2, s:receive()) == 'AFTER')
        s:shutdown()
        ok, code = s:receive_lines(1)
        assert(ok == nil and code == 'EOF')
        s:close()
        local u = ncat.new_socket()
        assert(u:sendto('127.0.0.1', {udp}, 'datagram'))
        assert(select(2, u:receive()) == 'datagram')"
    ));
    answerer.join().unwrap();
}

#[test]
fn a_root_can_be_waited_for_no_longer_than_it_is_worth() {
    let text = "return { accept = function(self)
      self.super:set_timeout(150)
      local data, code = self.super:recv()
      assert(data == nil and code == 'TIMEOUT', code)
      self.super:set_timeout(-1)
      self.super:send('say something')
      assert(self.super:recv() == 'something')
      self.super:send('fine')
      return false end }";
    let (said, ended) = served(text, &[], |mut client| {
        let mut said = [0; 13];
        client.read_exact(&mut said).unwrap();
        client.write_all(b"something").unwrap();
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        rest
    });
    assert_eq!(said, "fine", "{}", ended.stderr);
}

#[test]
fn a_socket_can_stand_below_a_filter() {
    // The named target is never dialled: all goes by way of the socket that the filter made.
    let port = echo(1);
    let dir = scratch();
    let text = format!(
        "return {{ connect = function(self, host, port)
          assert(host == 'nowhere.invalid' and port == 9)
          local s, err, why = ncat.connect('127.0.0.1', {port})
          if not s then return nil, err, why end
          self.super = s
          return true
        end }}"
    );
    let path = script(dir.path(), &text);
    let data = noise(3_000_000, 21);
    let client = ncat(["nowhere.invalid", "9", "--lua-allow", "net", "-L"]).args([&path]);
    let ended = client.args(["-L", "hex"]).bytes(&data[..1_500_000]).run().expect_code(0);
    testkit::data::assert_same("there and back", &ended.stdout, &data[..1_500_000]);
}

#[test]
fn sockets_end_with_their_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let dir = scratch();
    let text = format!(
        "return {{ accept = function(self)
          ncat.shared.kept = ncat.shared.kept or {{}}
          local s = assert(ncat.connect('127.0.0.1', {port}))
          table.insert(ncat.shared.kept, s)
          assert(s:send('x'))
          return true
        end }}"
    );
    let path = script(dir.path(), &text);
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "--lua-allow", "net", "-L"]).args([&path]);
    let server = server.held().start();
    let one = connect(server.port());
    let mut of_one = patient(listener.accept().unwrap().0);
    let two = connect(server.port());
    let mut of_two = patient(listener.accept().unwrap().0);
    drop(one);
    let mut got = Vec::new();
    of_one.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"x");
    // The other's is still there.
    let mut byte = [0; 2];
    assert_eq!(of_two.read(&mut byte).unwrap(), 1);
    of_two.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(of_two.read(&mut byte).is_err());
    drop(two);
    of_two.set_read_timeout(Some(super::serve_support::PATIENCE)).unwrap();
    assert_eq!(of_two.read(&mut byte).unwrap(), 0);
    server.stop().expect_code(143);
}

#[test]
fn no_connection_has_more_sockets_than_it_may() {
    let port = echo(40);
    let body = format!(
        "local all = {{}}
        for at = 1, 32 do all[at] = assert(ncat.connect('127.0.0.1', {port})) end
        local s, err, why = ncat.connect('127.0.0.1', {port})
        assert(s == nil and err == 'LIMIT', err)
        assert(ncat.new_socket() == nil)
        all[1]:close()
        all[1] = assert(ncat.connect('127.0.0.1', {port}))
        all = nil
        assert(ncat.connect('127.0.0.1', {port}))"
    );
    holds(&body);
    let text = format!(
        "return {{ accept = function(self)
          local one, two = ncat.connect('127.0.0.1', {port}), ncat.new_socket()
          assert(one and two == nil) return nil, 'ERROR', 'as it should be' end }}"
    );
    let (_, ended) = served(&text, &["--lua-limit", "sockets=1"], drop);
    assert!(ended.stderr.contains("as it should be"), "{}", ended.stderr);
}

#[test]
fn names_are_looked_up() {
    holds(
        "local found = assert(ncat.resolve('127.0.0.1'))
        assert(#found == 1 and found[1] == '127.0.0.1')
        found = assert(ncat.resolve('localhost'))
        assert(found[1] == '127.0.0.1' or found[1] == '::1')
        local none, err, why = ncat.resolve('no.such.name.invalid')
        assert(none == nil and err == 'RESOLVE' and #why > 10)",
    );
}

#[test]
fn work_that_nobody_waits_for_any_longer_is_given_up() {
    let full = super::full_listener();
    let port = echo(2);
    holds(&format!(
        "local began = ncat.now()
        local s, err = ncat.with_timeout(0.2, ncat.connect, '127.0.0.1', {full})
        assert(s == nil and err == 'TIMEOUT')
        local went_on = false
        local task = ncat.spawn(function() ncat.connect('127.0.0.1', {full}) went_on = true end)
        ncat.sleep(0.1)
        task:cancel()
        -- Given up in the middle both are closed: nobody knows how far it came.
        local one = assert(ncat.connect('127.0.0.1', {port}))
        local other = assert(ncat.connect('127.0.0.1', {port}))
        local moved, err = ncat.with_timeout(0.2, ncat.relay, one, other)
        assert(moved == nil and err == 'TIMEOUT', err)
        local sent, err = one:send('x')
        assert(sent == nil and err == 'CLOSED', err)
        assert(not went_on and ncat.now() - began < 5)",
        full = full.port
    ));
}

#[test]
fn a_socket_made_while_loading_is_the_scripts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let dir = scratch();
    let text = format!(
        "local log = ncat.new_socket()
        return {{ accept = function(self)
          if self.id == 1 then assert(log:connect('127.0.0.1', {port})) end
          assert(log:send('client ' .. self.id .. '\\n'))
          return true
        end }}"
    );
    let path = script(dir.path(), &text);
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "--lua-allow", "net", "-L"]).args([&path]);
    let server = server.held().start();
    let mut got = [0; 9];
    let one = connect(server.port());
    let mut log = patient(listener.accept().unwrap().0);
    log.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"client 1\n");
    drop(one);
    let _two = connect(server.port());
    log.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"client 2\n");
    server.stop().expect_code(143);
    // Waiting for one is not for then.
    for wait in ["ncat.connect('127.0.0.1', 1)", "ncat.resolve('localhost')"] {
        let path = script(dir.path(), &format!("{wait} return {{}}"));
        let ran = ncat(["127.0.0.1", "1", "--lua-allow", "net", "-L"]).args([&path]).run();
        let line = "Ncat: Lua filter \"x.lua\" tried to wait while loading. QUITTING.";
        assert_eq!(ran.expect_code(2).first_line(), line);
    }
}

#[test]
fn by_way_of_the_users_proxy_only_when_asked() {
    let Some(_) = Peer::Socat.find() else { return };
    let port = echo(2);
    let proxy = ncat(["-v", "-lk", "127.0.0.1", "0", "--proxy-type", "http", "-vv"]).start();
    let at = proxy.port().to_string();
    let dir = scratch();
    let text = format!(
        "return {{ connect = function(self, host, port)
          local direct = assert(ncat.connect('127.0.0.1', {port}))
          local there = assert(ncat.connect('127.0.0.1', {port}, {{proxy = 'inherit'}}))
          assert(there:send('abc') and there:recv() == 'ABC')
          assert(select(5, direct:get_info()) == {port} and select(5, there:get_info()) == {at})
          return nil, 'ERROR', 'as it should be'
        end }}"
    );
    let path = script(dir.path(), &text);
    let client = ncat(["--proxy", &format!("127.0.0.1:{at}"), "--lua-allow", "net", "-L"]);
    let ended = client.args([&path]).args(["example.org", "80"]).held().run().expect_code(1);
    assert!(ended.stderr.contains("as it should be"), "{}", ended.stderr);
    proxy.stop();
}
