//! Telling that we listen, and listening on what we were handed: `--ready-fd`, `LISTEN_FDS`,
//! `NOTIFY_SOCKET`, and the port that the system chose.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]
#![cfg(target_os = "linux")]

mod serve_support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Stdio;

use serve_support::{
    Input, PATIENCE, Process, Signal, Watch, eventually, ncat, ncat_path, scratch, skip,
};
use testkit::process::{Program, shell};

#[test]
fn the_ready_descriptor_gets_one_line_per_listener() {
    let dir = scratch();
    let file = dir.path().join("ready");
    let line = format!("exec \"$NCAT\" -l -k --ready-fd 7 0 7>'{}'", file.display());
    let server = shell(&line).held().start();
    let told = eventually("two lines", || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        (text.matches('\n').count() == 2).then_some(text)
    });
    let port: u16 = told.split("PORT=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let wanted = format!(
        "READY=1 PROTOCOL=tcp PORT={port} ADDR=[::]:{port}\n\
         READY=1 PROTOCOL=tcp PORT={port} ADDR=0.0.0.0:{port}\n"
    );
    assert_eq!(told, wanted);
    for host in ["127.0.0.1", "::1"] {
        drop(TcpStream::connect((host, port)).unwrap());
    }
    // It is closed when all has been told, whatever has its number since.
    let now = std::fs::read_link(format!("/proc/{}/fd/7", server.pid())).unwrap_or_default();
    assert_ne!(now, file);
    server.stop();
    // Whoever reads a pipe sees its end.
    let script =
        "\"$NCAT\" -l -u 127.0.0.1 0 --ready-fd 3 3>&1 >/dev/null 2>/dev/null </dev/null & echo $!";
    let ended = shell(&format!("{script} >&2")).run().expect_code(0);
    let text = String::from_utf8(ended.stdout).unwrap();
    assert!(text.starts_with("READY=1 PROTOCOL=udp PORT=") && text.ends_with('\n'), "{text}");
    assert_eq!(shell(&format!("kill {}", ended.stderr.trim())).run().code(), Some(0));
    // A path, to the end of its line.
    let path = dir.path().join("a b");
    let line =
        format!("exec \"$NCAT\" -l -U '{}' --ready-fd 3 3>'{}'", path.display(), file.display());
    let server = shell(&line).held().start();
    let wanted = format!("READY=1 PROTOCOL=unix ADDR={}\n", path.display());
    eventually("its line", || (std::fs::read_to_string(&file).unwrap() == wanted).then_some(()));
    drop(UnixStream::connect(&path).unwrap());
    server.wait().expect_code(0);
}

#[test]
fn a_ready_descriptor_that_is_none_is_refused_before_anything_is_opened() {
    let dir = scratch();
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let ended = ncat(["-l", "--ready-fd", "9", "-o", log, "0"]).run().expect_code(2);
    assert_eq!(
        ended.stderr,
        "Ncat: --ready-fd 9: Bad file descriptor. QUITTING.\n  hint: open it for us: ncat -l ... \
         --ready-fd 9 9>file\n"
    );
    let ended = shell("exec \"$NCAT\" -l --ready-fd 9 0 9</dev/null").run().expect_code(2);
    assert_eq!(ended.first_line(), "Ncat: --ready-fd 9: it is open for reading only. QUITTING.");
    assert!(!std::path::Path::new(log).exists());
    let ended = ncat(["--ready-fd", "9", "127.0.0.1", "9"]).run().expect_code(2);
    assert!(ended.stderr.starts_with("Ncat: Invalid option combination: --ready-fd with connect."));
    // A reader that has gone is told of, and the clients are served.
    let server = shell("{ \"$NCAT\" -v -l 127.0.0.1 0 --ready-fd 3 3>&1 >&4; } 4>&1 | true").held();
    let server = server.start();
    let port = server.port();
    if server.messages().contains("Warning") {
        server.said("Warning: --ready-fd 3: Broken pipe.\n");
    }
    drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
    server.wait();
}

