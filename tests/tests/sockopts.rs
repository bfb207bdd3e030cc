//! Socket options: that each is on the socket, at both ends, and what is said when it cannot be.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]
#![cfg(target_os = "linux")]

mod serve_support;

use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serve_support::{
    Process, Watch, assert_same, eventually, is_root, ncat, ncat_path, noise, scratch, skip,
};
use socket2::{Domain, Protocol, Socket, Type};
use testkit::process::{Program, shell};

/// The connected sockets of a program with these domain and type, as this process's own.
fn sockets(process: &Process, domain: Domain, kind: Type) -> Vec<Socket> {
    let number = i32::try_from(process.pid()).unwrap();
    let pid = pidfd_open(Pid::from_raw(number).unwrap(), PidfdFlags::empty()).unwrap();
    let entries = std::fs::read_dir(format!("/proc/{number}/fd")).unwrap();
    let mut found = Vec::new();
    for entry in entries.map(Result::unwrap) {
        let link = std::fs::read_link(entry.path()).unwrap_or_default();
        if !link.to_string_lossy().starts_with("socket:") {
            continue;
        }
        let fd: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
        let Ok(fd) = pidfd_getfd(&pid, fd, PidfdGetfdFlags::empty()) else { continue };
        let socket = Socket::from(fd);
        let fits = socket.domain().unwrap() == domain && socket.r#type().unwrap() == kind;
        if fits && socket.peer_addr().is_ok() {
            found.push(socket);
        }
    }
    found
}

/// Listener and client of ours with the same options, joined: a socket of each.
struct Both {
    server: Process,
    client: Process,
    sockets: Vec<Socket>,
}

fn both(options: &[&str], host: &str) -> Both {
    let server = ncat(["-v", "-l", host, "0"]).args(options).held().start();
    let port = server.port().to_string();
    let client = ncat(["-v", host, &port]).args(options).held().start();
    client.said("Connected to");
    server.said("Connection from");
    let domain = if host.contains(':') { Domain::IPV6 } else { Domain::IPV4 };
    let mut all = sockets(&server, domain, Type::STREAM);
    assert_eq!(all.len(), 1, "the server's");
    all.extend(sockets(&client, domain, Type::STREAM));
    assert_eq!(all.len(), 2, "the client's");
    Both { server, client, sockets: all }
}

impl Both {
    /// Both still work.
    fn end(mut self) {
        self.client.send(b"to and fro");
        assert_eq!(self.server.wait_output(10), b"to and fro");
        // Our copies would keep the connection open.
        self.sockets.clear();
        self.server.end_input();
        self.client.wait().expect_code(0);
        self.server.wait().expect_code(0);
    }
}

/// Runs shell lines in a network of their own, `$NCAT` being the program; its output.
fn in_network(lines: &str) -> String {
    let setup = "set -e; ip link set lo up\n";
    let program = Program::new("unshare").args(["-n", "sh", "-c", &format!("{setup}{lines}")]);
    let ended = program.env("NCAT", ncat_path()).run().expect_code(0);
    String::from_utf8(ended.stdout).unwrap()
}

/// Whether networks of one's own can be made, with these programs in them.
fn has_network(programs: &[&str]) -> bool {
    let missing =
        programs.iter().find(|name| shell(&format!("command -v {name}")).run().code() != Some(0));
    match missing {
        Some(name) => skip(&format!("{name} is not installed")),
        None if !is_root() => skip("a network of one's own needs root (unshare)"),
        None => return true,
    }
    false
}

#[test]
fn nodelay_and_user_timeout_reach_every_socket() {
    let both = both(&["--nodelay", "--user-timeout", "7s"], "127.0.0.1");
    for socket in &both.sockets {
        assert!(socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(7)));
    }
    both.end();
}

#[test]
fn keepalive_timers_run_at_both_ends() {
    let both = both(&["--keepalive", "1m,5s,3"], "127.0.0.1");
    for socket in &both.sockets {
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(5));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
    }
    both.end();
}

