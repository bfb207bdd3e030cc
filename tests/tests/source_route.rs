//! `-g` and `-G`: what packets carry, read off the wire of a network made for it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test runs real programs")]

mod serve_support;

use std::path::Path;

use serve_support::{is_root, ncat, skip};
use testkit::process::shell;

/// A network with nobody at its other end; the first packet that leaves is shown in hexadecimal.
const WIRE: &str = "
    set -e
    ip link add here type veth peer name there
    ip addr add 10.99.0.1/24 dev here
    ip link set here up
    ip link set there up
    for last in 7 8 9; do ip neigh add 10.99.0.$last lladdr 02:00:00:00:00:0$last dev here; done
    tcpdump -i there -n -U -s 0 -c 1 -x \"$FILTER\" 2>tcpdump.said >packet &
    until grep -q listening tcpdump.said; do sleep 0.02; done
    printf hello | \"$NCAT\" -4 $ARGS >/dev/null 2>ncat.said || true
    wait
    cat packet";

/// The first packet that our client sends with these arguments, from its IP header on.
fn first_packet(filter: &str, args: &str) -> Option<Vec<u8>> {
    let has = |file: &str| {
        ["/usr/bin", "/usr/sbin", "/sbin"].iter().any(|dir| Path::new(dir).join(file).exists())
    };
    if !is_root() || !has("tcpdump") || !has("ip") {
        skip("source routes need root, tcpdump and ip");
        return None;
    }
    let dir = tempfile::TempDir::new().unwrap();
    let dir_path = dir.path().to_str().unwrap();
    let line = format!("cd {dir_path} && {WIRE}");
    let run = shell(&line).env("FILTER", filter).env("ARGS", args);
    let ended = run.under(["unshare", "-n"]).run().expect_code(0);
    let text = String::from_utf8(ended.stdout).unwrap();
    let words = text.lines().filter_map(|line| line.trim_start().strip_prefix("0x"));
    let digits: String = words.flat_map(|line| line.split_whitespace().skip(1)).collect();
    let pairs = digits.as_bytes().chunks(2);
    let bytes: Vec<u8> = pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    assert!(bytes.len() > 20, "no packet: {text} {}", ended.stderr);
    Some(bytes)
}

/// Destination and options of an IPv4 packet.
fn route_of(packet: &[u8]) -> (&[u8], &[u8]) {
    let length = usize::from(packet[0] & 15) * 4;
    (&packet[16..20], &packet[20..length])
}

/// The route leaves as RFC 791 has it: to the first hop, with the others and the target to come.
#[test]
fn packets_carry_the_route() {
    for (filter, kind) in [("tcp", "-w 500ms"), ("udp", "-u")] {
        let args = format!("{kind} -g 10.99.0.9 -g 10.99.0.8, 10.99.0.7 5000");
        let Some(packet) = first_packet(filter, &args) else { return };
        let (to, options) = route_of(&packet);
        assert_eq!(to, [10, 99, 0, 9], "{kind}");
        assert_eq!(options[..4], [1, 0x83, 15, 4], "{kind}");
        // Linux moves the first hop into the header and puts the target last again.
        assert_eq!(options[4..], [10, 99, 0, 8, 10, 99, 0, 7, 10, 99, 0, 7], "{kind}");
    }
}

#[test]
fn packets_without_a_route_have_no_options() {
    let Some(packet) = first_packet("tcp", "-w 500ms 10.99.0.7 5000") else { return };
    assert_eq!(route_of(&packet), (&[10, 99, 0, 7][..], &[][..]));
}

#[test]
fn a_pointer_that_linux_refuses_is_an_error() {
    for kind in [&[][..], &["-u"]] {
        let ended =
            ncat(kind.iter().chain(&["-4", "-g", "127.0.0.1", "-G", "8", "127.0.0.1", "9"]));
        let ended = ended.run().expect_code(1);
        let line = "Ncat: Source route (-g, -G) refused: Invalid argument.";
        assert_eq!(ended.first_line(), line);
    }
}

#[test]
fn hops_are_looked_up_unless_that_is_forbidden() {
    let ended = ncat(["-4", "-n", "-g", "nowhere.invalid", "127.0.0.1", "9"]).run().expect_code(2);
    assert!(ended.first_line().contains("\"nowhere.invalid\""), "{}", ended.stderr);
    let ended = ncat(["-4", "-g", "localhost", "--explain", "127.0.0.1", "9"]).run();
    let said = String::from_utf8(ended.expect_code(0).stdout).unwrap();
    assert!(said.contains("source route: by way of \"localhost\", pointer 4\n"), "{said}");
}
