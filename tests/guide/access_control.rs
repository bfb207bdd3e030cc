//! Section "Access Control": host1 is a friend, host2 is not.

use std::fs;

use crate::world::World;

/// Serves with `line`; `friend` is served although `stranger` came first.
fn judged(line: &str, friend: &str, stranger: &str) {
    let Some(world) = World::new() else { return };
    fs::write(world.file("host3", "trusted-hosts.txt"), "host1\n# a comment\n").unwrap();
    fs::write(world.file("host3", "external-hosts.txt"), "10.31.33.2\n").unwrap();
    let server = world.at("host3", line).bytes("welcome\n").start();
    world.listens("host3", 31337);
    let turned_away = world.at(stranger, "ncat host3").run();
    assert_eq!(turned_away.stdout, b"", "{line}");
    let served = world.at(friend, "ncat host3").run().expect_code(0);
    assert_eq!(served.stdout, b"welcome\n", "{line}");
    server.finish().expect_code(0);
}

#[test]
fn allow_one_host_deny_all_others() {
    judged("ncat -l --allow 10.31.33.1", "host1", "host2");
    judged("ncat -l --allow trusted.example.com", "host1", "host2");
}

#[test]
fn deny_one_host_allow_all_others() {
    judged("ncat -l --deny 10.31.33.2", "host1", "host2");
}

#[test]
fn allow_hosts_on_a_local_network_deny_all_others() {
    judged("ncat -l --allow 10.31.33.0/31", "host1", "host2");
    judged("ncat -l --allow 10.31.33.0-1", "host1", "host2");
    // The guide's own three, which none of these hosts match.
    for range in ["192.168.0.0/24", "192.168.0.0-255", "2001:db8::/32"] {
        judged(&format!("ncat -l --allow {range},10.31.33.1"), "host1", "host2");
    }
}

#[test]
fn allow_or_deny_hosts_from_a_file() {
    judged("ncat -l --allowfile trusted-hosts.txt", "host1", "host2");
    judged("ncat -l --denyfile external-hosts.txt", "host1", "host2");
}

#[test]
fn max_conns() {
    let Some(world) = World::new() else { return };
    let _server = world.at("host3", "ncat -l -k --max-conns 5 -v").held().start();
    world.listens("host3", 31337);
    let mut served: Vec<_> =
        (0..5).map(|_| world.at("host1", "ncat -v host3").held().start()).collect();
    for client in &mut served {
        client.wait_message("Connected to");
        client.send(b"x");
    }
    _server.wait_output(5);
    world.at("host1", "ncat host3").run();
    assert!(_server.wait_message("limit reached").contains("(5)"));
}
