//! The life of a connection, with the real program: how it ends, and who is told.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};

use super::serve_support::{Watch, ncat, scratch};
use super::{connect, on_wire, patient, script};

const TALKS: &str = "return {
    error = function(self, info) print('error', info.code) end,
    shutdown = function(self) print('shutdown') return self.super:shutdown() end,
    close = function(self, reason) print('close', reason) return self.super:close() end}";

/// The lines that scripts said.
fn said(stderr: &str) -> Vec<String> {
    let lines = stderr.lines().filter_map(|line| line.split_once("]: "));
    lines.map(|(_, text)| text.replace("\\t", "\t")).collect()
}

#[test]
fn idleness_is_told_and_the_wire_counts() {
    let dir = scratch();
    let path = script(dir.path(), TALKS);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = ncat(["127.0.0.1", &port, "-i", "300ms", "-L"]).args([&path]).held().start();
    let stream = listener.accept().unwrap().0;
    let ended = client.finish().expect_code(1);
    assert!(ended.stderr.contains("Idle timeout expired (300 ms)."), "{}", ended.stderr);
    assert_eq!(said(&ended.stderr), ["close\tidle"]);
    drop(stream);
}

#[test]
fn signals_have_filters_say_good_bye() {
    let dir = scratch();
    let path = script(dir.path(), TALKS);
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "-L"]).args([&path]).held().start();
    let (_one, _two) = (connect(server.port()), connect(server.port()));
    server.said_times("Connection from", 2);
    let ended = server.stop().expect_code(143);
    assert_eq!(said(&ended.stderr), ["close\texit", "close\texit"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = ncat(["-v", "127.0.0.1", &port, "-L"]).args([&path]).held().start();
    let _stream = listener.accept().unwrap().0;
    client.said("Connected to");
    assert_eq!(said(&client.stop().stderr), ["close\texit"]);
    // In a second in all, however long they would like to talk.
    let text = "return {close = function(self) print('close') ncat.sleep(3600) end}";
    let path = script(dir.path(), text);
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "-L"]).args([&path]).held().start();
    let clients: Vec<_> = (0..5).map(|_| connect(server.port())).collect();
    server.said_times("Connection from", 5);
    let began = std::time::Instant::now();
    let ended = server.stop().expect_code(143);
    assert_eq!(said(&ended.stderr).len(), 5);
    let time = began.elapsed();
    assert!(time >= std::time::Duration::from_millis(900), "{time:?}");
    assert!(time < std::time::Duration::from_secs(20), "{time:?}");
    drop(clients);
}

#[test]
fn a_client_is_ended_by_its_filter() {
    let dir = scratch();
    let text = "return {recv = function(self)
        local data, code = self.super:recv()
        if data == 'quiet' then self.conn:close() end
        if data == 'loud' then self.conn:close('enough of this') end
        return data, code end}";
    let path = script(dir.path(), text);
    for (word, code, said) in [("quiet", 0, ""), ("loud", 1, "Ncat: enough of this.\n")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let client = ncat(["127.0.0.1", &port, "-L"]).args([&path]).held().start();
        let mut stream = patient(listener.accept().unwrap().0);
        stream.write_all(word.as_bytes()).unwrap();
        let ended = client.finish().expect_code(code);
        assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
        assert_eq!(ended.stdout, word.as_bytes());
    }
}

#[test]
fn what_is_flushed_at_the_end_comes_before_it() {
    let dir = scratch();
    let text = "return {shutdown = function(self)
        ncat.sleep(0.05) self.super:send('trailer') return self.super:shutdown() end}";
    let path = script(dir.path(), text);
    let spec = path.to_str().unwrap();
    // Our input ends first.
    let (wire, ended) = on_wire(&[spec], b"data ");
    ended.expect_code(0);
    assert_eq!(wire, b"data trailer");
    // The peer ends first, and both at once: nothing is lost.
    for holds in [true, false] {
        let server = ncat(["-l", "127.0.0.1", "0", "-L"]).args([&path]);
        let server = if holds { server.held() } else { server.bytes("data ") }.start();
        let mut stream = connect(server.port());
        stream.shutdown(Shutdown::Write).unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).unwrap();
        assert!(got.ends_with("trailer") && got.len() == if holds { 7 } else { 12 }, "{got}");
        drop(stream);
        server.finish();
    }
    // Without half-close the filter has its word at the end.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client =
        ncat(["--no-shutdown", "127.0.0.1", &port, "-L"]).args([&path]).bytes("data ").start();
    let mut stream = patient(listener.accept().unwrap().0);
    let mut first = [0; 5];
    stream.read_exact(&mut first).unwrap();
    stream.write_all(b"answer").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!((&first, &rest[..]), (b"data ", "trailer"));
    assert_eq!(client.finish().expect_code(0).stdout, b"answer");
}

#[test]
fn what_belongs_to_the_process_runs_beside_its_clients() {
    let dir = scratch();
    let text = "ncat.spawn(function() while true do
          ncat.sleep(0.02) connections.broadcast('tick\\n') end end)
        return {}";
    let path = script(dir.path(), text);
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "-L"]).args([&path]).held().start();
    for _ in 0..2 {
        let mut client = connect(server.port());
        let mut ticks = [0; 15];
        client.read_exact(&mut ticks).unwrap();
        assert_eq!(&ticks, b"tick\ntick\ntick\n");
    }
    server.stop().expect_code(143);
}
