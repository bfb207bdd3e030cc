//! What no key can judge alone: values that contradict each other, and what is allowed but should be known.

use std::net::SocketAddr;

use crate::layer::Builder;
use crate::{Origin, Problem, Setting, Unit, Value};

/// Something allowed that should be known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// Its code, as `W-RET-1`.
    pub code: &'static str,
    /// The key.
    pub path: String,
    /// Where the value is from.
    pub origin: Origin,
    /// What should be known.
    pub text: String,
}

/// Judges the whole, and lets `retention.audit` follow `audit_retention`.
pub(crate) fn whole(builder: &mut Builder) -> Vec<Warning> {
    follow_retention(builder);
    contradictions(builder);
    needed(builder);
    warnings(builder)
}

impl Builder {
    fn get(&self, path: &str) -> Option<&Setting> {
        self.settings.get(path)
    }

    fn is(&self, path: &str, value: &Value) -> bool {
        self.get(path).is_some_and(|setting| setting.value == *value)
    }

    fn size(&self, path: &str) -> u64 {
        match self.get(path).map(|setting| &setting.value) {
            Some(Value::Size(bytes)) => *bytes,
            _ => 0,
        }
    }

    fn int(&self, path: &str) -> i64 {
        match self.get(path).map(|setting| &setting.value) {
            Some(Value::Int(value)) => *value,
            _ => 0,
        }
    }

    fn wrong(&mut self, path: &str, text: impl Into<String>) {
        let origin = self.get(path).map_or(Origin::Default, |setting| setting.origin.clone());
        self.problems.push(Problem { origin, path: path.to_owned(), text: text.into() });
    }
}

const RETENTION: &str = "compliance.audit_retention";
const RETENTION_AUDIT: &str = "compliance.retention.audit";

fn follow_retention(builder: &mut Builder) {
    let (Some(one), Some(two)) = (builder.get(RETENTION), builder.get(RETENTION_AUDIT)) else {
        return;
    };
    if one.value == two.value {
        return;
    }
    let (from, to, value) = match (&one.origin, &two.origin) {
        (_, Origin::Default) => (RETENTION, RETENTION_AUDIT, one.value.clone()),
        (Origin::Default, _) => (RETENTION_AUDIT, RETENTION, two.value.clone()),
        (other, _) => {
            let text =
                format!("{} here and {} at {other} ({RETENTION}); write one", two.value, one.value);
            return builder.wrong(RETENTION_AUDIT, text);
        }
    };
    builder.settings.insert(to.to_owned(), Setting { value, origin: Origin::Follows(from) });
}

fn contradictions(builder: &mut Builder) {
    if builder.size("audit.journal_max") < 2 * builder.size("audit.reserve") {
        builder.wrong("audit.journal_max", "less than twice audit.reserve");
    }
    if builder.int("monitoring.risk.respond_at") < builder.int("monitoring.risk.alert_at") {
        builder.wrong("monitoring.risk.respond_at", "less than monitoring.risk.alert_at");
    }
    let text = |path: &str| match builder.get(path).map(|setting| &setting.value) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let same_dirs = text("audit.log_dir") == text("audit.journal_dir");
    let half_tls = text("server.tls.cert_file").is_some() != text("server.tls.key_file").is_some();
    let metrics = text("server.metrics_listen").and_then(|text| text.parse::<SocketAddr>().ok());
    let origin = text("organisation.origin").unwrap_or_default();
    if same_dirs {
        builder.wrong("audit.journal_dir", "the same as audit.log_dir");
    }
    if half_tls {
        builder.wrong("server.tls.cert_file", "cert_file and key_file go together");
    }
    if metrics.is_some_and(|addr| !addr.ip().is_loopback()) {
        builder
            .wrong("server.metrics_listen", "plain HTTP; only loopback addresses are possible yet");
    }
    if origin.contains(|c: char| c.is_whitespace() || c == '+') || origin.len() > 255 {
        builder.wrong(
            "organisation.origin",
            "the log's name: without spaces and +, at most 255 bytes",
        );
    }
    let zero = |(path, setting): (&String, &Setting)| match setting.value {
        Value::Period(period) if period.count == 0 && path != "audit.group_commit" => {
            Some(path.clone())
        }
        _ => None,
    };
    let zeros: Vec<String> = builder.settings.iter().filter_map(zero).collect();
    for path in zeros {
        builder.wrong(&path, "0 is no time");
    }
}

