//! Tasks, timers, pauses, time limits and queues, on a clock that is moved by hand.

use super::support::World;
use plan::lua::FilterLimits;

/// What a filter prints that runs `body` in `accept`, while time passes until `seconds`.
#[track_caller]
fn printed(body: &str, seconds: f64) -> Vec<String> {
    let text = format!("return {{accept = function(self) {body} return true end}}");
    let mut world = World::new(&[&text]);
    world.client();
    world.until(seconds);
    assert!(world.peers[0].end.is_none(), "{:?}", world.peers[0].end);
    world.printed()
}

#[test]
fn time_is_the_engines() {
    let body = "local t = ncat.now() ncat.sleep(1.5) print(ncat.now() - t, ncat.time())
        ncat.sleep(-1) ncat.sleep(0) print(ncat.now() - t)
        print(pcall(ncat.sleep, 0/0)) print(pcall(ncat.sleep, 'x'))";
    let printed = printed(body, 10.0);
    assert_eq!(printed[0], "1.5\t1.5");
    assert_eq!(printed[1], "1.5");
    assert!(printed[2].contains("sleep was given a time that is none"), "{printed:?}");
    assert!(printed[3].starts_with("false"), "{printed:?}");
}

#[test]
fn a_pause_of_no_time_lets_others_run() {
    let body = "local t = ncat.spawn(function() print('task') end)";
    let text = format!(
        "return {{recv = function(self)
           if self.once then return self.super:recv() end
           self.once = true
           {body} print('before') ncat.sleep(0) ncat.sleep(0) print('after')
           return 'x' end}}"
    );
    let mut world = World::new(&[&text]);
    world.client();
    assert_eq!(world.printed(), ["before", "task", "after"]);
}

