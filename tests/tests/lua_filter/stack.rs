//! Instances, environments, blocking.

use super::serve_support::scratch;
use super::{delivered, named, on_wire, script};

/// Runs a filter that asserts things while data passes; nothing may fail.
#[track_caller]
fn holds(text: &str) {
    let dir = scratch();
    let path = script(dir.path(), text);
    let (wire, ended) = on_wire(&[path.to_str().unwrap()], b"data\n");
    let ended = ended.expect_code(0);
    assert_eq!(ended.stderr, "");
    assert_eq!(wire, b"data\n");
}

#[test]
fn instances_are_copies_of_what_the_script_returned() {
    holds(
        "local shared = {}
        local P = { value = 1, list = shared }
        P.init = function(self)
          assert(self ~= P and self.value == 1 and self.list == shared)
          assert(self.id == 1 and self.layer == 1 and self.args == args and self.conn.mode == 'connect')
          assert(self.conn.proto == 'tcp' and self.conn.role == 'relay' and not self.conn.datagram)
          assert(not pcall(function() self.conn.id = 2 end))
          assert(self.super.super == nil and rawget(self, 'recv') and rawget(self, 'accept'))
          assert(not pcall(function() self.super.x = 1 end) and getmetatable(self.super) == false)
          self.value = 2
          assert(P.value == 1)
        end
        P.send = function(self, data)
          assert(self.value == 2)
          self.send = function(me, more) error('the next call') end
          local ok = self.super:send(data)
          self.send = nil
          rawset(self, 'send', P.send)
          return ok
        end
        return setmetatable(P, {__index = {extra = 5}})",
    );
}

#[test]
fn scripts_have_worlds_of_their_own() {
    let dir = scratch();
    let one = named(
        dir.path(),
        "one.lua",
        "string.upper = nil  x = 1  ncat.shared.from = 'one'
        return { send = function(self, d) assert(x == 1) return self.super:send(d .. '1') end }",
    );
    let two = named(
        dir.path(),
        "two.lua",
        "assert(x == nil and string.upper and ncat.shared.from == 'one' and ('a'):upper() == 'A')
        return { send = function(self, d) return self.super:send(d .. '2') end }",
    );
    let (wire, ended) = on_wire(&[one.to_str().unwrap(), two.to_str().unwrap()], b"d");
    assert_eq!((ended.expect_code(0).stderr, wire), (String::new(), b"d21".to_vec()));
}

#[test]
fn what_is_not_for_filters_is_not_there() {
    holds(
        "for _, name in ipairs {'io', 'dofile', 'loadfile', 'package'} do assert(_G[name] == nil, name) end
        for _, name in ipairs {'execute', 'exit', 'getenv', 'remove', 'rename', 'tmpname', 'setlocale'} do
          assert(os[name] == nil, name)
        end
        for name in pairs(debug) do assert(name == 'traceback', name) end
        assert(string.dump == nil and getmetatable('') == false)
        assert(not pcall(setmetatable, {}, {__gc = function() end}))
        assert(load('\\27Lua') == nil and load('return 1', 'x', 'b')() == 1)
        y = 7
        assert(load('return y')() == 7 and load('return y', 'c', 't', {})() == nil)
        assert(not pcall(collectgarbage) and collectgarbage('count') > 0)
        assert(not pcall(require, 'socket') and _G._G == _G)
        return {}",
    );
}

#[test]
fn calls_block_through_whatever_lua_calls_them_from() {
    holds(
        "local function pause() ncat.sleep(0.001) end
        return { send = function(self, data)
          assert(pcall(pause) and select(2, pcall(function() pause() return 5 end)) == 5)
          assert(xpcall(pause, function() end))
          for _ in function(_, n) pause() if not n then return 1 end end do end
          local t = setmetatable({}, {__index = function(_, k) pause() return k end,
            __add = function() pause() return 3 end})
          assert(t.x == 'x' and t + 1 == 3)
          local co = coroutine.wrap(function(a) pause() local b = coroutine.yield(a + 1) pause() return b end)
          assert(co(1) == 2 and co(9) == 9)
          local inner = coroutine.create(function() error('own') end)
          local ok, why = coroutine.resume(inner)
          assert(not ok and why:find('own'))
          -- From C it cannot.
          local ok, why = pcall(string.gsub, 'x', 'x', pause)
          assert(not ok and why:find('C%-call boundary'), why)
          assert(not pcall(table.sort, {2, 1}, function(a, b) pause() return a < b end))
          return self.super:send(data)
        end }",
    );
}

#[test]
fn modules_are_found_beside_the_script() {
    let dir = scratch();
    named(dir.path(), "m.lua", "count = (count or 0) + 1 return {n = count}");
    std::fs::create_dir(dir.path().join("p")).unwrap();
    named(&dir.path().join("p"), "init.lua", "return 'package'");
    let path = script(
        dir.path(),
        "assert(require 'm'.n == 1 and require 'm'.n == 1 and require 'p' == 'package')
        assert(not pcall(require, '../m') and not pcall(require, 'none'))
        return {}",
    );
    assert_eq!(on_wire(&[path.to_str().unwrap()], b"x").0, b"x");
}

#[test]
fn a_filter_may_add_swallow_and_end() {
    let dir = scratch();
    let path = script(
        dir.path(),
        "return {
          recv = function(self)
            while true do
              local data, err, why = self.super:recv()
              if not data then
                if self.done then return data, err, why end
                self.done = true
                return 'trailer'
              end
              if data:find('q') then return nil, 'EOF' end
              if not data:find('x') then return data end
            end
          end,
          shutdown = function(self) self.super:send('end\\n') return self.super:shutdown() end,
        }",
    );
    let spec = path.to_str().unwrap();
    assert_eq!(delivered(&[spec], &[b"a"]).0, b"atrailer");
    assert_eq!(delivered(&[spec], &[b"q"]).0, b"");
    assert_eq!(on_wire(&[spec], b"x").0, b"xend\n");
}

#[test]
fn what_scripts_say_goes_to_standard_error() {
    let dir = scratch();
    let path = script(
        dir.path(),
        "print('loaded', 1)
        return { name = 'talker', send = function(self, d)
          print('one\\27[31m')  ncat.log('warn', 'two %d', 2)  ncat.log('info', 'hidden')
          return self.super:send(d) end }",
    );
    let (_, ended) = on_wire(&[path.to_str().unwrap()], b"x");
    let said = ended.expect_code(0).stderr;
    assert!(said.starts_with("NCAT LUA x.lua: loaded"), "{said}");
    assert!(said.contains("NCAT LUA talker[1]: two 2\n") && !said.contains("hidden"), "{said}");
    assert!(said.contains("NCAT LUA talker[1]: one") && !said.contains('\u{1b}'), "{said:?}");
}
