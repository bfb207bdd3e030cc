//! Faults beside others' data, the watchdog, states apart, and scripts that change.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;

use super::serve_support::{
    Signal, Watch, assert_same, eventually, ncat, noise, on_thread, scratch,
};
use super::{connect, named, script};

/// Fails in the way that the first bytes name; otherwise it passes everything.
const FAULTY: &str = "
    local function forever() while true do end end
    local fails = {
      error = function() error('boom') end,
      value = function() return 5 end,
      memory = function() local s = 'x' while true do s = s .. s end end,
      slice = forever,
      pattern = function() return ('a'):rep(65536):find('.-.-.-.-b') end,
      root = function(self) self.super:send(nil) end,
      long = function() return ('x'):rep(20 << 20) end,
      close = function(self) self.bad = true return nil, 'ERROR', 'by itself' end,
      broadcast = function(self) self.hostile = true connections.broadcast('x') ncat.sleep(60) end,
    }
    return {
      recv = function(self, max)
        local data, err, why = self.super:recv(max)
        local kind = data and data:sub(1, 5) == 'fail ' and data:sub(6, -2)
        if kind then return fails[kind](self) end
        return data, err, why
      end,
      send = function(self, data)
        if self.hostile then error('not me') end
        if data ~= 'x' then return self.super:send(data) end
      end,
      error = function(self) if self.bad then error('again') end end,
      close = function(self, reason)
        if self.bad then forever() end
        return self.super:close(reason)
      end,
    }";

#[test]
fn a_fault_of_each_kind_does_not_touch_what_another_moves() {
    let dir = scratch();
    let path = script(dir.path(), FAULTY);
    let limits = ["--lua-limit", "slice=200ms,memory=64M"];
    let server = ncat(["-v", "-l", "-k", "127.0.0.1", "0", "-e", "/bin/cat", "-L"]);
    let server = server.args([&path]).args(limits).start();
    let port = server.port();
    let moved = on_thread(move || {
        let stream = connect(port);
        let mut writer = stream.try_clone().unwrap();
        let sent = on_thread(move || {
            let data = noise(64 << 20, 1);
            writer.write_all(&data).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
            data
        });
        let mut got = Vec::new();
        (&stream).read_to_end(&mut got).unwrap();
        assert_same(&got, &sent.recv().unwrap(), "what passed beside the faults");
    });
    let kinds = [
        ("error", "recv: 4: boom"),
        ("value", "recv returned a number, expected a string or nil"),
        ("memory", "recv: not enough memory (limit 64 MiB)"),
        ("slice", "recv: ran for more than 0.2 s without waiting"),
        ("pattern", "recv: ran for more than 0.2 s without waiting"),
        ("root", "send was given a nil, expected a string"),
        ("long", "recv: returned 20971520 bytes, the limit is 16777216"),
        ("close", "by itself"),
        ("broadcast", "send: 22: not me"),
    ];
    for (kind, said) in kinds {
        let mut stream = connect(port);
        writeln!(stream, "fail {kind}").unwrap();
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut rest);
        assert_eq!(rest, b"", "{kind}");
        server.said(said);
    }
    moved.recv_timeout(Duration::from_secs(300)).unwrap();
    server.stop();
}

#[test]
fn the_watchdog_tells_and_ends_the_process_when_it_is_asked_to() {
    // Sorting looks at no clock.
    let dir = scratch();
    let path = script(
        dir.path(),
        "local t, n = {}, 1
         for i = 1, 1500000 do n = n * 1103515245 + 12345 & 0x7fffffff t[i] = n end
         return {recv = function(self) self.super:recv() table.sort(t) return 'sorted' end}",
    );
    let line = "Ncat: Lua filter \"x.lua\" (connection 1), recv: has not come back for 0.05 s.";
    let limits = "slice=5ms,load=0,memory=0";
    for hard in ["0", "1"] {
        let limits = format!("{limits},hard={hard}");
        let server = ncat(["-v", "-l", "127.0.0.1", "0", "--lua-limit", &limits, "-L"]);
        let server = server.args([&path]).held().start();
        let mut stream = connect(server.port());
        stream.write_all(b"x").unwrap();
        server.said(line);
        if hard == "1" {
            server.finish().expect_code(1);
        } else {
            server.printed("sorted");
            server.stop();
        }
    }
}

