//! Code that reads as if it blocked.

use super::support::World;

#[track_caller]
fn printed(body: &str) -> Vec<String> {
    let text = format!(
        "local function pause() ncat.sleep(1) end
        return {{accept = function(self) {body} return true end}}"
    );
    let mut world = World::new(&[&text]);
    world.client();
    world.until(25.0);
    assert!(world.peers[0].end.is_none(), "{:?}", world.peers[0].end);
    world.printed()
}

#[test]
fn calls_block_through_whatever_lua_runs() {
    let body = "
        print(pcall(function() pause() return 'a', nil, 'c' end))
        print(pcall(function() pause() error('own', 0) end))
        print(xpcall(function() pause() error('own', 0) end, function(e) return e .. '!' end))
        for n in function(_, n) pause() n = (n or 0) + 1 if n < 3 then return n end end do print(n) end
        local t = setmetatable({}, {
          __index = function(_, k) pause() return k end, __newindex = function() pause() end,
          __add = function() pause() return 'add' end, __concat = function() pause() return 'concat' end,
          __eq = function() pause() return true end, __lt = function() pause() return true end,
          __len = function() pause() return 7 end, __call = function(_, x) pause() return x end,
          __close = function() pause() print('closed') end})
        t.y = 1
        print(t.x, t + 1, t .. '', t == setmetatable({}, getmetatable(t)), t < t, #t, t('call'))
        do local c <close> = t end
        print(ncat.now())";
    assert_eq!(
        printed(body),
        [
            "a\tnil\tc".replace("a\t", "true\ta\t"),
            "false\town".into(),
            "false\town!".into(),
            "1".into(),
            "2".into(),
            "x\tadd\tconcat\ttrue\ttrue\t7\tcall".into(),
            "closed".into(),
            "15.0".into(),
        ]
    );
}

#[test]
fn a_scripts_own_coroutines_block_the_event() {
    let body = "
        local co = coroutine.create(function(a) pause() local b = coroutine.yield(a .. 1) pause() return b, 'end' end)
        print(coroutine.resume(co, 'a')) print(coroutine.status(co))
        print(coroutine.resume(co, 'b')) print(coroutine.status(co), coroutine.resume(co))
        local gen = coroutine.wrap(function() for at = 1, 2 do pause() coroutine.yield(at) end end)
        print(gen(), gen(), gen())
        local deep = coroutine.wrap(function()
          return coroutine.wrap(function() pause() return coroutine.isyieldable() end)() end)
        print(deep())
        print(coroutine.resume(coroutine.create(function() pause() error('own', 0) end)))
        print(ncat.now())";
    assert_eq!(
        printed(body),
        [
            "true\ta1",
            "suspended",
            "true\tb\tend",
            "dead\tfalse\tcannot resume dead coroutine",
            "1\t2",
            "true",
            "false\town",
            "6.0",
        ]
    );
}

#[test]
fn callbacks_from_c_cannot_wait() {
    for call in [
        "string.gsub('x', 'x', pause)",
        "table.sort({2, 1}, function(a, b) pause() return a < b end)",
        "('x'):gsub('.', function() self.super:recv() end)",
        "string.gsub('x', 'x', function() self.super:recv() end)",
    ] {
        let said = printed(&format!("print(pcall(function() {call} end))"));
        let what = said[0].strip_prefix("false\t").unwrap();
        assert!(what.starts_with("attempt to yield across a C-call boundary"), "{call}: {said:?}");
        // And nothing is left behind.
        let said = printed(&format!(
            "pcall(function() {call} end) print(ncat.with_timeout(1, self.super.recv, self.super))"
        ));
        assert_eq!(said, ["nil\tTIMEOUT"], "{call}");
    }
}

#[test]
fn what_was_cancelled_never_goes_on() {
    let mut world = World::new(&["
      local function closes(text) return setmetatable({}, {__close = function(_, e) print(text, e) end}) end
      return {accept = function(self)
        for at, wait in ipairs {
          function() self.super:recv() end,
          function() ncat.sleep(9) end,
          function() ncat.queue():pop() end,
          function() local q = ncat.queue(1) q:push(1) q:push(2) end,
          function() ncat.with_timeout(9, ncat.sleep, 9) end,
          function() coroutine.wrap(function() local c <close> = closes('inner 6') ncat.sleep(9) end)() end,
        } do
          local t = ncat.spawn(function()
            local c <close> = closes(at)
            for _ = 1, 3 do pcall(xpcall, wait, print) end
            print('never')
          end)
          self.tasks = self.tasks or {} self.tasks[at] = t
        end
        return true end,
        timer = function(self) for _, t in ipairs(self.tasks) do t:cancel() end end,
        recv = function(self) self.conn:set_timer(1) ncat.sleep(2) return 'x' end}"]);
    world.client();
    world.until(3.0);
    assert_eq!(
        world.printed(),
        ["1\tnil", "2\tnil", "3\tnil", "4\tnil", "5\tnil", "inner 6\tnil", "6\tnil"]
    );
    // A reader that was cancelled is in nobody's way.
    world.comes(0, "y");
    assert_eq!(world.peers[0].got(), "x");
}
