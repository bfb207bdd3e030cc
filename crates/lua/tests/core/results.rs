//! What filters may give back and pass on: every row of the contract, at the top, in the middle, below.

use conn::Shape;
use plan::lua::FilterLimits;

use super::support::World;

/// How the user's end came out when `recv` of layer `at` of three gives `result`.
fn received(at: usize, result: &str, shape: Shape) -> (Vec<String>, Option<Result<(), String>>) {
    let text = format!(
        "return {{recv = function(self)
        self.n = (self.n or 0) + 1
        if self.n > 1 then return nil end
        return {result} end}}"
    );
    let mut scripts = ["return {}"; 3];
    scripts[at] = &text;
    let mut world = World::with(&scripts, shape, FilterLimits::default());
    world.client_of(shape);
    let peer = &world.peers[0];
    let user = peer.user.iter().map(|piece| String::from_utf8_lossy(piece).into_owned());
    (user.collect(), peer.end.clone())
}

#[test]
fn what_recv_may_give() {
    for at in 0..3 {
        for shape in [Shape::Stream, Shape::Message] {
            let of = |result: &str| received(at, result, shape);
            let empty: Vec<String> =
                if shape == Shape::Stream { vec![] } else { vec![String::new()] };
            assert_eq!(of("'data'"), (vec!["data".into()], Some(Ok(()))));
            assert_eq!(of("''"), (empty, Some(Ok(()))));
            for end in ["", "nil", "nil, 'EOF'", "nil, 'EOF', 'words'"] {
                assert_eq!(of(end), (vec![], Some(Ok(()))), "{end}");
            }
            for (result, said) in [
                ("nil, 'RESET'", "RESET"),
                ("nil, 'ERROR', 'truncated base64 input'", "truncated base64 input"),
                ("nil, 'NEWS'", "NEWS"),
                ("nil, 'NEWS', 'words'", "words"),
            ] {
                assert_eq!(of(result), (vec![], Some(Err(said.into()))), "{result}");
            }
            for (result, kind) in [
                ("5", "number"),
                ("true", "boolean"),
                ("false", "boolean"),
                ("{}", "table"),
                ("print", "function"),
            ] {
                let line = format!(
                    "Lua filter \"c.lua\" (connection 1): recv returned a {kind}, expected a string or nil"
                );
                assert_eq!(of(result), (vec![], Some(Err(line))), "{result}");
            }
        }
    }
}

/// What is on the wire, and why nothing more can be sent, when `send` of layer `at` gives `result`.
fn sent(at: usize, result: &str) -> (String, Option<String>) {
    let text =
        format!("return {{send = function(self, data) self.super:send(data) return {result} end}}");
    let mut scripts = ["return {}"; 3];
    scripts[at] = &text;
    let mut world = World::new(&scripts);
    world.client();
    world.sends(0, "one ");
    world.sends(0, "two");
    (world.peers[0].sent(), world.peers[0].refused.clone())
}

#[test]
fn what_send_may_give() {
    for at in 0..3 {
        for fine in
            ["", "nil", "true", "0", "1.5", "true, 'RESET'", "7, 'RESET'", "nil, nil, 'words'"]
        {
            assert_eq!(sent(at, fine), ("one two".into(), None), "{fine}");
        }
        for (result, said) in [
            ("false", "ERROR"),
            ("false, 'DENIED'", "DENIED"),
            ("nil, 'RESET'", "RESET"),
            ("nil, 'ERROR', 'words'", "words"),
            ("nil, 'NEWS'", "NEWS"),
        ] {
            assert_eq!(sent(at, result), ("one ".into(), Some(said.into())), "{result}");
        }
        for (result, kind) in [("{}", "table"), ("'x'", "string"), ("print", "function")] {
            let line = format!(
                "Lua filter \"c.lua\" (connection 1): send returned a {kind}, expected true or nil and an error"
            );
            assert_eq!(sent(at, result), ("one ".into(), Some(line)), "{result}");
        }
    }
}

#[test]
fn what_the_root_may_be_given() {
    for (at, name) in ["a.lua", "b.lua", "c.lua"].iter().enumerate() {
        for (given, kind) in [("nil", "nil"), ("5", "number"), ("{}", "table"), ("true", "boolean")]
        {
            let text =
                format!("return {{send = function(self) return self.super:send({given}) end}}");
            let mut scripts = ["return {}"; 3];
            scripts[at] = &text;
            let mut world = World::new(&scripts);
            world.client();
            world.sends(0, "x");
            let line = format!(
                "Lua filter \"{name}\" (connection 1): send was given a {kind}, expected a string"
            );
            assert_eq!(world.peers[0].end, Some(Err(line)), "{at} {given}");
            assert_eq!(world.peers[0].sent(), "");
        }
    }
    // Zero, one or many sends for one; nothing goes after the end.
    let mut world = World::new(&["return {
        send = function(self, data)
          if data == 'none' then return end
          for at = 1, 3 do self.super:send(data:sub(at, at)) end self.super:send('') end,
        shutdown = function(self)
          local ok = self.super:shutdown() print(ok, self.super:send('late')) end}"]);
    world.client();
    world.sends(0, "none");
    world.sends(0, "abc");
    world.finishes(0);
    assert_eq!((world.peers[0].sent(), world.peers[0].finished()), ("abc".into(), true));
    assert_eq!(world.printed(), ["true\tnil\tCLOSED\tnil"]);
}

#[test]
fn what_accept_and_connect_may_give() {
    let end = |result: &str| {
        let text = format!("return {{accept = function() return {result} end}}");
        let mut world = World::new(&[&text, "return {}"]);
        world.client();
        world.peers[0].end.clone()
    };
    assert_eq!((end("true"), end("false")), (None, Some(Ok(()))));
    assert_eq!(end("nil, 'DENIED', 'no'"), Some(Err("no".into())));
    assert_eq!(end("nil, 'DENIED'"), Some(Err("DENIED".into())));
    assert_eq!(end("nil"), Some(Err("ERROR".into())));
    for (result, kind) in [("'x'", "string"), ("1", "number"), ("{}", "table")] {
        let line = format!(
            "Lua filter \"b.lua\" (connection 1): accept returned a {kind}, expected true, false or nil and an error"
        );
        assert_eq!(end(result), Some(Err(line)));
    }
    let failed = |result: &str| {
        let text = format!("return {{connect = function() return {result} end}}");
        let mut world = World::new(&[&text]);
        world.connect();
        world.peers[0].failed.clone().unwrap()
    };
    assert_eq!((failed("nil, 'TLS', 'no'"), failed("false")), ("no".into(), "ERROR".into()));
    assert_eq!(
        failed("'x'"),
        "Lua filter \"a.lua\" (connection 1): connect returned a string, expected true or nil and an error"
    );
}

#[test]
fn an_end_stays_an_end() {
    let mut world = World::new(&["return {accept = function(self)
        repeat local data = self.super:recv() until not data
        print(self.super:recv()) print(self.super:recv()) return true end}"]);
    world.client();
    world.ends(0);
    assert_eq!(world.printed(), ["nil\tEOF\tnil", "nil\tEOF\tnil"]);
}
