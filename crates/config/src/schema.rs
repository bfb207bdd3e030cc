//! Every key there is: its kind, and whether a change needs a restart. Defaults are in `defaults.yaml`.

use crate::value::Unit;

/// What a key takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number of this range.
    Int(i64, i64),
    /// A number of this range, in hundredths.
    Real(i32, i32),
    /// A text.
    Text,
    /// A file or directory, absolute.
    Path,
    /// A file that holds a secret, absolute.
    SecretFile,
    /// A URL.
    Url,
    /// `ADDRESS:PORT` to listen at.
    Listen,
    /// A duration; a bare number counts these.
    Period(Option<Unit>),
    /// Bytes.
    Size,
    /// So many in a time.
    Rate,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of these words.
    Words(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of networks.
    Nets,
    /// `auto`, or networks with or without it.
    NetsOrAuto,
    /// A list of ports.
    Ports,
    /// A regular expression.
    Regex,
    /// Five fields of cron.
    Cron,
    /// A map from names to sections.
    Map,
    /// A list of sections.
    List,
    /// A section that may be absent.
    Section,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its path, with dots; `*` is any name, or a place in a list.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it may be null.
    pub optional: bool,
    /// Whether a change takes a restart.
    pub restart: bool,
}

const OPEN_CLOSED: Kind = Kind::Word(&["closed", "open"]);
const DAYS: Kind = Kind::Period(Some(Unit::D));
const SECONDS: Kind = Kind::Period(Some(Unit::S));
const COUNT: Kind = Kind::Int(1, 1_000_000);

const fn key(path: &'static str, kind: Kind) -> Key {
    Key { path, kind, optional: false, restart: false }
}

/// May be null.
const fn opt(path: &'static str, kind: Kind) -> Key {
    Key { optional: true, ..key(path, kind) }
}

impl Key {
    /// Takes a restart.
    const fn fixed(self) -> Self {
        Self { restart: true, ..self }
    }
}

