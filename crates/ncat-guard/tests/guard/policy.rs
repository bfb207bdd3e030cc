//! `policy check|activate|explain|show|diff|simulate|replay`.

use crate::site::Place;

#[test]
fn explain_as_the_guide_shows_it() {
    let place = Place::ready();
    place.run(&["user", "add", "alice"]).code(0);
    let told = place.run(&["policy", "explain", "connect", "alice", "10.1.2.3:22"]).code(3);
    assert_eq!(
        told.out,
        "\
DENY  connect alice -> 10.1.2.3:22/tcp  (policy 1, level L0)
  PORT_BLOCKED        port 22 is in network_policies.blocked_ports [22, 23, 3389]   rule nw.block.port
  TLS_REQUIRED        connection is clear text   rule sec.tls.required
  would be permitted by: a grant covering connect 10.1.2.3:22/tcp with cleartext   -> ncat-guard grant request --action connect --to 10.1.2.3:22 --for 2h --purpose \"...\" --cleartext
  matched permits: nw.allow.rfc1918 (10.0.0.0/8)
"
    );
    place
        .run(&["policy", "explain", "connect", "alice", "10.1.2.3:443", "--tls"])
        .code(0)
        .says("PERMIT");
    place
        .run(&["policy", "explain", "connect", "nobody-here", "10.1.2.3:443", "--tls"])
        .code(3)
        .says("NOT_AUTHENTICATED");
    place
        .run(&["policy", "explain", "connect", "alice", "0x7f000001:80"])
        .code(3)
        .says("NAME_POLICY");
    place
        .run(&["policy", "explain", "connect", "alice", "[64:ff9b::a9fe:a9fe]:80"])
        .code(3)
        .says("PROTECTED_NETWORK");
    place
        .run(&["policy", "explain", "connect", "alice", "db.example:80", "--tls", "--no-lookup"])
        .code(3)
        .says("NAME_UNRESOLVED");
    place
        .run(&["policy", "explain", "connect", "alice", "localhost:80"])
        .code(0)
        .says("(localhost)");
    let document = place
        .run(&["--json", "policy", "explain", "connect", "alice", "10.1.2.3:22"])
        .code(3)
        .json();
    assert_eq!(document["schema"], "ncat-guard/explain/1");
    assert_eq!(document["decisions"][0]["answer"]["reasons"][0]["code"], "PORT_BLOCKED");
    for wrong in ["10.1.2.3", "10.1.2.3:0", "10.1.2.3:65536", "10.1.2.3:http", "::1:22"] {
        place.run(&["policy", "explain", "connect", "alice", wrong]).code(2);
    }
    place.run(&["user", "disable", "alice"]).code(0);
    place
        .run(&["policy", "explain", "connect", "alice", "10.1.2.3:443", "--tls"])
        .code(3)
        .says("PRINCIPAL_DISABLED");
}

/// A name with escape sequences in it cannot move a cursor.
#[test]
fn foreign_text_is_shown_safely() {
    let place = Place::ready();
    let told = place
        .run(&["policy", "explain", "connect", "x\u{1b}[2J\u{202e}", "10.1.2.3:443", "--tls"])
        .code(3);
    assert!(!told.out.contains(['\u{1b}', '\u{202e}']), "{told:?}");
    let told = place
        .run(&["--json", "policy", "explain", "connect", "x\u{9b}\u{202e}", "10.1.2.3:443"])
        .code(3);
    assert!(!told.out.contains(['\u{9b}', '\u{202e}']), "{told:?}");
    assert_eq!(told.json()["decisions"][0]["question"]["who"]["name"], "x\u{9b}\u{202e}");
}

#[test]
fn versions_are_stored_compared_and_activated() {
    let place = Place::ready();
    place.run(&["policy", "activate"]).code(1).complains("in force already");
    place.configure("network_policies: {blocked_ports: [23]}\n");
    place.run(&["policy", "explain", "connect", "root", "10.1.2.3:22", "--tls"]).code(3);
    place.run(&["status"]).code(0).says("the configuration makes another one");
    place
        .run(&["policy", "diff", "active", "draft"])
        .code(1)
        .says("-      22,")
        .says("-      3389");
    place.run(&["policy", "activate"]).code(0).says("policy 2 is in force");
    place
        .run(&["policy", "explain", "connect", "root", "10.1.2.3:22", "--tls"])
        .code(0)
        .says("policy 2");
    place.run(&["policy", "diff", "2", "draft"]).code(0).says("no difference");
    place.run(&["policy", "diff", "1", "3"]).code(2).complains("there is no policy 3");
    place
        .run(&["policy", "show", "1", "--cedar"])
        .code(0)
        .says("@id(\"nw.block.port\")")
        .says("PORT_BLOCKED");
    place.run(&["policy", "show"]).code(0).says("policy 2, by").says("sec.tls.required");
    let events = place.events();
    assert_eq!(events[events.len() - 2..], ["policy.store", "policy.activate"]);
}

