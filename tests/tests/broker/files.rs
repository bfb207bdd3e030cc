//! The guide's recipe: a file from one host to another through a third.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::room::broker;
use super::serve_support::{
    Finished, Peer, Process, Program, Watch, assert_same, file, noise, peer, scratch,
};

/// Sends `from` by one program to another that writes to `to`; both end by themselves.
fn transfer(server: &Process, from: &Path, to: &Path, sender: Program, receiver: Program) {
    let seen = server.messages().matches("Connection from").count();
    let receiver = receiver.output(fs::File::create(to).unwrap()).start();
    testkit::eventually("the receiver to be let in", || {
        (server.messages().matches("Connection from").count() > seen).then_some(())
    });
    let sender = sender.input(file(from)).start();
    let ended = |process: Process| -> Finished { process.finish_within(Duration::from_secs(120)) };
    ended(sender).expect_code(0);
    ended(receiver).expect_code(0);
}

fn hash(path: &Path) -> String {
    let out = Program::new("sha256sum").input(file(path)).run().expect_code(0);
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn a_file_goes_through_and_everybody_ends() {
    let dir = scratch();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let mut server = broker(&["--broker-eof"]).start();
    let port = server.port().to_string();
    let ours =
        |args: &[&str]| peer(Peer::Ours, args.iter().copied().chain(["127.0.0.1", &port])).unwrap();
    // One after the other through the same broker; to receivers whose input is /dev/null as well.
    for (len, flags) in [(20_000_000, true), (1, true), (1, false), (3_000_000, false)] {
        let bytes = noise(len, len as u64);
        fs::write(&from, &bytes).unwrap();
        let (sender, receiver) = match flags {
            true => (ours(&["--send-only"]), ours(&["--recv-only"])),
            false => (ours(&[]), ours(&[])),
        };
        transfer(&server, &from, &to, sender, receiver);
        assert_same(&fs::read(&to).unwrap(), &bytes, &format!("{len} bytes"));
    }
    assert!(server.is_running(), "it stays for the next");
}

#[test]
fn a_sender_who_comes_first_waits_for_company() {
    let dir = scratch();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let bytes = noise(3_000_000, 4);
    fs::write(&from, &bytes).unwrap();
    let server = broker(&["--broker-eof"]).start();
    let port = server.port().to_string();
    let sender = peer(Peer::Ours, ["--send-only", "127.0.0.1", &port]).unwrap();
    let sender = sender.input(file(&from)).start();
    server.said("Connection from");
    let receiver = peer(Peer::Ours, ["--recv-only", "127.0.0.1", &port]).unwrap();
    receiver.output(fs::File::create(&to).unwrap()).run().expect_code(0);
    sender.finish().expect_code(0);
    assert_same(&fs::read(&to).unwrap(), &bytes, "the file");
}

#[test]
fn what_reaches_nobody_is_told() {
    let server = broker(&[]).start();
    let mut alone = super::room::join(&server);
    alone.send(b"hello?");
    alone.reset();
    server.said("Ncat: Warning: 6 bytes reached nobody, since no other client was there.\n");
}

#[test]
fn a_file_between_other_peoples_programs() {
    let dir = scratch();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let bytes = noise(5_000_000, 3);
    fs::write(&from, &bytes).unwrap();
    let server = broker(&["--broker-eof"]).start();
    let port = server.port().to_string();
    let at = format!("TCP:127.0.0.1:{port}");
    let sender = |which| match which {
        Peer::Ncat => peer(which, ["--send-only", "127.0.0.1", &port]),
        Peer::Socat => peer(which, ["-u", "-", &at]),
        _ => peer(which, ["-N", "127.0.0.1", &port]),
    };
    let receiver = |which| match which {
        Peer::Ncat => peer(which, ["--recv-only", "127.0.0.1", &port]),
        Peer::Socat => peer(which, ["-u", &at, "-"]),
        _ => peer(which, ["-d", "127.0.0.1", &port]),
    };
    let peers = [Peer::Ncat, Peer::Socat, Peer::NcOpenbsd];
    for (sends, receives) in peers.into_iter().zip(peers.into_iter().cycle().skip(1)) {
        let (Some(sender), Some(receiver)) = (sender(sends), receiver(receives)) else { continue };
        transfer(&server, &from, &to, sender, receiver);
        assert_same(&fs::read(&to).unwrap(), &bytes, &format!("{sends:?} to {receives:?}"));
    }
}

#[test]
fn a_large_file_to_three_receivers() {
    let dir = scratch();
    let from = dir.path().join("from");
    let piece = noise(16 * 1024 * 1024, 1);
    fs::write(&from, piece.repeat(16)).unwrap();
    let server = broker(&["--broker-eof"]).start();
    let port = server.port().to_string();
    let outputs: Vec<_> = (0..3).map(|at| dir.path().join(format!("to{at}"))).collect();
    let receivers: Vec<Process> = outputs
        .iter()
        .map(|to| {
            let receiver = peer(Peer::Ours, ["--recv-only", "127.0.0.1", &port]).unwrap();
            receiver.output(fs::File::create(to).unwrap()).start()
        })
        .collect();
    testkit::eventually("all to be let in", || {
        (server.messages().matches("Connection from").count() == 3).then_some(())
    });
    let began = Instant::now();
    let sender = peer(Peer::Ours, ["--send-only", "127.0.0.1", &port]).unwrap();
    sender.input(file(&from)).start().finish_within(Duration::from_secs(120)).expect_code(0);
    for receiver in receivers {
        receiver.finish_within(Duration::from_secs(120)).expect_code(0);
    }
    let wanted = hash(&from);
    for to in &outputs {
        assert_eq!(hash(to), wanted, "after {:?}", began.elapsed());
    }
}

#[test]
fn the_guides_recipe_without_the_flag_leaves_the_receiver_connected() {
    let dir = scratch();
    let from = dir.path().join("from");
    let bytes = noise(1_000_000, 9);
    fs::write(&from, &bytes).unwrap();
    let server = broker(&[]).start();
    let port = server.port().to_string();
    let mut receiver = peer(Peer::Ours, ["127.0.0.1", &port]).unwrap().held().start();
    server.said("Connection from");
    let sender = peer(Peer::Ours, ["--send-only", "127.0.0.1", &port]).unwrap();
    sender.input(file(&from)).run().expect_code(0);
    assert_same(&receiver.wait_output(bytes.len()), &bytes, "the file");
    assert!(receiver.runs_for(Duration::from_millis(300)));
}