#[test]
fn the_port_the_system_chose_is_told_without_asking() {
    for (args, lines) in [
        (&["-l", "0"][..], 2),
        (&["-l", "127.0.0.1", "0"], 1),
        (&["-l", "-u", "-k", "-4", "0"], 1),
        (&["-l", "-p", "0", "-6"], 1),
    ] {
        let server = ncat(args).held().start();
        server.said_times("Ncat: Listening on ", lines);
        assert_eq!(server.messages().lines().count(), lines, "{}", server.messages());
    }
    // Whoever names the port knows it.
    let port = server_port_that_is_free();
    let server = ncat(["-l", "127.0.0.1", &port.to_string()]).held().start();
    eventually("it listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    assert_eq!(server.wait().expect_code(0).stderr, "");
}

fn server_port_that_is_free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Our `ncat` with these sockets handed over as descriptors 3 and 4, as a service manager does.
fn handed(first: impl Into<OwnedFd>, second: Option<OwnedFd>, args: &[&str]) -> Process {
    let count = 1 + usize::from(second.is_some());
    // Descriptors come in as standard input and error's neighbour, and are moved from there.
    let move_second = if second.is_some() { "exec 4>&1 1>&2;" } else { "" };
    let line = format!(
        "exec 3<&0 0</dev/null; {move_second} LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES=web:two \
         exec \"$0\" \"$@\""
    );
    let program = Program::new("sh").args(["-c", &line]).args([ncat_path()]).args(args);
    let program = program.input(Input::Fd(first.into()));
    match second {
        Some(second) => program.output(Stdio::from(second)).start(),
        None => program.start(),
    }
}

fn read_all(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn streams_are_accepted_from_sockets_handed_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let own = listener.try_clone().unwrap();
    let server = handed(listener, None, &["-v", "-l", "--nodelay"]);
    server.said(&format!("Listening on 127.0.0.1:{port}\n"));
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.write_all(b"handed").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_all(client), "");
    assert_eq!(server.wait().expect_code(0).stdout, b"handed");
    drop(own);

    // Two at once, one of them IPv6, for many clients.
    let four = TcpListener::bind("127.0.0.1:0").unwrap();
    let six = TcpListener::bind("[::1]:0").unwrap();
    let addrs = [four.local_addr().unwrap(), six.local_addr().unwrap()];
    let server = handed(four, Some(six.into()), &["-v", "-l", "-k"]);
    server.said_times("Listening on", 2);
    for addr in addrs {
        drop(TcpStream::connect(addr).unwrap());
    }
    server.said_times("Connection from", 2);
    server.stop();
}

#[test]
fn a_unix_socket_handed_over_needs_no_path_and_keeps_it() {
    let dir = scratch();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let server = handed(listener, None, &["-v", "-l", "-U"]);
    server.said(&format!("Listening on {}\n", path.display()));
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"by path").unwrap();
    drop(client);
    assert_eq!(server.wait().expect_code(0).stdout, b"by path");
    assert!(path.exists(), "it is not ours to remove");

    let path = dir.path().join("d");
    let socket = UnixDatagram::bind(&path).unwrap();
    let server = handed(socket, None, &["-v", "-l", "-U", "-u"]);
    server.said("Listening on");
    UnixDatagram::unbound().unwrap().send_to(b"datagram", &path).unwrap();
    server.printed("datagram");
    server.stop();
    assert!(path.exists());
}

#[test]
fn datagrams_of_a_socket_handed_over_and_it_stays_unconnected() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let own = socket.try_clone().unwrap();
    let server = handed(socket, None, &["-v", "-l", "-u"]);
    server.said(&format!("Listening on 127.0.0.1:{port}\n"));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"one peer", ("127.0.0.1", port)).unwrap();
    server.printed("one peer");
    assert!(own.peer_addr().is_err(), "whoever handed it over wants other peers later");
    server.stop();
}

#[test]
fn what_is_handed_over_must_be_what_the_options_say() {
    let tcp = || TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = |socket: OwnedFd, args: &[&str], line: &str| {
        let said = handed(socket, None, args).finish().expect_code(2).stderr;
        assert_eq!(said.lines().next().unwrap(), line);
        assert!(said.contains("\n  hint: "), "{said}");
    };
    let tcp_words = "a listening TCP socket";
    refused(
        UdpSocket::bind("127.0.0.1:0").unwrap().into(),
        &["-l"],
        &format!("Ncat: socket 3 (web): a UDP socket, not {tcp_words}. QUITTING."),
    );
    refused(
        tcp().into(),
        &["-l", "-u"],
        &format!("Ncat: socket 3 (web): {tcp_words}, not a UDP socket. QUITTING."),
    );
    let listener = tcp();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    refused(
        connected.into(),
        &["-l"],
        &format!(
            "Ncat: socket 3 (web): a TCP socket that does not listen, not {tcp_words}. QUITTING."
        ),
    );
    let file = std::fs::File::open("/dev/null").unwrap();
    refused(
        file.into(),
        &["-l"],
        &format!("Ncat: socket 3 (web): not a socket, not {tcp_words}. QUITTING."),
    );
    // Operands that name another place are refused; those that name this one are right.
    let listener = tcp();
    let at = listener.local_addr().unwrap();
    let clone = || OwnedFd::from(listener.try_clone().unwrap());
    let bound = format!("Ncat: socket 3 (web): bound to {at}, not");
    refused(clone(), &["-l", "1"], &format!("{bound} port 1. QUITTING."));
    refused(clone(), &["-l", "127.0.0.2"], &format!("{bound} 127.0.0.2. QUITTING."));
    let port = at.port().to_string();
    for args in [&["-v", "-l", "127.0.0.1"][..], &["-v", "-l", "127.0.0.1", &port]] {
        let server = handed(clone(), None, args);
        server.said("Listening on");
        server.stop();
    }
    // Options that need a socket made for them.
    let said = handed(clone(), None, &["-l", "--mptcp"]).finish().expect_code(2).stderr;
    assert!(
        said.starts_with("Ncat: --mptcp: the socket handed over is plain TCP. QUITTING."),
        "{said}"
    );
    let said = handed(clone(), None, &["-l", "--ready-fd", "3"]).finish().expect_code(2).stderr;
    let line = "Ncat: --ready-fd 3 is one of the sockets handed over (LISTEN_FDS=1). QUITTING.\n";
    assert_eq!(said, line);
    // Promised and not there.
    let said =
        shell("LISTEN_PID=$$ LISTEN_FDS=2 exec \"$NCAT\" -l 3</dev/null").run().expect_code(2);
    assert_eq!(
        said.stderr,
        "Ncat: LISTEN_FDS=2, but descriptor 4: Bad file descriptor. QUITTING.\n"
    );
}

