//! `-o` and `-x`: transcripts, byte for byte as Ncat writes them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod serve_support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

use serve_support::{
    Finished, PATIENCE, Peer, Program, Watch, assert_same, file, ncat, noise, peer, scratch,
};

/// Runs a client against a server that takes everything, sends `reply`, and ends.
fn against_server(client: Program, input: &Path, reply: &[u8], listener: &TcpListener) -> Finished {
    let client = client.input(file(input)).start();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    stream.write_all(reply).unwrap();
    drop(stream);
    client.wait().expect_code(0)
}

#[test]
fn as_debians_ncat_writes_them() {
    let dir = scratch();
    let (file, ours, theirs) = (dir.path().join("in"), dir.path().join("a"), dir.path().join("b"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for option in ["-x", "-o"] {
        for len in [0, 1, 7, 8, 9, 15, 16, 17, 100, 8191, 8192, 8193, 20_000, 70_000] {
            fs::write(&file, noise(len, len as u64)).unwrap();
            let reply = noise(len.min(5000), 99);
            for (program, log) in
                [(Some(ncat([option])), &ours), (peer(Peer::Ncat, [option]), &theirs)]
            {
                let Some(program) = program else { return };
                let program = program.args([log]).args(["127.0.0.1", &port]);
                against_server(program, &file, &reply, &listener);
            }
            let (ours, theirs) = (fs::read(&ours).unwrap(), fs::read(&theirs).unwrap());
            assert_same(&ours, &theirs, &format!("{option} with {len} bytes"));
        }
    }
}

#[test]
fn crlf_is_logged_as_it_is_sent() {
    let dir = scratch();
    let (file, ours, theirs) = (dir.path().join("in"), dir.path().join("a"), dir.path().join("b"));
    fs::write(&file, "one\ntwo\r\nthree\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    against_server(
        ncat(["-C", "-x"]).args([&ours]).args(["127.0.0.1", &port]),
        &file,
        b"",
        &listener,
    );
    assert!(
        fs::read_to_string(&ours).unwrap().starts_with("0000   6f 6e 65 0d 0a 74 77 6f  0d 0a")
    );
    let Some(theirs_program) = peer(Peer::Ncat, ["-C", "-x"]) else { return };
    let program = theirs_program.args([&theirs]).args(["127.0.0.1", &port]);
    against_server(program, &file, b"", &listener);
    assert_eq!(fs::read(&ours).unwrap(), fs::read(&theirs).unwrap());
}

/// What our side logs of a conversation in a known order.
fn conversation(args: &[&str], is_server: bool) {
    let (mut ours, mut stream);
    if is_server {
        ours = ncat(["-v", "-l", "127.0.0.1", "0"]).args(args).held().start();
        stream = TcpStream::connect(("127.0.0.1", ours.port())).unwrap();
    } else {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        ours = ncat(args).args(["127.0.0.1", &port]).held().start();
        stream = listener.accept().unwrap().0;
    }
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = String::new();
    for turn in 0..3 {
        let (question, answer) = (format!("question {turn}\n"), format!("answer {turn}\n"));
        ours.send(question.as_bytes());
        let mut buffer = vec![0; question.len()];
        stream.read_exact(&mut buffer).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        said.push_str(&answer);
        ours.printed(&said);
    }
    stream.shutdown(Shutdown::Write).unwrap();
    ours.wait().expect_code(0);
}

const CONVERSATION: &str = "question 0\nanswer 0\nquestion 1\nanswer 1\nquestion 2\nanswer 2\n";

#[test]
fn both_directions_in_order_in_both_roles_and_both_forms_at_once() {
    for (role, mode) in [(false, &[][..]), (true, &[]), (true, &["-k", "-q", "100ms"])] {
        let dir = scratch();
        let (text, hex) = (dir.path().join("text"), dir.path().join("hex"));
        let (text, hex) = (text.to_str().unwrap(), hex.to_str().unwrap());
        conversation(&[mode, &["-o", text, "-x", hex]].concat(), role);
        assert_eq!(fs::read_to_string(text).unwrap(), CONVERSATION);
        let lines = fs::read_to_string(hex).unwrap();
        let starts: Vec<&str> = lines.lines().map(|line| &line[57..]).collect();
        assert_eq!(starts[0], "question.0..... ".replace(".....", ".    "), "{lines}");
        assert_eq!(starts.len(), 6);
        assert!(lines.lines().all(|line| line.len() == 73 && line.starts_with("0000   ")));
    }
}

#[test]
fn append_adds_and_its_absence_replaces() {
    let dir = scratch();
    let path = dir.path().join("log");
    let log = path.to_str().unwrap();
    fs::write(&path, "before\n").unwrap();
    conversation(&["--append-output", "-o", log], false);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("before\n{CONVERSATION}"));
    conversation(&["-o", log], true);
    assert_eq!(fs::read_to_string(&path).unwrap(), CONVERSATION);
}

#[test]
fn a_refused_command_line_touches_no_log() {
    let dir = scratch();
    let path = dir.path().join("log");
    fs::write(&path, "precious").unwrap();
    let log = path.to_str().unwrap();
    for args in [
        &["-o", log][..],
        &["-x", log, "-l", "-z", "127.0.0.1", "0"],
        &["-o", log, "127.0.0.1", "99999"],
        &["-o", log, "-w", "0", "127.0.0.1", "1"],
        &["-o", log, "-u", "-k", "-l", "--send-only", "--recv-only"],
        &["-o", log, "-x", log, "--no-such-option"],
        &["-o", log, "--proxy", "a", "--proxy", "b", "127.0.0.1", "1"],
    ] {
        ncat(args).run().expect_code(2);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious", "{args:?}");
    }
    ncat(["--explain", "-o", log, "127.0.0.1", "1"]).run().expect_code(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_log_that_cannot_be_made_is_2() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let ended = ncat(["-o", "/no/such/dir/log", "127.0.0.1", &port]).run().expect_code(2);
    assert!(ended.stderr.contains("No such file or directory"), "{}", ended.stderr);
    assert!(listener.accept().is_err(), "nothing was connected to");
}

#[test]
fn a_log_that_cannot_be_written_is_2() {
    for option in ["-o", "-x"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        // What is sent cannot be logged.
        let client = ncat([option, "/dev/full", "127.0.0.1", &port]).bytes("words").start();
        let _stream = listener.accept().unwrap();
        let ended = client.wait().expect_code(2);
        assert!(ended.stderr.contains("No space left on device"), "{}", ended.stderr);
        assert!(ended.stderr.contains("/dev/full"), "{}", ended.stderr);
        // What is received cannot be logged.
        let client = ncat([option, "/dev/full", "127.0.0.1", &port]).held().start();
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"words").unwrap();
        client.finish().expect_code(2);
        // Neither by a listener.
        for mode in ["-l", "-lk"] {
            let server = ncat(["-v", mode, "127.0.0.1", "0", option, "/dev/full"]).held().start();
            let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
            stream.write_all(b"words").unwrap();
            server.finish().expect_code(2);
        }
    }
}

#[test]
fn a_new_log_is_for_the_group_as_well_and_umask_applies() {
    let dir = scratch();
    let path = dir.path().join("log");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for (umask, mode) in [("002", 0o664), ("077", 0o600)] {
        let _ = fs::remove_file(&path);
        let script = format!("umask {umask} && exec \"$0\" \"$@\"");
        let client = ncat(["-o", path.to_str().unwrap(), "127.0.0.1", &port]);
        let client = client.under(["sh", "-c", &script]).start();
        drop(listener.accept().unwrap());
        client.wait().expect_code(0);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn the_listener_logs_what_many_say_and_each_of_our_lines_once() {
    let dir = scratch();
    let path = dir.path().join("log");
    let mut server =
        ncat(["-v", "-lk", "127.0.0.1", "0", "-o", path.to_str().unwrap()]).held().start();
    let port = server.port();
    let mut clients: Vec<TcpStream> =
        (0..3).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let mut heard = 0;
    for (at, client) in clients.iter_mut().enumerate() {
        let line = format!("client {at}\n");
        client.write_all(line.as_bytes()).unwrap();
        heard += line.len();
        server.wait_output(heard);
    }
    server.send(b"to all\n");
    for client in &mut clients {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut buffer = [0; 7];
        client.read_exact(&mut buffer).unwrap();
    }
    server.stop();
    let wanted = "client 0\nclient 1\nclient 2\nto all\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), wanted);
}

#[test]
fn telnet_commands_are_not_in_the_transcript_and_udp_is() {
    let dir = scratch();
    let path = dir.path().join("log");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = ncat(["-t", "-o", path.to_str().unwrap(), "127.0.0.1", &port]).start();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"a\xff\xfd\x01b").unwrap();
    client.wait_output(2);
    drop(stream);
    client.wait();
    assert_eq!(fs::read(&path).unwrap(), b"ab");

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let client = ncat(["-u", "-o", path.to_str().unwrap(), "127.0.0.1", &port]).bytes("ask ");
    let client = client.start();
    let (_, from) = socket.recv_from(&mut [0; 10]).unwrap();
    let answer = thread::spawn(move || socket.send_to(b"answer", from).unwrap());
    client.wait().expect_code(0);
    answer.join().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"ask answer");
}