#[test]
fn tasks_run_once_the_connection_does() {
    let mut world = World::new(&["return {
        init = function(self) self.t = ncat.spawn(function(...) print('task', ...) end, 1, nil, 3) end,
        accept = function(self) ncat.sleep(1) print('accept', self.t:done()) return true end,
        timer = function(self) print('later', self.t:done()) end,
        recv = function(self)
          if not self.x then self.x = self.conn:set_timer(1) end return self.super:recv() end}"]);
    world.client();
    world.until(5.0);
    assert_eq!(world.printed(), ["accept\tfalse", "task\t1\tnil\t3", "later\ttrue"]);
}

#[test]
fn tasks_are_cancelled_by_whoever_has_them() {
    let mut world = World::new(&["local close = setmetatable({}, {__close = function() print('closed') end})
    return {recv = function(self)
        if self.once then return self.super:recv() end
        self.once = true
        local t = ncat.spawn(function()
          local x <close> = close
          pcall(ncat.sleep, 1) print('never')
        end)
        local never = ncat.spawn(print, 'never')
        never:cancel()
        ncat.sleep(0.5)
        print(t:done(), never:done())
        t:cancel()
        print(t:done())
        local own own = ncat.spawn(function() own:cancel() print('goes on') ncat.sleep(0) print('never') end)
        ncat.sleep(1)
        print(own:done())
        return 'x' end}"]);
    world.client();
    world.until(5.0);
    assert_eq!(world.printed(), ["false\ttrue", "closed", "true", "goes on", "true"]);
    assert_eq!(world.peers[0].got(), "x");
}

#[test]
fn there_are_so_many_tasks_and_timers() {
    let limits = FilterLimits { tasks: 3, timers: 2, ..FilterLimits::default() };
    let text = "return {init = function(self)
        local tasks = {}
        for at = 1, 4 do
          local t, code = ncat.spawn(ncat.sleep, 1)
          print(type(t), code)
          tasks[at] = t
        end
        tasks[1]:cancel()
        print(type(ncat.spawn(function() end)))
        for at = 1, 3 do print(self.conn:set_timer(at)) end
        print(self.conn:clear_timer(1), self.conn:clear_timer(1), self.conn:set_timer(1))
      end,
      timer = function(self, id) print('timer', id, #{self.conn:set_timer(100)}) end}";
    let mut world = World::with(&[text], conn::Shape::Stream, limits);
    world.client();
    world.until(10.0);
    assert_eq!(
        world.printed(),
        [
            "table\tnil",
            "table\tnil",
            "table\tnil",
            "nil\tLIMIT",
            "table",
            "1",
            "2",
            "nil\tLIMIT",
            "true\tfalse\t3",
            "timer\t3\t1",
            "timer\t2\t1",
        ]
    );
    let mut world = World::new(&["return {init = function(self)
        local n = 0 while ncat.spawn(ncat.sleep, 1) do n = n + 1 end
        local m = 0 while self.conn:set_timer(9) do m = m + 1 end
        print(n, m) end}"]);
    world.client();
    assert_eq!(world.printed(), ["64\t64"]);
}

#[test]
fn timers_ring_for_the_filter_that_set_them() {
    let one = "return {name = 'one', init = function(self) self.t = self.conn:set_timer(1) end,
        timer = function(self, id) print(ncat.now(), id == self.t) end}";
    let two =
        "return {name = 'two', init = function(self) self.t = self.conn:set_timer(0.5, 1) end,
        timer = function(self, id)
          print(ncat.now(), id == self.t)
          ncat.sleep(1.2)
          if ncat.now() > 5 then print(self.conn:clear_timer(id)) end
        end}";
    let mut world = World::new(&[one, two]);
    world.client();
    world.until(20.0);
    // What falls due while the call before runs is not made up for.
    let said: Vec<String> = world.said();
    assert_eq!(
        said,
        [
            "two[1] 0.5\ttrue",
            "one[1] 1.0\ttrue",
            "two[1] 1.7\ttrue",
            "two[1] 2.9\ttrue",
            "two[1] 4.1\ttrue",
            "two[1] true",
        ]
        .map(str::to_owned)
    );
    assert!(!world.advance());
}

#[test]
fn a_time_limit_ends_what_runs_too_long() {
    let body = "
        local close = setmetatable({}, {__close = function() print('closed') end})
        print(ncat.with_timeout(1, function(a, b) ncat.sleep(0.5) return a, nil, b end, 'a', 'b'))
        print(ncat.with_timeout(1, function()
          local x <close> = close
          pcall(function() ncat.sleep(2) print('never') end)
          print('never')
        end))
        print(ncat.now())
        print(pcall(ncat.with_timeout, 1, function() ncat.sleep(0.1) error('own', 0) end))
        print(ncat.with_timeout(1, ncat.with_timeout, 0.1, ncat.sleep, 5))
        local co = coroutine.wrap(function()
          return ncat.with_timeout(1, function() ncat.sleep(0.1) return coroutine.yield('out') end)
        end)
        print(co()) print(co('in'))
        print(select('#', ncat.with_timeout(1, function() end)))
        print(pcall(ncat.with_timeout, 1, 5))";
    let printed = printed(body, 10.0);
    assert_eq!(
        printed[..9],
        [
            "a\tnil\tb",
            "closed",
            "nil\tTIMEOUT",
            "1.5",
            "false\town",
            "nil\tTIMEOUT",
            "out",
            "in",
            "0"
        ]
    );
    assert!(printed[9].contains("with_timeout was given a number, expected a function"));
}

#[test]
fn what_a_time_limit_ended_may_be_read_again() {
    let mut world = World::new(&["return {recv = function(self)
        local data, code = ncat.with_timeout(1, self.super.recv, self.super)
        print(data, code)
        ncat.spawn(function() print(self.super:recv()) end)
        ncat.sleep(0.1)
        print(self.super:recv())
        return nil end}"]);
    world.client();
    world.until(2.0);
    world.comes(0, "for the task");
    assert_eq!(world.printed(), ["nil\tTIMEOUT", "nil\tBUSY\tnil", "for the task\tnil\tnil"]);
}

#[test]
fn queues_pass_on_in_order() {
    let body = "
        local q = ncat.queue(2)
        print(q:push(1), q:push('two'), #q)
        print(q:try_push(3))
        print(pcall(q.push, q, nil))
        print(q:pop(), q:pop())
        print(ncat.with_timeout(0.1, q.pop, q))
        print(q:try_push(false)) print(q:pop())
        q:push('last') q:close('RESET', 'words') q:close('EOF')
        print(q:push(1)) print(q:try_push(1)) print(q:pop()) print(q:pop()) print(q:pop())
        local e = ncat.queue() e:close() print(e:pop())
        print(pcall(ncat.queue, 0))";
    let printed = printed(body, 10.0);
    assert_eq!(printed[0], "true\ttrue\t2");
    assert_eq!(printed[1], "nil\tFULL");
    assert!(printed[2].contains("push was given a nil, expected a value"), "{printed:?}");
    assert_eq!(
        printed[3..12],
        [
            "1\ttwo",
            "nil\tTIMEOUT",
            "true",
            "false",
            "nil\tCLOSED",
            "nil\tCLOSED",
            "last",
            "nil\tRESET\twords",
            "nil\tRESET\twords",
        ]
    );
    assert_eq!(printed[12], "nil\tEOF\tnil");
    assert!(printed[13].contains("capacity"));
}

#[test]
fn who_waits_at_a_queue_is_served_in_order() {
    let mut world = World::new(&["return {recv = function(self)
        if self.once then return self.super:recv() end
        self.once = true
        local q = ncat.queue(1)
        local tasks = {}
        for at = 1, 4 do tasks[at] = ncat.spawn(function() print('pop', at, q:pop()) end) end
        ncat.sleep(0.1)
        -- Who is cancelled is not waited for, also when it was its turn.
        tasks[1]:cancel()
        q:push('a') tasks[2]:cancel() q:push('b')
        ncat.sleep(0.1)
        for at = 1, 3 do ncat.spawn(function() print('push', at, q:push(at)) end) end
        ncat.sleep(0.1)
        for at = 1, 3 do print(q:pop()) ncat.sleep(0.1) end
        for at = 1, 2 do ncat.spawn(function() print(at, q:pop()) end) end
        ncat.sleep(0.1)
        q:close()
        ncat.sleep(0.1)
        return 'x' end}"]);
    world.client();
    world.until(10.0);
    assert_eq!(
        world.printed(),
        [
            "pop\t3\ta",
            "pop\t4\tb",
            "push\t1\ttrue",
            "1",
            "push\t2\ttrue",
            "2",
            "push\t3\ttrue",
            "3",
            "1\tnil\tEOF\tnil",
            "2\tnil\tEOF\tnil",
        ]
    );
}

#[test]
fn a_queue_merges_what_comes_with_what_is_made_up() {
    let mut world = World::new(&["return {
        init = function(self)
          self.q = ncat.queue()
          ncat.spawn(function()
            repeat
              local data, code, why = self.super:recv()
              if data then self.q:push(data) else self.q:close(code, why) end
            until not data
          end)
          self.conn:set_timer(1, 1)
        end,
        timer = function(self) self.q:push('tick ') end,
        recv = function(self) return self.q:pop() end}"]);
    world.client();
    world.comes(0, "one ");
    world.until(2.0);
    world.comes(0, "two ");
    world.until(3.0);
    world.ends(0);
    assert_eq!(world.peers[0].got(), "one tick tick two tick ");
    assert_eq!(world.peers[0].end, Some(Ok(())));
}

#[test]
fn a_fault_in_a_task_or_timer_is_its_connections() {
    for (init, said) in [
        ("ncat.spawn(function() ncat.sleep(1) error('boom') end)", "task: 1: boom"),
        ("self.conn:set_timer(1) self.timer = function() error('boom') end", "timer: 1: boom"),
        (
            "ncat.spawn(function() ncat.sleep(1) coroutine.yield() end)",
            "task: attempt to yield from outside a coroutine",
        ),
    ] {
        let text = format!(
            "return {{init = function(self) if self.id == 1 then {init} end end,
              error = function(self, info) print(info.code, info.layer, info.filter, info.method) end,
              close = function(self, reason) print(reason) end}}"
        );
        let mut world = World::new(&[&text]);
        world.client();
        world.client();
        world.until(2.0);
        let line = format!("Lua filter \"a.lua\" (connection 1), {said}");
        assert_eq!(world.peers[0].end, Some(Err(line)));
        let method = said.split(':').next().unwrap();
        assert_eq!(world.printed(), [format!("ERROR\t1\ta.lua\t{method}"), "error".to_owned()]);
        world.comes(1, "fine");
        assert_eq!(world.peers[1].got(), "fine");
    }
}

#[test]
fn what_is_set_going_while_loading_belongs_to_the_process() {
    let mut world = World::new(&["
        count = 0
        ncat.spawn(function() while true do ncat.sleep(1) count = count + 1
          connections.broadcast('beat ' .. count .. ' ') end end)
        local t = ncat.spawn(function() ncat.sleep(2.5) error('boom') end)
        return {}"]);
    world.client();
    world.until(1.0);
    world.client();
    world.leaves(0);
    world.until(3.0);
    assert_eq!(world.peers[0].sent(), "beat 1 ");
    assert_eq!(world.peers[1].sent(), "beat 2 beat 3 ");
    assert!(
        world.said().contains(&"error a.lua[0] task: 5: boom".to_owned()),
        "{:?}",
        world.said()
    );
}

#[test]
fn nothing_waits_while_loading_or_in_init() {
    let load = |text: &str| {
        World::load(&[text], conn::Shape::Stream, FilterLimits::default()).err().unwrap()
    };
    for body in ["ncat.sleep(1)", "ncat.queue():pop()", "ncat.with_timeout(1, print)"] {
        let said = load(&format!("{body} return {{}}"));
        assert_eq!(said, "Lua filter \"a.lua\" tried to wait while loading", "{body}");
        let text = format!("return {{init = function(self) {body} end}}");
        let mut world = World::new(&[&text]);
        world.client();
        let said = world.peers[0].end.clone().unwrap().unwrap_err();
        assert!(said.contains("attempt to yield from outside a coroutine"), "{body}: {said}");
    }
    let mut world = World::new(&["return {init = function(self) self.super:recv() end}"]);
    world.client();
    let said = world.peers[0].end.clone().unwrap().unwrap_err();
    assert!(said.contains("attempt to yield from outside a coroutine"), "{said}");
}
