//! The policy as data: what is stored, compared and signed.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Case;

/// When programs may be run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Exec {
    /// Never.
    #[default]
    Deny,
    /// With a grant.
    Granted,
    /// Always.
    Allow,
}

/// `security_policies`, as far as decisions depend on them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// Clear text is denied off loopback.
    pub encryption_required: bool,
    /// Encrypted and unauthenticated is denied off loopback.
    pub verify_certificates: bool,
    /// Who is not known is denied.
    pub authorization_required: bool,
    /// Listeners bind loopback; zones are not joined.
    pub network_isolation: bool,
    /// Running programs.
    pub exec: Exec,
    /// A purpose has to be stated.
    pub purpose_required: bool,
    /// What a ticket looks like; one has to be named then.
    pub ticket_pattern: Option<String>,
    /// Denials are recorded and not enforced.
    pub simulate: bool,
    /// A permit rule that cannot be evaluated denies.
    pub strict_errors: bool,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            encryption_required: true,
            verify_certificates: true,
            authorization_required: true,
            network_isolation: true,
            exec: Exec::Deny,
            purpose_required: false,
            ticket_pattern: None,
            simulate: false,
            strict_errors: true,
        }
    }
}

/// A network with a name, for rules.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NamedNet {
    /// What it consists of.
    #[serde(with = "texts")]
    pub cidrs: Vec<IpNet>,
    /// One process may not hold ends in two zones.
    pub zone: Option<String>,
}

/// `network_policies`, as far as decisions depend on them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Networks {
    /// Allowed.
    #[serde(with = "texts")]
    pub allowed: Vec<IpNet>,
    /// 127.0.0.0/8 and ::1 are allowed.
    pub loopback: bool,
    /// fc00::/7 is allowed.
    pub ula: bool,
    /// Blocked unless a grant names the port.
    pub blocked_ports: Vec<u16>,
    /// Protected, besides what always is.
    #[serde(with = "texts")]
    pub protected: Vec<IpNet>,
    /// Networks with names.
    pub named: BTreeMap<String, NamedNet>,
    /// Where the platform itself listens.
    pub own: Vec<SocketAddr>,
}

impl Default for Networks {
    fn default() -> Self {
        let rfc1918 = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
        Self {
            allowed: rfc1918.iter().filter_map(|net| net.parse().ok()).collect(),
            loopback: true,
            ula: false,
            blocked_ports: vec![22, 23, 3389],
            protected: Vec::new(),
            named: BTreeMap::new(),
            own: Vec::new(),
        }
    }
}

/// Hand-written rules.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// The file's name, for messages.
    pub name: String,
    /// Cedar.
    pub text: String,
}

/// A policy.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Simple settings.
    pub security: Security,
    /// Simple settings about networks.
    pub networks: Networks,
    /// Hand-written rules.
    pub rules: Vec<RuleFile>,
    /// What must hold, or the bundle is not activated.
    pub cases: Vec<Case>,
}

impl Bundle {
    /// One spelling for equal bundles.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From that spelling.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

/// Lists of what is written as text.
mod texts {
    use super::*;

    pub(super) fn serialize<T: Display, S: Serializer>(
        items: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(items.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        let mut bundle = Bundle::default();
        let cidrs = vec!["192.0.2.0/24".parse().unwrap()];
        bundle.networks.named.insert("dmz".into(), NamedNet { cidrs, zone: Some("z".into()) });
        let text = bundle.to_json();
        assert_eq!(Bundle::from_json(&text).as_ref(), Ok(&bundle));
        assert!(Bundle::from_json(&text.replace("\"ula\"", "\"ulb\"")).is_err());
    }
}
