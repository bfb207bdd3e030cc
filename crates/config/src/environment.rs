//! Names in the environment.

use crate::read::near;
use crate::{Origin, Problem, schema};

/// The directory of the configuration.
pub(crate) const CONFIG_DIR: &str = "CONFIG_DIR";
/// Not in any file: the URL itself, which may have a password in it.
pub(crate) const DATABASE_URL: &str = "database_url";
/// The same.
pub(crate) const REDIS_URL: &str = "redis_url";

/// Names that are known as they are, and the keys they set. All others are `NCAT_GUARD__SECTION__KEY`.
/// `CONFIG_DIR` says where the files are; `AUDIT_DIR` and `CERT_DIR` name directories with two things in each.
pub const NAMES: &[(&str, &str)] = &[
    ("DATABASE_URL", DATABASE_URL),
    ("REDIS_URL", REDIS_URL),
    ("ENCRYPTION_REQUIRED", "security_policies.encryption_required"),
    ("SIEM_INTEGRATION_ENABLED", "monitoring.siem_integration"),
    ("THREAT_DETECTION_ENABLED", "monitoring.threat_detection"),
    ("ANOMALY_DETECTION", "monitoring.anomaly_detection"),
    ("REAL_TIME_ALERTING", "monitoring.real_time_monitoring"),
    ("COMPLIANCE_FRAMEWORKS", "compliance.frameworks"),
    ("AUDIT_RETENTION_DAYS", "compliance.audit_retention"),
    ("AUTOMATED_REPORTING", "compliance.automated_reporting"),
];

/// Directories: the variable, a key, and the name below the directory.
const DIRECTORIES: &[(&str, &str, &str)] = &[
    ("AUDIT_DIR", "audit.log_dir", "log"),
    ("AUDIT_DIR", "audit.journal_dir", "journal"),
    ("CERT_DIR", "server.tls.cert_file", "server.crt"),
    ("CERT_DIR", "server.tls.key_file", "server.key"),
];

const PREFIX: &str = "NCAT_GUARD__";

/// What the environment sets: variable, key, text. An empty variable sets nothing.
pub(crate) fn settings(
    environment: &[(String, String)],
    problems: &mut Vec<Problem>,
) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (name, text) in environment.iter().filter(|(_, text)| !text.is_empty()) {
        let mut set = |path: &str, text: String| found.push((name.clone(), path.to_owned(), text));
        if let Some((_, path)) = NAMES.iter().find(|(known, _)| known == name) {
            set(path, text.clone());
        }
        for (_, path, below) in DIRECTORIES.iter().filter(|(known, ..)| known == name) {
            set(path, format!("{}/{below}", text.trim_end_matches('/')));
        }
        if let Some(rest) = name.strip_prefix(PREFIX) {
            match path_of(rest) {
                Ok(path) => set(&path, text.clone()),
                Err(text) => {
                    let origin = Origin::Environment(name.clone());
                    problems.push(Problem { origin, path: String::new(), text });
                }
            }
        }
    }
    // Whoever says more is heard last: NCAT_GUARD__ over the short names.
    found.sort_by_key(|(name, ..)| name.starts_with(PREFIX));
    found
}

/// `AUDIT__LOG_DIR` to `audit.log_dir`. Names of a map keep no case here, so they are as they are written.
fn path_of(name: &str) -> Result<String, String> {
    let path = name.split("__").map(str::to_ascii_lowercase).collect::<Vec<_>>().join(".");
    if schema::find(&path).is_some() {
        return Ok(path);
    }
    let spelled = |path: &str| format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase());
    let plain = schema::KEYS.iter().map(|key| key.path).filter(|path| !path.contains('*'));
    match near(&path, plain) {
        Some(path) => Err(format!("sets no key; {} is meant?", spelled(path))),
        None => Err("sets no key".to_owned()),
    }
}
