//! What can go wrong, in words: which certificate, which check, what to do.

use std::io;
use std::path::PathBuf;

use openssl::error::ErrorStack;
use openssl::ssl::{self, ErrorCode};
use openssl::x509::X509VerifyResult;

/// Why a connection could not be secured, or broke. Each is one line; [`Error::more`] has the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer's certificate, or one above it, did not pass.
    #[error("Certificate verification failed ({reason})")]
    Verification {
        /// The check that failed, as OpenSSL words it.
        reason: String,
        /// Which certificate, and what there is to know about it.
        certificate: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The certificate is not the one that was asked for.
    #[error("Certificate verification failed (it is not the pinned one)")]
    Pin {
        /// The key's digest, as `--ssl-pin` takes it.
        key: String,
    },
    /// A client's certificate is good, but none that is let in.
    #[error("Certificate verification failed (not one of --ssl-allow)")]
    NotAllowed {
        /// Whose it is.
        subject: String,
    },
    /// The key exchange is not what was asked for.
    #[error("TLS handshake failed: the key exchange is not post-quantum ({group})")]
    NotPostQuantum {
        /// What it is.
        group: String,
    },
    /// The peer closed the connection before it was secured.
    #[error("The peer closed the connection during the TLS handshake")]
    Closed,
    /// The two could not agree, or one of them speaks something else.
    #[error("TLS handshake failed: {reason}")]
    Handshake {
        /// OpenSSL's words.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A record that cannot be, or an alert, in a connection under way.
    #[error("TLS failed: {reason}")]
    Broken {
        /// OpenSSL's words.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The peer's keys have changed, which the kernel does not follow.
    #[error("The peer changed its TLS keys, which the kernel does not follow (--ssl-ktls on)")]
    KeysChanged,
    /// The connection below ended in the middle of a record.
    #[error("The peer closed the connection in the middle of a TLS record")]
    CutRecord,
    /// The connection below ended without close_notify, and that was to be an error.
    #[error("The peer closed the connection without a TLS close_notify (--ssl-strict-eof)")]
    Truncated,
    /// A datagram that no record of DTLS can hold.
    #[error("A datagram of {len} bytes is too long for DTLS, which takes {max}", max = crate::dtls::RECORD)]
    TooLong {
        /// Its bytes.
        len: usize,
    },
    /// The peer reset the connection after we had ended our direction.
    #[error("Connection reset by peer")]
    ResetAfterEnd,
    /// The connection below failed.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// OpenSSL could not do what it always can: it has no memory.
    #[error("TLS cannot be set up: {0}")]
    Internal(String),
}

impl Error {
    /// Whether it is about who the peer is: then no other address of the same name is tried.
    pub fn is_authentication(&self) -> bool {
        matches!(self, Self::Verification { .. } | Self::Pin { .. } | Self::NotAllowed { .. })
    }

    /// Lines below the first: the subject, the hint.
    pub fn more(&self) -> Vec<String> {
        match self {
            Self::Verification { certificate, hint, .. } => {
                let hint = hint.iter().map(|hint| format!("hint: {hint}"));
                std::iter::once(certificate.clone()).chain(hint).collect()
            }
            Self::Pin { key } => {
                vec![format!("its key is {key}"), "hint: if that is the right one, pin it".into()]
            }
            Self::NotAllowed { subject } => vec![subject.clone()],
            Self::Handshake { hint, .. } | Self::Broken { hint, .. } => {
                hint.iter().map(|hint| format!("hint: {hint}")).collect()
            }
            Self::NotPostQuantum { .. } => vec![
                "hint: OpenSSL 3.5 or newer at both ends agrees on X25519MLKEM768 by itself".into(),
            ],
            Self::Closed => vec!["hint: does it speak TLS there?".into()],
            Self::TooLong { .. } => vec!["hint: --datagram-size makes shorter ones".into()],
            Self::KeysChanged => vec![
                "what it sent before is delivered, the rest is lost".into(),
                "hint: --ssl-ktls auto leaves receiving to this program".into(),
            ],
            Self::ResetAfterEnd => vec![
                "hint: the input had ended, and some servers close without reading that; what they had \
                 not sent yet is lost then; --no-shutdown does not tell them"
                    .into(),
            ],
            Self::CutRecord => vec!["what it sent before is delivered, the rest is lost".into()],
            _ => Vec::new(),
        }
    }

    /// The error inside one that came through a conn, if it is one of ours.
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            Error::ResetAfterEnd => Self::new(io::ErrorKind::ConnectionReset, error),
            Error::CutRecord | Error::Truncated | Error::Closed => {
                Self::new(io::ErrorKind::UnexpectedEof, error)
            }
            other => Self::other(other),
        }
    }
}

/// Why keys, certificates or settings cannot be used: this machine's fault.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct SetupError {
    /// The option, and the file where there is one.
    pub what: String,
    /// In words.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

impl SetupError {
    pub(crate) fn new(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { what: what.into(), reason: reason.into(), hint: None }
    }

