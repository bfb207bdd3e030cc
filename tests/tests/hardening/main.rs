//! What once went wrong at the edges: terminals, FIFOs, urgent data, resets, unread messages, limits.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]
#![expect(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

mod listener;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::Signal;
use testkit::process::{Input, Process, Program, ncat};
use testkit::script::{Listener, Peer};
use testkit::{data, eventually, procfs};

/// What takes longer than this has been forgotten. Shorter than the test kit's patience, where the
/// failure is that nothing ever comes.
const SOON: Duration = Duration::from_secs(20);

/// Starts a client of ours, which has its options but no address, and takes its connection.
fn connected(program: Program) -> (Process, Peer) {
    let listener = Listener::tcp();
    let process = program.args(["127.0.0.1", &listener.port().to_string()]).start();
    let peer = listener.accept();
    peer.socket().set_read_timeout(Some(SOON)).unwrap();
    (process, peer)
}

/// Runs `work` while the process is stopped, so that it finds all of its effects at once.
fn while_stopped<T>(process: &Process, work: impl FnOnce() -> T) -> T {
    process.signal(Signal::STOP);
    eventually("its threads to stop", || {
        let tasks = fs::read_dir(format!("/proc/{}/task", process.pid())).unwrap().flatten();
        let stopped = |stat: &str| stat.rsplit(") ").next().unwrap_or_default().starts_with('T');
        let mut stats =
            tasks.map(|t| fs::read_to_string(t.path().join("stat")).unwrap_or_default());
        stats.all(|stat| stopped(&stat)).then_some(())
    });
    let done = work();
    process.signal(Signal::CONT);
    done
}

/// Waits until the process sleeps and stays asleep, or has shown for a second that it does not.
fn settle(process: &Process) {
    let until = Instant::now() + Duration::from_secs(1);
    let look = || (procfs::cpu_ticks(process.pid()), procfs::wakeups(process.pid()));
    let mut last = look();
    eventually("rest", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = look();
        let rests = now == last;
        last = now;
        (rests || Instant::now() > until).then_some(())
    });
}

/// Fails when the process is busy although there is nothing to do. A loop takes about 100 ticks.
#[track_caller]
fn assert_idle(process: &mut Process) {
    settle(process);
    let before = procfs::cpu_ticks(process.pid());
    assert!(process.runs_for(Duration::from_secs(1)), "it ended: {}", process.messages());
    let ticks = procfs::cpu_ticks(process.pid()) - before;
    assert!(ticks <= 10, "{ticks} clock ticks in an idle second");
}

#[track_caller]
fn assert_terminates(process: Process) {
    process.signal(Signal::TERM);
    process.finish_within(SOON);
}

/// A terminal's controller, and the terminal.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let controller = openpt(flags).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    (controller, terminal)
}

fn fifo(dir: &tempfile::TempDir, name: &str) -> PathBuf {
    let path = dir.path().join(name);
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    path
}

