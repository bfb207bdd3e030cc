//! What we leave alone: the mode of descriptors others share, and the processor.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test plays the peer, and fails where it stands"
)]

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, fcntl_getfl};
use testkit::process::{Input, Process, ncat};
use testkit::script::{Listener, Peer};
use testkit::{data, procfs};

/// Both ends of something that can be standard input or output: ours, theirs.
type Ends = fn() -> (OwnedFd, OwnedFd);

fn pipe_in() -> (OwnedFd, OwnedFd) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (write, read)
}

fn pipe_out() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

fn socket() -> (OwnedFd, OwnedFd) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (ours.into(), theirs.into())
}

fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let controller = openpt(flags).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    let mut settings = tcgetattr(&terminal).unwrap();
    settings.make_raw();
    tcsetattr(&terminal, OptionalActions::Now, &settings).unwrap();
    (controller, terminal)
}

fn mode_of(fd: &OwnedFd) -> OFlags {
    fcntl_getfl(fd).unwrap()
}

/// The mode of standard input, which we share with `ncat`, does not change while it is read, while
/// it waits, nor at the end.
fn input_keeps_its_mode(ends: Ends, listens: bool) {
    let (ours, theirs) = ends();
    let shared = theirs.try_clone().unwrap();
    let before = mode_of(&shared);
    let (ncat, mut peer) = start(Input::Fd(theirs), None, listens);
    let mut ours = File::from(ours);
    ours.write_all(b"hello").unwrap();
    assert_eq!(peer.take(5), b"hello");
    assert_eq!(mode_of(&shared), before, "while it waits");
    peer.half_close();
    peer.drain();
    drop(peer);
    ncat.finish().expect_code(0);
    assert_eq!(mode_of(&shared), before, "after the end");
}

/// The same of standard output, while it is full and when it has been emptied.
fn output_keeps_its_mode(ends: Ends, listens: bool) {
    const BYTES: usize = 2 << 20;
    let (ours, theirs) = ends();
    let shared = theirs.try_clone().unwrap();
    let before = mode_of(&shared);
    let (ncat, mut peer) = start(Input::Held, Some(theirs), listens);
    let sent = data::bytes(7, BYTES);
    let of_thread = sent.clone();
    let sender = std::thread::spawn(move || {
        peer.send(&of_thread);
        peer
    });
    let mut got = Vec::new();
    let mut buf = vec![0; 64 * 1024];
    while got.len() < BYTES {
        let n = rustix::io::read(ours.as_fd(), &mut buf).unwrap();
        got.extend_from_slice(&buf[..n]);
        assert_eq!(mode_of(&shared), before, "while it is written");
    }
    data::assert_same("standard output", &got, &sent);
    drop(sender.join().unwrap());
    ncat.finish().expect_code(0);
    assert_eq!(mode_of(&shared), before, "after the end");
}

fn start(input: Input, output: Option<OwnedFd>, listens: bool) -> (Process, Peer) {
    let listener = Listener::tcp();
    let port = listener.port().to_string();
    let program = match listens {
        true => ncat(["-lv", "127.0.0.1", "0"]),
        false => ncat(["127.0.0.1", &port]),
    };
    let program = program.input(input);
    let process = match output {
        Some(output) => program.output(output).start(),
        None => program.start(),
    };
    let peer = if listens { Peer::connect(process.listening()) } else { listener.accept() };
    (process, peer)
}

#[test]
fn mode_of_a_pipe_is_kept() {
    for listens in [false, true] {
        input_keeps_its_mode(pipe_in, listens);
        output_keeps_its_mode(pipe_out, listens);
    }
}

#[test]
fn mode_of_a_socket_is_kept() {
    for listens in [false, true] {
        input_keeps_its_mode(socket, listens);
        output_keeps_its_mode(socket, listens);
    }
}

