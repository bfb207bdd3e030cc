//! Section "Connection Brokering", and the file transfer that uses it.

use std::fs;

use crate::world::{World, noise};

#[test]
fn a_broker_sends_to_all_others() {
    let Some(world) = World::new() else { return };
    let _broker = world.at("host3", "ncat -v --listen --broker").held().start();
    world.listens("host3", 31337);
    let mut clients: Vec<_> = ["host1", "host2", "host1"]
        .into_iter()
        .map(|host| world.at(host, "ncat -v host3").held().start())
        .collect();
    for n in 1..=3 {
        testkit::eventually("three clients", || {
            (_broker.messages().matches("Connection from").count() >= n).then_some(())
        });
    }
    clients[0].send(b"hub\n");
    assert_eq!(clients[1].wait_output(4), b"hub\n");
    assert_eq!(clients[2].wait_output(4), b"hub\n");
    clients[1].send(b"back\n");
    assert_eq!(clients[0].wait_output(5), b"back\n");
    assert_eq!(clients[2].wait_output(9), b"hub\nback\n");
}

/// The guide: "it is necessary to forcibly disconnect the Ncat on host2 with ctrl C".
#[test]
fn transfer_a_file_through_an_intermediary() {
    let Some(world) = World::new() else { return };
    let input = noise(3_000_000);
    fs::write(world.file("host1", "inputfile"), &input).unwrap();
    let broker = world.at("host3", "ncat -v -l --broker").held().start();
    world.listens("host3", 31337);
    let mut receiver = world.at("host2", "ncat host3 > outputfile").held().start();
    broker.wait_message("Connection from 10.31.33.2");
    world.at("host1", "ncat --send-only host3 < inputfile").run().expect_code(0);
    world.holds("host2", "outputfile", &input);
    assert!(receiver.is_running());
}

/// With --broker-eof the recipe ends by itself.
#[test]
fn transfer_a_file_through_an_intermediary_to_its_end() {
    let Some(world) = World::new() else { return };
    let input = noise(3_000_000);
    fs::write(world.file("host1", "inputfile"), &input).unwrap();
    let broker = world.at("host3", "ncat -v -l --broker --broker-eof").held().start();
    world.listens("host3", 31337);
    let receiver = world.at("host2", "ncat host3 > outputfile").start();
    broker.wait_message("Connection from 10.31.33.2");
    world.at("host1", "ncat --send-only host3 < inputfile").run().expect_code(0);
    receiver.finish().expect_code(0);
    assert!(fs::read(world.file("host2", "outputfile")).unwrap() == input);
}
