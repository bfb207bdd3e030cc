//! Going on with an earlier session (`--ssl-session`): what is kept of one, and when it is offered.

use std::sync::{Arc, Mutex, PoisonError};

use openssl::asn1::Asn1Time;
use openssl::base64::{decode_block, encode_block};
use openssl::hash::{MessageDigest, hash};
use openssl::ssl::{SslContextBuilder, SslRef, SslSession, SslSessionCacheMode};
use plan::TlsSpec;

use crate::error::{Error, internal};
use crate::ffi;

/// The first word of what is kept, with the number of its form.
const FORM: &str = "ncat-tls-session-1";

/// What was kept of an earlier run, and who keeps what comes.
pub struct Resumption {
    /// The text that `keep` was last given; `None` at the first time.
    pub kept: Option<String>,
    /// Keeps a session, as text. It holds secrets. Called whenever the server gives a new one.
    pub keep: Box<dyn Fn(&str) + Send + Sync>,
}

impl std::fmt::Debug for Resumption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resumption")
    }
}

/// The sessions of a client.
pub(crate) struct Sessions {
    kept: Option<String>,
    /// Who the server must be; known when there is a connection.
    terms: Arc<Mutex<String>>,
    rules: String,
    verifies: bool,
}

impl Sessions {
    pub(crate) fn new(
        builder: &mut SslContextBuilder,
        spec: &TlsSpec,
        resumption: Resumption,
    ) -> Self {
        let terms: Arc<Mutex<String>> = Arc::default();
        let current = Arc::clone(&terms);
        let mode = SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL;
        builder.set_session_cache_mode(mode);
        builder.set_new_session_callback(move |_, session| {
            let Ok(der) = session.to_der() else { return };
            let terms = current.lock().unwrap_or_else(PoisonError::into_inner);
            (resumption.keep)(&format!("{FORM} {terms} {}\n", encode_block(&der)));
        });
        // A session vouches for what was checked when it began, and for no more.
        let rules = format!("{} {:?} {:?}", spec.verify, spec.trust_file, spec.pins);
        Self { kept: resumption.kept, terms, rules, verifies: spec.verify }
    }

    /// Offers what was kept, if it began with the same server under the same rules.
    pub(crate) fn offer(&self, ssl: &mut SslRef, name: Option<&str>) -> Result<(), Error> {
        let terms = self.terms_with(name).map_err(internal)?;
        terms.clone_into(&mut self.terms.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(session) = self.kept.as_deref().and_then(|text| read(text, &terms)) else {
            return Ok(());
        };
        // What has expired since is to be seen, and refused, by the whole check.
        if self.verifies && !is_still_valid(&session) {
            return Ok(());
        }
        ffi::resume(ssl, &session).map_err(internal)
    }

    /// A digest: what is kept need not tell whom it was kept for.
    fn terms_with(&self, name: Option<&str>) -> Result<String, openssl::error::ErrorStack> {
        let text = format!("{name:?} {}", self.rules);
        let digest = hash(MessageDigest::sha256(), text.as_bytes())?;
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn read(text: &str, terms: &str) -> Option<SslSession> {
    let mut words = text.split_whitespace();
    if words.next()? != FORM || words.next()? != terms {
        return None;
    }
    SslSession::from_der(&decode_block(words.next()?).ok()?).ok()
}

fn is_still_valid(session: &SslSession) -> bool {
    let Some(certificate) = ffi::session_peer(session) else { return false };
    Asn1Time::days_from_now(0).is_ok_and(|now| certificate.not_after() > now)
}

#[cfg(test)]
mod tests {
    use openssl::ssl::{SslContext, SslMethod};

    use super::*;

    fn sessions(spec: &TlsSpec) -> Sessions {
        let mut builder = SslContext::builder(SslMethod::tls_client()).unwrap();
        let resumption = Resumption { kept: None, keep: Box::new(|_| {}) };
        Sessions::new(&mut builder, spec, resumption)
    }

    #[test]
    fn a_session_is_for_one_server_and_one_set_of_rules() {
        let plain = sessions(&TlsSpec::default());
        let strict = sessions(&TlsSpec { verify: true, ..TlsSpec::default() });
        let terms = |sessions: &Sessions, name| sessions.terms_with(Some(name)).unwrap();
        assert_eq!(terms(&plain, "a.example"), terms(&plain, "a.example"));
        assert_ne!(terms(&plain, "a.example"), terms(&plain, "b.example"));
        assert_ne!(terms(&plain, "a.example"), terms(&strict, "a.example"));
    }

    #[test]
    fn what_is_no_session_is_not_offered() {
        for text in ["", "x", FORM, "ncat-tls-session-1 t", "ncat-tls-session-1 t !!", "a t QUJD"] {
            assert!(read(text, "t").is_none(), "{text}");
        }
    }
}
