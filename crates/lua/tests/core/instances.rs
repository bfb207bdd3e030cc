//! Prototypes and instances: a test for each promise.

use super::support::World;

/// What is printed when `scripts` have a client, and it sends `x`.
#[track_caller]
fn printed(scripts: &[&str]) -> Vec<String> {
    let mut world = World::new(scripts);
    world.client();
    world.comes(0, "x");
    assert!(world.peers[0].end.is_none(), "{:?}", world.peers[0].end);
    assert_eq!(world.peers[0].got(), "x");
    world.printed()
}

#[test]
fn every_connection_has_instances_of_its_own_at_every_layer() {
    let text = "return {n = 0, recv = function(self)
        local data, code = self.super:recv()
        if data then self.n = self.n + 1 print(self.id, self.layer, self.n) end
        return data, code end}";
    let mut world = World::new(&[text, text]);
    world.client();
    world.client();
    for at in [0, 1, 0] {
        world.comes(at, "x");
    }
    assert_eq!(world.printed(), ["1\t1\t1", "1\t2\t1", "2\t1\t1", "2\t2\t1", "1\t1\t2", "1\t2\t2"]);
}

#[test]
fn copies_are_shallow_and_made_from_the_wire_up() {
    let text = "local P = {list = {}, v = 1}
        function P.init(self)
          print(self.layer, self ~= P, self.list == P.list, rawget(self, 'v'), self.super.layer)
          self.v = 2 self.list[#self.list + 1] = self.id
          print(P.v, #P.list) end
        return P";
    let mut world = World::new(&[text, text]);
    world.client();
    world.client();
    assert_eq!(
        world.printed(),
        [
            "1\ttrue\ttrue\t1\tnil",
            "1\t1",
            "2\ttrue\ttrue\t1\t1",
            "1\t1",
            "1\ttrue\ttrue\t1\tnil",
            "1\t2",
            "2\ttrue\ttrue\t1\t1",
            "1\t2",
        ]
    );
}

#[test]
fn what_a_script_does_not_define_is_passed_down() {
    let one = "local m = {} for _, name in ipairs {'accept', 'recv', 'send', 'shutdown', 'close'} do
        m[name] = function(self, ...) print(name, ...) return self.super[name](self.super, ...) end end
        return m";
    let mut world = World::new(&[one, "return {}", "return {}"]);
    world.client();
    world.comes(0, "in");
    world.sends(0, "out");
    world.finishes(0);
    world.ends(0);
    world.leaves(0);
    assert_eq!(
        world.printed(),
        ["accept", "recv\t65536", "recv\t65536", "send\tout", "shutdown", "close\tdone"]
    );
    assert_eq!((world.peers[0].got(), world.peers[0].sent()), ("in".into(), "out".into()));
}

#[test]
fn a_metatable_is_the_instances_too() {
    let text = "return setmetatable({recv = function(self)
        local data, code = self.super:recv()
        if data then print(self.extra, self + 1, getmetatable(self).__index.extra) end
        return data, code end}, {__index = {extra = 5}, __add = function() return 'sum' end})";
    assert_eq!(printed(&[text]), ["5\tsum\t5"]);
}

#[test]
fn a_filter_may_change_itself() {
    let text = "return {recv = function(self)
        local data, code = self.super:recv()
        self.recv = function(me, max) print('other', me == self) return me.super:recv(max) end
        return data, code end}";
    assert_eq!(printed(&[text]), ["other\ttrue"]);
}

#[test]
fn something_else_may_stand_below_a_filter() {
    let text = "return {accept = function(self)
          local root = self.super
          print(root.super, pairs(root)(root), pcall(function() root.x = 1 end))
          self.super = {
            recv = function() local data, code, why = root:recv() return data and data:upper(), code, why end,
            send = function(_, data) return root:send('<' .. data .. '>') end,
            shutdown = function() return root:shutdown() end,
            close = function() print('closed') end,
          }
          return true end}";
    let mut world = World::new(&[text]);
    world.client();
    world.comes(0, "in");
    world.sends(0, "out");
    assert_eq!((world.peers[0].got(), world.peers[0].sent()), ("IN".into(), "<out>".into()));
    world.leaves(0);
    let printed = world.printed();
    assert!(
        printed[0].starts_with("nil\tnil\tfalse\t")
            && printed[0].contains("the root has no fields")
    );
    assert_eq!(printed[1], "closed");
    // The root is Ncat's all the same.
    assert!(world.peers[0].has_ended() && world.peers[0].wire.lock().unwrap().dropped);
}

#[test]
fn what_every_instance_has() {
    let text = "return {init = function(self)
        print(self.id, self.layer, self.args == args, self.conn.id, self.super.super == nil)
        for _, name in ipairs {'connect', 'accept', 'recv', 'send', 'shutdown', 'close'} do
          assert(type(rawget(self, name)) == 'function') end end}";
    let mut world = World::new(&["return {}", text]);
    world.client();
    assert_eq!(world.printed(), ["1\t2\ttrue\t1\tfalse"]);
}
