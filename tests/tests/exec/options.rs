//! The options about commands.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::{Duration, Instant};

use super::serve_support::{Peer, Watch, assert_took, ncat, peer};
use super::{connect, rest, served, some};

#[test]
fn exec_exit_passes_on_the_status() {
    for (script, code) in [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 143), ("exit 255", 255)]
    {
        let (server, mut client) = served(&["--exec-exit", "-c", script]);
        rest(&mut client);
        server.finish().expect_code(code);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let client = ncat(["--exec-exit", "127.0.0.1", &port, "-c", script]).start();
        drop(listener.accept().unwrap());
        client.finish().expect_code(code);
    }
    let (server, mut client) = served(&["-c", "exit 3"]);
    rest(&mut client);
    server.finish().expect_code(0);
}

#[test]
fn exec_timeout_stops_the_command_and_delivers_what_it_said() {
    let (server, mut client) =
        served(&["--exec-timeout", "400ms", "-c", "echo said; exec sleep 600"]);
    let began = Instant::now();
    assert_eq!(rest(&mut client), "said\n");
    let ended = server.finish().expect_code(1);
    assert_took(began, Duration::from_millis(300), Duration::from_secs(20));
    assert!(
        ended.stderr.contains("Ncat: The command took longer than 0.4 s.\n"),
        "{}",
        ended.stderr
    );
    // One that is over in time is none of its business, and with -k each has its own.
    let server =
        ncat(["-v", "-lk", "--exec-timeout", "1s", "127.0.0.1", "0", "-c", "cat; sleep $0"]);
    let server = server.start();
    let mut client = connect(server.port());
    client.write_all(b"quick").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "quick");
    server.stop().expect_code(143);
}

#[test]
fn a_command_that_ignores_its_timeout_is_killed() {
    let script = "trap '' TERM; echo said; while :; do sleep 0.1; done";
    let (server, mut client) = served(&["--exec-timeout", "300ms", "--exec-exit", "-c", script]);
    assert_eq!(rest(&mut client), "said\n");
    server.finish().expect_code(137);
}

#[test]
fn exec_limits_hold_in_the_command_and_not_for_us() {
    let limits = "mem=200M,files=20,cpu=1s";
    let (server, mut client) = served(&[
        "--exec-limit",
        limits,
        "-c",
        "ulimit -v; ulimit -n; ulimit -t; while :; do :; done",
    ]);
    assert_eq!(some(&mut client, 12), "204800\n20\n1\n");
    let ours = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    assert!(
        ours.lines().any(|l| l.starts_with("Max cpu time") && l.contains("unlimited")),
        "{ours}"
    );
    // It burns its second and is ended.
    assert_eq!(rest(&mut client), "");
    let ended = server.finish().expect_code(0);
    assert!(ended.stderr.contains("was ended by signal 24."), "{}", ended.stderr);
    assert!(ended.stderr.contains(" was ended by the system.\n  it had used up its"));
    // Too little memory to run at all is a failure of the command's, told by its loader.
    let (server, mut client) = served(&["--exec-limit", "mem=1M", "--exec-exit", "-e", "/bin/cat"]);
    assert_eq!(rest(&mut client), "");
    assert_ne!(server.finish().code(), Some(0));
}

#[test]
fn pty_is_a_controlling_terminal() {
    let script = "tty; stty size; ps -o tty= -p $$; read l; echo got $l; cat; echo over";
    let (server, mut client) = served(&["--pty", "-c", script]);
    let mut heard = String::new();
    while !heard.contains("24 80\r\n") {
        heard.push_str(&some(&mut client, 1));
    }
    assert!(heard.starts_with("/dev/pts/"), "{heard:?}");
    client.write_all(b"a line\n").unwrap();
    while !heard.contains("got a line\r\n") {
        heard.push_str(&some(&mut client, 1));
    }
    assert!(heard.contains("a line\r\n"), "it echoes: {heard:?}");
    // A half-close is typed as the end-of-file character, after an unfinished line too.
    client.write_all(b"unfinished").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let last = rest(&mut client);
    assert!(last.ends_with("unfinishedunfinishedover\r\n"), "{last:?}");
    server.finish().expect_code(0);
}

#[test]
fn a_terminal_has_job_control_and_ends_with_us() {
    let (server, mut client) = served(&[
        "--pty",
        "-c",
        "trap 'echo interrupted; exit' INT; echo ready; while :; do sleep 0.1; done",
    ]);
    assert_eq!(some(&mut client, 7), "ready\r\n");
    // What a person types at a terminal: control-C.
    client.write_all(&[3]).unwrap();
    let heard = rest(&mut client);
    assert!(heard.contains("interrupted\r\n"), "{heard:?}");
    server.finish().expect_code(0);
}

#[test]
fn handover_gives_the_socket_itself() {
    let script = "readlink /proc/self/fd/0 /proc/self/fd/1; grep flags /proc/self/fdinfo/0; \
                  ls /proc/self/fd | wc -l; cat; echo end";
    let (server, mut client) = served(&["--exec-handover", "-c", script]);
    client.write_all(b"hello\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let text = rest(&mut client);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("socket:[") && lines[0] == lines[1], "{text}");
    // Read and write, and nothing else: the command need not expect EAGAIN.
    assert_eq!(lines[2], "flags:\t02");
    // The fourth is the directory that ls reads.
    assert_eq!(lines[3..], ["4", "hello", "end"]);
    server.finish().expect_code(0);
}

#[test]
fn handover_ends_politely_and_many_times() {
    let server = ncat(["-v", "-lk", "--exec-handover", "127.0.0.1", "0"]);
    let server = server.args(["-c", "head -c 300000 /dev/zero"]).start();
    let port = server.port();
    for _ in 0..20 {
        let mut client = connect(port);
        let mut writer = client.try_clone().unwrap();
        // Unread input at the command's exit would be a reset, and cost the tail.
        let feeder = std::thread::spawn(move || {
            let _ = writer.write_all(&vec![1; 1_000_000]);
            let _ = writer.shutdown(Shutdown::Write);
        });
        assert_eq!(rest(&mut client).len(), 300_000);
        feeder.join().unwrap();
    }
    super::eventually("no children", || super::children(server.pid()).is_empty().then_some(()));
    server.stop().expect_code(143);
}

#[test]
fn commands_talk_to_other_peoples_clients() {
    for (which, args) in [(Peer::Ncat, &["127.0.0.1"][..]), (Peer::NcOpenbsd, &["-N", "127.0.0.1"])]
    {
        for handover in [None, Some("--exec-handover")] {
            let server = ncat(["-v", "-l", "127.0.0.1", "0", "-c", "cat; echo end"]).args(handover);
            let server = server.start();
            let port = server.port().to_string();
            let Some(client) = peer(which, args.iter().copied().chain([port.as_str()])) else {
                continue;
            };
            let ended = client.bytes("hello\n").run();
            assert_eq!(String::from_utf8_lossy(&ended.stdout), "hello\nend\n");
            server.finish().expect_code(0);
        }
    }
}

#[test]
fn explain_shows_the_command() {
    let ended =
        ncat(["--explain", "-l", "-e", "/bin/echo 'a b'", "--exec-exit"]).run().expect_code(0);
    let mut text = String::new();
    ended.stdout.as_slice().read_to_string(&mut text).unwrap();
    assert!(text.contains("arguments: [\"/bin/echo\", \"a b\"]\n"), "{text}");
    assert!(text.contains("exit code: the command's\n"), "{text}");
}
