//! Connecting and listening, once and with `-k`, by TCP and Unix sockets.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};

use super::serve_support::{Peer, Signal, Told, Watch, eventually, ncat, peer, scratch};
use super::{connect, rest, served, some};

#[test]
fn one_command_for_each_connection_in_every_mode() {
    for (option, command) in [("-e", "/bin/cat"), ("-c", "cat")] {
        let (server, mut client) = served(&[option, command]);
        client.write_all(b"hello").unwrap();
        assert_eq!(some(&mut client, 5), "hello");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut client), "");
        server.finish().expect_code(0);

        let server = ncat(["-v", "-lk", "127.0.0.1", "0", option, command]).held().start();
        let mut clients: Vec<_> = (0..5).map(|_| connect(server.port())).collect();
        for (at, client) in clients.iter_mut().enumerate() {
            client.write_all(format!("client {at}").as_bytes()).unwrap();
        }
        for (at, client) in clients.iter_mut().enumerate().rev() {
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(rest(client), format!("client {at}"));
        }
        server.stop().expect_code(143);

        let server = ncat(["-v", "-l", "127.0.0.1", "0"]).bytes("to the command").start();
        let port = server.port().to_string();
        let client = ncat(["127.0.0.1", &port, option, command]).held().run();
        assert_eq!(client.expect_code(0).text(), "", "it is not our output");
        assert_eq!(server.finish().expect_code(0).text(), "to the command");
    }
}

#[test]
fn sh_has_the_name_and_the_arguments_it_has_in_ncat() {
    let (_server, mut client) = served(&["-c", "tr '\\0' '|' </proc/$$/cmdline"]);
    assert_eq!(rest(&mut client), "sh|-c|tr '\\0' '|' </proc/$$/cmdline|");
    let (_server, mut client) = served(&["-e", r#"/bin/echo a\ b "c  d" 'e "f' it's x\y z"#]);
    assert_eq!(rest(&mut client), "a b c  d e \"f it's xy z\n");
}

#[test]
fn words_are_ncats_but_for_its_bug() {
    for (command, bug) in [
        (r"/bin/echo a  b	c", None),
        (r"/bin/echo a\ b c", None),
        (r"/bin/echo a\\ b", None),
        (r"/bin/echo it's a\", None),
        (r"/bin/echo x\y z w", Some("xyz w\n")),
    ] {
        let Some(theirs) = peer(Peer::Ncat, ["-v", "-l", "127.0.0.1", "0", "-e", command]) else {
            return;
        };
        let (theirs, ours) =
            (theirs.start(), ncat(["-v", "-l", "127.0.0.1", "0", "-e", command]).start());
        let [theirs, ours] =
            [theirs, ours].map(|server| rest(&mut connect(testkit::peer::listening_port(&server))));
        match bug {
            None => assert_eq!(ours, theirs, "{command}"),
            Some(bug) => assert_eq!((&theirs[..], &ours[..]), (bug, "xy z w\n")),
        }
    }
}

#[test]
fn our_own_input_and_output_are_left_alone() {
    let (mut server, mut client) = served(&["-c", "cat; echo end"]);
    server.send(b"not for the client");
    client.write_all(b"not for the terminal").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "not for the terminalend\n");
    assert_eq!(server.finish().expect_code(0).text(), "");
}

#[test]
fn unix_streams() {
    let dir = scratch();
    let path = dir.path().join("s");
    let server = ncat([
        "-v",
        "-lkU",
        path.to_str().unwrap(),
        "-c",
        "cat; env | grep -E ^NCAT_[LPR].*[RTO]= | grep -v REQUIRE | sort",
    ]);
    let server = server.start();
    server.said("Listening on");
    for _ in 0..2 {
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"hello\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        let wanted = "hello\nNCAT_LOCAL_ADDR=localhost\nNCAT_LOCAL_PORT=\nNCAT_PROTO=TCP\n\
                      NCAT_REMOTE_ADDR=localhost\nNCAT_REMOTE_PORT=\n";
        assert_eq!(text, wanted);
    }
    server.stop().expect_code(143);
    assert!(!path.exists(), "a path we made is removed by us");

    let listener = UnixListener::bind(&path).unwrap();
    let client = ncat(["-U", path.to_str().unwrap(), "-c", "echo $NCAT_TARGET_ADDR"]).start();
    let (mut peer, _) = listener.accept().unwrap();
    let mut text = String::new();
    peer.read_to_string(&mut text).unwrap();
    assert_eq!(text, format!("{}\n", path.display()));
    drop(peer);
    client.finish().expect_code(0);
}

#[test]
fn verbose_lines_tell_of_the_command() {
    let server = ncat(["-vv", "-lk", "127.0.0.1", "0", "-c", "exit 3"]).start();
    rest(&mut connect(server.port()));
    let said = server.said("exited with status 3.");
    assert!(said.contains("NCAT DEBUG: Executing: sh -c \"exit 3\" (process "), "{said}");
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "-c", "kill -KILL $$"]).start();
    rest(&mut connect(server.port()));
    server.said("was ended by signal 9.");
}

#[test]
fn events_have_process_and_status() {
    let server = ncat(["--json", "-lk", "127.0.0.1", "0", "-v", "-c", "exit $(cat)"]).start();
    let mut client = connect(server.port());
    client.write_all(b"7").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    rest(&mut client);
    server.wait_message("\"event\":\"exited\"");
    let events: Vec<serde_json::Value> =
        server.messages().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let event = |name: &str| events.iter().find(|e| e["event"] == name).unwrap();
    let (started, exited) = (event("exec"), event("exited"));
    assert_eq!(started["command"], "sh -c \"exit $(cat)\"");
    assert_eq!(started["pid"], exited["pid"]);
    assert_eq!(started["peer"], event("accepted")["peer"]);
    assert_eq!(exited["status"], 7);
    assert!(exited["signal"].is_null());
    assert_eq!(event("closed")["received"], 1);
}

#[test]
fn a_signal_ends_a_client_as_it_ends_a_client_without_command() {
    use std::os::unix::process::ExitStatusExt;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = ncat(["-vv", "127.0.0.1", &port, "-e", "/bin/cat"]).start();
    let (_peer, _) = listener.accept().unwrap();
    client.said("Executing:");
    let pid = eventually("the command", || super::children(client.pid()).first().copied());
    client.signal(Signal::TERM);
    assert_eq!(client.finish().status.signal(), Some(15));
    assert!(!super::is_alive(pid));
}
