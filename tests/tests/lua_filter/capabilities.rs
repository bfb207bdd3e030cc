//! `--lua-allow`, and what it opens.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;

use super::serve_support::{Finished, ncat, scratch};
use super::{named, patient};

/// What a filter that sends the text `body` returns puts on the wire, with these options around `-L`.
fn answered(dir: &Path, body: &str, before: &[&str], after: &[&str]) -> (String, Finished) {
    let text = format!(
        "local function f() {body} end
        return {{options = {{file = {{type = 'path'}}}},
          send = function(self) return self.super:send(tostring(f())) end}}"
    );
    let path = named(dir, "asks.lua", &text);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = ncat(["127.0.0.1", &port]).args(before.iter()).args(["-L"]).args([&path]);
    let client = client.args(after.iter()).env("NCAT_TEST_WORD", "word").bytes("x").start();
    let mut stream = patient(listener.accept().unwrap().0);
    let mut wire = String::new();
    stream.read_to_string(&mut wire).unwrap();
    drop(stream);
    (wire, client.finish())
}

#[test]
fn filters_may_do_what_they_are_allowed_to() {
    let dir = scratch();
    let inner = dir.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("own"), "first\nsecond").unwrap();
    std::fs::write(dir.path().join("secret"), "outside").unwrap();
    std::os::unix::fs::symlink("../secret", inner.join("link")).unwrap();
    std::os::unix::fs::symlink("own", inner.join("alias")).unwrap();
    let place = inner.to_str().unwrap();
    let read = format!("read={place}");
    let write = format!("write={place}");
    let open = |file: &str, mode: &str| {
        format!(
            "local f, code, why = ncat.open('{place}/{file}', '{mode}')
            if not f then return code .. ' ' .. why end "
        )
    };
    let reads = |file: &str| open(file, "r") + "return f:read(5)";
    let wire = |body: &str, after: &[&str]| answered(dir.path(), body, &[], after).0;

    let denied =
        format!("DENIED reading {place}/own is not allowed; --lua-allow read=DIR allows it");
    assert_eq!(wire(&reads("own"), &[]), denied);
    let allow = ["--lua-allow", &read];
    assert_eq!(wire(&reads("own"), &allow), "first");
    assert_eq!(wire(&reads("alias"), &allow), "first");
    assert_eq!(wire(&reads("own"), &["--lua-allow", "net,read"]), "first");
    // Before any -L it is for all of them.
    assert_eq!(answered(dir.path(), &reads("own"), &allow, &[]).0, "first");
    for outside in ["../secret", "link", "../inner/../secret", "no/../../secret"] {
        assert!(wire(&reads(outside), &allow).starts_with("DENIED"), "{outside}");
    }
    assert!(wire(&(open("own", "w") + "return 'opened'"), &allow).starts_with("DENIED writing"));
    assert_eq!(std::fs::read(inner.join("own")).unwrap(), b"first\nsecond");
    assert_eq!(wire(&reads("none"), &allow), "ERROR No such file or directory");
    assert_eq!(wire(&reads("../inner"), &allow), "ERROR Is a directory");

    let lines = open("own", "r")
        + "local a, b = f:line(), f:line() local c, code = f:line()
          assert(f:close() and select(2, f:read(1)) == 'CLOSED')
          return a .. b .. tostring(c) .. code";
    assert_eq!(wire(&lines, &allow), "firstsecondnilEOF");
    let writes = open("new", "w")
        + "assert(f:write('a') and f:flush() and f:write('b') and f:close())
          assert(not pcall(f.write, f, 5) and select(2, f:write('c')) == 'CLOSED') return 'done'";
    assert_eq!(wire(&writes, &["--lua-allow", &write]), "done");
    assert_eq!(std::fs::read(inner.join("new")).unwrap(), b"ab");
    let writes = open("new", "a") + "f:write('c') return 'done'";
    assert_eq!(wire(&writes, &["--lua-allow", &write]), "done");
    assert_eq!(std::fs::read(inner.join("new")).unwrap(), b"abc");
    assert!(wire(&open("link", "w"), &["--lua-allow", &write]).starts_with("DENIED"));

    // The environment, and all of Lua.
    let env = "local v, code, why = ncat.env('NCAT_TEST_WORD') return v or code .. ' ' .. why";
    assert!(wire(env, &[]).starts_with("DENIED"));
    assert_eq!(wire(env, &["--lua-allow", "env"]), "word");
    let all = "return (io and os.getenv and debug.getinfo) and 'all' or 'some'";
    assert_eq!(wire(all, &[]), "some");
    assert_eq!(wire(all, &["--lua-allow", "unsafe"]), "all");
}

#[test]
fn files_named_in_arguments_are_granted() {
    let dir = scratch();
    let file = dir.path().join("named");
    std::fs::write(&file, "text").unwrap();
    std::fs::write(dir.path().join("other"), "no").unwrap();
    let given = format!("file={}", file.display());
    let given = ["--lua-arg", &given];
    let body = "return ncat.open(args.file):read(9)";
    assert_eq!(answered(dir.path(), body, &[], &given).0, "text");
    let body = "local _, code = ncat.open(args.file .. '/../other') return code";
    assert_eq!(answered(dir.path(), body, &[], &given).0, "DENIED");
    let body = "local f = ncat.open(args.file, 'w') f:write('new') return 'done'";
    assert_eq!(answered(dir.path(), body, &[], &given).0, "done");
    assert_eq!(std::fs::read(&file).unwrap(), b"new");
}

#[test]
fn what_filters_need_is_told_at_the_start() {
    let dir = scratch();
    let started = |text: &str, allow: &[&str]| {
        let path = named(dir.path(), "wants.lua", text);
        let ran = ncat(["-l", "0", "-L"]).args([&path]).args(allow.iter()).run();
        ran.expect_code(2).first_line().to_owned()
    };
    let line = |said: &str| format!("Ncat: Lua filter \"wants.lua\"{said}. QUITTING.");
    let needs = "return {needs = {'read', 'net'}}";
    assert_eq!(started(needs, &[]), line(" needs \"read\"; allow it with --lua-allow read"));
    let allow = ["--lua-allow", "read=/tmp"];
    assert_eq!(started(needs, &allow), line(" needs \"net\"; allow it with --lua-allow net"));
    let odd = "return {needs = {'fire'}}";
    assert_eq!(started(odd, &[]), line(" needs \"fire\", which is no capability"));
    let missing = ["--lua-allow", "read=/nonexistent"];
    let said = ": --lua-allow: /nonexistent: No such file or directory";
    assert_eq!(started("return {}", &missing), line(said));
    for bad in ["fire", "read=", "net=x", ""] {
        let ran = ncat(["-l", "0", "-L", "null", "--lua-allow", bad]).run().expect_code(2);
        assert!(ran.stderr.contains("net, read"), "{}", ran.stderr);
    }
    let stray = "Ncat: --lua-arg and --lua-allow=… must follow the -L they belong to. QUITTING.";
    assert_eq!(ncat(["-l", "0", "--lua-allow", "net"]).run().expect_code(2).first_line(), stray);
    // What would wait while it is loaded waits for nobody.
    let waits = "ncat.open('/dev/null') return {}";
    assert_eq!(started(waits, &["--lua-allow", "read"]), line(" tried to wait while loading"));
}
