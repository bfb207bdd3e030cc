//! Many connections: who is there, and what one may send to another.

use super::support::World;
use conn::Shape;
use plan::lua::FilterLimits;

#[test]
fn who_is_there_is_who_has_begun_and_has_not_ended() {
    let mut world = World::new(&["
        local function all() local t = {} for id in pairs(connections) do t[#t + 1] = id end
          return table.concat(t, ' ') .. ' of ' .. #connections end
        return {
          init = function(self) print('init', all(), connections[self.id]) end,
          accept = function(self)
            if self.id == 2 then self.super:recv() end
            print('accept', all()) return self.id ~= 3 end,
          recv = function(self) print('recv', all(), connections[self.id] == self) return self.super:recv() end,
          close = function(self) print('close', all(), connections[self.id]) return self.super:close() end}"]);
    world.client();
    world.client();
    world.client();
    world.comes(1, "x");
    world.leaves(0);
    world.leaves(1);
    assert_eq!(
        world.printed(),
        [
            "init\t of 0\tnil",
            "accept\t of 0",
            "recv\t1 of 1\ttrue",
            "init\t1 of 1\tnil",
            "init\t1 of 1\tnil",
            "accept\t1 of 1",
            "close\t1 of 1\tnil",
            "accept\t1 of 1",
            "recv\t1 2 of 2\ttrue",
            "close\t2 of 1\tnil",
            "close\t of 0\tnil",
        ]
    );
    // Numbers are not used again.
    world.client();
    assert_eq!(world.printed()[11..], ["init\t of 0\tnil", "accept\t of 0", "recv\t4 of 1\ttrue"]);
}

#[test]
fn going_through_all_is_safe_while_they_come_and_go() {
    let mut world = World::new(&["return {recv = function(self)
        if self.super:recv() == 'go' then
          local seen = {}
          for id, one in pairs(connections) do seen[#seen + 1] = id ncat.sleep(1) end
          print(table.concat(seen, ' '))
        end
        return 'x' end}"]);
    for _ in 0..4 {
        world.client();
    }
    world.comes(1, "go");
    world.leaves(2);
    world.client();
    world.until(10.0);
    assert_eq!(world.printed(), ["1 2 4"]);
    for write in ["connections[1] = {}", "connections.broadcast = 1"] {
        let text = format!("return {{init = function() print(pcall(function() {write} end)) end}}");
        let mut world = World::new(&[&text]);
        world.client();
        assert!(world.printed()[0].starts_with("false\t"), "{write}");
    }
}

/// What is waiting for a client that reads nothing stays bounded, and nobody else waits for it.
#[test]
fn who_never_reads_gets_so_much_and_holds_nobody_up() {
    let limits = FilterLimits { queue: 1000, ..FilterLimits::default() };
    let text = "return {recv = function(self)
        local data, code = self.super:recv()
        if not data then return nil, code end
        local reached, full = connections.broadcast(('x'):rep(400), self)
        print(reached, table.concat(full, ' '))
        local peer = connections[2]
        if peer and peer ~= self then print(peer:send(('y'):rep(601))) print(peer:send(('y'):rep(100))) end
        return data end}";
    let mut world = World::with(&[text], Shape::Stream, limits);
    for _ in 0..4 {
        world.client();
    }
    world.change(1, |wire| wire.stuck = true);
    world.comes(0, "a");
    world.comes(0, "b");
    world.comes(2, "c");
    assert_eq!(
        world.printed(),
        [
            "3\t",
            "nil\tFULL\tnil",
            "true\tnil\tnil",
            "3\t",
            "nil\tFULL\tnil",
            "true\tnil\tnil",
            "2\t2",
            "nil\tFULL\tnil",
            "nil\tFULL\tnil",
        ]
    );
    assert_eq!(world.peers[2].sent().len(), 800);
    assert_eq!((world.peers[3].sent().len(), world.peers[0].got()), (1200, "ab".into()));
    // Nothing that was accepted is lost, nothing that was not arrives.
    world.change(1, |wire| wire.stuck = false);
    assert_eq!(world.peers[1].sent().len(), 1000);
}

#[test]
fn a_broadcast_runs_in_the_stack_of_who_gets_it() {
    let low = "return {send = function(self, data)
        if self.id == 2 then error('boom') end
        if self.id == 3 then ncat.sleep(1) end
        return self.super:send(data:upper()) end}";
    let chat = "return {recv = function(self)
        local data, code = self.super:recv()
        if not data then return nil, code end
        print(connections.broadcast(data, self)) print(connections.broadcast(data, self.id))
        return data end}";
    let mut world = World::new(&[low, chat]);
    for _ in 0..4 {
        world.client();
    }
    world.comes(0, "hi ");
    assert_eq!(world.peers[0].got(), "hi ");
    let line = "Lua filter \"a.lua\" (connection 2), send: 2: boom";
    assert_eq!(world.peers[1].end, Some(Err(line.into())));
    assert_eq!((world.peers[2].sent(), world.peers[3].sent()), ("".into(), "HI HI ".into()));
    assert!(world.peers[0].end.is_none() && world.peers[3].end.is_none());
    // What has been promised is sent before the end.
    world.leaves(2);
    world.until(10.0);
    assert_eq!(world.peers[2].sent(), "HI HI ");
    assert!(world.peers[2].has_ended());
    // Sent directly it runs in the caller, and costs the caller.
    let direct = "return {recv = function(self)
        local data = self.super:recv() connections[2]:send(data) return data end}";
    let mut world = World::new(&[low, direct]);
    world.client();
    world.client();
    world.comes(0, "hi");
    assert!(world.peers[0].end.as_ref().unwrap().is_err() && world.peers[1].end.is_none());
}

#[test]
fn a_thousand_chat() {
    let mut world = World::new(&["null", "chat"]);
    for _ in 0..1000 {
        world.client();
    }
    world.change(499, |wire| wire.stuck = true);
    world.comes(6, "hello\n");
    world.comes(999, "hi\n");
    for (at, peer) in world.peers.iter().enumerate() {
        let wanted = match at {
            6 => "<1000> hi\n",
            999 => "<7> hello\n",
            499 => "",
            _ => "<7> hello\n<1000> hi\n",
        };
        assert_eq!(peer.sent(), wanted, "{at}");
    }
    assert_eq!(world.peers[6].got(), "<7> hello\n");
    for at in 0..1000 {
        world.leaves(at);
    }
    assert!(world.peers.iter().enumerate().all(|(at, peer)| peer.has_ended() || at == 499));
}