#[test]
fn buffers_have_the_size_asked_for() {
    let both = both(&["--sndbuf", "64K", "--rcvbuf", "32K"], "127.0.0.1");
    for socket in &both.sockets {
        assert_eq!(socket.send_buffer_size().unwrap(), 2 * 64 * 1024);
        assert_eq!(socket.recv_buffer_size().unwrap(), 2 * 32 * 1024);
    }
    for process in [&both.server, &both.client] {
        process.said("--sndbuf 65536: the system granted 131072 bytes, its overhead included.\n");
        process.said("--rcvbuf 32768: the system granted 65536 bytes, its overhead included.\n");
    }
    both.end();
}

#[test]
fn a_udp_buffer_that_was_asked_for_is_not_grown() {
    let server = ncat(["-v", "-l", "-u", "--rcvbuf", "16K", "127.0.0.1", "0"]).held().start();
    let port = server.port().to_string();
    let mut client =
        ncat(["-v", "-u", "--rcvbuf", "16K", "--sndbuf", "8K", "127.0.0.1", &port]).held().start();
    client.said("Connected to");
    client.send(b"hello");
    assert_eq!(server.wait_output(5), b"hello");
    for process in [&server, &client] {
        for socket in sockets(process, Domain::IPV4, Type::DGRAM) {
            assert_eq!(socket.recv_buffer_size().unwrap(), 2 * 16 * 1024);
        }
    }
    let own = sockets(&client, Domain::IPV4, Type::DGRAM);
    assert_eq!(own[0].send_buffer_size().unwrap(), 2 * 8 * 1024);
}

#[test]
fn a_unix_socket_has_the_send_buffer_asked_for() {
    let dir = scratch();
    let path = dir.path().join("s");
    let path = path.to_str().unwrap();
    let server = ncat(["-v", "-l", "-U", "--sndbuf", "32K", path]).held().start();
    server.said("Listening on");
    let client = ncat(["-v", "-U", "--sndbuf", "32K", path]).held().start();
    server.said("Connection from");
    client.said("Connected to");
    for process in [&server, &client] {
        // The runtime has pairs of its own, without a path.
        let all = sockets(process, Domain::UNIX, Type::STREAM).into_iter().filter(|socket| {
            let ends = [socket.local_addr().unwrap(), socket.peer_addr().unwrap()];
            ends.iter().any(|end| end.as_pathname().is_some())
        });
        let sizes: Vec<usize> = all.map(|socket| socket.send_buffer_size().unwrap()).collect();
        assert_eq!(sizes, [2 * 32 * 1024]);
    }
}

#[test]
fn bulk_passes_through_the_smallest_buffers() {
    let data = noise(8 * 1024 * 1024, 1);
    for (server_args, client_args) in [
        (&["--rcvbuf", "2K"][..], &["--sndbuf", "4K"][..]),
        (&["-k", "--rcvbuf", "2K"], &["--sndbuf", "4K"]),
        (&["--rcvbuf", "256K"], &["--sndbuf", "256K"]),
    ] {
        let server = ncat(["-v", "-l", "127.0.0.1", "0"]).args(server_args).held().start();
        let port = server.port().to_string();
        let client = ncat(["--send-only", "127.0.0.1", &port]).args(client_args);
        client.bytes(data.clone()).run().expect_code(0);
        assert_same(&server.wait_output(data.len()), &data, "what arrived");
    }
}

