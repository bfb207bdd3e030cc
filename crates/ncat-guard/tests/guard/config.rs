//! `config check` and `config show`.

use crate::site::Place;

#[test]
fn mistakes_have_file_line_and_hint() {
    let place = Place::ready();
    place.configure("security_policies:\n  encryption_requierd: true\nsinks: 3\n");
    place
        .run(&["config", "check"])
        .code(2)
        .says("conf.d/50-test.yaml:2: security_policies.encryption_requierd: unknown key; encryption_required is meant?")
        .says("50-test.yaml:3: sinks: takes a list")
        .says("2 to mend");
    place
        .run(&["status"])
        .code(2)
        .complains("the configuration has 2 mistakes")
        .complains("encryption_required is meant?");
    let document = place.run(&["--json", "config", "check"]).code(2).json();
    assert_eq!(document["problems"].as_array().unwrap().len(), 2);
}

#[test]
fn values_have_origins_and_secrets_stay_secret() {
    let place = Place::ready();
    place.configure("network_policies: {max_connections: 7}\n");
    let args = ["config", "show", "--effective", "--set", "server.max_body=5MiB"];
    let environment =
        [("DATABASE_URL", "postgres://guard:hunter2@db/guard"), ("ENCRYPTION_REQUIRED", "true")];
    let shown = place.run_with(&args, &environment).code(0);
    assert!(!shown.out.contains("hunter2"));
    for part in [
        "<set>  (environment DATABASE_URL)",
        "7  (",
        "50-test.yaml:1)",
        "5MiB  (command line --set server.max_body=5MiB)",
        "true  (environment ENCRYPTION_REQUIRED)",
        "log.key <set>",
        "2555d  (",
    ] {
        assert!(shown.out.contains(part), "{part:?} in {}", shown.out);
    }
    place
        .run_with(&["config", "check"], &environment)
        .code(0)
        .says("W-URL-1")
        .says("W-RET-1")
        .says("W-SIEM-1");
    let document = place.run_with(&["--json", "config", "show"], &environment).code(0).json();
    assert_eq!(document["settings"]["database_url"]["value"], "<set>");
}

#[test]
fn the_list_of_networks_is_checked_too() {
    let place = Place::ready();
    place.write("etc/authorized-networks.txt", "10.0.0.0/8 until=2020-01-01\n10.0.0.1/8\n.*\n");
    place.run(&["config", "check"]).code(0).says("line 2: ").says("line 3: ").says("line 1: over");
    place.run(&["doctor"]).code(1).says("BAD networks");
    std::fs::set_permissions(
        place.path("etc/authorized-networks.txt"),
        std::os::unix::fs::PermissionsExt::from_mode(0o666),
    )
    .unwrap();
    place.run(&["config", "check"]).code(0).says("counts as empty");
}

#[test]
fn usage() {
    let place = Place::empty();
    place.run(&[]).code(2);
    place.run(&["nonsense"]).code(2).complains("nonsense");
    place.run(&["--help"]).code(0).says("config");
    place.run(&["--version"]).code(0).says("ncat-guard");
    place.run(&["config"]).code(2);
}

/// What changed is recorded before the next thing that is, and no secret with it.
#[test]
fn a_changed_configuration_is_recorded() {
    let place = Place::ready();
    place.configure("network_policies: {max_connections: 7}\n");
    place.run(&["user", "add", "alice", "--set", "server.max_body=1MiB"]).code(0);
    assert_eq!(place.events().last().unwrap(), "role.grant", "--set is no change");
    let environment = [("DATABASE_URL", "postgres://guard:hunter2@db/guard")];
    place.run_with(&["user", "add", "bob"], &environment).code(0);
    place.run_with(&["user", "add", "carol"], &environment).code(0);
    let events = place.events();
    assert_eq!(events[events.len() - 3..], ["config.change", "role.grant", "role.grant"]);
    let found = place.run(&["--json", "audit", "search", "type:config.change"]).code(0);
    let diff = found.json()["payload"]["diff"].to_string();
    for part in [
        "-network_policies.max_connections: 1000",
        "+network_policies.max_connections: 7",
        "+database_url: <set>",
    ] {
        assert!(diff.contains(part), "{diff}");
    }
    assert!(!diff.contains("hunter2"));
}
