//! Section "Chatting".

use crate::world::World;

#[test]
fn two_user_chat() {
    let Some(world) = World::new() else { return };
    let mut one = world.at("host1", "ncat -l").held().start();
    world.listens("host1", 31337);
    let mut two = world.at("host2", "ncat host1").held().start();
    two.send(b"Is anyone there?\n");
    assert_eq!(one.wait_output(17), b"Is anyone there?\n");
    one.send(b"I'm here.\n");
    assert_eq!(two.wait_output(10), b"I'm here.\n");
    one.end_input();
    two.end_input();
    one.finish().expect_code(0);
    two.finish().expect_code(0);
}

/// The conversation of the guide; ids are ours, which count from 1.
#[test]
fn multi_user_chat() {
    let Some(world) = World::new() else { return };
    let mut server = world.at("host1", "ncat -l --chat").held().start();
    world.listens("host1", 31337);
    let mut users = Vec::new();
    for n in 1..=3 {
        let user = world.at("host2", "ncat server").held().start();
        testkit::eventually("the announcement", || {
            let told = String::from_utf8_lossy(&user.wait_output(0)).into_owned();
            told.contains(&format!("is connected as <user{n}>.\n")).then_some(())
        });
        users.push(user);
    }
    users[2].send(b"Is anyone there?\n");
    users[1].send(b"Me too.\n");
    server.send(b"Go away, all of you.\n");
    for line in
        ["<user3> Is anyone there?\n", "<user2> Me too.\n", "<user0> Go away, all of you.\n"]
    {
        testkit::eventually(line, || {
            let told = String::from_utf8_lossy(&users[0].wait_output(0)).into_owned();
            told.contains(line).then_some(())
        });
    }
}
