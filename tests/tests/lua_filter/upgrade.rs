//! TLS that a filter begins, and what filters see of TLS.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};

use super::serve_support::{Finished, Peer, Watch, ncat, scratch};
use super::{connect, filters, patient, script};
use crate::peer::{self, Server};
use crate::pki::{Identity, Wanted};

fn own() -> Identity {
    Identity::alone(&Wanted { ips: &["127.0.0.1"], ..Wanted::name(&["localhost"]) })
}

/// A filter that asks for TLS in a line, as STARTTLS protocols do, and goes on when it is there.
fn asks(options: &str) -> String {
    format!(
        "return {{ connect = function(self, host, port)
          local ok, err, why = self.super:connect(host, port)
          if not ok then return ok, err, why end
          assert(not self.conn.tls and self.conn:sslinfo() == nil)
          self.super:send('STARTTLS\\n')
          local line = self.super:recv()
          if line ~= 'GO\\n' then return nil, 'ERROR', 'it said ' .. tostring(line) end
          ok, err, why = self.conn:start_tls({options})
          if not ok then return ok, err, why end
          local info = self.conn:sslinfo()
          assert(self.conn.tls and info.version == 'TLSv1.3' and #info.cipher > 5)
          assert(info.peer.subject == 'CN=localhost, O=Example Ltd', info.peer.subject)
          assert(info.peer.issuer == info.peer.subject and #info.peer.sha256 == 95)
          assert(info.peer.not_before:find 'GMT' and info.peer.not_after:find 'GMT')
          assert(info.peer.pem:find '^%-%-%-%-%-BEGIN CERTIFICATE')
          assert(self.conn:get_ssl_certificate().subject == info.peer.subject)
          print('alpn', info.alpn, 'sni', info.sni)
          ok, err, why = self.conn:start_tls()
          assert(ok == nil and err == 'TLS' and why:find 'already')
          return true
        end }}"
    )
}

fn client(dir: &std::path::Path, port: &str, options: &str) -> Finished {
    let path = script(dir, &asks(options));
    ncat(["localhost", "-4", port, "-L"]).args([&path]).args(["-L", "rot13"]).bytes("URYYB").run()
}

#[test]
fn a_filter_begins_tls_in_the_middle() {
    let own = own();
    let server = Server::new(&own, |builder| {
        builder.set_alpn_select_callback(|_, offered| {
            openssl::ssl::select_next_proto(b"\x05other\x02h2", offered)
                .ok_or(openssl::ssl::AlpnError::NOACK)
        });
    });
    let port = server.port();
    let serve = std::thread::spawn(move || {
        let mut tls = server
            .accept_after(|socket| {
                let mut line = [0; 9];
                socket.read_exact(&mut line).unwrap();
                assert_eq!(&line, b"STARTTLS\n");
                socket.write_all(b"GO\n").unwrap();
            })
            .unwrap();
        assert_eq!(tls.ssl().servername(openssl::ssl::NameType::HOST_NAME), Some("localhost"));
        let got = peer::drain(&mut tls);
        tls.write_all(b"NAFJRE").unwrap();
        let _ = tls.shutdown();
        got
    });
    let dir = scratch();
    let ended = client(dir.path(), &port, "{alpn = 'h2,http/1.1'}").expect_code(0);
    assert_eq!(ended.stdout, b"ANSWER");
    assert!(ended.stderr.contains("h2") && ended.stderr.contains("localhost"), "{}", ended.stderr);
    // The end of input is an end of TLS.
    assert_eq!(serve.join().unwrap(), (b"HELLO".to_vec(), peer::Ended::Told));
}

