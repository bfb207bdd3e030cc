//! What crosses between filters and Ncat, and what a fault costs: its own connection.

use std::io::{Read, Write};
use std::net::Shutdown;

use super::serve_support::{Watch, ncat, noise, scratch};
use super::{connect, delivered, on_wire, script};

/// A client whose filter is `text`, at a listener that sends and receives; what it said, and its code.
fn faulty(text: &str, limits: &[&str]) -> String {
    let dir = scratch();
    let path = script(dir.path(), text);
    let server = ncat(["-v", "-l", "127.0.0.1", "0"]).bytes("from the other side\n").start();
    let port = server.port().to_string();
    let client = ncat(["127.0.0.1", &port]).args(limits.iter()).args(["-L"]).args([&path]);
    let ended = client.bytes("x\n").run().expect_code(1);
    ended.first_line().to_owned()
}

#[test]
fn faults_are_told_in_a_line() {
    let line = |said: &str| format!("Ncat: Lua filter \"x.lua\" (connection 1){said}.");
    for (text, said) in [
        (
            "return {recv = function() return 5 end}",
            ": recv returned a number, expected a string or nil",
        ),
        (
            "return {recv = function() return {} end}",
            ": recv returned a table, expected a string or nil",
        ),
        (
            "return {send = function() return {} end}",
            ": send returned a table, expected true or nil and an error",
        ),
        (
            "return {send = function(s) return s.super:send(nil) end}",
            ": send was given a nil, expected a string",
        ),
        (
            "return {send = function(s) return s.super:send({}) end}",
            ": send was given a table, expected a string",
        ),
        (
            "return {connect = function() return 'x' end}",
            ": connect returned a string, expected true or nil and an error",
        ),
        ("return {\n\nsend = function() error('boom') end}", ", send: 3: boom"),
        (
            "return {recv = function(s) s.nothing() end}",
            ", recv: 1: attempt to call a nil value (field 'nothing')",
        ),
        ("return {init = function() error('early') end}", ", connect: 1: early"),
        ("return {shutdown = function() error('late') end}", ", shutdown: 1: late"),
        (
            "return {send = function() coroutine.yield() end}",
            ", send: attempt to yield from outside a coroutine",
        ),
    ] {
        assert_eq!(faulty(text, &[]), line(said), "{text}");
    }
    let named = "return {name = 'my name', send = function() return {} end}";
    assert!(faulty(named, &[]).starts_with("Ncat: Lua filter \"my name\" (connection 1): send"));
}

#[test]
fn limits_of_filters_hold_and_can_be_changed() {
    let line = |said: &str| format!("Ncat: Lua filter \"x.lua\" (connection 1), recv: {said}.");
    let slice = &["--lua-limit", "slice=200ms"];
    let tripped = line("ran for more than 0.2 s without waiting");
    for body in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() end) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local f = coroutine.wrap(function() while true do end end) while true do pcall(f) end",
        "table.sort({3, 2, 1}, function() while true do end end)",
        "('x'):gsub('x', function() while true do end end)",
        "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
    ] {
        let text = format!("return {{recv = function() {body} end}}");
        assert_eq!(faulty(&text, slice), tripped, "{body}");
    }
    let memory = &["--lua-limit", "memory=16M"];
    for body in [
        "local t = {} while true do t[#t + 1] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "return ('x'):rep(1 << 30)",
    ] {
        let text = format!("return {{recv = function() {body} end}}");
        assert_eq!(faulty(&text, memory), line("not enough memory (limit 16 MiB)"), "{body}");
    }
    let text = "return {recv = function() return ('x'):rep(2000) end}";
    let said = line("returned 2000 bytes, the limit is 1024");
    assert_eq!(faulty(text, &["--lua-limit", "chunk=1k"]), said);
    let text = "return {recv = function() return ('x'):rep(20 << 20) end}";
    assert_eq!(faulty(text, &[]), line("returned 20971520 bytes, the limit is 16777216"));
    ncat(["x", "1", "--lua-limit", "speed=1", "-L", "null"]).run().expect_code(2);
}

#[test]
fn results_of_every_sort() {
    let dir = scratch();
    // Nothing, nil, true and numbers from send are success.
    for result in ["", "nil", "true", "7"] {
        let text = format!("return {{send = function(s, d) s.super:send(d) return {result} end}}");
        let path = script(dir.path(), &text);
        let (wire, ended) = on_wire(&[path.to_str().unwrap()], b"x");
        ended.expect_code(0);
        assert_eq!(wire, b"x");
    }
    // A code, and words for people.
    let said =
        |result: &str| faulty(&format!("return {{send = function() return {result} end}}"), &[]);
    assert_eq!(said("nil, 'ERROR', 'my words'"), "Ncat: my words.");
    assert_eq!(said("nil, 'UNKNOWN'"), "Ncat: UNKNOWN.");
    assert_eq!(said("false, 'DENIED'"), "Ncat: DENIED.");
    // "" from recv is nothing yet; nil is the end.
    let text = "return {recv = function(s) s.n = (s.n or 0) + 1
        if s.n == 1 then return '' end if s.n == 2 then return 'two' end return nil end}";
    let path = script(dir.path(), text);
    assert_eq!(delivered(&[path.to_str().unwrap()], &[b"in"]).0, b"two");
}