#[test]
fn with_lua_isolate_connections_share_nothing() {
    let dir = scratch();
    let path = script(
        dir.path(),
        "count = 0
         return {accept = function(self)
           count = count + 1
           ncat.shared.n = (ncat.shared.n or 0) + 1
           local others = -1
           for _ in pairs(connections) do others = others + 1 end
           self.super:send(('%d %d %d\\n'):format(self.id, count, ncat.shared.n))
           return true
         end,
         recv = function(self)
           local data = self.super:recv()
           if data == 'more' then local t = {} while true do t[#t + 1] = {} end end
           if not data then return nil end
           local n = 0
           for _ in pairs(connections) do n = n + 1 end
           self.super:send(n .. '\\n')
           return data
         end}",
    );
    for (args, seen) in
        [(&[][..], ["1 1 1\n", "2 2 2\n"]), (&["--lua-isolate"], ["1 1 1\n", "2 1 1\n"])]
    {
        let server = ncat(["-v", "-l", "-k", "127.0.0.1", "0", "-L"]).args([&path]);
        let server = server.args(args.iter()).held().start();
        let mut clients = Vec::new();
        for wanted in seen {
            let mut client = BufReader::new(connect(server.port()));
            let mut line = String::new();
            client.read_line(&mut line).unwrap();
            assert_eq!(line, wanted, "{args:?}");
            clients.push(client);
        }
        let mut line = String::new();
        clients[0].get_mut().write_all(b"x").unwrap();
        clients[0].read_line(&mut line).unwrap();
        assert_eq!(line, if args.is_empty() { "2\n" } else { "1\n" });
        if !args.is_empty() {
            clients[1].get_mut().write_all(b"more").unwrap();
            server.said("not enough memory (limit 32 MiB)");
            // The other goes on.
            clients[0].get_mut().write_all(b"x").unwrap();
            line.clear();
            clients[0].read_line(&mut line).unwrap();
            assert_eq!(line, "1\n");
        }
        server.stop();
    }
    let ran = ncat(["-l", "127.0.0.1", "0", "--lua-isolate", "-L", "chat"]).run().expect_code(2);
    assert_eq!(
        ran.first_line(),
        "Ncat: Lua filter \"chat.lua\" needs \"shared\", which --lua-isolate takes from it. QUITTING."
    );
}

#[test]
fn with_lua_reload_new_clients_get_the_new_filter() {
    let dir = scratch();
    let text = |word: &str| {
        format!(
            "n = (n or 0) + 1
             return {{accept = function(self)
               ncat.shared.n = (ncat.shared.n or 0) + 1
               local all = 0
               for _ in pairs(connections) do all = all + 1 end
               self.super:send('{word} ' .. ncat.shared.n .. ' ' .. all .. '\\n')
               return true
             end,
             recv = function(self)
               local data = self.super:recv()
               if data then self.super:send('{word}\\n') end
               return data
             end}}"
        )
    };
    named(dir.path(), "x.lua", &text("first"));
    let path = dir.path().join("x.lua");
    let server = ncat(["-v", "-l", "-k", "127.0.0.1", "0", "--lua-reload", "-L"]);
    let server = server.args([&path]).held().start();
    let greeted = || {
        let mut client = BufReader::new(connect(server.port()));
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        (client, line)
    };
    let (mut old, line) = greeted();
    assert_eq!(line, "first 1 0\n");
    // Anew by itself; what is shared and who is there survive.
    named(dir.path(), "x.lua", &text("the second"));
    server.said("NCAT LUA x.lua: loaded anew");
    let (_new, line) = greeted();
    assert_eq!(line, "the second 2 1\n");
    let mut line = String::new();
    old.get_mut().write_all(b"x").unwrap();
    old.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    // What cannot be loaded changes nothing, and is told once.
    named(dir.path(), "x.lua", "return (");
    server.said("Ncat: Lua filter \"x.lua\": 1: unexpected symbol near <eof>.");
    server.said("the filter of before stays in use");
    assert_eq!(greeted().1, "the second 3 2\n");
    std::fs::remove_file(&path).unwrap();
    server.said("Ncat: Cannot find Lua filter");
    assert_eq!(greeted().1.split(' ').next(), Some("the"));
    // At once on a signal.
    named(dir.path(), "x.lua", &text("third"));
    server.signal(Signal::HUP);
    eventually("the third", || greeted().1.starts_with("third ").then_some(()));
    server.stop();
    for args in [&["--lua-reload"][..], &["--lua-reload", "-L", "null"], &["--lua-isolate"]] {
        ncat(["127.0.0.1", "1"]).args(args.iter()).run().expect_code(2);
    }
}