#[test]
fn rules_and_cases_beside_the_configuration() {
    let place = Place::ready();
    place.write("etc/policies/a.cedar", "@id(\"a\") forbid (principal, action, resource);");
    place.run(&["policy", "check"]).code(1).says("a.cedar: rule 1 (a): has no @reason");
    place.run(&["config", "check"]).code(2).complains("has no @reason");
    place.run(&["policy", "activate"]).code(2);
    place.write(
        "etc/policies/a.cedar",
        "@id(\"ops.db\") @reason(\"by name\") permit (principal, action == Action::\"connect\", resource)
         when { resource has name && resource.name == \"db.example\" };",
    );
    place.write("etc/policies/a.cases", "# tests\nconnect x db.example:5432 verified => PERMIT\nconnect x other.example:5432 verified => PERMIT\n");
    place
        .run(&["policy", "check"])
        .code(1)
        .says("and NAME_UNRESOLVED came")
        .says("2 cases, 1 failing");
    place.run(&["policy", "activate"]).code(1).complains("a case does not hold");
    place.write("etc/policies/a.cases", "connect x db.example:5432 verified => PERMIT\n");
    place.run(&["policy", "check"]).code(0);
    place.run(&["policy", "activate"]).code(0);
    place
        .run(&["policy", "explain", "connect", "root", "db.example:5432", "--tls", "--no-lookup"])
        .code(0)
        .says("ops.db");
    place.run(&["policy", "schema"]).code(0).says("entity Endpoint");
    place.write("etc/policies/a.cases", "nonsense\n");
    place.run(&["policy", "check"]).code(2).complains("line 1");
}

#[test]
fn simulate_records_and_lets_go_on() {
    let place = Place::ready();
    let ask = ["policy", "explain", "connect", "root", "10.1.2.3:22", "--tls", "--record"];
    place.run(&ask).code(3).says("recorded as D-0");
    place.run(&["policy", "simulate", "on"]).code(0).says("policy 2");
    place.run(&["policy", "simulate", "on"]).code(1).complains("already");
    place.run(&ask).code(0).says("DENY (simulated)").says("PORT_BLOCKED");
    place.run(&["policy", "simulate", "off"]).code(0);
    let events = place.events();
    let decisions: Vec<&String> =
        events.iter().filter(|kind| kind.starts_with("decision.")).collect();
    assert_eq!(decisions, ["decision.deny", "decision.simulated_deny"]);
}

#[test]
fn history_is_decided_again() {
    let place = Place::ready();
    for target in ["10.1.2.3:22", "10.1.2.3:443", "203.0.113.1:443"] {
        place.run(&["policy", "explain", "connect", "root", target, "--tls", "--record"]);
    }
    place
        .run(&["policy", "replay"])
        .code(0)
        .says("3 decisions: 1 permitted as before, 2 denied as before");
    place.configure("network_policies: {blocked_ports: [443]}\n");
    let told = place.run(&["policy", "replay", "--bundle", "draft", "--since", "1h"]).code(1);
    let told = told.says("PORT_BLOCKED -> PERMIT  connect root -> 10.1.2.3:22/tcp");
    told.says("PERMIT -> PORT_BLOCKED").says("1 would be denied, 1 would be permitted");
    let event = place
        .run(&["--json", "audit", "search", "type:decision.deny", "code:PORT_BLOCKED"])
        .code(0);
    let id = event.json()["leaf"]["id"].as_str().unwrap().to_owned();
    place.run(&["policy", "activate"]).code(0);
    place
        .run(&["policy", "explain", &format!("D-{id}")])
        .code(0)
        .says("PORT_BLOCKED")
        .says("policy 1, recorded")
        .says("asked again: the same");
    place.run(&["policy", "explain", "D-nothing"]).code(2);
}