fn open_writer(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Both ends of a FIFO: one to be standard input, and its first writer.
fn open_both(path: &Path) -> (Input, File) {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let reader = rustix::fs::open(path, flags, Mode::empty()).unwrap();
    let writer = open_writer(path).unwrap();
    rustix::fs::fcntl_setfl(&reader, OFlags::empty()).unwrap();
    (Input::Fd(reader), writer)
}

#[test]
fn lines_typed_ahead_need_no_further_key() {
    const LINES: &[u8] = b"HELO x\nQUIT\n";
    for stopped in [true, false] {
        let (controller, terminal) = terminal();
        let (ncat, mut peer) = connected(ncat::<&str>([]).input(Input::Fd(terminal)));
        let mut keys = File::from(controller);
        for _ in 0..10 {
            match stopped {
                true => while_stopped(&ncat, || keys.write_all(LINES)).unwrap(),
                false => keys.write_all(LINES).unwrap(),
            }
            assert_eq!(peer.take(LINES.len()), LINES, "stopped: {stopped}");
        }
    }
}

#[test]
fn the_controller_of_a_terminal_is_input_and_output() {
    let (controller, terminal) = terminal();
    let mut settings = rustix::termios::tcgetattr(&terminal).unwrap();
    settings.make_raw();
    rustix::termios::tcsetattr(&terminal, rustix::termios::OptionalActions::Now, &settings)
        .unwrap();
    let output = controller.try_clone().unwrap();
    let (ncat, mut peer) = connected(ncat::<&str>([]).input(Input::Fd(controller)).output(output));
    rustix::fs::fcntl_setfl(&terminal, OFlags::NONBLOCK).unwrap();
    let mut terminal = File::from(terminal);
    for _ in 0..3 {
        terminal.write_all(b"hello").unwrap();
        assert_eq!(peer.take(5), b"hello");
        peer.send(b"world");
        let mut got = Vec::new();
        eventually("the bytes of the peer", || {
            let mut buf = [0; 16];
            let n = terminal.read(&mut buf).unwrap_or(0);
            got.extend_from_slice(&buf[..n]);
            (got.len() >= 5).then_some(())
        });
        assert_eq!(got, b"world", "{}", ncat.messages());
    }
}

#[test]
fn a_fifo_of_a_client_may_change_writers() {
    let dir = tempfile::tempdir().unwrap();
    let path = fifo(&dir, "fifo");
    let (input, mut first) = open_both(&path);
    let (mut ncat, mut peer) = connected(ncat::<&str>([]).input(input));
    // Until the peer, the connection and the FIFO are full: the end comes while it is not read.
    let mut sent = 0;
    loop {
        let n = first.write(&[b'y'; 65536]).or_else(|_| {
            settle(&ncat);
            first.write(&[b'y'; 65536])
        });
        let Ok(n) = n else { break };
        sent += n;
    }
    drop(first);
    settle(&ncat);
    let _second = open_writer(&path);
    settle(&ncat);
    peer.take(sent);
    assert_idle(&mut ncat);
    assert_terminates(ncat);
}

/// The bytes around an urgent one arrive, be they there already or come later.
fn urgent_data_passes(args: &[&str], to_file: bool, stopped: bool) {
    let what = format!("{args:?}, to a file: {to_file}, stopped: {stopped}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut program = ncat(args).held();
    if to_file {
        program = program.output(file.reopen().unwrap());
    }
    let (ncat, mut peer) = connected(program);
    let arrived = |n: usize| match to_file {
        true => eventually(&what, || fs::read(file.path()).ok().filter(|bytes| bytes.len() >= n)),
        false => ncat.wait_output(n),
    };
    let tail = data::bytes(3, 3000).iter().map(|byte| byte & 0x7f).collect::<Vec<_>>();
    let urgent = |peer: &mut Peer| {
        assert_eq!(peer.socket().send_out_of_band(b"!").unwrap(), 1);
        peer.send(b"after");
    };
    if stopped {
        while_stopped(&ncat, || {
            peer.send(b"before");
            urgent(&mut peer);
        });
    } else {
        peer.send(b"before");
        arrived(6);
        urgent(&mut peer);
    }
    arrived(11);
    peer.send(&tail);
    peer.half_close();
    drop(peer.drain());
    drop(peer);
    let ended = ncat.finish_within(SOON).expect_code(0);
    let got = if to_file { fs::read(file.path()).unwrap() } else { ended.stdout };
    data::assert_same(&what, &got, &[b"beforeafter", &tail[..]].concat());
}

#[test]
fn urgent_data_does_not_stop_what_follows() {
    for stopped in [false, true] {
        urgent_data_passes(&[], false, stopped);
        urgent_data_passes(&[], true, stopped);
        urgent_data_passes(&["-t"], false, stopped);
        urgent_data_passes(&["-t"], true, stopped);
    }
}

#[test]
fn udp_replies_outlive_the_server() {
    for _ in 0..5 {
        let server = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        server.set_read_timeout(Some(SOON)).unwrap();
        let port = server.local_addr().unwrap().port().to_string();
        let mut ncat = ncat(["-u", "127.0.0.1", &port]).held().start();
        ncat.send(b"q1\n");
        let (_, from) = server.recv_from(&mut [0; 16]).unwrap();
        let input = ncat.stdin().unwrap().as_fd().try_clone_to_owned().unwrap();
        let mut input = File::from(input);
        while_stopped(&ncat, || {
            for i in 0..5 {
                server.send_to(format!("reply{i}\n").as_bytes(), from).unwrap();
            }
            drop(server);
            input.write_all(b"q2\n").unwrap();
        });
        // A child another test is just starting may hold the server's socket for a moment.
        eventually("its end", || {
            let _ = input.write_all(b"q3\n");
            (!ncat.is_running()).then_some(())
        });
        let ended = ncat.finish_within(SOON).expect_code(1);
        let text = String::from_utf8(ended.stdout).unwrap();
        assert_eq!(text, "reply0\nreply1\nreply2\nreply3\nreply4\n");
        assert!(ended.stderr.contains("refused"), "{}", ended.stderr);
    }
}

/// Bytes this socket's system has not had acknowledged yet.
fn unacknowledged(peer: &Peer) -> u64 {
    let port = |addr: io::Result<socket2::SockAddr>| addr.unwrap().as_socket().unwrap().port();
    let ends = [port(peer.socket().local_addr()), port(peer.socket().peer_addr())];
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let line = table.lines().find(|line| {
        let ports = line.split_whitespace().skip(1).take(2);
        ports.eq(ends.map(|port| format!("0100007F:{port:04X}")))
    });
    let queues = line.unwrap().split_whitespace().nth(4).unwrap();
    u64::from_str_radix(queues.split(':').next().unwrap(), 16).unwrap()
}

/// Text with commands among it that are answered, and the text alone.
fn telnet_text() -> (Vec<u8>, Vec<u8>) {
    let text = b"motd\n".repeat(20_000);
    (([b"\xff\xfd\x18", &text[..]].concat()).repeat(10), text.repeat(10))
}

#[test]
fn telnet_answers_to_one_who_left_lose_nothing() {
    const FIRST: usize = 8 << 20;
    let (sent, text) = telnet_text();
    for to_file in [false, true] {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut program = ncat(["-t"]).held();
        if to_file {
            program = program.output(file.reopen().unwrap());
        }
        let (ncat, mut peer) = connected(program);
        // After this the system keeps enough room for all that follows.
        peer.send(&[b'.'; FIRST]);
        eventually("the first bytes to be taken", || (unacknowledged(&peer) == 0).then_some(()));
        settle(&ncat);
        while_stopped(&ncat, || {
            peer.send(&sent);
            eventually("the rest to be there", || (unacknowledged(&peer) == 0).then_some(()));
            drop(peer);
        });
        let ended = ncat.finish_within(SOON);
        let got = if to_file { fs::read(file.path()).unwrap() } else { ended.stdout };
        data::assert_same("what followed the commands", &got[FIRST..], &text);
    }
}

/// Bytes that are still with the peer's system when our answer reaches it, after the peer has left,
/// are dropped there. That is a failure, and not the end of the data.
#[test]
fn what_a_reset_takes_away_is_not_passed_over() {
    let (sent, text) = telnet_text();
    for _ in 0..5 {
        let (ncat, mut peer) = connected(ncat(["-t"]).held());
        while_stopped(&ncat, || {
            peer.send(&sent);
            drop(peer);
        });
        let ended = ncat.finish_within(SOON);
        let (got, all) = (ended.stdout.len(), text.len());
        assert!(got == all || ended.code() == Some(1), "{got} of {all}, {}", ended.status);
    }
}

#[test]
fn a_receiver_may_begin_late() {
    let late = |len: usize| {
        let sent = data::bytes(5, len);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&sent).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let (mut ncat, mut peer) = connected(ncat(["--send-only"]).input(Input::Fd(file.into())));
        // It may be done, if the system has taken all; what counts is that it has not given up.
        ncat.runs_for(Duration::from_millis(6300));
        let (got, _) = peer.drain();
        data::assert_same("what the receiver got", &got, &sent);
        drop(peer);
        ncat.finish_within(SOON).expect_code(0);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| late(3_000_000));
        scope.spawn(|| late(8_000_000));
    });
}