#[test]
fn sockets_meant_for_another_process_are_not_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let line = "exec 3<&0 0</dev/null; LISTEN_PID=1 LISTEN_FDS=1 exec \"$NCAT\" -l 127.0.0.1 0";
    let other = listener.local_addr().unwrap().port();
    let server = shell(line).input(Input::Fd(listener.into())).start();
    assert_ne!(server.port(), other);
}

#[test]
fn systemd_socket_activate_hands_us_its_socket() {
    if shell("command -v systemd-socket-activate").run().code() != Some(0) {
        return skip("systemd-socket-activate is not installed");
    }
    let dir = scratch();
    let path = dir.path().join("s");
    let program = Program::new("systemd-socket-activate").args(["-l", path.to_str().unwrap()]);
    let program = program.args([ncat_path().as_os_str()]).args(["-v", "-l", "-U"]);
    let server = program.held().start();
    let mut client = eventually("it listens", || UnixStream::connect(&path).ok());
    client.write_all(b"activated").unwrap();
    server.said("Connection from");
    drop(client);
    assert_eq!(server.wait().expect_code(0).stdout, b"activated");
}

#[test]
fn the_service_manager_is_told_when_we_listen_and_when_we_stop() {
    use std::os::linux::net::SocketAddrExt;
    let dir = scratch();
    let path = dir.path().join("notify");
    let by_path = UnixDatagram::bind(&path).unwrap();
    let name = format!("ncat-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let by_name = UnixDatagram::bind_addr(&address).unwrap();
    for (socket, target) in
        [(by_path, path.to_str().unwrap().to_owned()), (by_name, format!("@{name}"))]
    {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let receive = || {
            let mut buf = [0; 1000];
            let len = socket.recv(&mut buf).unwrap();
            String::from_utf8_lossy(&buf[..len]).into_owned()
        };
        let server = ncat(["-l", "-k", "0"]).env("NOTIFY_SOCKET", &target).held().start();
        let port = server.port();
        let ready = format!("READY=1\nSTATUS=Listening on [::]:{port}, 0.0.0.0:{port}\n");
        assert_eq!(receive(), ready);
        server.signal(Signal::TERM);
        assert_eq!(receive(), "STOPPING=1\n");
        server.finish().expect_code(128 + 15);
        // One client, then the end.
        let server =
            ncat(["-v", "-l", "127.0.0.1", "0"]).env("NOTIFY_SOCKET", &target).held().start();
        assert!(receive().starts_with("READY=1\n"));
        drop(TcpStream::connect(("127.0.0.1", server.port())).unwrap());
        assert_eq!(receive(), "STOPPING=1\n");
        server.wait().expect_code(0);
    }
    // A manager that cannot be told is worth a line, and no failure.
    for (target, why) in [
        ("/nonexistent/notify", "No such file or directory"),
        ("relative", "neither a path nor @ and a name"),
    ] {
        let server = ncat(["-l", "127.0.0.1", "0"]).env("NOTIFY_SOCKET", target).held().start();
        server.said(&format!("Ncat: Warning: NOTIFY_SOCKET={target}: {why}.\n"));
        drop(TcpStream::connect(("127.0.0.1", server.port())).unwrap());
        server.wait().expect_code(0);
    }
}

/// What is meant for us must not be taken by a command for its own.
#[test]
fn a_command_finds_nothing_that_was_meant_for_us() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = "env | grep -c -E '^(LISTEN_|NOTIFY_SOCKET)'; ls /proc/$$/fd | wc -l";
    let line = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=x \
                NOTIFY_SOCKET=@ncat-nobody exec \"$NCAT\" -l -c \"$SCRIPT\"";
    let server = shell(line).env("SCRIPT", script).input(Input::Fd(listener.into())).start();
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(read_all(client), "0\n3\n");
    server.finish().expect_code(0);
}