#[test]
fn mode_of_a_terminal_is_kept() {
    for listens in [false, true] {
        input_keeps_its_mode(terminal, listens);
        output_keeps_its_mode(terminal, listens);
    }
}

#[test]
fn mode_is_kept_when_killed() {
    let (ours, theirs) = socket();
    let shared = theirs.try_clone().unwrap();
    let before = mode_of(&shared);
    let (ncat, mut peer) = start(Input::Fd(theirs), None, false);
    File::from(ours).write_all(b"hello").unwrap();
    peer.take(5);
    ncat.signal(rustix::process::Signal::KILL);
    ncat.finish();
    assert_eq!(mode_of(&shared), before);
}

/// Nothing to do costs nothing: no clock tick and hardly a wake-up in two seconds.
#[track_caller]
fn is_idle(what: &str, ncat: &Process) {
    is_idle_but_for(what, ncat, 2, 0);
}

#[track_caller]
fn is_idle_but_for(what: &str, ncat: &Process, wakeups: u64, ticks: u64) {
    // What led here may still be under way: first it must have come to rest.
    let rest = || (procfs::cpu_ticks(ncat.pid()), procfs::wakeups(ncat.pid()));
    let mut last = rest();
    testkit::eventually("rest", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = rest();
        let rests = now.1 <= last.1 + wakeups / 4;
        last = now;
        rests.then_some(())
    });
    std::thread::sleep(Duration::from_secs(2));
    let now = rest();
    assert!(now.0 - last.0 <= ticks, "{what}: {} clock ticks", now.0 - last.0);
    assert!(now.1 - last.1 <= wakeups, "{what}: {} wake-ups", now.1 - last.1);
}

#[test]
fn idle_clients_cost_nothing() {
    let (mut open, mut peer1) = start(Input::Held, None, false);
    open.send(b"hello");
    peer1.take(5);
    let (ended, mut peer2) = start(Input::Null, None, false);
    peer2.drain();
    let (stalled, _peer3) = start(Input::Bytes(data::bytes(1, 16 << 20)), None, false);
    std::thread::scope(|scope| {
        scope.spawn(|| is_idle("open, quiet", &open));
        scope.spawn(|| is_idle("input ended", &ended));
        scope.spawn(|| is_idle("peer stalled", &stalled));
    });
}

#[test]
fn idle_half_closed_clients_cost_nothing() {
    let listener = Listener::tcp();
    let port = listener.port().to_string();
    let ncat = ncat(["-k", "127.0.0.1", &port]).held().start();
    let peer = listener.accept();
    peer.half_close();
    ncat.wait_output_end();
    is_idle("peer ended, -k", &ncat);
}

#[test]
fn idle_listeners_cost_nothing() {
    let listen = |args: &[&str]| {
        let ncat = ncat(args).args(["127.0.0.1", "0"]).held().start();
        let at = ncat.listening();
        (ncat, at)
    };
    let (waiting, _) = listen(&["-lv"]);
    let (datagrams, _) = listen(&["-luv"]);
    let (serving, at) = listen(&["-lkv"]);
    let mut peers: Vec<Peer> = (0..10).map(|_| Peer::connect(at)).collect();
    peers.iter_mut().for_each(|peer| peer.send(b"."));
    serving.wait_output(10);
    std::thread::scope(|scope| {
        scope.spawn(|| is_idle("nobody came", &waiting));
        scope.spawn(|| is_idle("no datagram came", &datagrams));
        scope.spawn(|| is_idle("ten quiet clients", &serving));
    });
}

#[test]
fn a_stalled_client_costs_next_to_nothing() {
    let ncat = ncat(["-lkv", "--slow-reader=wait", "127.0.0.1", "0"])
        .bytes(data::bytes(1, 16 << 20))
        .start();
    let _peer = Peer::connect(ncat.listening());
    ncat.wait_message("Connection from");
    // Clients with bytes waiting are looked at 20 times a second.
    is_idle_but_for("a stalled client", &ncat, 120, 8);
}
