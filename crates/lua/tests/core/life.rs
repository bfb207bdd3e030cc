//! The life of a connection: its beginning, what ends it, who is told, what is cancelled.

use std::io::ErrorKind;

use super::support::World;

/// Tells what is called, and goes on.
const TALKS: &str = "
    error = function(self, info)
      print('error', info.code, info.message, info.layer, info.filter, info.method)
    end,
    shutdown = function(self) print('shutdown') return self.super:shutdown() end,
    close = function(self, reason) print('close', reason) return self.super:close() end,";

fn talks(more: &str) -> String {
    format!("return {{{TALKS} {more}}}")
}

#[test]
fn every_end_has_its_reason() {
    // Both have ended.
    let mut world = World::new(&[&talks("")]);
    world.client();
    world.finishes(0);
    world.ends(0);
    assert_eq!(world.printed(), ["shutdown"]);
    world.leaves(0);
    assert_eq!(world.printed(), ["shutdown", "close\tdone"]);
    assert!(world.peers[0].has_ended() && world.peers[0].wire.lock().unwrap().dropped);
    // The peer has, and that was it.
    world.client();
    world.ends(1);
    world.leaves(1);
    assert_eq!(world.printed()[2..], ["shutdown", "close\teof"]);
    assert!(world.peers[1].finished());
    // The user has gone.
    world.client();
    world.leaves(2);
    assert_eq!(world.printed()[4..], ["shutdown", "close\tdone"]);
    // Nothing moved.
    world.client();
    world.idles(3);
    assert_eq!(world.printed()[6..], ["close\tidle"]);
    // The program ends.
    world.client();
    world.engine.exit();
    world.settle();
    assert_eq!(world.printed()[7..], ["close\texit"]);
    assert!(world.peers[4].has_ended());
    // The wire broke.
    world.client();
    world.breaks(5, ErrorKind::ConnectionReset);
    world.leaves(5);
    assert_eq!(
        world.printed()[8..],
        ["error\tRESET\tconnection reset\t0\tnil\trecv", "close\terror"]
    );
}

#[test]
fn clients_that_are_turned_away_are_rejected() {
    let text = talks("accept = function(self) return nil, 'DENIED', 'not you' end");
    let mut world = World::new(&[&text]);
    world.client();
    assert_eq!(world.peers[0].end, Some(Err("not you".into())));
    world.leaves(0);
    assert_eq!(world.printed(), ["close\trejected"]);
    // One that the filter has dealt with has had all it wanted.
    let text = talks("accept = function(self) self.super:send('bye') return false end");
    let mut world = World::new(&[&text]);
    world.client();
    assert_eq!((world.peers[0].end.clone(), world.peers[0].sent()), (Some(Ok(())), "bye".into()));
    world.sends(0, "what the user says is for nobody");
    world.leaves(0);
    assert_eq!(world.printed(), ["shutdown", "close\tdone"]);
    assert_eq!((world.peers[0].sent(), world.peers[0].refused.clone()), ("bye".into(), None));
}

#[test]
fn connections_that_do_not_come_about_have_failed() {
    let text = talks("connect = function(self) return nil, 'TLS', 'no' end");
    let mut world = World::new(&[&text]);
    world.connect();
    assert_eq!(world.peers[0].failed.as_deref(), Some("no"));
    assert_eq!(world.printed(), ["error\tTLS\tno\t1\ta.lua\tconnect", "close\terror"]);
    let mut world = World::new(&[&talks("")]);
    world.connect();
    world.sends(0, "x");
    assert_eq!(world.peers[0].sent(), "x");
}

#[test]
fn beginning_has_its_time() {
    for (method, connects) in [("accept", false), ("connect", true)] {
        let body = format!(
            "{method} = function(self, h, p)
            if h then self.super:connect(h, p) end
            local x <close> = setmetatable({{}}, {{__close = function() print('closed') end}})
            self.super:recv() return true end"
        );
        let mut world = World::new(&[&talks(&body)]);
        if connects {
            world.connect()
        } else {
            world.client()
        };
        world.until(29.0);
        assert!(world.printed().is_empty());
        world.until(30.0);
        world.leaves(0);
        let error = format!("error\tTIMEOUT\tTIMEOUT\t1\ta.lua\t{method}");
        assert_eq!(world.printed(), ["closed", &error, "close\terror"]);
        assert!(world.peers[0].has_ended());
        // Also one that is never idle.
        let body = format!(
            "{method} = function(self, h, p)
            if h then self.super:connect(h, p) end
            while self.super:recv() do ncat.sleep(1) end return true end"
        );
        let mut world = World::new(&[&talks(&body)]);
        if connects {
            world.connect()
        } else {
            world.client()
        };
        world.change(0, |wire| wire.floods = true);
        world.until(31.0);
        world.leaves(0);
        assert_eq!(world.printed().last().unwrap(), "close\terror");
    }
}