#[test]
fn every_packet_carries_the_class_and_the_hops_asked_for() {
    for (options, class) in [
        (&["--dscp", "EF", "--ttl", "9"][..], 0xb8),
        (&["--dscp", "af41", "--ttl", "9"], 0x88),
        (&["--tos", "0x10", "--ttl", "9"], 0x10),
    ] {
        let four = both(options, "127.0.0.1");
        for socket in &four.sockets {
            assert_eq!(socket.tos_v4().unwrap(), class);
            assert_eq!(socket.ttl_v4().unwrap(), 9);
        }
        four.end();
        let six = both(options, "::1");
        for socket in &six.sockets {
            assert_eq!(socket.tclass_v6().unwrap(), class);
            assert_eq!(socket.unicast_hops_v6().unwrap(), 9);
        }
        six.end();
    }
    if !has_network(&["tcpdump", "ip"]) {
        return;
    }
    // On the wire: segments of both ends, and a datagram.
    let dir = scratch();
    let lines = "tcpdump -i lo -nn -v -U -w seen --immediate-mode 2>ready & dump=$!
        until grep -q listening ready; do :; done
        \"$NCAT\" -l --dscp CS3 --ttl 7 127.0.0.1 5000 --send-only </dev/null 2>/dev/null & one=$!
        until ss -Hltn | grep -q :5000; do :; done
        \"$NCAT\" --dscp CS3 --ttl 7 127.0.0.1 5000 </dev/null
        wait $one
        echo hello | \"$NCAT\" -u --tos 5 --ttl 3 --send-only 127.0.0.1 5001 || true
        until tcpdump -nn -r seen udp 2>/dev/null | grep -q 5001; do :; done
        kill -INT $dump; wait $dump || true
        tcpdump -nn -v -r seen 'tcp or udp' 2>/dev/null";
    let seen = in_network(&format!("cd {}\n{lines}", dir.path().display()));
    let heads: Vec<&str> = seen.lines().filter(|line| line.contains("IP (tos")).collect();
    let tcp: Vec<&&str> = heads.iter().filter(|line| line.contains("proto TCP")).collect();
    assert!(tcp.iter().all(|line| line.contains("tos 0x60")), "{seen}");
    // The system itself answers for a connection that is over, with hops of its own.
    assert!(tcp.iter().filter(|line| line.contains("ttl 7,")).count() >= 6, "{seen}");
    let udp = heads.iter().find(|line| line.contains("proto UDP")).expect("a datagram");
    assert!(udp.contains("tos 0x5") && udp.contains("ttl 3,"), "{udp}");
}

#[test]
fn only_the_named_interface_is_used() {
    if !has_network(&["ip"]) {
        return;
    }
    let told = in_network(
        "ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up
        \"$NCAT\" -l -k --bind-device lo 127.0.0.1 5000 2>/dev/null & server=$!
        until ss -Hltn | grep -q 5000; do :; done
        ss -Hltn
        \"$NCAT\" --bind-device lo 127.0.0.1 5000 </dev/null && echo lo reaches it
        \"$NCAT\" -w 1s --bind-device v0 127.0.0.1 5000 </dev/null 2>/dev/null || echo v0: $?
        kill $server",
    );
    assert!(told.contains("%lo:5000"), "{told}");
    assert!(told.contains("lo reaches it\n") && told.ends_with("v0: 1\n"), "{told}");
}

#[test]
fn a_mark_chooses_the_route() {
    if !has_network(&["ip"]) {
        return;
    }
    let told = in_network(
        "ip rule add pref 60 lookup local; ip rule del pref 0
        ip rule add pref 50 fwmark 0x7 unreachable
        \"$NCAT\" -l -k 127.0.0.1 5000 2>/dev/null & server=$!
        until ss -Hltn | grep -q 5000; do :; done
        \"$NCAT\" --mark 8 127.0.0.1 5000 </dev/null && echo 8 passes
        \"$NCAT\" --mark 0x7 127.0.0.1 5000 </dev/null 2>&1 | head -n 1
        kill $server",
    );
    assert!(told.starts_with("8 passes\nNcat: "), "{told}");
    assert!(told.contains("unreachable"), "{told}");
}

#[test]
fn the_congestion_control_is_the_one_named() {
    let both = both(&["--congestion", "reno"], "127.0.0.1");
    for socket in &both.sockets {
        let name = socket.tcp_congestion().unwrap();
        assert_eq!(name.split(|byte| *byte == 0).next().unwrap(), b"reno");
    }
    both.end();
    let known =
        std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control").unwrap();
    for args in
        [&["--congestion", "nosuch", "127.0.0.1", "9"][..], &["-l", "--congestion", "nosuch", "0"]]
    {
        let said = ncat(args).run().expect_code(2).stderr;
        let wanted =
            "Ncat: --congestion nosuch: No such file or directory. QUITTING.\n  hint: available: ";
        assert!(said.starts_with(&format!("{wanted}{}", known.trim())), "{said}");
    }
}

