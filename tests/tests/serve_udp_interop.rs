//! UDP with the netcats and socat that users have, in both roles.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test needs a free port")]

mod serve_support;

use serve_support::{
    Peer, Process, Program, Watch, assert_same, file, ncat, noise, peer, scratch, udp_port,
};

/// Each peer as a client of `port`; socat may send and take the longest datagrams.
fn clients(port: u16) -> Vec<(Program, usize)> {
    let at = port.to_string();
    let to = format!("UDP:127.0.0.1:{port}");
    [
        (peer(Peer::Ncat, ["-u", "127.0.0.1", &at]), 8000),
        (peer(Peer::NcOpenbsd, ["-u", "127.0.0.1", &at]), 8000),
        (peer(Peer::Socat, ["-b", "65507", "-", &to]), 65_507),
    ]
    .into_iter()
    .filter_map(|(program, size)| Some((program?, size)))
    .collect()
}

/// Each peer listening, and its port.
fn servers() -> Vec<(Process, u16, usize)> {
    // Debian's ncat takes port 0 but cannot say which one it got; the kernel can.
    [
        (peer(Peer::Ncat, ["-u", "-l", "127.0.0.1", "0"]), 8000),
        (peer(Peer::NcOpenbsd, ["-u", "-l", "127.0.0.1", "0"]), 8000),
        (peer(Peer::Socat, ["-b", "65507", "-", "UDP-LISTEN:0,bind=127.0.0.1"]), 65_507),
    ]
    .into_iter()
    .filter_map(|(program, size)| {
        let running = program?.held().start();
        let port = udp_port(&running);
        Some((running, port, size))
    })
    .collect()
}

/// Both ways: `asks` first, since a listener learns its peer from the first datagram.
fn exchange(asks: &mut Process, answers: &mut Process, size: usize, what: &str) {
    let (question, answer) = (noise(size, 1), noise(size, 2));
    asks.send(&question);
    assert_same(&answers.wait_output(size), &question, &format!("{what}: question"));
    answers.send(&answer);
    assert_same(&asks.wait_output(size), &answer, &format!("{what}: answer"));
    asks.send(b"and again");
    let all = answers.wait_output(size + 9);
    assert_eq!(&all[size..], b"and again", "{what}");
}

#[test]
fn we_listen_to_every_peer() {
    for mode in ["-l", "-lk"] {
        for at in 0..clients(1).len() {
            let mut ours = ncat(["-v", "-u", mode, "--datagram-size", "65507", "127.0.0.1", "0"])
                .held()
                .start();
            let (client, size) = clients(ours.port()).remove(at);
            let mut client = client.held().start();
            // A pipe holds 64 KiB and is read as it fills: one writer's chunk stays one datagram
            // only below PIPE_BUF, but the bytes are the same.
            exchange(&mut client, &mut ours, size.min(4096), &format!("{mode} {at}"));
        }
    }
}

#[test]
fn we_are_the_client_of_every_peer() {
    for (mut server, port, size) in servers() {
        let mut ours = ncat(["-u", "127.0.0.1", &port.to_string()]).held().start();
        exchange(&mut ours, &mut server, size.min(4096), &format!("port {port}"));
        ours.wait().expect_code(0);
    }
}

#[test]
fn the_longest_datagrams_to_and_from_socat() {
    let dir = scratch();
    let (path, data) = (dir.path().join("data"), noise(65_507, 3));
    std::fs::write(&path, &data).unwrap();

    let Some(socat) = peer(Peer::Socat, ["-u", "-b", "65507", "UDP-RECV:0,bind=127.0.0.1", "-"])
    else {
        return;
    };
    let socat = socat.start();
    let port = udp_port(&socat).to_string();
    ncat(["-u", "--datagram-size", "65507", "127.0.0.1", &port])
        .input(file(&path))
        .run()
        .expect_code(0);
    assert_same(&socat.wait_output(data.len()), &data, "to socat");

    let log = dir.path().join("log");
    let ours = ncat(["-v", "-u", "-l", "127.0.0.1", "0", "-x"]).args([&log]).start();
    let to = format!("UDP-SENDTO:127.0.0.1:{}", ours.port());
    peer(Peer::Socat, ["-u", "-b", "65507", "-", &to])
        .unwrap()
        .input(file(&path))
        .run()
        .expect_code(0);
    assert_same(&ours.wait_output(data.len()), &data, "from socat");
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("0000 ")).count(), 1, "one datagram");
}

#[test]
fn ourselves_both_ways() {
    let mut server = ncat(["-v", "-u", "-l", "::1", "0"]).held().start();
    let mut client = ncat(["-u", "::1", &server.port().to_string()]).held().start();
    exchange(&mut client, &mut server, 4096, "ourselves");
    client.wait().expect_code(0);
}