#[test]
fn ending_has_its_time() {
    for body in [
        "close = function(self) print('close') ncat.sleep(3600) end",
        "close = function(self) print('close') return self.super:close() end,
         error = function() ncat.sleep(3600) end, send = function() error('x') end",
        "close = function(self) print('close') ncat.queue():pop() end",
    ] {
        let mut world = World::new(&[&format!("return {{{body}}}")]);
        world.client();
        world.sends(0, "x");
        world.leaves(0);
        world.until(4.9);
        assert!(!world.peers[0].has_ended(), "{body}");
        world.until(5.0);
        assert!(world.peers[0].has_ended(), "{body}");
        assert!(world.peers[0].wire.lock().unwrap().dropped);
    }
    // What fails at the end is told, and changes nothing.
    let mut world = World::new(&[
        "return {close = function() print('one') end, error = function() error('e1') end}",
        "return {close = function(self) self.super:close() error('c2') end, error = function() error('e2') end,
         recv = function() error('boom') end}",
    ]);
    world.client();
    world.leaves(0);
    let said = world.said();
    let of = |text: &str| said.iter().position(|line| line.contains(text)).unwrap();
    assert!(of("e1") < of("e2") && of("e2") < of("one") && of("one") < of("c2"), "{said:?}");
}

#[test]
fn who_failed_is_told_to_all_from_the_wire_up() {
    let quiet = "return {error = function(self, info)
        print(self.layer, info.code, info.layer, info.filter, info.method) end}";
    let mut world = World::new(&[
        quiet,
        "return {name = 'mid', recv = function(self) self.super.x() end}",
        quiet,
    ]);
    world.client();
    world.leaves(0);
    assert_eq!(world.printed(), ["1\tERROR\t2\tmid\trecv", "3\tERROR\t2\tmid\trecv"]);
    // What a filter gives to the root is its own fault, not that of who called it.
    let low = "return {name = 'low', send = function(self) return self.super:send({}) end}";
    let mut world = World::new(&[low, quiet]);
    world.client();
    world.sends(0, "x");
    let line = "Lua filter \"low\" (connection 1): send was given a table, expected a string";
    assert_eq!(world.peers[0].end, Some(Err(line.into())));
    world.leaves(0);
    assert_eq!(world.printed(), ["2\tERROR\t1\tlow\tsend"]);
}

#[test]
fn what_was_received_before_a_fault_is_delivered() {
    let mut world = World::new(&["return {send = function() error('x') end}"]);
    world.client();
    world.peers[0].takes = false;
    world.comes(0, "data");
    world.sends(0, "x");
    world.peers[0].takes = true;
    world.look(0);
    assert_eq!(world.peers[0].got(), "data");
    assert!(world.peers[0].end.as_ref().unwrap().is_err());
}

#[test]
fn a_script_may_end_its_connection() {
    let mut world = World::new(&[&talks(
        "recv = function(self)
        local data, code = self.super:recv()
        if data == 'q' then print(self.conn:close()) self.super:recv() print('never') end
        if data == 'Q' then self.conn:close('enough') end
        return data, code end,
        timer = function(self) self.conn:close('late') end,
        init = function(self) if self.id == 3 then self.conn:set_timer(1) end end",
    )]);
    world.client();
    world.comes(0, "x");
    world.comes(0, "q");
    assert_eq!((world.peers[0].got(), world.peers[0].end.clone()), ("x".into(), Some(Ok(()))));
    assert_eq!(world.printed(), ["true", "shutdown", "close\tdone"]);
    world.client();
    world.comes(1, "Q");
    assert_eq!(
        (world.peers[1].got(), world.peers[1].end.clone()),
        ("Q".into(), Some(Err("enough".into())))
    );
    assert_eq!(world.printed()[3..], ["error\tERROR\tenough\t1\ta.lua\tclose", "close\terror"]);
    world.client();
    world.until(1.0);
    assert_eq!(world.peers[2].end, Some(Err("late".into())));
}