#[test]
fn the_backlog_is_the_one_asked_for() {
    if shell("command -v ss").run().code() != Some(0) {
        return skip("ss is not installed");
    }
    let server = ncat(["-v", "-l", "-k", "--backlog", "5", "127.0.0.1", "0"]).held().start();
    let port = server.port();
    let listed = shell(&format!("ss -Hltn sport = :{port}")).run().stdout;
    let listed = String::from_utf8(listed).unwrap();
    let fields: Vec<&str> = listed.split_whitespace().collect();
    assert_eq!(fields[2], "5", "Send-Q of a listener is its backlog: {listed}");
    let more = ncat(["-v", "-l", "--backlog", "2000000000", "127.0.0.1", "0"]).held().start();
    more.said("Warning: --backlog 2000000000: the system allows ");
}

#[test]
fn mptcp_is_spoken_or_told_to_have_fallen_back() {
    let enabled = std::fs::read_to_string("/proc/sys/net/mptcp/enabled").unwrap_or_default();
    if enabled.trim() != "1" {
        return skip("this kernel has no MPTCP, or it is turned off");
    }
    let multi = both(&["--mptcp"], "127.0.0.1");
    for socket in &multi.sockets {
        assert_eq!(socket.protocol().unwrap(), Some(Protocol::MPTCP));
    }
    multi.server.said(" speaks MPTCP.\n");
    multi.client.said(" speaks MPTCP.\n");
    multi.end();
    // With one that does not speak it, either way, and every byte arrives.
    let data = noise(3 * 1024 * 1024, 2);
    for (server_args, client_args) in [(&["--mptcp"][..], &[][..]), (&[], &["--mptcp"])] {
        let server = ncat(["-v", "-l", "127.0.0.1", "0"]).args(server_args).held().start();
        let port = server.port().to_string();
        let client = ncat(["-v", "--send-only", "127.0.0.1", &port]).args(client_args);
        let client = client.bytes(data.clone()).run().expect_code(0);
        assert_same(&server.wait_output(data.len()), &data, "what arrived");
        let said = match server_args {
            [] => client.stderr,
            _ => server.said("does not speak MPTCP"),
        };
        assert!(said.contains("does not speak MPTCP; the connection is plain TCP."), "{said}");
    }
    // And all of it between two that do, through the hub too.
    for keep in [&[][..], &["-k"]] {
        let server = ncat(["-v", "-l", "--mptcp", "127.0.0.1", "0"]).args(keep).held().start();
        let port = server.port().to_string();
        let client = ncat(["--mptcp", "--send-only", "127.0.0.1", &port]);
        client.bytes(data.clone()).run().expect_code(0);
        assert_same(&server.wait_output(data.len()), &data, "what arrived by MPTCP");
    }
    if !has_network(&["ip"]) {
        return;
    }
    let told = in_network(
        "sysctl -qw net.mptcp.enabled=0
        \"$NCAT\" --mptcp 127.0.0.1 9 2>&1 || echo $?
        \"$NCAT\" -l --mptcp 127.0.0.1 9 2>&1 || echo $?",
    );
    let lines = "Ncat: --mptcp: Protocol not available. QUITTING.\n  hint: it is turned off here: \
                 sysctl net.mptcp.enabled=1 turns it on\n";
    assert_eq!(told, format!("{lines}1\n{lines}2\n"));
}

