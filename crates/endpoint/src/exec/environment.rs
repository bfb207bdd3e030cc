//! What a program finds in its environment.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Ours to set, and therefore never inherited: whoever runs us from a command of another `ncat` would
/// pass on the wrong peer. What begins with `NCAT_TLS_` or `NCAT_PROXY_` tells of the
/// connection's TLS and PROXY header, so that of another connection must not be taken for it;
/// `NCAT_PROXY_AUTH` holds a password.
const NOT_INHERITED: [&str; 7] = [
    "NCAT_REMOTE_ADDR",
    "NCAT_REMOTE_PORT",
    "NCAT_LOCAL_ADDR",
    "NCAT_LOCAL_PORT",
    "NCAT_PROTO",
    "NCAT_TARGET_ADDR",
    "NCAT_TARGET_PORT",
];

const NOT_INHERITED_FAMILIES: [&[u8]; 2] = [b"NCAT_TLS_", b"NCAT_PROXY_"];

/// The environment of every program of a run, to which each connection adds its own variables.
#[derive(Debug)]
pub struct Environment(Vec<CString>);

impl Environment {
    /// Ours, without what is not for programs.
    pub(crate) fn inherited() -> Self {
        Self::from_pairs(std::env::vars_os())
    }

    fn from_pairs(pairs: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let ours = |name: &OsStr| {
            NOT_INHERITED_FAMILIES.iter().any(|family| name.as_bytes().starts_with(family))
                || NOT_INHERITED.iter().any(|taken| name == *taken)
        };
        let kept = pairs.filter(|(name, _)| !ours(name));
        Self(kept.filter_map(|(name, value)| assignment(&name, &value)).collect())
    }

    pub(crate) fn with(&self, variables: &[(&str, String)]) -> Vec<CString> {
        let added = variables.iter();
        let added = added.filter_map(|(name, value)| assignment(name.as_ref(), value.as_ref()));
        self.0.iter().cloned().chain(added).collect()
    }
}

/// `NAME=value`. A value with a zero byte cannot be; there is none that the system gave us.
fn assignment(name: &OsStr, value: &OsStr) -> Option<CString> {
    CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_other_peoples_peers_are_not_passed_on() {
        let pairs = [
            ("PATH", "/bin"),
            ("NCAT_PROXY_AUTH", "me:secret"),
            ("NCAT_REMOTE_PORT", "1"),
            ("NCAT_TLS_VERSION", "TLSv1.3"),
        ];
        let pairs = pairs.map(|(name, value)| (name.into(), value.into()));
        let environment = Environment::from_pairs(pairs.into_iter());
        let all = environment.with(&[("NCAT_PROTO", "TCP".into())]);
        assert_eq!(all, [c"PATH=/bin".to_owned(), c"NCAT_PROTO=TCP".to_owned()]);
    }
}
