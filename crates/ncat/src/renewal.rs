//! SIGHUP: a listener's certificate, key and trust are read again.

use std::sync::{Arc, Mutex, PoisonError};

use plan::{Mode, Plan, TlsSpec};
use serde_json::json;
use tls::Server;

use crate::secure::tell_own;
use crate::talk::Talk;

/// What clients that come from now on are met with. Those that are there keep what they have.
pub(crate) type Current = Arc<Mutex<Arc<Server>>>;

/// Whether there is anything to read again.
pub(crate) fn is_wanted(plan: &Plan) -> bool {
    let listens = matches!(plan.mode, Mode::Listen(_));
    let reads = |tls: &TlsSpec| {
        [&tls.certificate, &tls.trust_file, &tls.client_ca].iter().any(|file| file.is_some())
    };
    listens && plan.tls.as_ref().is_some_and(reads)
}

pub(crate) fn current(server: &Current) -> Arc<Server> {
    Arc::clone(&server.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Reads the files again. What cannot be used leaves everything as it was.
pub(crate) fn renew(server: &Current, spec: &TlsSpec, talk: &Talk) {
    match current(server).renewed(spec) {
        Ok(renewed) => {
            talk.verbose(|| "Certificates and trust are read again (SIGHUP).".into());
            tell_own(talk, &renewed);
            *server.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(renewed);
        }
        Err(error) => {
            let kept = "SIGHUP: the certificate and trust of before stay in use";
            let hint = error.hint.iter().map(|hint| format!("hint: {hint}"));
            let more: Vec<String> = std::iter::once(kept.to_owned()).chain(hint).collect();
            talk.error(&format!("{error}."), &more);
            talk.event("renewal_failed", json!({ "reason": error.to_string() }));
        }
    }
}
