//! Filters beside everything else that Ncat does, one test for each line of the contract about it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::{Duration, Instant};

use super::serve_support::{Watch, ncat, scratch};
use super::{connect, filters, patient, script};

/// A peer that takes one connection, says this, and reads to the end.
fn peer(says: &'static [u8]) -> (String, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let serve = std::thread::spawn(move || {
        let mut stream = patient(listener.accept().unwrap().0);
        stream.write_all(says).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        got
    });
    (port, serve)
}

#[test]
fn transcripts_have_the_clear_side_after_line_ends_and_telnet() {
    let dir = scratch();
    let (raw, hex) = (dir.path().join("raw"), dir.path().join("hex"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = ncat(["-C", "-t", "-o"]).args([&raw]).args(["-x"]).args([&hex]);
    let client = client.args(filters(&["rot13"])).args(["127.0.0.1", &port]).held();
    let mut client = client.start();
    let mut stream = patient(listener.accept().unwrap().0);
    client.send(b"hello\n");
    let mut got = [0; 7];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"uryyb\r\n");
    // IAC WILL 1 is telnet's, in an alphabet that rot13 leaves alone; DONT 1 is the answer to it.
    stream.write_all(b"\xff\xfb\x01nafjre\n").unwrap();
    stream.read_exact(&mut got[..3]).unwrap();
    assert_eq!(&got[..3], b"\xff\xfe\x01");
    client.wait_output(7);
    drop(stream);
    assert_eq!(client.finish().expect_code(0).stdout, b"answer\n");
    let raw = std::fs::read(&raw).unwrap();
    assert_eq!(raw.len(), b"hello\r\nanswer\n".len());
    assert!(raw.windows(7).any(|seven| seven == b"hello\r\n"), "{raw:?}");
    assert!(raw.windows(7).any(|seven| seven == b"answer\n"), "{raw:?}");
    let hex = std::fs::read_to_string(&hex).unwrap();
    assert!(hex.contains("68 65 6c 6c 6f 0d 0a") && hex.contains("61 6e 73 77 65 72 0a"), "{hex}");
}

#[test]
fn telnet_answers_pass_the_filters() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = ncat(["-t"]).args(filters(&["hex"])).args(["127.0.0.1", &port]).held().start();
    let mut stream = patient(listener.accept().unwrap().0);
    // What it asks for is refused, in the filter's language.
    stream.write_all(b"fffb01fffd18").unwrap();
    let mut got = [0; 12];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"fffe01fffc18");
    drop(stream);
    client.finish().expect_code(0);
}

#[test]
fn commands_speak_through_the_filters_and_know_the_same() {
    let dir = scratch();
    let program = super::named(
        dir.path(),
        "program.lua",
        "for line in io.lines() do io.write(line:reverse(), '\\n') end
        print(os.getenv 'NCAT_REMOTE_PORT', os.getenv 'NCAT_PROTO')",
    );
    let command = "tr a-z A-Z; echo $NCAT_REMOTE_PORT $NCAT_PROTO $NCAT_LOCAL_ADDR";
    for (option, command) in [("-c", command), ("--lua-exec", program.to_str().unwrap())] {
        let server = ncat(["-v", "-lk", "127.0.0.1", "0", option, command]);
        let server = server.args(filters(&["rot13"])).start();
        let mut client = connect(server.port());
        let port = client.local_addr().unwrap().port().to_string();
        client.write_all(b"uryyb\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        let wanted = match option {
            "-c" => format!("URYYB\n{port} GPC 127.0.0.1\n"),
            _ => format!("byyru\n{port}\tGPC\n"),
        };
        assert_eq!(said, wanted);
        server.stop().expect_code(143);
    }
    // When we connect, too.
    let (port, peer) = peer(b"nop\n");
    let client = ncat(["127.0.0.1", &port, "-c", "tr a-z A-Z"]).args(filters(&["rot13"]));
    client.run().expect_code(0);
    assert_eq!(peer.join().unwrap(), b"NOP\n");
}

#[test]
fn each_client_of_a_broker_has_its_own_stack() {
    let server = ncat(["-v", "--broker", "127.0.0.1", "0"]).args(filters(&["xor:key=secret"]));
    let server = server.start();
    let mut one = connect(server.port());
    server.said_times("Connection from", 1);
    let mut two = connect(server.port());
    server.said_times("Connection from", 2);
    // The key's place is each connection's own.
    let coded = b"\x3b\x20\x2f\x3e\x2a\x7e\x32";
    one.write_all(coded).unwrap();
    let mut got = [0; 7];
    two.read_exact(&mut got).unwrap();
    assert_eq!(&got, coded);
    two.write_all(b"\x3b\x20\x2f\x3e\x2a\x7e").unwrap();
    one.read_exact(&mut got[..6]).unwrap();
    assert_eq!(&got[..6], b"\x3b\x20\x2f\x3e\x2a\x7e");
    server.stop().expect_code(143);
}