/// Sections of lists and maps have keys that must be there.
fn needed(builder: &mut Builder) {
    const NEEDED: &[(&str, &[&str])] = &[
        ("network_policies.named_networks", &["cidrs"]),
        ("audit.witnesses", &["name", "vkey", "url"]),
        ("intel.sources", &["name", "kind", "action"]),
        ("sinks", &["name", "kind", "target"]),
    ];
    let mut missing = Vec::new();
    for (holder, keys) in NEEDED {
        let below = format!("{holder}.");
        let items = builder.settings.keys().filter_map(|key| key.strip_prefix(&below));
        let mut names: Vec<&str> = items.filter_map(|key| key.split('.').next()).collect();
        names.dedup();
        for name in names {
            let lacks = |key: &&&str| builder.get(&format!("{below}{name}.{key}")).is_none();
            missing.extend(keys.iter().filter(lacks).map(|key| (*holder, format!("{name}.{key}"))));
        }
    }
    if builder.get("auth.oidc").is_some_and(|setting| setting.value != Value::Null) {
        for key in ["issuer", "client_id", "client_secret_file"] {
            if builder.get(&format!("auth.oidc.{key}")).is_none() {
                missing.push(("auth.oidc", key.to_owned()));
            }
        }
    }
    for (holder, key) in missing {
        builder.wrong(holder, format!("{key} is missing"));
    }
}

fn warnings(builder: &Builder) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code, path: &str, text: String| {
        if let Some(setting) = builder.get(path) {
            let (path, origin) = (path.to_owned(), setting.origin.clone());
            warnings.push(Warning { code, path, origin, text });
        }
    };
    if let Some(Value::Period(period)) = builder.get(RETENTION).map(|setting| &setting.value)
        && period.unit == Unit::D
        && period.count >= 4 * 365
        && period.count.is_multiple_of(365)
    {
        let years = period.count / 365;
        let short = format!(
            "{period} is {years} x 365 and shorter than {years} calendar years, by their leap days"
        );
        warn(
            "W-RET-1",
            RETENTION,
            format!("{short}; write {years}y if the rule you answer to speaks of years"),
        );
    }
    let text = |path: &str, word: &str| builder.is(path, &Value::Text(word.into()));
    if matches!(builder.get("compliance.frameworks").map(|s| &s.value), Some(Value::Texts(all)) if all.iter().any(|name| name == "SOX"))
    {
        let note = "the seven years usually quoted (17 CFR 210.2-06) bind audit firms; choose the basis of your own retention";
        warn("W-RET-2", RETENTION, note.into());
    }
    if builder.is("monitoring.siem_integration", &Value::Bool(true))
        && builder.is("sinks", &Value::Holder(0))
    {
        let note = "on, and no sink is configured: nothing is delivered, and reports say \"not collected\"";
        warn("W-SIEM-1", "monitoring.siem_integration", note.into());
    }
    if let Some(Value::Secret(url)) =
        builder.get(crate::environment::DATABASE_URL).map(|s| &s.value)
        && has_password(url)
    {
        let note =
            "a password in the environment is seen by other processes; use database_url_file";
        warn("W-URL-1", crate::environment::DATABASE_URL, note.into());
    }
    for (code, path, word, note) in [
        ("W-SIM-1", "security_policies.mode", "simulate", "denials are recorded and not enforced"),
        ("W-EXEC-1", "security_policies.exec", "allow", "anybody may run programs behind a socket"),
        ("W-AUD-1", "audit.on_failure", "open", "operations go on when they cannot be recorded"),
    ] {
        if text(path, word) {
            warn(code, path, note.into());
        }
    }
    for path in [
        "encryption_required",
        "verify_certificates",
        "authorization_required",
        "network_isolation",
    ] {
        let path = format!("security_policies.{path}");
        if builder.is(&path, &Value::Bool(false)) {
            warn("W-SEC-1", &path, "off; its rules are not compiled".into());
        }
    }
    if let Some(Value::Nets(nets)) =
        builder.get("network_policies.allowed_networks").map(|s| &s.value)
    {
        for net in nets.iter().filter(|net| net.prefix_len() < 8) {
            let path = "network_policies.allowed_networks";
            warn("W-NET-1", path, format!("{net} allows a large part of the Internet"));
        }
    }
    warnings
}

fn has_password(url: &str) -> bool {
    let authority = url.split("://").nth(1).unwrap_or(url).split('/').next().unwrap_or("");
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}