#[test]
fn tasks_and_timers_live_until_the_good_bye_is_said() {
    let mut world = World::new(&["local function closes(text)
        return setmetatable({}, {__close = function() print(text) end}) end
      return {
        init = function(self)
          self.q = ncat.queue()
          ncat.spawn(function()
            local x <close> = closes 'task closed'
            while true do print('task', self.q:pop()) end
          end)
          self.conn:set_timer(1, 1)
        end,
        recv = function(self)
          local x <close> = closes 'recv closed'
          local co = coroutine.wrap(function()
            local y <close> = closes 'inner closed'
            local ok = pcall(function() self.super:recv() end)
            print('never', ok)
          end)
          co()
          print('never')
        end,
        timer = function(self) print('timer') end,
        close = function(self) self.q:push('one') ncat.sleep(1.5) self.q:push('two') ncat.sleep(0) return self.super:close() end}"]);
    world.client();
    world.leaves(0);
    world.until(10.0);
    assert_eq!(
        world.printed(),
        ["inner closed", "recv closed", "task\tone", "timer", "task\ttwo", "task closed"]
    );
    assert!(world.peers[0].has_ended() && !world.advance());
}

#[test]
fn what_is_cancelled_holds_nobody_up() {
    let limits = plan::lua::FilterLimits {
        slice: std::time::Duration::from_millis(100),
        ..Default::default()
    };
    let text = "return {init = function(self) for at = 1, 20 do ncat.spawn(function()
        local x <close> = setmetatable({}, {__close = function() while true do end end})
        ncat.sleep(9) end) end end}";
    let mut world = World::with(&[text], conn::Shape::Stream, limits);
    world.client();
    let began = std::time::Instant::now();
    world.leaves(0);
    assert!(world.peers[0].has_ended());
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn one_reads_at_a_time() {
    let mut world = World::new(&["return {init = function(self)
        ncat.spawn(function() print(self.super:recv()) ncat.sleep(1) print(self.super:recv()) end) end,
        recv = function(self) local data, code = self.super:recv() if data then return data end
          return nil, code end}"]);
    world.client();
    world.until(1.0);
    assert_eq!(world.printed(), ["nil\tBUSY\tnil", "nil\tBUSY\tnil"]);
    world.comes(0, "x");
    assert_eq!(world.peers[0].got(), "x");
}

#[test]
fn whoever_never_waits_gives_way() {
    let mut world = World::new(&["return {recv = function(self)
        while true do local data, code = self.super:recv() if not data then return nil, code end end end}"]);
    world.client();
    world.peers[0].wire.lock().unwrap().floods = true;
    world.change(0, |_| {});
    world.client();
    // In one round of everything: the first has had its share, and the second its data.
    world.peers[1].wire.lock().unwrap().sent.clear();
    world.comes(1, "x");
    assert!(world.peers[0].end.is_none());
    // The second swallows too, but its end is seen.
    world.ends(1);
    assert_eq!(world.peers[1].end, Some(Ok(())));
    // Sends are no different.
    let mut world = World::new(&["return {accept = function(self)
        if self.id == 1 then for at = 1, 100000 do self.super:send('x') end end return true end}"]);
    world.client();
    let sent = world.peers[0].wire.lock().unwrap().sent.len();
    assert!((64..100_000).contains(&sent), "{sent}");
    let mut rounds = 0;
    while world.peers[0].wire.lock().unwrap().sent.len() < 100_000 {
        world.round();
        rounds += 1;
    }
    assert!(rounds > 100, "{rounds}");
}

#[test]
fn what_a_connection_is_known_by() {
    let mut world = World::new(&["return {recv = function(self)
        local data, code = self.super:recv()
        if not data then return nil, code end
        local c = self.conn
        print(c.id, c.mode, c.role, c.proto, c.datagram, c.tls, c.target_host, c.target_port, c.started)
        print(c.bytes_in, c.bytes_out)
        self.super:send('12345')
        print(c.bytes_in, c.bytes_out, c.nothing)
        print(pcall(function() c.x = 1 end))
        local all = {} for key in pairs(c) do all[#all + 1] = key end table.sort(all)
        print(table.concat(all, ' '))
        print(getmetatable(c), self.conn == c)
        kept = kept or c
        return data end}"]);
    world.client();
    world.comes(0, "abc");
    assert_eq!(
        world.printed(),
        [
            "1\tlisten\trelay\ttcp\tfalse\tfalse\tnil\tnil\t0.0",
            "3\t0",
            "3\t5\tnil",
            "false\tself.conn cannot be written to",
            "bytes_in bytes_out datagram id local_addr mode proto remote_addr role started tls",
            "false\ttrue",
        ]
        .map(str::to_owned)
        .iter()
        .map(|line| line.replace("false\tself.conn", "false\ta.lua:9: self.conn"))
        .collect::<Vec<_>>()
    );
}
