//! Connecting and listening, once and with `-k`, by each transport.

use std::io::{Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::os::unix::net::UnixStream;

use super::serve_support::{PATIENCE, Told, Watch, eventually, ncat, scratch, udp_port};
use super::{connect, example, rest, script, served, some};

/// Says what it is given, with a mark, until the end.
const MARKS: &str = "for line in io.lines() do io.write('<', line, '>') end print('end')";

#[test]
fn lua_programs_serve_in_every_mode() {
    let dir = scratch();
    let program = script(dir.path(), MARKS);
    let (server, mut client) = served(&program, &[]);
    client.write_all(b"a\nb").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "<a><b>end\n");
    server.finish().expect_code(0);

    let server =
        ncat(["-v", "-lk", "127.0.0.1", "0", "--lua-exec"]).args([&program]).held().start();
    let mut clients: Vec<_> = (0..5).map(|_| connect(server.port())).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        client.write_all(format!("client {at}\n").as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
    }
    for (at, client) in clients.iter_mut().enumerate().rev() {
        assert_eq!(rest(client), format!("<client {at}>end\n"));
    }
    server.stop().expect_code(143);

    let server = ncat(["-v", "-l", "127.0.0.1", "0"]).bytes("to the program").start();
    let port = server.port().to_string();
    let client = ncat(["127.0.0.1", &port, "--lua-exec"]).args([&program]).held().run();
    assert_eq!(client.expect_code(0).text(), "", "it is not our output");
    assert_eq!(server.finish().expect_code(0).text(), "<to the program>end\n");
}

#[test]
fn datagrams_are_what_print_says_at_once() {
    let dir = scratch();
    let text = "while true do local line = io.read() io.write('got ') print(line) end";
    let program = script(dir.path(), text);
    let server =
        ncat(["-v", "-lku", "127.0.0.1", "0", "--lua-exec"]).args([&program]).held().start();
    let port = udp_port(&server);
    for name in ["one", "two"] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        for at in 0..3 {
            socket.send(format!("{name} {at}\n").as_bytes()).unwrap();
            let mut buf = [0; 100];
            let len = socket.recv(&mut buf).unwrap();
            assert_eq!(buf[..len], *format!("got {name} {at}\n").as_bytes());
        }
    }
    server.stop().expect_code(143);
}

#[test]
fn unix_sockets() {
    let dir = scratch();
    let program = script(dir.path(), MARKS);
    let path = dir.path().join("s");
    let server = ncat(["-v", "-lU"]).args([&path]).args(["--lua-exec"]).args([&program]).held();
    let server = server.start();
    server.said("Listening on");
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"x\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "<x>end\n");
    server.finish().expect_code(0);
}

#[test]
fn a_question_is_asked_before_the_answer_is_read() {
    let dir = scratch();
    let program =
        script(dir.path(), "io.write('name? ') local name = io.stdin:read() io.write('hi ', name)");
    let (server, mut client) = served(&program, &[]);
    assert_eq!(some(&mut client, 6), "name? ");
    client.write_all(b"me\n").unwrap();
    assert_eq!(rest(&mut client), "hi me");
    server.finish().expect_code(0);
}

#[test]
fn the_program_is_read_once_and_its_connection_is_all_it_has() {
    let dir = scratch();
    let text = "print('first') os.execute('ls /proc/self/fd | tr \"\\\\n\" \" \"') print(arg[0])";
    let program = script(dir.path(), text);
    let server =
        ncat(["-v", "-lk", "127.0.0.1", "0", "--lua-exec"]).args([&program]).held().start();
    let port = server.port();
    // 3 is the directory that ls reads.
    let wanted = format!("first\n0 1 2 3 {}\n", program.display());
    assert_eq!(rest(&mut connect(port)), wanted);
    std::fs::write(&program, "print('second')").unwrap();
    assert_eq!(rest(&mut connect(port)), wanted);
    std::fs::remove_file(&program).unwrap();
    assert_eq!(rest(&mut connect(port)), wanted);
    server.stop().expect_code(143);
}

