//! `init`, `status`, `doctor`, and the whole way from there to a verified export.

use crate::site::{Place, is_root, mode};

#[test]
fn init_makes_everything_once() {
    let place = Place::empty();
    let state = place.path("state");
    let args = [
        "--json",
        "init",
        "--state",
        state.to_str().unwrap(),
        "--organisation",
        "A \"b\"",
        "--origin",
        "a.example/log",
    ];
    let made = place.run(&args).code(0).json();
    assert_eq!(made["schema"], "ncat-guard/init/1");
    assert!(made["key"].as_str().unwrap().starts_with("a.example/log+"), "{made}");
    for (name, expected) in [
        ("etc/config.yaml", 0o644),
        ("etc/keys.txt", 0o644),
        ("etc/authorized-networks.txt", 0o644),
        ("etc/keys/log.key", 0o600),
        ("etc/keys", 0o700),
        ("state", 0o700),
        ("state/guard.db", 0o600),
    ] {
        assert_eq!(mode(&place.path(name)) & !0o022, expected & !0o022, "{name}");
    }
    let keys = std::fs::read_to_string(place.path("etc/keys.txt")).unwrap();
    assert_eq!(keys.trim(), format!("0- {}", made["key"].as_str().unwrap()));
    assert_eq!(place.events(), ["key.create", "policy.store", "policy.activate"]);
    let before = std::fs::read(place.path("etc/keys/log.key")).unwrap();
    place.run(&args).code(2).complains("initialised already");
    assert_eq!(std::fs::read(place.path("etc/keys/log.key")).unwrap(), before);
    place.run(&["config", "show"]).code(0).says("A \"b\"").says("a.example/log");
}

/// Whatever a crash leaves, the next `init` finishes.
#[test]
fn init_goes_on_where_it_was_cut_off() {
    for gone in ["state/guard.db", "etc/keys.txt", "etc/authorized-networks.txt"] {
        let place = Place::ready();
        let key = std::fs::read(place.path("etc/keys/log.key")).unwrap();
        // Not initialised as far as the database says.
        for name in ["state/guard.db", "state/guard.db-wal", "state/guard.db-shm", gone] {
            let _ = std::fs::remove_file(place.path(name));
        }
        place.run(&["init", "--state", place.path("state").to_str().unwrap()]).code(0);
        assert_eq!(std::fs::read(place.path("etc/keys/log.key")).unwrap(), key, "{gone}");
        place
            .run(&["audit", "verify", "--keys", place.path("etc/keys.txt").to_str().unwrap()])
            .code(0);
        place.run(&["doctor", "--set", "audit.journal_max=128MiB"]).code(0);
    }
}

#[test]
fn without_init_every_command_says_so() {
    let place = Place::empty();
    place.write(
        "etc/config.yaml",
        &format!("database_path: {}/guard.db\n", place.path("state").display()),
    );
    for args in [&["status"][..], &["grant", "list"], &["policy", "show"], &["user", "list"]] {
        place.run(args).code(2).complains("ncat-guard init");
    }
}

#[test]
fn status_and_doctor() {
    let place = Place::ready();
    place
        .run(&["status"])
        .code(0)
        .says("L0: /etc/ncat/guard.toml is not there")
        .says("policy        1 (enforce)")
        .says("W-RET-1")
        .says("W-SIEM-1");
    let document =
        place.run(&["--json", "doctor", "--set", "audit.journal_max=128MiB"]).code(0).json();
    assert_eq!(
        (document["schema"].as_str(), document["ok"].as_bool()),
        (Some("ncat-guard/doctor/1"), Some(true))
    );
    let key = place.path("etc/keys/log.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    place.run(&["doctor"]).code(1).says("BAD key").says("chmod go=");
}

#[test]
fn a_restored_old_log_is_not_written_to() {
    let place = Place::ready();
    let old = place.path("old");
    copy(&place.path("state/log"), &old);
    place.run(&["user", "add", "alice"]).code(0);
    std::fs::remove_dir_all(place.path("state/log")).unwrap();
    copy(&old, &place.path("state/log"));
    place.run(&["user", "add", "bob"]).code(8).complains("LOG_ROLLBACK");
    place.run(&["doctor"]).code(1).says("LOG_ROLLBACK");
    assert!(!place.run(&["user", "list"]).out.contains("bob"), "nothing was done");
}

/// A record that cannot be made: nothing is done.
#[test]
fn nothing_is_done_that_cannot_be_recorded() {
    let place = Place::ready();
    let full = ["--set", "audit.journal_max=1", "--set", "audit.reserve=0", "user", "add", "alice"];
    place.run(&full).code(6).complains("AUDIT_UNAVAILABLE").complains("nothing was done");
    assert!(!place.run(&["user", "list"]).out.contains("alice"));
    place.run(&["user", "add", "alice"]).code(0);
    assert_eq!(place.events().last().unwrap(), "role.grant");
}

#[test]
fn from_init_to_a_verified_export() {
    if !is_root() {
        return;
    }
    let place = Place::ready();
    place.run(&["config", "check"]).code(0).says("ok");
    place
        .run(&["policy", "explain", "connect", "root", "10.1.2.3:22"])
        .code(3)
        .says("PORT_BLOCKED");
    let asked = place.run_as(
        "1000",
        &[
            "--json",
            "grant",
            "request",
            "--action",
            "connect",
            "--to",
            "10.1.2.0/24:22",
            "--for",
            "2h",
            "--purpose",
            "fix",
            "--user",
            "root",
            "--cleartext",
        ],
    );
    let id = asked.code(0).json()["grant"]["id"].as_str().unwrap().to_owned();
    place.run_as("1001", &["grant", "approve", &id, "--reason", "agreed"]).code(0).says("active");
    place
        .run(&["policy", "explain", "connect", "root", "10.1.2.3:22", "--record"])
        .code(0)
        .says("PERMIT")
        .says(&format!("grant.cover ({id})"));
    let checkpoint = place.path("outside");
    let checkpoint = checkpoint.to_str().unwrap();
    place.run(&["audit", "checkpoint", "--save", checkpoint]).code(0);
    let export = place.path("export");
    let export = export.to_str().unwrap();
    place.run(&["audit", "export", "--out", export]).code(0);
    let keys = place.path("etc/keys.txt");
    let verify = [
        "audit",
        "verify",
        "--offline",
        export,
        "--keys",
        keys.to_str().unwrap(),
        "--against",
        checkpoint,
    ];
    place.run(&verify).code(0).says("agrees with 1 checkpoints from outside");
    assert_eq!(
        place.events(),
        [
            "key.create",
            "policy.store",
            "policy.activate",
            "grant.request",
            "grant.approve",
            "decision.permit",
            "evidence.export"
        ]
    );
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