#[test]
fn data_travels_with_the_first_segment() {
    if !has_network(&["ip", "nstat", "sysctl"]) {
        return;
    }
    let dir = scratch();
    let data = noise(300_000, 3);
    std::fs::write(dir.path().join("data"), &data).unwrap();
    let told = in_network(&format!(
        "cd {}; sysctl -qw net.ipv4.tcp_fastopen=3
        count() {{ nstat -az TcpExtTCPFastOpen$1 | awk 'END {{ print $2 }}'; }}
        listen() {{
            \"$NCAT\" -l --fastopen 127.0.0.1 5000 \"$@\" >got & server=$!
            until ss -Hltn | grep -q :5000; do :; done
        }}
        # What comes from a pipe may come a moment too late to be in the first segment.
        for round in 1 2 3; do
            listen --recv-only
            if [ $round = 3 ]; then cat data | \"$NCAT\" --fastopen 127.0.0.1 5000
            else \"$NCAT\" --fastopen 127.0.0.1 5000 <data; fi
            wait $server; cmp got data; echo round $round: $(count Passive)
        [ $round = 3 ] || count Active
        done
        listen --send-only </dev/null
        timeout 20 \"$NCAT\" --fastopen 127.0.0.1 5000 </dev/null; echo nothing: $?
        listen </dev/null
        mkfifo quiet; exec 8<>quiet
        timeout 20 \"$NCAT\" --fastopen 127.0.0.1 5000 <quiet; echo the server first: $?
        echo hi | \"$NCAT\" --fastopen 127.0.0.1 5000 2>&1 | head -n 1
        \"$NCAT\" -l -k --backlog 1 --fastopen 127.0.0.1 5001 </dev/null 2>/dev/null & deaf=$!
        until ss -Hltn | grep -q :5001; do :; done
        kill -STOP $deaf
        for n in 1 2 3; do \"$NCAT\" -w 1s 127.0.0.1 5001 <quiet 2>/dev/null & done
        until ss -Hltn sport = :5001 | awk '{{ exit $2 < 2 }}'; do :; done
        echo hi | \"$NCAT\" -w 500ms --fastopen 127.0.0.1 5001 2>&1 || echo $?
        kill -KILL $deaf
        sysctl -qw net.ipv4.tcp_fastopen=0
        \"$NCAT\" --fastopen 127.0.0.1 5000 2>&1 </dev/null || echo $?
        \"$NCAT\" -l --fastopen 127.0.0.1 5000 2>&1 || echo $?",
        dir.path().display(),
    ));
    let hint = "Ncat: --fastopen: Operation not supported. QUITTING.\n  hint: net.ipv4.tcp_fastopen is \
                0; clients need 1, servers 2, both 3 (sysctl -w)\n2\n";
    let silence = "Ncat: TIMEOUT.\n  connecting to 127.0.0.1:5001 took longer than 0.5 s (-w); 1 address \
                   tried\n  hint: a firewall that drops packets looks like this; --json lists every \
                   address\n1\n";
    assert_eq!(
        told,
        format!(
            "round 1: 0\n0\nround 2: 1\n1\nround 3: 2\nnothing: 0\nthe server first: 0\n\
             Ncat: Connection refused.\n{silence}{hint}{hint}"
        )
    );
}

