//! Who ends first, and what that means.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::serve_support::{Signal, Watch, assert_took, eventually, ncat};
use super::{children, connect, is_alive, rest, served, some, wait_gone};

#[test]
fn row_07_the_output_is_delivered_to_its_end() {
    let (server, mut client) = served(&["-c", "head -c 1000000 /dev/zero"]);
    assert_eq!(rest(&mut client).len(), 1_000_000);
    server.finish().expect_code(0);
}

#[test]
fn row_07_a_grandchilds_output_counts() {
    let script = "{ sleep 0.3; echo late; } & echo early";
    let (server, mut client) = served(&["-c", script]);
    assert_eq!(rest(&mut client), "early\nlate\n");
    server.finish().expect_code(0);
}

#[test]
fn the_peers_end_is_the_end_of_the_commands_input_only() {
    let (server, mut client) = served(&["-c", "cat >/dev/null; sleep 0.2; echo after"]);
    client.write_all(b"all of it").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "after\n");
    server.finish().expect_code(0);
}

#[test]
fn the_end_of_output_is_told_while_the_command_still_reads() {
    let (server, mut client) = served(&["-c", "echo bye; exec >&-; cat >&2"]);
    assert_eq!(rest(&mut client), "bye\n", "FIN");
    client.write_all(b"still heard").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let ended = server.finish().expect_code(0);
    assert!(ended.stderr.contains("still heard"), "{}", ended.stderr);
}

#[test]
fn with_no_shutdown_the_end_of_output_is_not_told() {
    let (mut server, mut client) =
        served(&["--no-shutdown", "-c", "echo bye; exec >&-; cat >/dev/null"]);
    assert_eq!(some(&mut client, 4), "bye\n");
    client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(client.read(&mut [0; 1]).is_err(), "neither data nor an end");
    assert!(server.is_running());
    client.shutdown(Shutdown::Write).unwrap();
    server.finish().expect_code(0);
}

#[test]
fn a_command_that_is_gone_leaves_no_reset_behind() {
    // More than it reads is on its way when it exits; its answer must arrive all the same.
    for _ in 0..5 {
        let (server, mut client) = served(&["-c", "head -c 100000 /dev/zero"]);
        let mut writer = client.try_clone().unwrap();
        let feeder = std::thread::spawn(move || {
            let _ = writer.write_all(&vec![7; 3_000_000]);
            let _ = writer.shutdown(Shutdown::Write);
        });
        assert_eq!(rest(&mut client).len(), 100_000);
        feeder.join().unwrap();
        server.finish().expect_code(0);
    }
}

#[test]
fn a_peer_that_never_ends_does_not_keep_a_command_that_has() {
    let (server, mut client) = served(&["-e", "/bin/true"]);
    let began = Instant::now();
    assert_eq!(rest(&mut client), "");
    server.finish().expect_code(0);
    assert_took(began, Duration::ZERO, Duration::from_secs(10));
    drop(client);
}

#[test]
fn a_command_that_ignores_the_end_keeps_us() {
    let (mut server, client) = served(&["-c", "sleep 600"]);
    server.said("Connection from");
    let pid = eventually("the command", || children(server.pid()).first().copied());
    drop(client);
    assert!(server.runs_for(Duration::from_millis(300)));
    assert!(is_alive(pid));
    server.stop().expect_code(143);
    wait_gone(pid);
}

#[test]
fn row_26_at_our_end_the_commands_group_ends_and_nobody_elses() {
    // The neighbour is in our own group, the grandchild in the command's.
    let line = "sleep 600 & echo neighbour $! >&2; \
                exec \"$NCAT\" -v -lk 127.0.0.1 0 -c 'sleep 600 & echo $!; wait'";
    let server = testkit::process::shell(line).start();
    let neighbour = server.wait_message("neighbour ");
    let neighbour: u32 = neighbour.rsplit(' ').next().unwrap().parse().unwrap();
    let mut client = connect(server.port());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(&mut client), &mut line).unwrap();
    let grandchild: u32 = line.trim().parse().unwrap();
    assert!(is_alive(grandchild));
    server.signal(Signal::TERM);
    wait_gone(grandchild);
    assert!(is_alive(neighbour));
    let neighbour = rustix::process::Pid::from_raw(neighbour.cast_signed()).unwrap();
    rustix::process::kill_process(neighbour, Signal::KILL).unwrap();
    server.finish().expect_code(143);
}

#[test]
fn who_ignores_sigterm_is_killed_after_the_grace() {
    let (server, mut client) =
        served(&["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]);
    assert_eq!(some(&mut client, 6), "ready\n");
    let pid = children(server.pid())[0];
    let began = Instant::now();
    server.stop().expect_code(143);
    assert_took(began, Duration::from_millis(1900), Duration::from_secs(20));
    assert!(!is_alive(pid));
}

#[test]
fn its_last_words_are_delivered() {
    let script = "trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.05; done";
    for keep in [None, Some("-k")] {
        let server = ncat(["-v", "-l", "127.0.0.1", "0", "-c", script]).args(keep).start();
        let mut client = connect(server.port());
        assert_eq!(some(&mut client, 6), "ready\n");
        server.stop().expect_code(143);
        assert_eq!(rest(&mut client), "bye\n");
    }
}

#[test]
fn the_idle_time_counts_bytes_and_stops_the_command() {
    let (server, mut client) = served(&["-i", "300ms", "-c", "echo $$; exec sleep 600"]);
    let pid = some(&mut client, 3);
    drop(pid);
    let command = children(server.pid()).first().copied();
    let ended = server.finish().expect_code(1);
    assert!(ended.stderr.contains("Idle timeout expired (300 ms)."), "{}", ended.stderr);
    assert!(command.is_none_or(|pid| !is_alive(pid)));
}

#[test]
fn with_k_each_connection_has_its_own_idle_time() {
    let server =
        ncat(["-v", "-lk", "-i", "400ms", "127.0.0.1", "0", "-c", "exec sleep 600"]).start();
    let mut client = connect(server.port());
    assert_eq!(rest(&mut client), "");
    server.said("Idle timeout expired (400 ms).");
    eventually("no command", || children(server.pid()).is_empty().then_some(()));
    server.stop().expect_code(143);
}

#[test]
fn the_quit_time_begins_at_the_end_of_output() {
    let (server, mut client) =
        served(&["-q", "300ms", "-c", "sleep 0.5; echo here; exec >&-; exec sleep 600"]);
    let began = Instant::now();
    assert_eq!(rest(&mut client), "here\n");
    server.finish().expect_code(0);
    assert_took(began, Duration::from_millis(800), Duration::from_secs(20));
}

#[test]
fn a_reset_ends_the_session_and_is_told() {
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "-e", "/bin/cat"]).start();
    let client = connect(server.port());
    eventually("the command", || children(server.pid()).first().copied());
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let ended = server.finish().expect_code(1);
    assert!(ended.stderr.contains("Ncat: Connection reset by peer."), "{}", ended.stderr);
}

#[test]
fn killed_outright_we_leave_it_the_end_of_its_input() {
    let (server, mut client) = served(&["-c", "echo $$; read line; exec cat"]);
    let digits = std::iter::from_fn(|| Some(some(&mut client, 1)).filter(|byte| byte != "\n"));
    let pid: u32 = digits.collect::<String>().parse().unwrap();
    assert!(is_alive(pid));
    server.signal(Signal::KILL);
    server.finish();
    wait_gone(pid);
}
