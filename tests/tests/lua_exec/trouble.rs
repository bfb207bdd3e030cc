//! Scripts that cannot be used, and programs that fail.

use std::fs;

use super::serve_support::{Peer, ncat, peer, scratch};
use super::{rest, script, served};

#[test]
fn what_is_no_script_is_told_before_anything_is_opened() {
    let dir = scratch();
    let log = dir.path().join("log");
    fs::write(&log, "precious").unwrap();
    let bad = script(dir.path(), "x = = 1");
    let binary = dir.path().join("binary.lua");
    fs::write(&binary, b"\x1bLua").unwrap();
    let long = dir.path().join("long.lua");
    fs::write(&long, vec![b' '; (16 << 20) + 1]).unwrap();
    for (path, said) in [
        (bad.clone(), format!("{}:1: unexpected symbol near '='", bad.display())),
        (dir.path().join("none"), "/none: No such file or directory".into()),
        (dir.path().into(), "Is a directory".into()),
        (binary, "attempt to load a binary chunk (mode is 't')".into()),
        (long, "is longer than 16777216 bytes".into()),
    ] {
        for mode in [&["-v", "-l", "127.0.0.1", "0"][..], &["127.0.0.1", "1"]] {
            let ran = ncat(mode).args(["-o"]).args([&log]).args(["--lua-exec"]).args([&path]).run();
            let ran = ran.expect_code(2);
            let line = ran.first_line();
            assert!(line.starts_with("Ncat: Error loading the Lua script: "), "{line}");
            assert!(line.contains(&said) && line.ends_with(". QUITTING."), "{line}");
            assert_eq!(fs::read_to_string(&log).unwrap(), "precious");
        }
    }
}

#[test]
fn first_lines_are_ncats() {
    let dir = scratch();
    let bad = script(dir.path(), "x = = 1");
    for path in [bad, dir.path().join("none"), dir.path().into()] {
        let args = ["-l", "127.0.0.1", "0", "--lua-exec", path.to_str().unwrap()];
        let Some(theirs) = peer(Peer::Ncat, args) else { return };
        let (theirs, ours) = (theirs.run(), ncat(args).run());
        assert_eq!(ours.first_line(), theirs.first_line());
        assert_eq!(ours.code(), theirs.code());
    }
}

#[test]
fn errors_are_told_with_a_traceback_and_the_peer_sees_an_end() {
    let dir = scratch();
    let text = "local function f() error('boom') end\nprint('before')\nf()";
    let program = script(dir.path(), text);
    let (server, mut client) = served(&program, &[]);
    assert_eq!(rest(&mut client), "before\n");
    let ended = server.finish().expect_code(0);
    let said = ended.stderr;
    let line = format!("Ncat: Error running the Lua script: {}:1: boom\n", program.display());
    assert!(said.contains(&line), "{said}");
    assert!(said.contains("\nstack traceback:\n") && said.contains("x.lua:3: in main chunk"));

    let (server, mut client) = served(&program, &["--exec-exit"]);
    assert_eq!(rest(&mut client), "before\n");
    server.finish().expect_code(2);

    // What is thrown need not be text.
    let (server, mut client) = served(&script(dir.path(), "error({})"), &["--exec-exit"]);
    assert_eq!(rest(&mut client), "");
    server.finish().expect_code(2);
}

#[test]
fn the_whole_library_is_there() {
    let dir = scratch();
    let text = "assert(debug.sethook and package.loadlib and io.popen and os.execute and utf8.char)
        assert(require 'm' == 5 and _VERSION == 'Lua 5.4' and load(string.dump(load('return 1')))() == 1)
        assert(coroutine.wrap(function() coroutine.yield(3) end)() == 3)
        print('all')";
    fs::write(dir.path().join("m.lua"), "return 5").unwrap();
    let program = script(dir.path(), text);
    let set = format!("package.path = '{}/?.lua'\n", dir.path().display());
    fs::write(&program, set + text).unwrap();
    let (server, mut client) = served(&program, &[]);
    assert_eq!(rest(&mut client), "all\n");
    server.finish().expect_code(0);
}

#[test]
fn combinations_that_are_none() {
    for (args, said) in [
        (&["--lua-exec", "a", "-e", "b", "x"][..], "Ncat: Only one of --exec, --sh-exec, and"),
        (&["--lua-exec", "a", "--lua-exec", "b", "x"], "Ncat: Only one of --exec, --sh-exec, and"),
        (&["--broker", "--lua-exec", "a"], "Ncat: Invalid option combination: --broker and -e."),
        (&["-z", "--lua-exec", "a", "x", "1"], "Ncat: Command execution can't be done along with"),
        (
            &["-lk", "--exec-exit", "--lua-exec", "a"],
            "Ncat: Invalid option combination: --exec-exit",
        ),
    ] {
        let ran = ncat(args.iter().copied()).run().expect_code(2);
        assert!(ran.first_line().starts_with(said), "{args:?}: {}", ran.first_line());
    }
    let ran = ncat(["--explain", "-l", "--lua-exec", "a.lua"]).run().expect_code(0);
    let page = String::from_utf8(ran.stdout).unwrap();
    assert!(page.contains("Lua program: \"a.lua\", read at the start\n"), "{page}");
}
