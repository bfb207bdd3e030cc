//! Grants: asked for by one, approved by another, recorded all the way.

use crate::site::{Place, is_root};

const REQUEST: [&str; 9] = [
    "grant",
    "request",
    "--action",
    "connect",
    "--to",
    "10.1.2.3:22",
    "--for",
    "2h",
    "--purpose=maintenance",
];

fn request(place: &Place, uid: &str, more: &[&str]) -> String {
    let args = [&["--json"], &REQUEST[..], more].concat();
    place.run_as(uid, &args).code(0).json()["grant"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn nobody_approves_their_own() {
    let place = Place::ready();
    let id = request(&place, "1000", &[]);
    let user = place.run(&["user", "list"]);
    place
        .run_as("1000", &["grant", "approve", &id])
        .code(3)
        .complains("somebody else has to approve");
    place.run(&["grant", "list", "--status", "active"]).code(0).says("no grants");
    assert!(!place.events().contains(&"grant.approve".to_owned()), "{user:?}");
    if is_root() {
        let other = request(&place, "1000", &["--user", "uid:1001"]);
        place.run_as("1001", &["grant", "approve", &other]).code(3).complains("it is for uid:1001");
        place.run_as("1002", &["grant", "approve", &other]).code(0);
    }
}

#[test]
fn the_life_of_a_grant() {
    if !is_root() {
        return;
    }
    let place = Place::ready();
    let ask = |place: &Place| {
        place.run(&["policy", "explain", "connect", "uid:61000", "10.1.2.3:22", "--tls"]).code
    };
    place.run(&["user", "add", "uid:61000"]).code(0);
    assert_eq!(ask(&place), 3);
    let id = request(&place, "61000", &["--uses", "3", "--ticket", "CHG1"]);
    assert_eq!(ask(&place), 3, "not approved yet");
    place.run_as("61001", &["grant", "approve", &id, "--reason", "fine"]).code(0);
    assert_eq!(ask(&place), 0);
    place.run_as("61001", &["grant", "approve", &id]).code(1).complains("is active, not requested");
    place.run_as("61001", &["grant", "revoke", &id, "--reason", "done"]).code(0);
    assert_eq!(ask(&place), 3);
    let rejected = request(&place, "61000", &[]);
    place.run_as("61001", &["grant", "reject", &rejected]).code(0).says("rejected");
    place.run(&["grant", "approve", "G-none"]).code(2).complains("there is no grant G-none");
    let events = place.events();
    assert_eq!(
        events[events.len() - 5..],
        ["grant.request", "grant.approve", "grant.revoke", "grant.request", "grant.reject"]
    );
    let mine = place.run_as("61000", &["--json", "grant", "list", "--mine"]).code(0).json();
    assert_eq!(mine["grants"].as_array().unwrap().len(), 2);
    assert_eq!(mine["grants"][1]["approved_by"], "uid:61001");
}

#[test]
fn what_cannot_be_asked_for() {
    let place = Place::ready();
    place.configure("security_policies: {ticket_pattern: '^CHG[0-9]{6}$'}\n");
    let with = |option: &str, value: &str| {
        let mut args: Vec<&str> = REQUEST.to_vec();
        match args.iter().position(|arg| *arg == option) {
            Some(place) => args[place + 1] = value,
            None => args.extend([option, value]),
        }
        place.run(&args).code(2)
    };
    with("--ticket", "CHG1").complains("does not match ^CHG[0-9]{6}$");
    with("--to", "10.1.2.3").complains("no ports");
    with("--to", "10.1.2.3/8:22").complains("10.0.0.0/8 is meant?");
    with("--to", "0x7f000001:22").complains("another spelling");
    with("--to", "10.1.2.3:99999").complains("not a port");
    with("--to", "::1:22").complains("brackets");
    with("--for", "8y").complains("at most 366d");
    with("--for", "0h").complains("more than nothing");
    with("--for", "2").complains("no unit");
    with("--action", "fly").complains("is not an action");
    with("--uses", "0");
    with("--protocol", "icmp").complains("tcp, udp");
    let mut args = REQUEST.to_vec();
    args.extend(["--to", "10.9.9.9:23", "--ticket", "CHG123456"]);
    place.run(&args).code(2).complains("one set of ports");
    place.run(&["grant", "list"]).code(0).says("no grants");
}
