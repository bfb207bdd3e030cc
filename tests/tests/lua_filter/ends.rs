//! The two directions end separately, by TCP, Unix sockets and TLS: trailers come before the end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::serve_support::{PATIENCE, Peer, Watch, ncat, noise, scratch};
use super::{connect, patient, script};

/// Has a trailer each way: what is sent ends with `<end>`, what is received with `<eof>`.
fn trailers(dir: &Path) -> PathBuf {
    script(
        dir,
        "return {
          shutdown = function(self)
            local ok, err, why = self.super:send('<end>')
            if ok == nil and err then return ok, err, why end
            return self.super:shutdown()
          end,
          recv = function(self, max)
            local data, err, why = self.super:recv(max)
            if data or self.done then return data, err, why end
            self.done = true
            return '<eof>'
          end }",
    )
}

fn all(stream: &mut impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_trailer_comes_before_fin() {
    let dir = scratch();
    let path = trailers(dir.path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    // The user ends first, and goes on hearing.
    let client = ncat(["127.0.0.1", &port, "-L"]).args([&path]).bytes("x").start();
    let mut stream = patient(listener.accept().unwrap().0);
    assert_eq!(all(&mut stream), "x<end>");
    stream.write_all(b"later").unwrap();
    client.wait_output(5);
    drop(stream);
    assert_eq!(client.finish().expect_code(0).stdout, b"later<eof>");

    // By a Unix socket likewise, from a listener.
    let at = dir.path().join("s");
    let unix = UnixListener::bind(&at).unwrap();
    let client = ncat(["-U"]).args([&at]).args(["-L"]).args([&path]).bytes("x").start();
    let mut stream = unix.accept().unwrap().0;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(all(&mut stream), "x<end>");
    drop(stream);
    client.finish().expect_code(0);
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "-L"]).args([&path]).bytes("x").start();
    let mut stream = connect(server.port());
    assert_eq!(all(&mut stream), "x<end>");
    drop(stream);
    assert_eq!(server.finish().expect_code(0).stdout, b"<eof>");
}

#[test]
fn compressed_streams_are_whole_when_fin_comes() {
    if ncat(["-L", "gzip:help"]).run().code() != Some(0) {
        return super::serve_support::skip("this ncat has no gzip");
    }
    let data = noise(100_000, 43);
    for input in [&b"x"[..], &data] {
        let (wire, ended) = super::on_wire(&["gzip"], input);
        ended.expect_code(0);
        let gzip = testkit::process::Program::new("gzip").args(["-dc"]).bytes(wire);
        testkit::data::assert_same("unpacked", &gzip.run().expect_code(0).stdout, input);
    }
}

#[test]
fn a_peer_that_ends_first_gets_the_trailer_and_what_was_ready() {
    let dir = scratch();
    let path = trailers(dir.path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for args in [&[][..], &["--eof=ncat-7.95"]] {
        let client = ncat(["127.0.0.1", &port, "-L"]).args([&path]).args(args.iter());
        let mut client = client.held().start();
        let mut stream = patient(listener.accept().unwrap().0);
        client.send(b"early");
        let mut got = [0; 5];
        stream.read_exact(&mut got).unwrap();
        stream.write_all(b"hello").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        client.wait_output(10);
        if !args.is_empty() {
            client.send(b"late");
            client.end_input();
        }
        let wanted = if args.is_empty() { "<end>" } else { "late<end>" };
        assert_eq!(all(&mut stream), wanted, "{args:?}");
        drop(stream);
        assert_eq!(client.finish().expect_code(0).stdout, b"hello<eof>");
    }
}

#[test]
fn both_may_end_at_once_with_all_they_have() {
    let dir = scratch();
    let path = trailers(dir.path());
    let (up, down) = (noise(2_000_000, 41), noise(2_500_000, 42));
    for tls in [false, true] {
        if tls && !cfg!(feature = "tls") {
            continue;
        }
        let args = if tls { &["--ssl"][..] } else { &[] };
        let server = ncat(["-v", "-l", "127.0.0.1", "0"]).args(args.iter()).args(["-L"]);
        let server = server.args([&path]).bytes(down.clone()).start();
        let port = server.port().to_string();
        let client = ncat(["127.0.0.1", &port]).args(args.iter()).bytes(up.clone()).run();
        let wanted = [&down[..], b"<end>"].concat();
        let what = format!("down, TLS {tls}");
        testkit::data::assert_same(&what, &client.expect_code(0).stdout, &wanted);
        let wanted = [&up[..], b"<eof>"].concat();
        let what = format!("up, TLS {tls}");
        testkit::data::assert_same(&what, &server.finish().expect_code(0).stdout, &wanted);
    }
}

#[test]
fn real_peers_get_the_trailer_too() {
    let dir = scratch();
    let path = trailers(dir.path());
    for peer in [Peer::Ncat, Peer::NcOpenbsd, Peer::Socat] {
        let Some(program) = peer.find() else { continue };
        let server = ncat(["-v", "-l", "127.0.0.1", "0", "-L"]).args([&path]).bytes("down\n");
        let server = server.start();
        let port = server.port().to_string();
        let program = match peer {
            Peer::Socat => program.args(["-t5", "-", &format!("TCP:127.0.0.1:{port}")]),
            Peer::NcOpenbsd => program.args(["-N", "127.0.0.1", &port]),
            _ => program.args(["127.0.0.1", &port]),
        };
        let got = program.bytes("up\n").run().expect_code(0).stdout;
        assert_eq!(got, b"down\n<end>", "{peer:?}");
        assert_eq!(server.finish().expect_code(0).stdout, b"up\n<eof>", "{peer:?}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn a_trailer_comes_before_the_end_of_tls() {
    use crate::peer::{Ended, Server, drain, half_close};
    use crate::pki::{Identity, Wanted};
    let dir = scratch();
    let path = trailers(dir.path());
    let own = Identity::alone(&Wanted::name(&["localhost"]));
    // The user ends first, then the peer; and the other way round.
    for peer_first in [false, true] {
        let server = Server::new(&own, |_| {});
        let port = server.port();
        let serve = std::thread::spawn(move || {
            let mut tls = server.accept();
            tls.write_all(b"hello").unwrap();
            if peer_first {
                half_close(&mut tls);
                return drain(&mut tls);
            }
            let got = drain(&mut tls);
            tls.write_all(b" later").unwrap();
            half_close(&mut tls);
            got
        });
        let client = ncat(["--ssl", "127.0.0.1", &port, "-L"]).args([&path]);
        let mut client = if peer_first { client.held() } else { client.bytes("x") }.start();
        if peer_first {
            client.wait_output(10);
            client.end_input();
        }
        let ended = client.finish().expect_code(0);
        let got = serve.join().unwrap();
        if peer_first {
            assert_eq!(got, (b"<end>".to_vec(), Ended::Told));
            assert_eq!(ended.stdout, b"hello<eof>");
        } else {
            assert_eq!(got, (b"x<end>".to_vec(), Ended::Told));
            assert_eq!(ended.stdout, b"hello later<eof>");
        }
    }
}
