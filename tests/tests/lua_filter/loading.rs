//! Finding, loading and arguments.

use super::serve_support::{ncat, scratch};
use super::{filters, named, on_wire};

#[test]
fn arguments_reach_the_filter_they_were_given_to() {
    assert_eq!(on_wire(&["xor:key=secret"], b"HELLO\n").0, b"\x3b\x20\x2f\x3e\x2a\x7e");
    assert_eq!(on_wire(&[r"prefix:out=a\,b\: "], b"x\ny\n").0, b"a,b: x\na,b: y\n");
    let dir = scratch();
    let key = named(dir.path(), "key", "secret\n");
    let spec = format!("xor:key@={}", key.display());
    assert_eq!(on_wire(&[&spec], b"HELLO\n").0, b"\x3b\x20\x2f\x3e\x2a\x7e");

    let server = ncat(["-v", "-l", "127.0.0.1", "0"]).held().start();
    let port = super::serve_support::Watch::port(&server).to_string();
    let args = ["-L", "prefix", "--lua-arg", "out=a,b: ", "-L", "null", "127.0.0.1", &port];
    ncat(args).bytes("x\n").run().expect_code(0);
    assert_eq!(server.finish().stdout, b"a,b: x\n");

    for (spec, said) in [
        (
            "xor:kex=1",
            "Lua filter \"xor.lua\": unknown option \"kex\" (options: hexkey, key). QUITTING.",
        ),
        ("replace", "Lua filter \"replace.lua\": option \"find\" is required. QUITTING."),
        (
            "prefix:strip=x",
            "Lua filter \"prefix.lua\": option \"strip\": \"x\" is not a valid int. QUITTING.",
        ),
        (
            "base64:url=maybe",
            "Lua filter \"base64.lua\": option \"url\": \"maybe\" is not a valid bool. QUITTING.",
        ),
        (
            "xor:hexkey=zz",
            "Lua filter \"xor.lua\": option \"hexkey\": \"…\" is not a valid hex. QUITTING.",
        ),
    ] {
        let ran = ncat(["127.0.0.1", "1", "-L", spec]).run().expect_code(2);
        assert_eq!(ran.first_line(), format!("Ncat: {said}"));
    }
    let ran = ncat(["--lua-arg", "a=b", "-L", "null", "127.0.0.1", "1"]).run().expect_code(2);
    assert!(ran.first_line().contains("must follow the -L they belong to. QUITTING."));
}

#[test]
fn filters_are_found_where_they_should_be() {
    let dir = scratch();
    let mark = |name: &str, text: &str| {
        named(
            dir.path(),
            name,
            &format!("return {{ send = function(s, d) return s.super:send(d .. '{text}') end }}"),
        );
    };
    mark("mine.lua", "mine");
    mark("rot13.lua", "hidden");
    let path = dir.path().to_str().unwrap();
    let sent = |args: &[&str], variable: Option<&str>| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let mut client = ncat(["127.0.0.1", &port]).args(args.iter()).bytes("x");
        client = client.env("HOME", "/nonexistent");
        if let Some(variable) = variable {
            client = client.env("NCAT_LUA_PATH", variable);
        }
        let client = client.start();
        let mut stream = super::patient(listener.accept().unwrap().0);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
        drop(stream);
        client.finish().expect_code(0);
        text
    };
    assert_eq!(sent(&["--lua-path", path, "-L", "mine"], None), "xmine");
    assert_eq!(sent(&["-L", "mine"], Some(path)), "xmine");
    assert_eq!(sent(&["-L", "mine.lua"], Some(path)), "xmine");
    assert_eq!(sent(&["-L", &format!("{path}/mine.lua")], None), "xmine");
    assert_eq!(sent(&["-L", "rot13"], Some(path)), "xhidden");
    assert_eq!(sent(&["-L", "rot13"], None), "k");
    let ran = ncat(["x", "1", "-L", "mine"]).env("HOME", "/h").env("NCAT_LUA_PATH", "/a:/b").run();
    let line = ran.expect_code(2).first_line().to_owned();
    let start =
        "Ncat: Cannot find Lua filter \"mine\" (looked in /a, /b, /h/.config/ncat/filters, ";
    assert!(line.starts_with(start) && line.ends_with("bundled filters). QUITTING."), "{line}");
}

#[test]
fn what_is_no_filter_is_told_before_anything_is_opened() {
    let dir = scratch();
    for (text, said) in [
        ("return 5", "did not return a table (got number)"),
        ("", "did not return a table (got nil)"),
        ("return {recv = 5}", ": \"recv\" must be a function (got number)"),
        ("return {name = {}}", ": \"name\" must be a string (got table)"),
        ("return {super = {}}", ": the key \"super\" is reserved"),
        ("return {needs = {'net'}}", " needs \"net\"; allow it with --lua-allow net"),
        ("x = = 1", ": 1: unexpected symbol near '='"),
        ("error('no')", ": 1: no"),
        ("ncat.sleep(1)", "tried to wait while loading"),
        ("coroutine.yield()", "tried to wait while loading"),
        ("\x1bLua", "attempt to load a binary chunk"),
    ] {
        let path = named(dir.path(), "bad.lua", text);
        let ran = ncat(["127.0.0.1", "1", "-L"]).args([&path]).run().expect_code(2);
        let line = ran.first_line();
        assert!(line.starts_with("Ncat: Lua filter \"bad.lua\""), "{text}: {line}");
        assert!(line.contains(said) && line.ends_with(". QUITTING."), "{text}: {line}");
    }
    let path = named(dir.path(), "bad.lua", "while true do end");
    let args = ["127.0.0.1", "1", "--lua-limit", "load=100ms", "-L"];
    let ran = ncat(args).args([&path]).run().expect_code(2);
    assert!(ran.first_line().contains("ran for more than 0.1 s"), "{}", ran.first_line());
    std::fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
    let ran = ncat(["127.0.0.1", "1", "-L"]).args([&path]).run().expect_code(2);
    assert!(ran.first_line().starts_with("Ncat: Cannot read Lua filter"), "{}", ran.first_line());
    let ran = ncat(["127.0.0.1", "1", "-L", "/tmp/"]).run().expect_code(2);
    assert!(ran.first_line().contains("Is a directory"), "{}", ran.first_line());
    for bad in ["", ":a=b", "x:1=2"] {
        ncat(["127.0.0.1", "1", "-L", bad]).run().expect_code(2);
    }
}

#[test]
fn help_tells_what_a_filter_is_for() {
    for name in [
        "base64",
        "chat",
        "crlf",
        "hex",
        "line",
        "netstring",
        "null",
        "prefix",
        "replace",
        "rot13",
        "xor",
    ] {
        let ran = ncat(["-L", &format!("{name}:help")]).run().expect_code(0);
        let text = String::from_utf8(ran.stdout).unwrap();
        assert!(text.starts_with(&format!("{name}: ")) && text.lines().next().unwrap().len() > 12);
    }
    let ran = ncat(filters(&["xor:help"])).run().expect_code(0);
    assert!(String::from_utf8(ran.stdout).unwrap().contains("  hexkey=<hex>  the key in"));
    ncat(["-L", "none:help"]).run().expect_code(2);
}