#[test]
fn what_cannot_be_set_is_a_failure_with_a_reason() {
    let no_device = "Ncat: --bind-device nosuch0: No such device. QUITTING.\n  hint: there is no \
                     interface of that name; ip link lists them\n";
    for args in [
        &["--bind-device", "nosuch0", "127.0.0.1", "9"][..],
        &["--bind-device", "nosuch0", "-u", "127.0.0.1", "9"],
        &["--bind-device", "nosuch0", "-l", "0"],
        &["--bind-device", "nosuch0", "-l", "-u", "0"],
    ] {
        assert_eq!(ncat(args).run().expect_code(2).stderr, no_device);
    }
    if is_root() {
        let drop = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--reuid", "65534"];
        let server = ncat(["-v", "-l", "-k", "127.0.0.1", "0"]).held().start();
        let port = server.port().to_string();
        // Somewhere a user without rights can reach it.
        let dir = scratch();
        let own = dir.path().join("ncat");
        std::fs::copy(ncat_path(), &own).unwrap();
        rustix::fs::chmod(dir.path(), rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        let run = |option: &[&str]| {
            let ncat = Program::new(&own).args(["127.0.0.1", &port]).args(option);
            ncat.under(drop).run()
        };
        let said = run(&["--mark", "7"]).expect_code(2).stderr;
        let wanted = "Ncat: --mark 0x7: Operation not permitted. QUITTING.\n  hint: marking packets \
                      needs CAP_NET_ADMIN (root)\n";
        assert_eq!(said, wanted);
        // Less than was asked for is said, and no failure.
        let said = run(&["--sndbuf", "512M"]).expect_code(0).stderr;
        assert!(
            said.starts_with("Ncat: Warning: --sndbuf 536870912: the system granted "),
            "{said}"
        );
    }
}

#[test]
fn bad_values_and_misplaced_options_are_2() {
    for (args, line) in [
        (&["--sndbuf", "0"][..], "Ncat: Invalid --sndbuf value \"0\". QUITTING."),
        (&["--rcvbuf", "4KB"], "Ncat: Invalid --rcvbuf value \"4KB\". QUITTING."),
        (&["--tos", "256"], "Ncat: Invalid --tos value \"256\". QUITTING."),
        (&["--tos", "1"], "Ncat: Invalid --tos value. QUITTING."),
        (&["--dscp", "XX"], "Ncat: Invalid --dscp value \"XX\". QUITTING."),
        (&["--ttl", "0"], "Ncat: Invalid --ttl number \"0\" (must be 1 to 255). QUITTING."),
        (&["--ttl", "256"], "Ncat: Invalid --ttl number \"256\" (must be 1 to 255). QUITTING."),
        (&["--mark", "-1"], "Ncat: Invalid --mark value \"-1\". QUITTING."),
        (&["--keepalive", "1500ms"], "Ncat: Invalid --keepalive value \"1500ms\". QUITTING."),
        (&["--keepalive", "5,5,999"], "Ncat: Invalid --keepalive value \"5,5,999\". QUITTING."),
        (
            &["--bind-device", "a-name-that-is-too-long"],
            "Ncat: Invalid --bind-device value \"a-name-that-is-too-long\". QUITTING.",
        ),
        (&["--rate", "10"], "Ncat: Invalid --rate value \"10\". QUITTING."),
        (
            &["--ready-fd", "1"],
            "Ncat: Invalid --ready-fd number \"1\" (must be 3 or more: the \
          standard ones have other uses). QUITTING.",
        ),
        (&["-u", "--nodelay"], "Ncat: Invalid option combination: --nodelay with -u. QUITTING."),
        (&["-U", "--ttl", "3"], "Ncat: Invalid option combination: --ttl with -U. QUITTING."),
        (
            &["--backlog", "3"],
            "Ncat: Invalid option combination: --backlog with connect. QUITTING.",
        ),
    ] {
        let ended = ncat(args).args(["127.0.0.1"]).run().expect_code(2);
        assert_eq!(ended.first_line(), line);
        assert!(ended.stderr.contains("\n  ") || line.contains("(must be"), "{}", ended.stderr);
    }
}

#[test]
fn explain_shows_what_was_asked_for() {
    let options = ["--explain", "--nodelay", "--dscp", "EF", "--keepalive", "60", "--rate", "1M/s"];
    let text = ncat(options).args(["h", "1"]).run().expect_code(0).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("socket options: --nodelay, --keepalive 60 s, --tos 184\n"), "{text}");
    let rate = "stages, wire first: rate (send 1048576 bytes/s, receive 1048576 bytes/s)\n";
    assert!(text.contains(rate), "{text}");
    let text = ncat(["--explain", "-l", "--ready-fd", "5", "0"]).run().expect_code(0).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("when bound: one line per listener on descriptor 5\n"), "{text}");
}

#[test]
fn options_cost_accepted_clients_nothing_they_notice() {
    // Many clients, each with every option set again.
    let server = ncat(["-v", "-l", "-k", "--nodelay", "--keepalive", "60", "--dscp", "CS1"])
        .args(["127.0.0.1", "0"])
        .held()
        .start();
    let port = server.port();
    let began = Instant::now();
    let clients: Vec<_> =
        (0..50).map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let all = eventually("50 clients", || {
        let all = sockets(&server, Domain::IPV4, Type::STREAM);
        (all.len() == clients.len()).then_some(all)
    });
    assert!(all.iter().all(|socket| socket.tos_v4().unwrap() == 32));
    assert!(began.elapsed() < Duration::from_secs(10));
}