#[test]
fn the_chat_speaks_through_the_filters() {
    let dir = scratch();
    let path = script(
        dir.path(),
        "return { init = function(self) assert(self.conn.role == 'broker') end,
          recv = function(self, max)
            local data, err, why = self.super:recv(max)
            return data and data:lower(), err, why
          end,
          send = function(self, data) return self.super:send(data:upper()) end }",
    );
    let server = ncat(["-v", "-l", "--chat", "127.0.0.1", "0", "-L"]).args([&path]).start();
    let mut one = connect(server.port());
    server.said_times("Connection from", 1);
    let mut two = connect(server.port());
    server.said_times("Connection from", 2);
    one.write_all(b"HeLLo\n").unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"HELLO\n") {
        let mut byte = [0];
        two.read_exact(&mut byte).unwrap();
        said.push(byte[0]);
    }
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("<USER"), "{said}");
    server.stop().expect_code(143);
}

#[test]
fn a_proxy_servers_clients_have_filters_and_its_targets_none() {
    let (port, far) = peer(b"answer");
    let dir = scratch();
    let path =
        script(dir.path(), "return { init = function(self) print('role', self.conn.role) end }");
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "--proxy-type", "any", "-L"]).args([&path]);
    let server = server.args(filters(&["hex"])).start();
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut client = connect(server.port());
    let ask = format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.write_all(hex(&ask).as_bytes()).unwrap();
    client.write_all(hex("question").as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut got = String::new();
    client.read_to_string(&mut got).unwrap();
    assert_eq!(got, hex("HTTP/1.1 200 OK\r\n\r\nanswer"));
    assert_eq!(far.join().unwrap(), b"question");
    let said = server.stop().expect_code(143).stderr;
    assert_eq!(said.matches("role").count(), 1, "{said}");
    assert!(said.contains("proxy\n"), "{said}");

    // The same by SOCKS.
    let (port, far) = peer(b"answer");
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "--proxy-type", "socks5"]);
    let server = server.args(filters(&["hex"])).start();
    let mut client = connect(server.port());
    let port: u16 = port.parse().unwrap();
    let ask = format!("050100050100017f000001{port:04x}{}", hex("question"));
    client.write_all(ask.as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    got.clear();
    client.read_to_string(&mut got).unwrap();
    assert!(got.starts_with("0500050000"), "{got}");
    assert!(got.ends_with(&hex("answer")), "{got}");
    assert_eq!(far.join().unwrap(), b"question");
    server.stop();
}

#[test]
fn the_users_proxy_has_been_passed_when_connect_returns() {
    let (port, far) = peer(b"answer");
    let proxy = ncat(["-v", "-lk", "127.0.0.1", "0", "--proxy-type", "http"]).start();
    let at = format!("127.0.0.1:{}", proxy.port());
    let dir = scratch();
    let path = script(
        dir.path(),
        "return { connect = function(self, host, port)
          local ok, err, why = self.super:connect(host, port)
          if not ok then return ok, err, why end
          assert(self.super:send('first '))
          return true
        end }",
    );
    let client = ncat(["--proxy", &at, "127.0.0.1", &port, "-L"]).args([&path]);
    let ended = client.bytes("second").run().expect_code(0);
    assert_eq!(ended.stdout, b"answer");
    assert_eq!(far.join().unwrap(), b"first second");
    proxy.stop();
}

#[test]
fn who_may_not_come_in_never_meets_a_filter() {
    let dir = scratch();
    let path = script(dir.path(), "return { init = function(self) print('made', self.id) end }");
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "-m", "1", "--deny", "127.0.0.2", "-L"]);
    let server = server.args([&path]).held().start();
    let rest = |mut stream: std::net::TcpStream| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        rest
    };
    let from = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    from.bind(&std::net::SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    from.connect(&std::net::SocketAddr::from(([127, 0, 0, 1], server.port())).into()).unwrap();
    assert_eq!(rest(patient(from.into())), b"");
    server.said("not allowed");
    let mut one = connect(server.port());
    one.write_all(b"x").unwrap();
    server.printed("x");
    assert_eq!(rest(connect(server.port())), b"");
    server.said("connection limit reached");
    let said = server.stop().expect_code(143).stderr;
    assert_eq!(said.matches("made").count(), 1, "{said}");
}

