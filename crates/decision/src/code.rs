//! Denial codes and the stages they belong to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The stages of an evaluation, in order; the first that fails decides what is said first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// An emergency stop is on.
    Emergency,
    /// Who asks.
    Identity,
    /// What the target is, whatever the rules say.
    Target,
    /// The rules.
    Rules,
    /// How much, how often.
    Quota,
    /// Whether it can be recorded and decided properly.
    Record,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal in $stage:ident;)*) => {
        /// Why something is denied.
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
            /// A rule somebody wrote, by its id: `RULE:<id>`.
            Rule(String),
        }

        impl Code {
            /// Every code that has a word of its own.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stage at which it arises.
            pub fn stage(&self) -> Stage {
                match self {
                    $(Self::$variant => Stage::$stage,)*
                    Self::Rule(_) => Stage::Rules,
                }
            }

            /// Its place in the order in which codes are told.
            pub fn rank(&self) -> usize {
                Self::ALL.iter().position(|code| code == self).unwrap_or(Self::ALL.len())
            }

            fn word(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Rule(id) => id,
                }
            }
        }
    };
}

codes! {
    /// An emergency stop covers this.
    EmergencyStop = "EMERGENCY_STOP" in Emergency;
    /// Nobody knows who asks.
    NotAuthenticated = "NOT_AUTHENTICATED" in Identity;
    /// Who asks is disabled.
    PrincipalDisabled = "PRINCIPAL_DISABLED" in Identity;
    /// Who asks is not known well enough.
    AssuranceTooLow = "ASSURANCE_TOO_LOW" in Identity;
    /// Only a name is known, and no rule permits the name.
    NameUnresolved = "NAME_UNRESOLVED" in Target;
    /// The platform itself.
    SelfTarget = "SELF_TARGET" in Target;
    /// A network that no rule can allow.
    ProtectedNetwork = "PROTECTED_NETWORK" in Target;
    /// Excluded by the operation's own list.
    Excluded = "EXCLUDED" in Target;
    /// A name or address spelled in a way that is not accepted.
    NamePolicy = "NAME_POLICY" in Target;
    /// No rule permits the network.
    NetNotAllowed = "NET_NOT_ALLOWED" in Rules;
    /// The port is blocked.
    PortBlocked = "PORT_BLOCKED" in Rules;
    /// Clear text.
    TlsRequired = "TLS_REQUIRED" in Rules;
    /// Encrypted, but the peer is not authenticated.
    TlsVerifyRequired = "TLS_VERIFY_REQUIRED" in Rules;
    /// Running programs is not allowed.
    ExecForbidden = "EXEC_FORBIDDEN" in Rules;
    /// The listener could be reached from outside.
    ListenExposed = "LISTEN_EXPOSED" in Rules;
    /// One process would join two zones.
    ZoneBridge = "ZONE_BRIDGE" in Rules;
    /// Not at this time.
    TimeWindow = "TIME_WINDOW" in Rules;
    /// No purpose was stated.
    PurposeRequired = "PURPOSE_REQUIRED" in Rules;
    /// No ticket was named, or not one of the right form.
    TicketRequired = "TICKET_REQUIRED" in Rules;
    /// Somebody has to approve.
    ApprovalRequired = "APPROVAL_REQUIRED" in Rules;
    /// On a list of threats.
    ThreatListed = "THREAT_LISTED" in Rules;
    /// Too often.
    RateLimited = "RATE_LIMITED" in Quota;
    /// Too many at once.
    MaxConnections = "MAX_CONNECTIONS" in Quota;
    /// A grant covers it and has no uses left.
    GrantExhausted = "GRANT_EXHAUSTED" in Quota;
    /// More targets than allowed.
    ScanTooLarge = "SCAN_TOO_LARGE" in Quota;
    /// The record could not be made.
    AuditUnavailable = "AUDIT_UNAVAILABLE" in Record;
    /// The time this was permitted for is over.
    LeaseExpired = "LEASE_EXPIRED" in Record;
    /// A rule could not be evaluated.
    PolicyError = "POLICY_ERROR" in Record;
    /// The policy known here is too old.
    PolicyStale = "POLICY_STALE" in Record;
}

const RULE: &str = "RULE:";

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self, Self::Rule(_)) {
            f.write_str(RULE)?;
        }
        f.write_str(self.word())
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if let Some(id) = word.strip_prefix(RULE).filter(|id| !id.is_empty()) {
            return Ok(Self::Rule(id.to_owned()));
        }
        let known = Self::ALL.iter().find(|code| code.word() == word);
        known.cloned().ok_or_else(|| format!("{word:?} is not a denial code"))
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for code in Code::ALL.iter().chain([&Code::Rule("x.y".into())]) {
            assert_eq!(code.to_string().parse::<Code>().as_ref(), Ok(code));
        }
        for wrong in ["", "RULE:", "port_blocked", "NOTHING"] {
            assert!(wrong.parse::<Code>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn stages_are_in_order() {
        assert!(Code::EmergencyStop.stage() < Code::NotAuthenticated.stage());
        assert!(Code::ProtectedNetwork.stage() < Code::PortBlocked.stage());
        assert!(Code::PortBlocked.stage() < Code::RateLimited.stage());
        assert!(Code::RateLimited.stage() < Code::PolicyError.stage());
        assert_eq!(Code::Rule("a".into()).stage(), Stage::Rules);
    }
}
