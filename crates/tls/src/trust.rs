//! Whom to trust, and the check of a peer's chain.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::ssl::{SslContextBuilder, SslRef, SslVerifyMode};
use openssl::x509::store::{X509Lookup, X509StoreBuilder};
use openssl::x509::verify::X509CheckFlags;
use openssl::x509::{X509, X509Ref, X509StoreContextRef, X509VerifyResult};

use crate::error::{Error, SetupError, read, reason_of, verification_hint};
use crate::facts;

/// The longest chain looked at: a root, a leaf, and these between them.
const DEPTH_MAX: u32 = 16;

/// Loads what is trusted: a file, a directory of hashed files, or the system's store.
pub(crate) fn load(
    builder: &mut SslContextBuilder,
    option: &str,
    path: Option<&PathBuf>,
) -> Result<Vec<X509>, SetupError> {
    let mut store = X509StoreBuilder::new()
        .map_err(|stack| SetupError::new("trust store", reason_of(&stack)))?;
    let mut named = Vec::new();
    match path {
        None => system(&mut store)?,
        Some(path) if path.is_dir() => {
            let fail = |reason: String| SetupError::of_file(option, path, reason);
            let dir = path.to_str().ok_or_else(|| fail("the path is not UTF-8".into()))?;
            store
                .add_lookup(X509Lookup::hash_dir())
                .and_then(|lookup| lookup.add_dir(dir, openssl::ssl::SslFiletype::PEM))
                .map_err(|stack| fail(reason_of(&stack)))?;
        }
        Some(path) => {
            named = certificates(option, path)?;
            for certificate in &named {
                store
                    .add_cert(certificate.clone())
                    .map_err(|stack| SetupError::of_file(option, path, reason_of(&stack)))?;
            }
        }
    }
    builder
        .set_verify_cert_store(store.build())
        .map_err(|stack| SetupError::new("trust store", reason_of(&stack)))?;
    builder.set_verify_depth(DEPTH_MAX);
    Ok(named)
}

/// Every certificate of a PEM file; there is at least one.
pub(crate) fn certificates(option: &str, path: &PathBuf) -> Result<Vec<X509>, SetupError> {
    let pem = read(option, path)?;
    let found = X509::stack_from_pem(&pem)
        .map_err(|stack| SetupError::of_file(option, path, reason_of(&stack)))?;
    if found.is_empty() {
        let error = SetupError::of_file(option, path, "there is no certificate in it");
        return Err(
            error.hint("PEM is wanted: lines between BEGIN CERTIFICATE and END CERTIFICATE")
        );
    }
    Ok(found)
}

fn system(store: &mut X509StoreBuilder) -> Result<(), SetupError> {
    let fail = |stack| SetupError::new("the system's certificates", reason_of(&stack));
    // A library of our own looks only where it would have been installed itself.
    #[cfg(feature = "vendored")]
    if is_own_library() {
        let found = openssl_probe::probe();
        if let Some(file) = &found.cert_file {
            let lookup = store.add_lookup(X509Lookup::file()).map_err(fail)?;
            lookup.load_cert_file(file, openssl::ssl::SslFiletype::PEM).map_err(fail)?;
        }
        for dir in found.cert_dir.iter().filter_map(|dir| dir.to_str()) {
            let lookup = store.add_lookup(X509Lookup::hash_dir()).map_err(fail)?;
            lookup.add_dir(dir, openssl::ssl::SslFiletype::PEM).map_err(fail)?;
        }
    }
    store.set_default_paths().map_err(fail)
}

/// As openssl-sys decided when it was built: the system's library knows the system's places, and
/// reading them twice takes twice the time.
#[cfg(feature = "vendored")]
fn is_own_library() -> bool {
    option_env!("OPENSSL_NO_VENDOR").is_none_or(|value| value == "0")
}

/// What the check found wrong first.
#[derive(Clone, Default)]
pub(crate) struct Finding(Arc<Mutex<Option<(X509VerifyResult, String)>>>);

impl Finding {
    /// Has the peer's chain checked during the handshake; a failure ends it with an alert, unless
    /// nobody asked for the check: then it ends nothing, and explains no other failure.
    pub(crate) fn watch(ssl: &mut SslRef, mode: SslVerifyMode) -> Self {
        let finding = Self::default();
        let noted = finding.clone();
        ssl.set_verify_callback(mode, move |is_good, context| {
            if !is_good && mode != SslVerifyMode::NONE {
                noted.note(context);
            }
            is_good
        });
        finding
    }

    fn note(&self, context: &X509StoreContextRef) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.is_none() {
            let which = match context.error_depth() {
                0 => "certificate".to_owned(),
                depth => format!("certificate {depth} of its chain"),
            };
            let certificate = context.current_cert().map(describe).unwrap_or_default();
            *noted = Some((context.error(), format!("{which}: {certificate}")));
        }
    }

    /// The failure, if the check is what made the handshake fail.
    pub(crate) fn error(&self) -> Option<Error> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        noted.map(|(result, certificate)| Error::Verification {
            // Newer libraries say it twice: the hint is about the clock.
            reason: result.error_string().replace(" or the system clock is incorrect", ""),
            certificate,
            hint: verification_hint(result),
        })
    }
}

fn describe(certificate: &X509Ref) -> String {
    let facts = facts::Certificate::of(certificate);
    let names = if facts.names.is_empty() {
        "no names".into()
    } else {
        format!("for {}", facts.names.join(", "))
    };
    format!(
        "{}; {names}; valid {} to {}; issued by {}",
        facts.subject, facts.not_before, facts.not_after, facts.issuer
    )
}

/// Has the certificate's names compared with whom we want (RFC 9525): names in subjectAltName only,
/// a wildcard only as the whole left-most label, addresses as addresses.
pub(crate) fn expect_name(ssl: &mut SslRef, name: &str) -> Result<(), Error> {
    let param = ssl.param_mut();
    let set = match literal(name) {
        Some(ip) => param.set_ip(ip),
        // To OpenSSL an empty name is any name, and a dot before one is everything below it.
        None if name.is_empty() || name.starts_with('.') => {
            return Err(Error::Internal(format!("{name:?} is no name to expect")));
        }
        None => {
            param.set_hostflags(
                X509CheckFlags::NO_PARTIAL_WILDCARDS | X509CheckFlags::NEVER_CHECK_SUBJECT,
            );
            param.set_host(name.strip_suffix('.').unwrap_or(name))
        }
    };
    set.map_err(crate::error::internal)
}

/// An address, however it is written; a zone is no part of it.
pub(crate) fn literal(name: &str) -> Option<IpAddr> {
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.split('%').next().unwrap_or(name).parse().ok()
}

/// The name to ask a server for (RFC 6066): none for an address, also in the short forms that the
/// resolver takes for one (127.1).
pub(crate) fn sni(name: &str) -> Option<&str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    (!is_number && literal(name).is_none()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_asked_for_and_addresses_are_not() {
        for (name, wanted) in [
            ("example.com", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("localhost", Some("localhost")),
            ("192.0.2.1", None),
            ("127.1", None),
            ("0x7f000001", None),
            ("::1", None),
            ("fe80::1%eth0", None),
            ("1.example", Some("1.example")),
            ("", None),
        ] {
            assert_eq!(sni(name), wanted, "{name}");
        }
        assert_eq!(literal("[::1]"), "::1".parse().ok());
        assert_eq!(literal("fe80::1%2"), "fe80::1".parse().ok());
        assert_eq!(literal("127.1"), None);
    }
}