/// How long a listener with `-i 600ms` and this filter lives while its peer sends a byte now and then.
fn idle(text: &str, beats: u32) -> (Duration, String) {
    let dir = scratch();
    let path = script(dir.path(), text);
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "-i", "600ms", "-L"]).args([&path]);
    let server = server.held().start();
    let mut client = connect(server.port());
    server.said("Connection from");
    let began = Instant::now();
    for _ in 0..beats {
        std::thread::sleep(Duration::from_millis(200));
        let _ = client.write_all(b"beat");
    }
    let ended = server.finish().expect_code(1);
    assert!(ended.stderr.contains("Idle timeout expired (600 ms)"), "{}", ended.stderr);
    (began.elapsed(), ended.stderr)
}

#[test]
fn idle_is_who_moves_nothing_on_the_wire() {
    // Bytes that a filter swallows are activity.
    let swallows = "return { recv = function(self)
        while true do
          local data, err, why = self.super:recv()
          if not data then return data, err, why end
        end
      end }";
    assert!(idle(swallows, 6).0 >= Duration::from_millis(1200 + 500));
    // A filter that makes up data for the user is none.
    let makes_up = "return { recv = function() ncat.sleep(0.1) return '.' end }";
    assert!(idle(makes_up, 0).0 < Duration::from_millis(1500));
    // One that sends by itself is.
    let sends = "return { recv = function(self)
        for _ = 1, 12 do ncat.sleep(0.1) self.super:send('.') end
        return self.super:recv()
      end }";
    assert!(idle(sends, 0).0 >= Duration::from_millis(1200 + 500));
}

#[test]
fn only_one_direction_where_only_one_is_wanted() {
    let dir = scratch();
    // connect and accept may read and write all the same.
    let text = "return {
      connect = function(self, ...)
        local ok, err, why = self.super:connect(...)
        if not ok then return ok, err, why end
        assert(self.super:send('ping') and self.super:recv(4) == 'pong')
        return true
      end,
      recv = function(self, max) print('recv') return self.super:recv(max) end,
      send = function(self, data) print('send') return self.super:send(data) end,
      shutdown = function(self) print('shutdown') return self.super:shutdown() end }";
    let path = script(dir.path(), text);
    let run = |args: &[&str]| {
        let (port, far) = peer(b"pongrest");
        let client = ncat(["127.0.0.1", &port, "-L"]).args([&path]).args(args.iter());
        let ended = client.bytes("data").run().expect_code(0);
        let said: Vec<String> = ["recv", "send", "shutdown"]
            .iter()
            .filter(|word| ended.stderr.contains(&format!(": {word}")))
            .map(ToString::to_string)
            .collect();
        (ended.stdout, far.join().unwrap(), said.join(" "))
    };
    let pair = |out: &[u8], wire: &[u8], said: &str| (out.to_vec(), wire.to_vec(), said.to_owned());
    assert_eq!(run(&[]), pair(b"rest", b"pingdata", "recv send shutdown"));
    assert_eq!(run(&["--send-only"]), pair(b"", b"pingdata", "send shutdown"));
    let (out, wire, said) = run(&["--recv-only"]);
    assert_eq!((&out[..], &wire[..]), (&b"rest"[..], &b"ping"[..]));
    assert!(!said.contains("send"), "{said}");
    let (out, wire, said) = run(&["--no-shutdown"]);
    assert_eq!((&out[..], &wire[..]), (&b"rest"[..], &b"pingdata"[..]));
    assert!(said.starts_with("recv send"), "{said}");
}

#[test]
fn without_shutdown_the_filters_are_not_told_of_the_end_of_input() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let dir = scratch();
    let text = "return { shutdown = function(self) self.super:send('trailer')
      return self.super:shutdown() end }";
    let path = script(dir.path(), text);
    let client = ncat(["--no-shutdown", "127.0.0.1", &port, "-L"]).args([&path]).bytes("data");
    let client = client.start();
    let mut stream = patient(listener.accept().unwrap().0);
    let mut got = [0; 4];
    stream.read_exact(&mut got).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(stream.read(&mut got).is_err(), "it said more");
    stream.write_all(b"later").unwrap();
    client.wait_output(5);
    drop(stream);
    client.finish().expect_code(0);
}

#[test]
fn rates_hold_for_the_wire() {
    // Twice as many bytes on the wire take twice the time.
    let (port, far) = peer(b"");
    let began = Instant::now();
    let client = ncat(["--send-only", "--rate", "20k/s", "127.0.0.1", &port]);
    client.args(filters(&["hex"])).bytes(vec![b'x'; 20_000]).run().expect_code(0);
    assert_eq!(far.join().unwrap().len(), 40_000);
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
}