#[test]
fn options_of_tls_hold_for_filters() {
    let root = Identity::root();
    let own = root.issue(&Wanted::name(&["localhost"]));
    let files = tempfile::tempdir().unwrap();
    let (trusted, _) = root.files(&files, "root");
    let (stranger, _) = Identity::root().files(&files, "stranger");
    let verify = |file: &std::path::Path| format!("{{trustfile = '{}'}}", file.display());
    for (options, said) in [
        (verify(&trusted), None),
        (verify(&stranger), Some("Certificate verification failed")),
        (
            "{verify = true, servername = 'other.example'}".into(),
            Some("Certificate verification failed"),
        ),
        (format!("{{pin = '{}'}}", own.pin()), None),
        (format!("{{pin = '{}'}}", root.pin()), Some("pin")),
        ("{max = 'tls1.2', min = 'tls1.2'}".into(), Some("11: assertion failed!")),
        ("{bogus = 1}".into(), Some("there is no TLS option \"bogus\"")),
        ("{verify = 'yes'}".into(), Some("TLS option \"verify\"")),
        ("{cert = '/nonexistent', key = '/nonexistent'}".into(), Some("/nonexistent")),
    ] {
        let server = Server::new(&own, |_| {});
        let port = server.port();
        let serve = std::thread::spawn(move || {
            let tls = server.accept_after(|socket| {
                let mut line = [0; 9];
                let _ = socket.read_exact(&mut line);
                let _ = socket.write_all(b"GO\n");
            });
            if let Ok(mut tls) = tls {
                let _ = peer::drain(&mut tls);
                let _ = tls.shutdown();
            }
        });
        let dir = scratch();
        // The subject's issuer is another one here.
        let text = asks(&options).replace("info.peer.issuer == info.peer.subject and", "");
        let path = script(dir.path(), &text);
        let run = ncat(["localhost", "-4", &port, "-L"]).args([&path]).bytes("x").run();
        match said {
            None => drop(run.expect_code(0)),
            Some(said) => {
                let run = run.expect_code(1);
                assert!(run.stderr.contains(said), "{options}: {}", run.stderr);
            }
        }
        serve.join().unwrap();
    }
}

#[test]
fn what_was_put_before_the_handshake_is_an_attack() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    // In the same segment as the answer, and behind it.
    for later in [false, true] {
        let dir = scratch();
        let path = script(
            dir.path(),
            "return { connect = function(self, host, port)
              assert(self.super:connect(host, port))
              self.super:send('STARTTLS\\n')
              local line = self.super:recv(3)
              self.super:send('?')
              ncat.sleep(0.3)
              return self.conn:start_tls()
            end }",
        );
        let client = ncat(["127.0.0.1", &port, "-L"]).args([&path]).held().start();
        let mut socket = patient(listener.accept().unwrap().0);
        let mut said = [0; 10];
        socket.read_exact(&mut said[..9]).unwrap();
        socket.write_all(if later { b"GO\n" } else { b"GO\nINJECTED" }).unwrap();
        socket.read_exact(&mut said[9..]).unwrap();
        if later {
            socket.write_all(b"INJECTED").unwrap();
        }
        let ended = client.finish().expect_code(1);
        let wanted = "Ncat: plaintext was received beyond the point where TLS begins.\n";
        assert!(ended.stderr.starts_with(wanted), "{}", ended.stderr);
        // Nothing of TLS was said.
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
        assert_eq!(rest, b"");
    }
}

#[test]
fn a_listeners_filter_begins_tls_as_the_server() {
    let files = tempfile::tempdir().unwrap();
    let (certificate, key) = own().files(&files, "own");
    let dir = scratch();
    let text = format!(
        "return {{ accept = function(self)
          local line = ''
          while line:sub(-1) ~= '\\n' do line = line .. (self.super:recv(1) or '\\n') end
          assert(line == 'STARTTLS\\n', line)
          self.super:send('GO\\n')
          local ok, err, why = self.conn:reconnect_ssl{{cert = '{}', key = '{}'}}
          if not ok then return ok, err, why end
          assert(self.conn.tls and self.conn:sslinfo().version == 'TLSv1.3')
          return true
        end }}",
        certificate.display(),
        key.display()
    );
    let path = script(dir.path(), &text);
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "-L"]).args([&path]).bytes("from us");
    let server = server.start();
    let port = server.port().to_string();
    let client = script(files.path(), &asks(""));
    let client = ncat(["localhost", "-4", &port, "-L"]).args([&client]).bytes("from you").run();
    assert_eq!(client.expect_code(0).stdout, b"from us");
    assert_eq!(server.finish().expect_code(0).stdout, b"from you");
}

#[test]
fn a_reader_that_waits_goes_on_above_tls() {
    // The send direction upgrades while the receive direction already waits.
    let own = own();
    let server = Server::new(&own, |_| {});
    let port = server.port();
    let serve = std::thread::spawn(move || {
        let mut tls = server
            .accept_after(|socket| {
                let mut line = [0; 9];
                socket.read_exact(&mut line).unwrap();
            })
            .unwrap();
        tls.write_all(b"answer").unwrap();
        let got = peer::drain(&mut tls).0;
        let _ = tls.shutdown();
        got
    });
    let dir = scratch();
    let path = script(
        dir.path(),
        "return { send = function(self, data)
          if not self.conn.tls then
            assert(self.super:send('STARTTLS\\n'))
            local ok, err, why = self.conn:start_tls()
            if not ok then return ok, err, why end
          end
          return self.super:send(data)
        end }",
    );
    let ended = ncat(["127.0.0.1", &port, "-L"]).args([&path]).bytes("secret").run();
    assert_eq!(ended.expect_code(0).stdout, b"answer");
    assert_eq!(serve.join().unwrap(), b"secret");
}