#[test]
fn lua_programs_know_their_connection() {
    let (server, mut client) = served(&example("env.lua"), &[]);
    let (peer, own) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let wanted = format!(
        "NCAT_REMOTE_ADDR \"{}\"\nNCAT_REMOTE_PORT \"{}\"\nNCAT_LOCAL_ADDR \"{}\"\n\
         NCAT_LOCAL_PORT \"{}\"\nNCAT_PROTO \"TCP\"\n",
        peer.ip(),
        peer.port(),
        own.ip(),
        own.port()
    );
    assert_eq!(rest(&mut client), wanted);
    server.finish().expect_code(0);
}

#[test]
fn what_goes_with_commands_goes_with_lua_programs() {
    let dir = scratch();
    let program = script(dir.path(), "print('x') os.exit(7)");
    let (server, mut client) = served(&program, &["--exec-exit", "-C"]);
    assert_eq!(rest(&mut client), "x\r\n");
    server.finish().expect_code(7);

    let (server, mut client) = served(&program, &["--exec-handover"]);
    assert_eq!(rest(&mut client), "x\n");
    server.finish().expect_code(0);

    let program = script(dir.path(), "print('x') while true do end");
    for limit in [["--exec-timeout", "200ms"], ["--exec-limit", "cpu=1s"]] {
        let (server, mut client) = served(&program, &limit);
        assert_eq!(rest(&mut client), "x\n");
        server.finish();
    }

    let program = script(dir.path(), "print(pcall(string.rep, 'x', 1 << 30))");
    let (server, mut client) = served(&program, &["--exec-limit", "mem=200M"]);
    assert!(rest(&mut client).starts_with("false\tnot enough memory"));
    server.finish().expect_code(0);

    let text = "os.execute('test -t 0 && test -t 1 && echo terminal')";
    let (server, mut client) = served(&script(dir.path(), text), &["--pty"]);
    assert_eq!(rest(&mut client), "terminal\r\n");
    server.finish().expect_code(0);
}

#[test]
fn a_program_that_writes_to_nobody_ends() {
    let (server, mut client) = served(&example("chargen.lua"), &[]);
    let text = some(&mut client, 100_000);
    drop(client);
    server.finish();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines[0].len(), 72);
    assert_eq!(&lines[0][1..], &lines[1][..71]);
    assert_eq!(lines[0], lines[95], "95 printable characters");
}

#[test]
fn lua_exec_internal_runs_a_script_on_standard_input_and_output() {
    let dir = scratch();
    let program = script(dir.path(), MARKS);
    let ran = ncat(["--lua-exec-internal"]).args([&program]).bytes("a\n").run();
    assert_eq!(ran.expect_code(0).text(), "<a>end\n");
    let ran = ncat(["--lua-exec-internal"]).args([&program]).args(["9"]).run();
    ran.expect_code(2);
    // Nobody has handed it a text.
    let ran = ncat(["--lua-exec-internal"]).args([&program]).args(["3"]).run().expect_code(2);
    assert!(ran.first_line().starts_with("Ncat: Error loading the Lua script: cannot read"));
}

#[test]
fn many_programs_at_once() {
    let dir = scratch();
    let program = script(dir.path(), MARKS);
    let server = ncat(["-v", "-lk", "-m", "200", "127.0.0.1", "0", "--lua-exec"]);
    let server = server.args([&program]).held().start();
    let port = server.port();
    let mut clients: Vec<_> = (0..60).map(|_| connect(port)).collect();
    for client in &mut clients {
        client.write_all(b"x\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
    }
    for client in &mut clients {
        assert_eq!(rest(client), "<x>end\n");
    }
    eventually("the end of the programs", || {
        let path = format!("/proc/{0}/task/{0}/children", server.pid());
        std::fs::read_to_string(path).unwrap().is_empty().then_some(())
    });
    server.stop().expect_code(143);
}
