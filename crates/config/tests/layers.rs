//! Layers, origins, mistakes: what a whole configuration comes to.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

use config::schema::{KEYS, Kind};
use config::{Config, Origin, Problem, Sources, Value, load};

struct Place(tempfile::TempDir);

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, environment: &[(&str, &str)], sets: &[&str]) -> Result<Config, Vec<Problem>> {
        let environment = environment.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let sets = sets.iter().map(|set| (*set).into()).collect();
        load(&Sources { file: Some(self.path("config.yaml")), environment, sets })
    }
}

fn one(text: &str) -> Result<Config, Vec<Problem>> {
    Place::new(&[("config.yaml", text)]).load(&[], &[])
}

/// The file with the defaults and the table of keys are of one mind.
#[test]
fn every_key_has_a_default_and_every_default_a_key() {
    let config = one("").unwrap();
    for key in KEYS.iter().filter(|key| !key.path.contains('*')) {
        let absent = key.path.starts_with("auth.oidc.");
        assert_eq!(config.setting(key.path).is_none(), absent, "{}", key.path);
    }
    let again = one(config::DEFAULTS).unwrap();
    for (path, setting) in again.list() {
        let other = config.setting(path).unwrap();
        if !path.ends_with("authorized_networks_file") {
            assert_eq!(setting.value, other.value, "{path}");
        }
    }
    assert!(KEYS.iter().any(|key| matches!(key.kind, Kind::SecretFile)));
}

#[test]
fn seed_defaults() {
    let config = one("").unwrap();
    assert!(config.flag("security_policies.encryption_required"));
    let nets: Vec<String> =
        config.nets("network_policies.allowed_networks").iter().map(ToString::to_string).collect();
    assert_eq!(nets, ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]);
    assert_eq!(config.ports("network_policies.blocked_ports"), [22, 23, 3389]);
    assert_eq!(config.int("network_policies.max_connections"), 1000);
    assert_eq!(config.period("compliance.audit_retention").unwrap().to_string(), "2555d");
    let codes: Vec<&str> = config.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, ["W-RET-1", "W-RET-2", "W-SIEM-1"]);
}

#[test]
fn later_layers_win_and_say_where_they_are() {
    let place = Place::new(&[
        (
            "config.yaml",
            "network_policies:\n  max_connections: 10\n  blocked_ports: [22]\naudit: {group_commit: 7}\n",
        ),
        (
            "conf.d/10-a.yaml",
            "network_policies: {max_connections: 20, max_connections_per_user: 5}\n",
        ),
        ("conf.d/20-b.yaml", "network_policies:\n  max_connections: 30\n"),
        ("conf.d/README", "not: [yaml"),
    ]);
    let environment = [
        ("NCAT_GUARD__NETWORK_POLICIES__MAX_CONNECTIONS_PER_USER", "6"),
        ("ENCRYPTION_REQUIRED", "FALSE"),
        ("COMPLIANCE_FRAMEWORKS", "SOX,NIST_CSF"),
        ("AUDIT_DIR", "/srv/audit/"),
        ("AUDIT_RETENTION_DAYS", "3000"),
    ];
    let sets = ["network_policies.blocked_ports=22,25", "security_policies.timeouts={connect: 3}"];
    let config = place.load(&environment, &sets).unwrap();
    let is = |path: &str, value: &str, origin: &str| {
        let setting = config.setting(path).unwrap();
        let origin_text =
            setting.origin.to_string().replace(&place.0.path().display().to_string(), "DIR");
        assert_eq!(
            (setting.value.to_string(), origin_text),
            (value.to_owned(), origin.to_owned()),
            "{path}"
        );
    };
    is("network_policies.max_connections", "30", "DIR/conf.d/20-b.yaml:2");
    is(
        "network_policies.max_connections_per_user",
        "6",
        "environment NCAT_GUARD__NETWORK_POLICIES__MAX_CONNECTIONS_PER_USER",
    );
    is(
        "network_policies.blocked_ports",
        "[22, 25]",
        "command line --set network_policies.blocked_ports=22,25",
    );
    is(
        "security_policies.timeouts.connect",
        "3s",
        "command line --set security_policies.timeouts={connect: 3}",
    );
    is("security_policies.timeouts.idle", "300s", "default");
    is("security_policies.encryption_required", "false", "environment ENCRYPTION_REQUIRED");
    is("compliance.frameworks", "[SOX, NIST_CSF]", "environment COMPLIANCE_FRAMEWORKS");
    is("audit.log_dir", "/srv/audit/log", "environment AUDIT_DIR");
    is("audit.group_commit", "7ms", "DIR/config.yaml:4");
    is("compliance.retention.audit", "3000d", "as compliance.audit_retention");
    is(
        "network_policies.authorized_networks_file",
        &place.path("authorized-networks.txt").display().to_string(),
        "command line --config",
    );
}