#[test]
fn filters_see_plaintext_above_the_users_tls() {
    let files = tempfile::tempdir().unwrap();
    let (certificate, key) = own().files(&files, "own");
    let dir = scratch();
    let text = "return { init = function(self)
        assert(self.conn.tls)
        local info = self.conn:sslinfo()
        if self.conn.mode == 'listen' then assert(info.version == 'TLSv1.3' and not info.peer) end
      end,
      connect = function(self, ...)
        local ok, err, why = self.super:connect(...)
        if ok then assert(self.conn:sslinfo().peer.subject:find 'localhost') end
        return ok, err, why
      end,
      send = function(self, data) return self.super:send(data:upper()) end }";
    let path = script(dir.path(), text);
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "--ssl-cert"]).args([&certificate]);
    let server = server.args(["--ssl-key"]).args([&key]).args(["-L"]).args([&path]).bytes("down");
    let server = server.start();
    let port = server.port().to_string();
    let client = ncat(["--ssl", "127.0.0.1", &port, "-L"]).args([&path]).bytes("up").run();
    assert_eq!(client.expect_code(0).stdout, b"DOWN");
    assert_eq!(server.finish().expect_code(0).stdout, b"UP");
    // A client that does not speak TLS never meets a filter.
    let text = "return { init = function() print('made') end }";
    let path = script(dir.path(), text);
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "--ssl", "-L"]).args([&path]).start();
    let mut client = connect(server.port());
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let _ = client.shutdown(Shutdown::Write);
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    server.said("127.0.0.1");
    assert!(!server.stop().stderr.contains("made"));
}

#[test]
fn openssl_talks_with_filters_above_tls() {
    let Some(openssl) = Peer::Openssl.find() else { return };
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "--ssl"]).args(filters(&["rot13"]));
    let server = server.bytes("HELLO\n").start();
    let at = server.listening().to_string();
    let client = openssl.args(["s_client", "-quiet", "-connect", &at]).held().start();
    assert_eq!(client.wait_output(6), b"URYYB\n");
    server.stop();
}

#[test]
fn a_filters_own_connection_can_be_secured() {
    let own = own();
    let server = Server::new(&own, |_| {});
    let port = server.port();
    let serve = std::thread::spawn(move || {
        // At once, refused for its name, and in the middle.
        let mut one = server.accept();
        one.write_all(b"one").unwrap();
        let _ = peer::drain(&mut one);
        let _ = server.try_accept();
        let mut two = server
            .accept_after(|socket| {
                let mut word = [0; 4];
                socket.read_exact(&mut word).unwrap();
            })
            .unwrap();
        two.write_all(b"two").unwrap();
        let _ = peer::drain(&mut two);
    });
    let dir = scratch();
    let text = format!(
        "return {{ accept = function(self)
          local s = assert(ncat.connect('localhost', {port}, {{tls = true}}))
          assert(s:recv() == 'one' and s:sslinfo().sni == 'localhost')
          assert(s:get_ssl_certificate().subject:find 'localhost')
          s:close()
          local none, err, why = ncat.connect('127.0.0.1', {port}, {{tls = {{verify = true}}}})
          assert(none == nil and err == 'TLS' and #why > 10, why)
          s = ncat.new_socket()
          assert(s:connect('127.0.0.1', {port}))
          assert(s:sslinfo() == nil and s:send('STLS') and s:reconnect_ssl())
          assert(s:recv() == 'two' and s:sslinfo().version == 'TLSv1.3')
          self.super:send('fine')
          return false
        end }}"
    );
    let path = script(dir.path(), &text);
    let server = ncat(["-v", "-4l", "127.0.0.1", "0", "--lua-allow", "net", "-L"]).args([&path]);
    let server = server.held().start();
    let mut said = String::new();
    let _ = connect(server.port()).read_to_string(&mut said);
    assert_eq!(said, "fine", "{}", server.finish().stderr);
    serve.join().unwrap();
}