#[test]
fn connecting_is_the_filters_to_allow() {
    let said = |text: &str| {
        let dir = scratch();
        let path = script(dir.path(), text);
        let ran = ncat(["127.0.0.1", "1", "-L"]).args([&path]).held().run().expect_code(1);
        ran.stderr
    };
    assert!(
        said("return {connect = function() return nil, 'DENIED', 'not today' end}")
            .starts_with("Ncat: not today.\n")
    );
    // Nobody else than the one who was named is dialled.
    let other = "return {connect = function(s) return s.super:connect('192.0.2.1', 2) end}";
    assert!(said(other).starts_with("Ncat: only the target the user named can be dialled"));
    // What the system said is told as without filters.
    let plain = ncat(["127.0.0.1", "1"]).held().run().expect_code(1).stderr;
    assert_eq!(said("return {}"), plain);
    assert_eq!(said("return {connect = function(s, h, p) assert(h == '127.0.0.1' and p == 1)
        local ok, err, why = s.super:connect(h, p) assert(err == 'REFUSED') return ok, err, why end}"), plain);
}

#[test]
fn clients_are_the_filters_to_refuse() {
    let dir = scratch();
    let text = "return {accept = function(self)
        local word = self.super:recv()
        if word == 'dealt\\n' then self.super:send('bye') return false end
        if word == 'no\\n' then return nil, 'DENIED', 'not you' end
        self.super:send('ok')
        return true end}";
    let path = script(dir.path(), text);
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "-L"]).args([&path]).held().start();
    for (word, answer) in [("dealt\n", "bye"), ("no\n", "")] {
        let mut client = connect(server.port());
        client.write_all(word.as_bytes()).unwrap();
        let mut text = String::new();
        let _ = client.read_to_string(&mut text);
        assert_eq!(text, answer);
    }
    server.said("not you");
    let mut client = connect(server.port());
    client.write_all(b"yes\n").unwrap();
    let mut ok = [0; 2];
    client.read_exact(&mut ok).unwrap();
    client.write_all(b"data").unwrap();
    server.printed("data");
    assert!(!server.output().contains("yes"));
    server.stop();
}

#[test]
fn a_faulty_connection_does_not_touch_the_others() {
    let dir = scratch();
    let text = "return {recv = function(self)
        local data, err, why = self.super:recv()
        if not data then return data, err, why end
        if data == 'error' then error('boom') end
        if data == 'value' then return {} end
        if data == 'memory' then local t = {} while true do t[#t + 1] = {} end end
        if data == 'slice' then while true do pcall(function() while true do end end) end end
        return data end}";
    let path = script(dir.path(), text);
    let limits = ["--lua-limit", "slice=1s,memory=12M"];
    let server = ncat(["-v", "-lk", "127.0.0.1", "0"]).args(limits).args(["-L"]).args([&path]);
    let server = server.held().start();
    let port = server.port();
    let data = noise(8 << 20, 11);
    let sent = data.clone();
    let good = std::thread::spawn(move || {
        let mut client = connect(port);
        client.write_all(&sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
    });
    for word in ["error", "value", "memory", "slice"] {
        let mut client = connect(port);
        client.write_all(word.as_bytes()).unwrap();
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest);
    }
    server.said_times("Closing connection.", 4);
    good.join().unwrap();
    server.wait_output(data.len());
    testkit::data::assert_same("the good one", &server.wait_output(data.len()), &data);
    let said = server.stop().expect_code(143).stderr;
    for part in [
        "recv: 4: boom. Closing connection.\n",
        "): recv returned a table, expected a string or nil. Closing connection.\n",
        "recv: not enough memory (limit 12 MiB). Closing connection.\n",
        "recv: ran for more than 1 s without waiting. Closing connection.\n",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
}

#[test]
fn the_end_is_told_and_held_to_its_time() {
    let dir = scratch();
    let text = "return {
        error = function(self, info) print('error', info.code) error('again') end,
        close = function(self, reason) print('close', reason) return self.super:close() end,
        send = function() error('boom') end}";
    let path = script(dir.path(), text);
    let (_, ended) = on_wire(&[path.to_str().unwrap()], b"x");
    let said = ended.expect_code(1).stderr;
    assert!(said.contains("error\\tERROR") || said.contains("error\tERROR"), "{said}");
    assert!(said.contains("close\\terror") || said.contains("close\terror"), "{said}");
    let began = std::time::Instant::now();
    let path = script(dir.path(), "return {close = function() ncat.sleep(3600) end}");
    let server = ncat(["-v", "-l", "127.0.0.1", "0"]).held().start();
    let port = server.port().to_string();
    let client = ncat(["127.0.0.1", &port, "--lua-limit", "close=300ms", "-L"]).args([&path]);
    client.bytes("x").run().expect_code(0);
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
    assert_eq!(server.finish().stdout, b"x");
}
