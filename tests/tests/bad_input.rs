//! Everything that can be wrong with what we are given: the documented message, the exit code, and
//! nothing hangs.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test plays the peer, and fails where it stands"
)]

use std::fs::File;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::NamedTempFile;
use testkit::peer::listening_port;
use testkit::process::{Finished, Input, Process, ncat, shell};
use testkit::script::{Deaf, Ended, Listener, Peer};
use testkit::{data, procfs};

const DIRECTORY: &str = "Ncat: Is a directory.";

fn client(args: &[&str], input: Input) -> (Process, Peer) {
    let listener = Listener::tcp();
    let port = listener.port().to_string();
    let ncat = ncat(args).args(["127.0.0.1", &port]).input(input).start();
    (ncat, listener.accept())
}

fn directory() -> Input {
    Input::Fd(File::open("/").unwrap().into())
}

/// Behind a shell that closes descriptors: `line` has `$PORT`.
fn with_closed(line: &str) -> (Process, Peer) {
    let listener = Listener::tcp();
    let ncat = shell(line).env("PORT", listener.port().to_string()).bytes("hello").start();
    (ncat, listener.accept())
}

#[track_caller]
fn first_line(ended: &Finished, line: &str) {
    assert_eq!(ended.first_line(), line, "all:\n{}", ended.stderr);
}

/// A pipe that programs started meanwhile by other tests do not hold open.
fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

#[test]
fn stdin_is_a_directory() {
    let (ncat, mut peer) = client(&[], directory());
    assert_eq!(peer.drain().0, b"");
    first_line(&ncat.finish().expect_code(1), DIRECTORY);
}

#[test]
fn stdin_of_a_listener_is_a_directory() {
    for args in [&["-lv"][..], &["-lkv"]] {
        let ncat = ncat(args).args(["127.0.0.1", "0"]).input(directory()).start();
        let _peer = Peer::connect(ncat.listening());
        let ended = ncat.finish().expect_code(1);
        assert!(ended.stderr.contains(DIRECTORY), "{}", ended.stderr);
    }
}

