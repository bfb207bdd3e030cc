//! Section "Proxying".

use testkit::process::Process;

use crate::world::{World, noise};

/// A server at host3 that gives back what it gets, behind a proxy at host2 started by `line`.
fn behind(line: &str, port: u16) -> Option<(World, Process, Process)> {
    let world = World::new()?;
    let target = world.at("host3", "ncat -l -k 9000 -c cat").start();
    world.listens("host3", 9000);
    let proxy = world.at("host2", line).start();
    world.listens("host2", port);
    Some((world, target, proxy))
}

/// A megabyte there and back, by `line` at host1.
fn carries(world: &World, line: &str) {
    let sent = noise(1_000_000);
    let done = world.at("host1", line).bytes(sent.clone()).run().expect_code(0);
    assert!(done.stdout == sent, "{line}: {} bytes came back", done.stdout.len());
}

#[test]
fn connect_through_a_proxy() {
    let Some((world, _target, _proxy)) = behind("ncat -l --proxy-type http", 3128) else { return };
    // --proxy-type may be omitted, and the port is the usual one.
    carries(&world, "ncat --proxy host2:3128 --proxy-type http host3 9000");
    carries(&world, "ncat --proxy host2 host3 9000");
    for kind in ["socks4", "socks5"] {
        let line = format!("ncat -l --proxy-type {kind}");
        let _socks = world.at("host2", &line).start();
        world.listens("host2", 1080);
        carries(&world, &format!("ncat --proxy host2:1080 --proxy-type {kind} host3 9000"));
        carries(&world, &format!("ncat --proxy host2 --proxy-type {kind} host3 9000"));
    }
}

#[test]
fn run_an_http_proxy_server() {
    let started = behind("ncat -l 3128 --proxy-type http", 3128);
    let Some((world, _target, _proxy)) = started else { return };
    carries(&world, "ncat --proxy host2:3128 host3 9000");
}

#[test]
fn run_an_http_proxy_server_that_asks_who_you_are() {
    let started = behind("ncat -l 3128 --proxy-type http --proxy-auth user:pass", 3128);
    let Some((world, _target, _proxy)) = started else { return };
    carries(&world, "ncat --proxy host2:3128 --proxy-auth user:pass host3 9000");
    let done = world.at("host1", "ncat --proxy host2:3128 host3 9000").run().expect_code(1);
    assert_eq!(done.first_line(), "Ncat: Proxy returned status code 407.");
    // Digest, where both schemes are offered.
    let line = "ncat -v --proxy host2:3128 --proxy-auth user:pass host3 9000";
    let done = world.at("host1", line).run().expect_code(0);
    assert!(done.stderr.contains("Proxy authentication: Digest."), "{}", done.stderr);
}

#[test]
fn a_socks4_proxy_has_users_without_passwords() {
    let started = behind("ncat -l --proxy-type socks4", 1080);
    let Some((world, _target, _proxy)) = started else { return };
    carries(&world, "ncat --proxy host2 --proxy-type socks4 --proxy-auth user host3 9000");
}

/// What the guide promises and no other netcat does.
#[test]
fn a_chain_of_anonymous_or_authenticated_proxies() {
    let started = behind("ncat -l 3128 --proxy-type http --proxy-auth user:pass", 3128);
    let Some((world, _target, _proxy)) = started else { return };
    let _socks = world.at("host3", "ncat -l --proxy-type socks5").start();
    world.listens("host3", 1080);
    let chain = "--proxy http://user:pass@host2 --proxy socks5h://host3";
    carries(&world, &format!("ncat {chain} host3 9000"));
}