/// Each line: the text, the line of the mistake, and what is said of it.
#[test]
fn mistakes_are_named_with_line_and_hint() {
    for (text, line, part) in [
        ("security_policies:\n  encryption_requierd: true\n", 2, "encryption_required is meant?"),
        ("\nexec: deny\n", 2, "security_policies.exec is meant?"),
        ("colour: red\n", 1, "unknown key"),
        (
            "server:\n  listen: 127.0.0.1:8443\n  listen: 127.0.0.1:8444\n",
            3,
            "again; first in line 2",
        ),
        ("server:\n\tlisten: x\n", 2, ""),
        ("security_policies:\n  exec: alow\n", 2, "allow is meant?"),
        ("security_policies:\n  encryption_required: yes\n", 2, "not true or false"),
        ("security_policies:\n  encryption_required: 'true'\n", 2, "without quotes"),
        ("security_policies: true\n", 1, "is a section"),
        ("security_policies:\n  timeouts: {connect: [1]}\n", 2, "one value, not a list"),
        ("compliance: {audit_retention: -1}\n", 1, "negative"),
        ("compliance: {audit_retention: 0}\n", 1, "0 is no time"),
        ("compliance:\n  audit_retention: 2555\n  retention: {audit: 2556d}\n", 3, "write one"),
        ("network_policies: {allowed_networks: [10.0.0.1/8]}\n", 1, "10.0.0.0/8 is meant?"),
        ("network_policies: {allowed_networks: [10.0.0.0/33]}\n", 1, "not a network"),
        ("network_policies: {allowed_networks: 10.0.0.0/8}\n", 1, "takes a list"),
        ("network_policies: {blocked_ports: [0]}\n", 1, "not a port"),
        ("network_policies: {blocked_ports: [22, 22]}\n", 1, "twice"),
        ("network_policies: {rates: {scan_probes: 200}}\n", 1, "not a rate"),
        ("network_policies: {named_networks: {dmz: {zone: z}}}\n", 1, "dmz.cidrs is missing"),
        ("network_policies: {named_networks: {'a b': {cidrs: []}}}\n", 1, "not a name"),
        (
            "network_policies: {named_networks: {a: {cidrs: [], criticality: 3}}}\n",
            1,
            "between 0.5 and 1.25",
        ),
        ("database_url: postgres://u:p@h/d\n", 1, "write database_url_file"),
        ("database_path: guard.db\n", 1, "absolute"),
        ("audit: {journal_max: 64mb}\n", 1, "not a size"),
        ("audit: {journal_max: 64MiB}\n", 1, "less than twice"),
        ("security_policies: {ticket_pattern: '('}\n", 1, "regular expression"),
        ("compliance: {report_schedule: '0 6 1'}\n", 1, "five fields"),
        ("server: {metrics_listen: 0.0.0.0:9090}\n", 1, "plain HTTP"),
        ("server: {tls: {cert_file: /a}}\n", 1, "go together"),
        ("sinks: [{name: a, kind: syslog}]\n", 1, "target is missing"),
        ("organisation: {origin: 'two words'}\n", 1, "without spaces"),
        ("sentry: {manager_url: 'https://u:p@h'}\n", 1, "secrets come from files only"),
        ("auth: {oidc: {issuer: 'https://a'}}\n", 1, "client_id is missing"),
        ("server: {listen: null}\n", 1, "has no value"),
        ("- a\n", 1, "not a map"),
    ] {
        let problems = one(text).unwrap_err();
        let found = problems.iter().any(|problem| {
            let at = matches!(&problem.origin, Origin::File { line: at, .. } if *at == line);
            at && problem.text.contains(part)
        });
        assert!(found, "{text:?}: {problems:?}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let problems = one("a: 1\nserver: {listen: x}\nsinks: {}\n").unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn secrets_are_never_shown() {
    let place = Place::new(&[("config.yaml", "")]);
    let config = place.load(&[("DATABASE_URL", "postgres://u:hunter2@db/guard")], &[]).unwrap();
    let setting = config.setting("database_url").unwrap();
    assert_eq!(setting.value.to_string(), "<set>");
    assert!(config.warnings.iter().any(|warning| warning.code == "W-URL-1"));
    let file = place.path("secret");
    std::fs::write(&file, "hunter2\n").unwrap();
    mode(&file, 0o644);
    assert!(config::secret(&file).unwrap_err().contains("chmod go="));
    mode(&file, 0o600);
    assert_eq!(config::secret(&file).as_deref(), Ok("hunter2"));
}

#[test]
fn a_configuration_that_others_may_write_is_refused() {
    let place = Place::new(&[("config.yaml", "")]);
    mode(&place.path("config.yaml"), 0o666);
    assert!(place.load(&[], &[]).unwrap_err()[0].text.contains("chmod go-w"));
    let gone =
        load(&Sources { file: Some("/nonexistent/config.yaml".into()), ..Sources::default() });
    assert!(gone.unwrap_err()[0].text.contains("not there"));
}

#[test]
fn environment_names_that_set_nothing_are_refused() {
    let place = Place::new(&[("config.yaml", "")]);
    let problems = place.load(&[("NCAT_GUARD__SERVER__LISTN", "x")], &["nothing"]).unwrap_err();
    assert!(problems[0].text.contains("NCAT_GUARD__SERVER__LISTEN is meant?"), "{problems:?}");
    assert!(problems[1].text.contains("KEY=VALUE"));
    assert!(
        place.load(&[("NCAT_GUARD_OTHER", "x"), ("SIEM_INTEGRATION_ENABLED", "")], &[]).is_ok()
    );
}

#[test]
fn named_networks_add_up_and_lists_are_replaced() {
    let place = Place::new(&[
        (
            "config.yaml",
            "network_policies:\n  named_networks:\n    dmz: {cidrs: [192.0.2.0/24]}\nintel:\n  sources:\n    - {name: a, kind: list, action: deny}\n    - {name: b, kind: csv, action: alert}\n",
        ),
        (
            "conf.d/a.yaml",
            "network_policies:\n  named_networks:\n    lan: {cidrs: [10.0.0.0/8], zone: inside}\nintel: {sources: [{name: c, kind: list, action: deny}]}\n",
        ),
    ]);
    let config = place.load(&[], &[]).unwrap();
    assert_eq!(config.below("network_policies.named_networks"), ["dmz", "lan"]);
    assert_eq!(config.text("network_policies.named_networks.lan.zone"), Some("inside"));
    assert_eq!(config.below("intel.sources"), ["000"]);
    assert_eq!(config.text("intel.sources.000.name"), Some("c"));
    assert_eq!(config.setting("intel.sources").unwrap().value, Value::Holder(1));
}

#[cfg(unix)]
fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