#[test]
fn stdin_is_closed() {
    let (ncat, mut peer) = with_closed(r#"exec "$NCAT" 127.0.0.1 "$PORT" <&-"#);
    assert_eq!(peer.drain(), (Vec::new(), Ended::Fin));
    peer.send(b"late");
    drop(peer);
    let ended = ncat.finish().expect_code(0);
    assert_eq!(ended.stdout, b"late");
    assert_eq!(ended.stderr, "");
}

#[test]
fn stdout_is_closed() {
    let line = r#"exec "$NCAT" 127.0.0.1 "$PORT" >&-"#;
    let (ncat, mut peer) = with_closed(line);
    assert_eq!(peer.drain(), (b"hello".to_vec(), Ended::Fin));
    drop(peer);
    ncat.finish().expect_code(0);

    let (ncat, mut peer) = with_closed(line);
    peer.send(b"nowhere to put this");
    first_line(&ncat.finish().expect_code(2), "write: Bad file descriptor");
}

#[test]
fn stderr_is_closed() {
    let (ncat, mut peer) = with_closed(r#"exec "$NCAT" -vv 127.0.0.1 "$PORT" 2>&-"#);
    assert_eq!(peer.drain(), (b"hello".to_vec(), Ended::Fin));
    peer.send(b"late");
    drop(peer);
    // What would be said must not end up in a socket that took the number.
    assert_eq!(ncat.finish().expect_code(0).stdout, b"late");
}

#[test]
fn all_three_are_closed() {
    let (ncat, mut peer) = with_closed(r#"exec "$NCAT" -vv 127.0.0.1 "$PORT" <&- >&- 2>&-"#);
    assert_eq!(peer.drain(), (Vec::new(), Ended::Fin));
    drop(peer);
    ncat.finish().expect_code(0);
}

#[test]
fn closed_descriptors_of_a_listener() {
    let ncat = shell(r#"exec "$NCAT" -lv 127.0.0.1 0 <&- >&-"#).start();
    let mut peer = Peer::connect(ncat.listening());
    assert_eq!(peer.drain(), (Vec::new(), Ended::Fin));
    peer.send(b"nowhere to put this");
    let ended = ncat.finish().expect_code(2);
    assert!(ended.stderr.contains("write: Bad file descriptor"), "{}", ended.stderr);
}

#[test]
fn stdout_is_closed_early() {
    // A reader that takes a line and leaves, as head(1) does.
    let (read, write) = pipe();
    let listener = Listener::tcp();
    let port = listener.port().to_string();
    let ncat = ncat(["127.0.0.1", &port]).held().output(write).start();
    let mut peer = listener.accept();
    peer.send(b"line\n");
    assert_eq!(rustix::io::read(&read, &mut [0; 16]).unwrap(), 5);
    drop(read);
    drop(peer.try_send(&data::bytes(1, 1 << 20)));
    first_line(&ncat.finish().expect_code(2), "write: Broken pipe");
}

#[test]
fn stdout_is_full() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let listener = Listener::tcp();
    let port = listener.port().to_string();
    let ncat1 = ncat(["127.0.0.1", &port]).held().output(full()).start();
    listener.accept().send(b"hello");
    first_line(&ncat1.finish().expect_code(2), "write: No space left on device");

    for args in [&["-lv"][..], &["-lkv"]] {
        let ncat = ncat(args).args(["127.0.0.1", "0"]).held().output(full()).start();
        Peer::connect(ncat.listening()).send(b"hello");
        let ended = ncat.finish().expect_code(2);
        assert!(ended.stderr.contains("write: No space left on device"), "{}", ended.stderr);
    }
}

#[test]
fn the_peer_resets_while_we_send() {
    let (ncat, mut peer) = client(&[], Input::Bytes(data::bytes(1, 16 << 20)));
    peer.take(1000);
    peer.reset();
    let ended = ncat.finish().expect_code(1);
    let lines = ["Ncat: Connection reset by peer.", "Ncat: Broken pipe."];
    assert!(lines.contains(&ended.first_line()), "{}", ended.stderr);
}

#[test]
fn the_peer_stalls_and_idle_ends_it() {
    let (ncat, peer) = client(&["-i", "500ms"], Input::Bytes(data::bytes(1, 16 << 20)));
    let ended = ncat.finish().expect_code(1);
    first_line(&ended, "Ncat: Idle timeout expired (500 ms).");
    drop(peer);
}

#[test]
fn the_peer_stalls_and_goes_on() {
    let sent = data::bytes(1, 16 << 20);
    let (mut ncat, mut peer) = client(&[], Input::Bytes(sent.clone()));
    assert!(ncat.runs_for(Duration::from_millis(500)));
    data::assert_same("to the peer", &peer.drain().0, &sent);
    drop(peer);
    ncat.finish().expect_code(0);
}

#[test]
fn the_peer_drips() {
    // Slower than -i allows for the whole, but never for one byte.
    let (ncat, mut peer) = client(&["-i", "1s"], Input::Null);
    for n in 1..=12 {
        std::thread::sleep(Duration::from_millis(100));
        peer.send(b".");
        // Not held back for a buffer to fill.
        assert_eq!(ncat.wait_output(n).len(), n);
    }
    drop(peer);
    ncat.finish().expect_code(0);
}

#[test]
fn the_peer_takes_in_drips() {
    let (ncat, mut peer) = client(&["-i", "1s"], Input::Bytes(b"twelve bytes".to_vec()));
    let mut got = Vec::new();
    for _ in 0..12 {
        std::thread::sleep(Duration::from_millis(20));
        got.extend(peer.take(1));
    }
    assert_eq!(got, b"twelve bytes");
    drop(peer);
    ncat.finish().expect_code(0);
}

#[test]
fn nobody_listens() {
    let deaf = Deaf::bind();
    let ended = ncat(["127.0.0.1", &deaf.port().to_string()]).run().expect_code(1);
    first_line(&ended, "Ncat: Connection refused.");
}

#[test]
fn the_port_is_in_use() {
    let taken = Listener::tcp();
    let port = taken.port().to_string();
    for args in [&["-l"][..], &["-lk"]] {
        let ended = ncat(args).args(["127.0.0.1", &port]).run().expect_code(2);
        let line = format!("Ncat: bind to 127.0.0.1:{port}: Address already in use. QUITTING.");
        first_line(&ended, &line);
    }
}

#[test]
fn names_do_not_resolve() {
    let says = |ended: Finished| {
        let start = "Ncat: Could not resolve hostname \"nosuch.invalid\": ";
        assert!(ended.first_line().starts_with(start), "{}", ended.stderr);
        assert!(ended.first_line().ends_with(". QUITTING."), "{}", ended.stderr);
    };
    says(ncat(["nosuch.invalid", "80"]).run().expect_code(2));
    says(ncat(["-u", "nosuch.invalid", "80"]).run().expect_code(2));
    says(ncat(["-l", "nosuch.invalid", "8080"]).run().expect_code(2));
    says(ncat(["-s", "nosuch.invalid", "127.0.0.1", "80"]).run().expect_code(2));
}

#[test]
fn access_files_cannot_be_read() {
    for option in ["--allowfile", "--denyfile"] {
        for (path, why) in [("/nosuch/file", "No such file or directory"), ("/", "Is a directory")]
        {
            let ended = ncat(["-l", option, path, "127.0.0.1", "0"]).run().expect_code(2);
            first_line(&ended, &format!("Ncat: can't open {path}: {why}. QUITTING."));
        }
    }
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [0xff, 0xfe, b'\n']).unwrap();
    let path = file.path().to_str().unwrap();
    ncat(["-l", "--allowfile", path, "127.0.0.1", "0"]).run().expect_code(2);
}

#[test]
fn logs_cannot_be_written() {
    let ended = ncat(["-o", "/nosuch/log", "127.0.0.1", "1"]).run().expect_code(2);
    let line = "Ncat: can't open /nosuch/log for writing: No such file or directory. QUITTING.";
    first_line(&ended, line);
}

#[test]
fn options_are_unknown() {
    for args in [&["--bogus"][..], &["-l", "--bogus"], &["-Y", "127.0.0.1", "1"]] {
        let ended = ncat(args).run().expect_code(2);
        assert!(ended.first_line().contains("option"), "{}", ended.stderr);
        assert!(ended.stderr.contains("QUITTING."), "{}", ended.stderr);
        assert!(ended.stderr.ends_with('\n'), "{:?}", ended.stderr);
        assert!(ended.stdout.is_empty());
    }
}

#[test]
fn a_refused_command_line_leaves_logs_alone() {
    let log = NamedTempFile::new().unwrap();
    std::fs::write(log.path(), "kept").unwrap();
    let path = log.path().to_str().unwrap();
    ncat(["-o", path, "-l", "-s", "127.0.0.1", "0"]).run().expect_code(2);
    assert_eq!(std::fs::read(log.path()).unwrap(), b"kept");
}

#[test]
fn descriptors_run_out() {
    // The limit is hard: raising it is not possible.
    let ncat =
        shell(r#"ulimit -Hn 20; ulimit -n 20; exec "$NCAT" -lkv 127.0.0.1 0"#).held().start();
    let at = ncat.listening();
    let mut clients: Vec<Peer> = (0..30).map(|_| Peer::connect(at)).collect();
    ncat.wait_message("accept: Too many open files");
    // Those who are in are served, and nobody burns time meanwhile.
    clients[0].send(b"in");
    assert_eq!(ncat.wait_output(2), b"in");
    let before = procfs::cpu_ticks(ncat.pid());
    std::thread::sleep(Duration::from_millis(500));
    assert!(procfs::cpu_ticks(ncat.pid()) - before <= 10);
    // Each place that gets free is given to one who waits.
    let mut last = clients.pop().unwrap();
    last.send(b"out");
    drop(clients);
    assert_eq!(ncat.wait_output(5), b"inout");
    ncat.signal(Signal::TERM);
    ncat.finish().expect_code(143);
}

#[test]
fn a_hundred_thousand_clients_connect_and_close() {
    const CLIENTS: usize = 100_000;
    // The default limit of 100 at a time stays: those who are over it are turned away.
    let ncat = ncat(["-lk", "127.0.0.1", "0"]).held().start();
    let at = std::net::SocketAddr::from(([127, 0, 0, 1], listening_port(&ncat)));
    let knock = |n: usize| {
        for _ in 0..n {
            let client = TcpStream::connect(at).unwrap();
            // A reset leaves no port waiting, of which there are fewer than clients.
            let zero = Some(Duration::ZERO);
            socket2::SockRef::from(&client).set_linger(zero).unwrap();
        }
    };
    // Served, once those who came before are gone.
    let is_served = || {
        let before = ncat.wait_output(0).len();
        testkit::eventually("a client to be served", || {
            let mut client = Peer::connect(at);
            let taken = client.try_send(b".").and_then(|()| client.try_half_close());
            taken.ok()?;
            client.drain();
            (ncat.wait_output(0).len() > before).then_some(())
        });
    };
    knock(CLIENTS / 10);
    is_served();
    let early = procfs::resident_kib(ncat.pid());
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| knock(CLIENTS * 9 / 20));
        }
    });
    is_served();
    let late = procfs::resident_kib(ncat.pid());
    assert!(late <= early + 4096, "{early} KiB, then {late} KiB; {:?}", started.elapsed());
    testkit::eventually("every descriptor to be closed", || {
        (procfs::descriptors(ncat.pid()) <= 16).then_some(())
    });
}

/// What follows a message is the next message, not an empty line.
#[test]
fn no_message_ends_with_an_empty_line() {
    for args in
        [&["-w", "abc", "h"][..], &["--bogus"], &["-l", "-s", "h"], &[], &["-n", "host", "1"]]
    {
        let told = ncat(args).run().expect_code(2).stderr;
        assert!(told.ends_with('\n') && !told.ends_with("\n\n"), "{args:?}: {told:?}");
    }
}