/// The keys, in the order of the file.
pub const KEYS: &[Key] = &[
    key("database_path", Kind::Path).fixed(),
    opt("database_url_file", Kind::SecretFile).fixed(),
    opt("redis_url_file", Kind::SecretFile).fixed(),
    key("organisation.name", Kind::Text),
    key("organisation.origin", Kind::Text).fixed(),
    key("security_policies.encryption_required", Kind::Bool),
    key("security_policies.verify_certificates", Kind::Bool),
    key("security_policies.authorization_required", Kind::Bool),
    key("security_policies.network_isolation", Kind::Bool),
    key("security_policies.connection_logging", Kind::Bool),
    key("security_policies.timeout_enforcement", Kind::Bool),
    key("security_policies.timeouts.connect", SECONDS),
    key("security_policies.timeouts.idle", SECONDS),
    key("security_policies.timeouts.lifetime", SECONDS),
    key("security_policies.exec", Kind::Word(&["deny", "granted", "allow"])),
    key("security_policies.purpose_required", Kind::Bool),
    opt("security_policies.ticket_pattern", Kind::Regex),
    key("security_policies.mode", Kind::Word(&["enforce", "simulate"])),
    key("security_policies.strict_errors", Kind::Bool),
    key("network_policies.allowed_networks", Kind::Nets),
    key("network_policies.allow_loopback", Kind::Bool),
    key("network_policies.allow_ipv6_ula", Kind::Bool),
    key("network_policies.blocked_ports", Kind::Ports),
    key("network_policies.protected_networks", Kind::NetsOrAuto),
    key("network_policies.named_networks", Kind::Map),
    key("network_policies.named_networks.*.cidrs", Kind::Nets),
    key("network_policies.named_networks.*.criticality", Kind::Real(50, 125)),
    key("network_policies.named_networks.*.zone", Kind::Text),
    key("network_policies.authorized_networks_file", Kind::Path),
    key("network_policies.max_connections", COUNT),
    key("network_policies.max_connections_per_user", COUNT),
    key("network_policies.rate_limiting", Kind::Bool),
    key("network_policies.rates.connect_per_user", Kind::Rate),
    key("network_policies.rates.listen_per_user", Kind::Rate),
    key("network_policies.rates.scan_probes", Kind::Rate),
    key("network_policies.rates.scan_probes_per_host", Kind::Rate),
    key("monitoring.real_time_monitoring", Kind::Bool),
    key("monitoring.connection_tracking", Kind::Bool),
    key("monitoring.performance_metrics", Kind::Bool),
    key("monitoring.security_events", Kind::Bool),
    key("monitoring.siem_integration", Kind::Bool),
    key("monitoring.anomaly_detection", Kind::Bool),
    key("monitoring.threat_detection", Kind::Bool),
    key("monitoring.baseline_warmup.min_age", DAYS),
    key("monitoring.baseline_warmup.min_samples", COUNT),
    key("monitoring.risk.half_life", Kind::Period(Some(Unit::H))),
    key("monitoring.risk.alert_at", Kind::Int(0, 1000)),
    key("monitoring.risk.respond_at", Kind::Int(0, 1000)),
    key("monitoring.responses.mode", Kind::Word(&["simulate", "enforce"])),
    key("monitoring.responses.max_targets", COUNT),
    key("monitoring.responses.per", SECONDS),
    key("monitoring.responses.never", Kind::Texts),
    key("monitoring.responses.ttl_max", Kind::Period(Some(Unit::H))),
    key("monitoring.detectors", Kind::Map),
    key("monitoring.detectors.*.enabled", Kind::Bool),
    key("monitoring.detectors.*.threshold", Kind::Real(0, i32::MAX)),
    key("compliance.frameworks", Kind::Words(&["ISO27001", "NIST_CSF", "SOX"])),
    key("compliance.audit_retention", DAYS),
    key("compliance.retention.audit", DAYS),
    key("compliance.retention.payload", DAYS),
    key("compliance.retention.evidence", DAYS),
    key("compliance.retention.transcript", DAYS),
    key("compliance.retention.pcapng", DAYS),
    key("compliance.retention.rollup", DAYS),
    key("compliance.evidence_collection", Kind::Bool),
    key("compliance.automated_reporting", Kind::Bool),
    key("compliance.report_schedule", Kind::Cron),
    key("compliance.erasure", Kind::Word(&["payload", "none"])),
    key("audit.log_dir", Kind::Path).fixed(),
    key("audit.journal_dir", Kind::Path).fixed(),
    key("audit.journal_max", Kind::Size).fixed(),
    key("audit.journal_keep", Kind::Period(Some(Unit::H))),
    key("audit.reserve", Kind::Size).fixed(),
    key("audit.group_commit", Kind::Period(Some(Unit::Ms))).fixed(),
    key("audit.on_failure", OPEN_CLOSED),
    key("audit.on_failure_by_action.test", OPEN_CLOSED),
    key("audit.on_failure_by_action.scan", OPEN_CLOSED),
    key("audit.on_failure_by_action.listen", OPEN_CLOSED),
    key("audit.on_failure_by_action.connect", OPEN_CLOSED),
    key("audit.on_failure_by_action.exec", OPEN_CLOSED),
    key("audit.checkpoint_interval", Kind::Period(Some(Unit::Ms))),
    key("audit.stable_checkpoint", SECONDS),
    key("audit.signing_key_file", Kind::SecretFile).fixed(),
    key("audit.witnesses", Kind::List),
    key("audit.witnesses.*.name", Kind::Text),
    key("audit.witnesses.*.vkey", Kind::Text),
    key("audit.witnesses.*.url", Kind::Url),
    opt("audit.witness_policy_file", Kind::Path),
    opt("audit.timestamp_authority", Kind::Url),
    opt("audit.legacy_line_file", Kind::Path),
    key("server.listen", Kind::Listen).fixed(),
    key("server.metrics_listen", Kind::Listen).fixed(),
    opt("server.tls.cert_file", Kind::Path),
    opt("server.tls.key_file", Kind::SecretFile),
    key("server.public_url", Kind::Url),
    key("server.cookie_lifetime", Kind::Period(Some(Unit::H))),
    key("server.max_body", Kind::Size),
    opt("auth.oidc", Kind::Section),
    key("auth.oidc.issuer", Kind::Url),
    key("auth.oidc.client_id", Kind::Text),
    key("auth.oidc.client_secret_file", Kind::SecretFile),
    key("auth.oidc.groups_claim", Kind::Text),
    key("auth.oidc.role_map", Kind::Map),
    key("auth.oidc.role_map.*", Kind::Text),
    key("auth.local_accounts", Kind::Bool),
    key("auth.token_max_lifetime", DAYS),
    opt("sentry.manager_url", Kind::Url).fixed(),
    key("sentry.socket", Kind::Path).fixed(),
    key("sentry.enrolment.token_lifetime", SECONDS),
    key("sentry.enrolment.cert_lifetime", DAYS),
    key("sentry.lease", SECONDS),
    key("sentry.offline", Kind::Word(&["cached", "deny"])),
    key("privacy.capture", Kind::Word(&["none", "meta", "content"])),
    key("privacy.pseudonymise", Kind::Bool),
    key("intel.sources", Kind::List),
    key("intel.sources.*.name", Kind::Text),
    key("intel.sources.*.kind", Kind::Word(&["list", "csv", "stix", "taxii"])),
    key("intel.sources.*.url", Kind::Url),
    key("intel.sources.*.path", Kind::Path),
    key("intel.sources.*.interval", SECONDS),
    key("intel.sources.*.max_age", DAYS),
    key("intel.sources.*.action", Kind::Word(&["alert", "deny"])),
    key("sinks", Kind::List),
    key("sinks.*.name", Kind::Text),
    key("sinks.*.kind", Kind::Word(&["syslog", "webhook", "splunk", "file"])),
    key("sinks.*.format", Kind::Word(&["rfc5424", "cef", "jsonl", "ocsf"])),
    key("sinks.*.target", Kind::Text),
    key("sinks.*.filter", Kind::Text),
    key("sinks.*.token_file", Kind::SecretFile),
    key("sinks.*.ca_file", Kind::Path),
    key("sinks.*.on_reject", Kind::Word(&["dead_letter", "block"])),
    key("sinks.*.max_lag", SECONDS),
];

/// The key that a path is, `*` matched.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| matches(key.path, path))
}

/// The names below a path, one level down; `*` where any name goes.
pub fn children(path: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in KEYS {
        let mut pattern = key.path.split('.');
        let above = path.split('.').filter(|name| !name.is_empty());
        let inside = above.zip(pattern.by_ref()).all(|(name, known)| known == "*" || known == name);
        let depth = path.split('.').filter(|name| !name.is_empty()).count();
        let name = key.path.split('.').nth(depth);
        if let Some(name) = name.filter(|name| inside && !names.contains(name)) {
            names.push(name);
        }
    }
    names
}

fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('.'), path.split('.'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(known), Some(name)) if known == "*" || known == name => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found() {
        assert!(find("server.listen").is_some());
        assert!(find("network_policies.named_networks.dmz.zone").is_some());
        assert!(find("server").is_none());
        assert!(find("server.listen.x").is_none());
        assert_eq!(children("server.tls"), ["cert_file", "key_file"]);
        assert_eq!(children("audit.witnesses"), ["*"]);
        assert_eq!(children("audit.witnesses.3"), ["name", "vkey", "url"]);
        assert!(children("").contains(&"sinks"));
        assert!(children("nothing").is_empty());
    }
}
