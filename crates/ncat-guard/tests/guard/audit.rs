//! `audit verify|prove|check-proof|checkpoint|tail|search|export`.

use crate::site::Place;

/// A place with a few events of several kinds.
fn busy() -> Place {
    let place = Place::ready();
    for name in ["alice", "bob", "carol"] {
        place.run(&["user", "add", name]).code(0);
    }
    for target in ["10.1.2.3:22", "10.2.0.1:443", "[::1]:80"] {
        place.run(&["policy", "explain", "connect", "alice", target, "--tls", "--record"]);
    }
    place
}

fn keys(place: &Place) -> String {
    place.path("etc/keys.txt").to_str().unwrap().to_owned()
}

#[test]
fn verify_online_and_its_words() {
    let place = busy();
    place
        .run(&["audit", "verify"])
        .code(0)
        .says("V1  ok")
        .says("9 of 9 leaves")
        .says("could have replaced the whole log")
        .says("which is the log's own");
    let document =
        place.run(&["--json", "audit", "verify", "--keys", &keys(&place)]).code(0).json();
    assert_eq!(
        (document["schema"].as_str(), document["ok"].as_bool()),
        (Some("ncat-guard/audit-verify/1"), Some(true))
    );
    place.run(&["audit", "verify", "--full"]).code(9).says("not checked");
    place.run(&["audit", "verify", "--range", "2..5"]).code(0).says("only leaves 2 to 5");
    place.run(&["audit", "verify", "--since", "1h"]).code(0);
    place.run(&["audit", "verify", "--range", "5..2"]).code(2);
    place.run(&["audit", "verify", "--keys", "/nonexistent"]).code(2);
}

#[test]
fn an_edited_log_is_found_out() {
    let place = busy();
    let path = place.log("tile/entries/000.p/9");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(10).position(|window| window == b"key.create").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    place.run(&["audit", "verify"]).code(8).says("V1  FAIL").says("was altered or damaged");
}

/// Another log altogether, with the same key: only what was kept outside tells.
#[test]
fn a_replaced_log_is_found_out_by_a_checkpoint_from_outside() {
    let place = busy();
    let outside = place.path("outside");
    let outside = outside.to_str().unwrap();
    place.run(&["audit", "checkpoint", "--save", outside]).code(0).says("9 records");
    for name in
        ["state/guard.db", "state/guard.db-wal", "state/guard.db-shm", "state/log.high-water"]
    {
        let _ = std::fs::remove_file(place.path(name));
    }
    for name in ["state/log", "state/journal"] {
        std::fs::remove_dir_all(place.path(name)).unwrap();
    }
    place.run(&["init", "--state", place.path("state").to_str().unwrap()]).code(0);
    for number in 0..9 {
        place.run(&["user", "add", &format!("user-{number}")]).code(0);
    }
    place.run(&["audit", "verify", "--keys", &keys(&place)]).code(0);
    place
        .run(&["audit", "verify", "--keys", &keys(&place), "--against", outside])
        .code(8)
        .says("V5  FAIL");
}

#[test]
fn an_event_is_proven_with_three_files() {
    let place = busy();
    let event = place.run(&["--json", "audit", "search", "type:role.grant"]);
    let line = event.out.lines().next().unwrap_or_else(|| panic!("{event:?}"));
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    let id = event["leaf"]["id"].as_str().unwrap();
    let path = place.path("e.json");
    let path = path.to_str().unwrap();
    let proof = place.run(&["audit", "prove", id, "--event", path]).code(0).out;
    assert!(proof.starts_with("c2sp.org/tlog-proof@v1\n"));
    place.write("e.tlog-proof", &proof);
    let proof = place.path("e.tlog-proof");
    // Elsewhere: no configuration, only the files.
    let elsewhere = Place::empty();
    let args =
        ["audit", "check-proof", proof.to_str().unwrap(), "--event", path, "--keys", &keys(&place)];
    elsewhere.run(&args).code(0).says("in it, by a checkpoint of");
    place.write("pretty.json", &serde_json::to_string_pretty(&event).unwrap());
    let pretty = place.path("pretty.json");
    let args = [
        "audit",
        "check-proof",
        proof.to_str().unwrap(),
        "--event",
        pretty.to_str().unwrap(),
        "--keys",
        &keys(&place),
    ];
    elsewhere.run(&args).code(0);
    let other = std::fs::read_to_string(path).unwrap().replace("role.grant", "role.great");
    std::fs::write(path, other).unwrap();
    let args =
        ["audit", "check-proof", proof.to_str().unwrap(), "--event", path, "--keys", &keys(&place)];
    elsewhere.run(&args).code(8).complains("not proven");
    place.run(&["audit", "prove", "nothing"]).code(2);
}

#[test]
fn search_tail_and_csv() {
    let place = busy();
    let count =
        |args: &[&str]| place.run(&[&["audit", "search"], args].concat()).out.lines().count();
    assert_eq!(count(&["type:role.grant"]), 3);
    assert_eq!(count(&["dest:10.1.0.0/16"]), 1);
    assert_eq!(count(&["type:decision.*", "user:alice"]), 3);
    assert_eq!(count(&["type:decision.*", "code:PORT_BLOCKED"]), 1);
    place.run(&["audit", "search", "type:nothing"]).code(1);
    place.run(&["audit", "search", "colour:red"]).code(2).complains("unknown key");
    // Looking for a person is recorded, looking for a type is not.
    let looked = place.events().iter().filter(|kind| *kind == "evidence.access").count();
    assert_eq!(looked, 2);
    place
        .run(&["audit", "search", "type:decision.*", "--csv"])
        .code(0)
        .says("index,time,type,code,user,dest,id")
        .says(",decision.deny,PORT_BLOCKED,");
    let tail = place.run(&["audit", "tail", "-n", "2", "--type", "role.grant"]).code(0);
    assert_eq!(tail.out.lines().count(), 2);
    assert!(tail.out.contains("carol") && tail.out.contains("bob"));
}

#[test]
fn an_export_of_a_part_is_verified_alone() {
    let place = busy();
    let to = place.path("part");
    let to = to.to_str().unwrap();
    place.run(&["audit", "export", "--range", "2..5", "--out", to]).code(0).says("records 2 to 5");
    let elsewhere = Place::empty();
    elsewhere
        .run(&["audit", "verify", "--offline", to, "--keys", &keys(&place)])
        .code(9)
        .says("only leaves 2 to 5");
    place
        .run(&["audit", "export", "--range", "0..999", "--out", to])
        .code(2)
        .complains("records 0 to");
}

/// Commands at the same time wait for each other and lose nothing.
#[test]
fn many_at_once() {
    let place = Place::ready();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let place = &place;
            scope.spawn(move || place.run(&["user", "add", &format!("user-{number}")]).code(0));
        }
    });
    assert_eq!(place.events().iter().filter(|kind| *kind == "role.grant").count(), 8);
    place.run(&["audit", "verify"]).code(0).says("11 of 11 leaves");
}