    pub(crate) fn of_file(option: &str, path: &std::path::Path, reason: impl Into<String>) -> Self {
        Self::new(format!("{option} {}", path.display()), reason)
    }

    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Reads a file that an option names.
pub(crate) fn read(option: &str, path: &PathBuf) -> Result<Vec<u8>, SetupError> {
    std::fs::read(path).map_err(|error| {
        let words = error.to_string();
        // Without the number at its end, which says the same.
        let words = words.split(" (os error").next().unwrap_or_default().to_owned();
        SetupError::of_file(option, path, words)
    })
}

pub(crate) fn internal(stack: ErrorStack) -> Error {
    Error::Internal(reason_of(&stack))
}

/// The innermost reason OpenSSL gives.
pub(crate) fn reason_of(stack: &ErrorStack) -> String {
    let reason = stack.errors().iter().rev().find_map(|error| error.reason());
    reason.map_or_else(|| stack.to_string(), str::to_owned)
}

/// Whether the peer has said itself why it ended the connection.
pub(crate) fn is_alert(error: &ssl::Error) -> bool {
    let stack = error.ssl_error();
    stack.is_some_and(|stack| stack.errors().iter().any(|e| is_alert_code(e.reason_code())))
}

/// Whether it is no more than the end of the connection below.
pub(crate) fn is_end(error: &ssl::Error) -> bool {
    match error.ssl_error() {
        Some(stack) => stack.errors().iter().any(|e| e.reason_code() == UNEXPECTED_EOF),
        None => error.code() == ErrorCode::SYSCALL && error.io_error().is_none(),
    }
}

/// `SSL_R_UNEXPECTED_EOF_WHILE_READING` of OpenSSL 3's `sslerr.h`.
const UNEXPECTED_EOF: i32 = 294;

/// OpenSSL numbers the alerts it receives from 1000 on.
fn is_alert_code(code: i32) -> bool {
    (1000..1256).contains(&code)
}

/// Why a handshake failed.
pub(crate) fn handshake(error: &ssl::Error) -> Error {
    let (reason, hint) = explain(error);
    Error::Handshake { reason, hint }
}

/// Why an established connection broke.
pub(crate) fn broken(error: &ssl::Error) -> Error {
    let (reason, hint) = explain(error);
    Error::Broken { reason, hint }
}

fn explain(error: &ssl::Error) -> (String, Option<String>) {
    let Some(stack) = error.ssl_error() else {
        let is_cut = error.code() == ErrorCode::SYSCALL && error.io_error().is_none();
        let text = if is_cut { "the peer closed the connection".into() } else { error.to_string() };
        return (text, None);
    };
    let code = stack.errors().last().map_or(0, |error| error.reason_code());
    let reason = reason_of(stack);
    if is_alert_code(code) {
        return (format!("the peer says: {}", alert(&reason)), alert_hint(code - 1000));
    }
    let hint = match reason.as_str() {
        "http request" => {
            Some("the client speaks plain HTTP; is it http:// that should be https://?")
        }
        "wrong version number" | "packet length too long" | "record layer failure" => {
            Some("the peer does not seem to speak TLS; is it the right port, and --ssl meant?")
        }
        "no shared cipher" => {
            Some("the two have no cipher in common (--ssl-ciphers, --ssl-ciphersuites)")
        }
        "unsupported protocol" | "version too low" | "no protocols available" => Some(
            "the versions do not meet; old ones need --ssl-min tls1.0 and --ssl-ciphers ALL:@SECLEVEL=0",
        ),
        "no suitable key share" | "no shared groups" | "no suitable groups" => {
            Some("the two have no group in common (--ssl-groups)")
        }
        "dh key too small" | "ee key too small" | "ca md too weak" => {
            Some("too weak to be safe; --ssl-ciphers ALL:@SECLEVEL=0 takes it all the same")
        }
        "peer did not return a certificate" => {
            Some("clients must send a certificate (--ssl-verify)")
        }
        "unsafe legacy renegotiation disabled" => Some("the server is too old to be safe"),
        _ => None,
    };
    (reason, hint.map(str::to_owned))
}

/// `sslv3 alert handshake failure` and `tlsv1 alert unknown ca` without the words that mislead.
fn alert(reason: &str) -> &str {
    reason.split_once("alert ").map_or(reason, |(_, alert)| alert)
}

fn alert_hint(alert: i32) -> Option<String> {
    let text = match alert {
        40 => "nothing in common: versions, ciphers, groups, or a certificate is missing",
        42 | 43 | 46 => "it does not accept our certificate (--ssl-cert)",
        44 | 45 => "our certificate is not valid any more (--ssl-cert)",
        48 => "it does not know who signed our certificate",
        70 => "it wants another version of TLS (--ssl-min, --ssl-max)",
        71 => "it wants stronger keys or ciphers",
        112 => "it does not know that server name (--ssl-servername)",
        116 => "it wants a certificate of ours (--ssl-cert and --ssl-key)",
        120 => "it speaks none of these protocols (--ssl-alpn)",
        _ => return None,
    };
    Some(text.into())
}

/// What to do about a certificate that did not pass.
pub(crate) fn verification_hint(result: X509VerifyResult) -> Option<String> {
    let text = match result.as_raw() {
        9 => "it is not valid yet; is the clock of this machine right?",
        10 => "it must be renewed, or the clock of this machine is wrong",
        18 => "nobody else signed it: give it to --ssl-trustfile, or its key to --ssl-pin",
        19 => "its root is not one of those trusted here (--ssl-trustfile)",
        2 | 20 | 21 => {
            "who signed it is not trusted here (--ssl-trustfile), or the server leaves out a \
             certificate in between"
        }
        62 | 64 => "--ssl-servername names whom to expect",
        66..=68 => "too weak to be trusted; the server needs a new one",
        _ => return None,
    };
    Some(text.into())
}
