//! Section "File Transfer".

use std::fs;

use crate::world::{World, has, noise};

/// Sends `input` from host1, where it is called `inputfile`, and looks at what host2 has then.
fn transfer(listener: (&str, &str), client: (&str, &str)) {
    let Some(world) = World::new() else { return };
    let input = noise(3_000_000);
    fs::write(world.file("host1", "inputfile"), &input).unwrap();
    let listening = world.at(listener.0, listener.1).start();
    world.listens(listener.0, 31337);
    world.at(client.0, client.1).run().expect_code(0);
    listening.finish().expect_code(0);
    assert_eq!(fs::read(world.file("host2", "outputfile")).unwrap(), input);
}

#[test]
fn transfer_a_file_receiver_listens() {
    transfer(("host2", "ncat -l > outputfile"), ("host1", "ncat --send-only host2 < inputfile"));
}

#[test]
fn transfer_a_file_sender_listens() {
    transfer(("host1", "ncat -l --send-only < inputfile"), ("host2", "ncat host1 > outputfile"));
}

#[test]
fn transfer_a_bundle_of_files() {
    let Some(world) = World::new() else { return };
    let files = [("one", noise(100_000)), ("two", noise(1))];
    for (name, bytes) in &files {
        fs::write(world.file("host1", name), bytes).unwrap();
    }
    let listening = world.at("host2", "ncat -l | tar xzv").start();
    world.listens("host2", 31337);
    world.at("host1", "tar czv one two | ncat --send-only host2").run().expect_code(0);
    assert_eq!(listening.finish().expect_code(0).stdout, b"one\ntwo\n");
    for (name, bytes) in files {
        assert_eq!(fs::read(world.file("host2", name)).unwrap(), bytes);
    }
}

/// The image stands for the guide's `/dev/hda`.
#[test]
fn transfer_a_disk_image() {
    let Some(world) = World::new() else { return };
    let image = noise(5_000_000);
    fs::write(world.file("host1", "hda"), &image).unwrap();
    let listening = world.at("host2", "ncat -l > host1-hda.image").start();
    world.listens("host2", 31337);
    world.at("host1", "ncat --send-only host2 < hda").run().expect_code(0);
    listening.finish().expect_code(0);
    assert_eq!(fs::read(world.file("host2", "host1-hda.image")).unwrap(), image);
}

#[test]
fn transfer_a_disk_image_with_compression() {
    let Some(world) = World::new() else { return };
    if !has("bzip2") {
        return;
    }
    let image = noise(1_000_000);
    fs::write(world.file("host1", "hda"), &image).unwrap();
    let listening = world.at("host2", "ncat -l | bzip2 -d > host1-hda.image").start();
    world.listens("host2", 31337);
    world.at("host1", "cat hda | bzip2 | ncat --send-only host2").run().expect_code(0);
    listening.finish().expect_code(0);
    assert_eq!(fs::read(world.file("host2", "host1-hda.image")).unwrap(), image);
}
