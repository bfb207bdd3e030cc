//! Section "Other Options".

use std::time::{Duration, Instant};

use crate::world::World;

#[test]
fn nodns_resolves_no_name() {
    let Some(world) = World::new() else { return };
    let refused = world.at("host1", "ncat --nodns host2").run().expect_code(2);
    assert!(refused.first_line().starts_with("Ncat: Could not resolve hostname \"host2\""));
}

#[test]
fn source_address_and_port() {
    let Some(world) = World::new() else { return };
    let server = world.at("host2", "ncat -l -v --recv-only").start();
    world.listens("host2", 31337);
    world.at("host1", "ncat --send-only -s 10.31.33.1 -p 53 host2").run().expect_code(0);
    let said = server.finish().expect_code(0).stderr;
    assert!(said.contains("Connection from 10.31.33.1:53."), "{said}");
}

#[test]
fn delay_half_a_second() {
    let Some(world) = World::new() else { return };
    let server = world.at("host2", "ncat -l").start();
    world.listens("host2", 31337);
    let began = Instant::now();
    world.at("host1", "ncat --send-only --delay 500ms host2").bytes("x").run().expect_code(0);
    assert!(began.elapsed() >= Duration::from_millis(500));
    assert_eq!(server.finish().expect_code(0).stdout, b"x");
}

#[test]
fn idle_timeout_drops_the_connection() {
    let Some(world) = World::new() else { return };
    let _server = world.at("host2", "ncat -l").held().start();
    world.listens("host2", 31337);
    let client = world.at("host1", "ncat --idle-timeout 300ms host2").held().start().finish();
    assert!(client.first_line().starts_with("Ncat: Idle timeout expired (300 ms)."));
    client.expect_code(1);
}
