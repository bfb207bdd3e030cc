//! Why there is no way through a proxy, in Ncat's first lines and ours below them.

use std::io;
use std::time::Duration;

use endpoint::{Attempt, OpenError};
use proto::auth::digest::Unusable;
use proto::escape;
use proto::socks::client::Failure as Socks;

use super::Passage;
use crate::secure::Insecure;
use crate::talk::words;

/// How much of an answer that was not understood is shown.
const SHOWN_MAX: usize = 60;

/// How far we came in saying who we are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tried {
    /// There was nothing to say.
    Nothing,
    /// There was, and the proxy did not say how, or not so that we understood.
    NotAsked,
    /// By this scheme.
    Scheme(&'static str),
}

/// Why a proxy was not passed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Its name has no address.
    NoProxy { host: String, reason: String, needs_port: bool },
    /// None of its addresses answers.
    Unreachable { attempts: Vec<Attempt>, last: io::Error },
    /// The name of what it is to reach has no address, and it is not to look it up.
    NoName { host: String, reason: String },
    /// The name of what it is to reach is none.
    BadName { host: String },
    /// There was no answer in time.
    Timeout { doing: String, limit: Duration },
    /// The connection failed.
    Io { doing: String, error: io::Error },
    /// It closed the connection.
    HungUp { doing: String, said: Vec<u8> },
    /// It closed the connection every time it was asked.
    HangsUp,
    /// TLS to it failed.
    Insecure(Insecure),
    /// HTTP: another answer than 2xx.
    Status { code: u16, reason: Vec<u8>, location: Option<Vec<u8>>, tried: Tried },
    /// HTTP: no answer that can be understood.
    NotHttp { said: Vec<u8>, why: &'static str },
    /// HTTP: it asks for something we cannot give.
    NoScheme { offered: Vec<String>, why: Option<Unusable> },
    /// HTTP: what is asked for cannot be made of what we have.
    Unanswerable(Unusable),
    /// SOCKS: it said no, or nothing that is SOCKS.
    Socks(Socks),
    /// SOCKS: what was given cannot be sent.
    BadCredentials,
    /// SOCKS 4: no IPv6.
    NoIpv6,
    /// A file with credentials cannot be read.
    File { path: String, reason: String },
}

impl Failure {
    /// As an error of opening, with the proxy named.
    pub(super) fn into_error(self, passage: &Passage<'_>) -> OpenError {
        let is_local = matches!(self, Self::NoScheme { .. } | Self::File { .. });
        let at = format!("through {}", passage.name());
        let (host, port) = passage.target();
        let asked = format!("asked for {}", escape::terminal(format!("{host}:{port}").as_bytes()));
        let mut more = vec![format!("{at}, {asked}")];
        if let Self::Insecure(insecure) = &self {
            more.extend(insecure.more.iter().cloned());
        }
        let (reason, detail, hint) = self.words();
        more.extend(detail);
        more.extend(hint.map(|hint| format!("hint: {hint}")));
        OpenError::Proxy { proxy: passage.name(), reason, more, is_local }
    }

    /// The first line, what the proxy said, and what to try.
    fn words(self) -> (String, Option<String>, Option<String>) {
        match self {
            Self::NoProxy { host, reason, needs_port } => {
                let host = escape::terminal(host.as_bytes()).into_owned();
                let hint = match needs_port {
                    true => "did you give the port? An IPv6 address needs one, or brackets",
                    false => "check the spelling, or give an address; -n never looks names up",
                };
                (format!("Could not resolve proxy \"{host}\": {reason}."), None, Some(hint.into()))
            }
            Self::Unreachable { attempts, last } => {
                let tried = attempts.iter().map(|attempt| attempt.addr.to_string());
                let tried = tried.collect::<Vec<_>>().join(", ");
                let hint = "is the proxy running, and is that its port?";
                let first = format!("Proxy connection failed: {}.", words(&last));
                (first, Some(format!("tried {tried}")), Some(hint.into()))
            }
            Self::NoName { host, reason } => {
                let host = escape::terminal(host.as_bytes()).into_owned();
                let hint = "--proxy-dns=remote leaves names to the proxy";
                let first = format!("Error: Failed to resolve host {host} locally.");
                (first, Some(reason), Some(hint.into()))
            }
            Self::BadName { host } => {
                let host = escape::terminal(host.as_bytes()).into_owned();
                let detail = "1 to 255 characters, no blanks and no control characters";
                (format!("Error: \"{host}\" is no host name."), Some(detail.into()), None)
            }
            Self::Timeout { doing, limit } => {
                let detail = format!("{doing} took longer than {} s (-w)", limit.as_secs_f64());
                let hint = "is that the kind of proxy that listens there (--proxy-type)?";
                ("TIMEOUT.".into(), Some(detail), Some(hint.into()))
            }
            Self::Io { doing, error } => {
                (format!("Proxy connection failed: {}.", words(&error)), Some(doing), None)
            }
            Self::HungUp { doing, said } => {
                let detail = format!("it closed the connection while {doing}; {}", answered(&said));
                ("Error: short response from proxy.".into(), Some(detail), kind_hint(&said))
            }
            Self::HangsUp => {
                let detail = "it closed the connection each time it was told who we are";
                ("Proxy returned status code 407.".into(), Some(detail.into()), None)
            }
            Self::Insecure(insecure) => (format!("{}.", insecure.reason), None, None),
            Self::Status { code, reason, location, tried } => {
                status(code, &reason, location.as_deref(), tried)
            }
            Self::NotHttp { said, why } => {
                let detail = format!("{why}; {}", answered(&said));
                let hint = kind_hint(&said).filter(|_| !said.starts_with(b"HTTP"));
                ("Proxy returned status code -1.".into(), Some(detail), hint)
            }
            Self::NoScheme { offered, why } => {
                let offered = escape::terminal(offered.join(", ").as_bytes()).into_owned();
                let why = why.map(|why| format!("; {why}")).unwrap_or_default();
                let detail = format!("it offers {offered}{why}");
                let hint = "Basic and Digest are what we have";
                ("Unknown authentication type. QUITTING.".into(), Some(detail), Some(hint.into()))
            }
            Self::Unanswerable(why) => {
                ("Error building Proxy-Authorization header.".into(), Some(why.to_string()), None)
            }
            Self::Socks(failure) => socks(&failure),
            Self::BadCredentials => {
                let detail = "USER:PASSWORD of at most 255 bytes each; SOCKS4 has a user of at most 255, \
                              without NUL";
                ("Error: invalid username:password combo.".into(), Some(detail.into()), None)
            }
            Self::NoIpv6 => {
                let hint = "socks5 and http can carry them";
                let first = "Error: IPv6 addresses are not supported with Socks4.";
                (first.into(), None, Some(hint.into()))
            }
            Self::File { path, reason } => {
                (format!("can't read {path} (--proxy-auth-file): {reason}. QUITTING."), None, None)
            }
        }
    }
}

/// What an answer other than 2xx means.
fn status(
    code: u16,
    reason: &[u8],
    location: Option<&[u8]>,
    tried: Tried,
) -> (String, Option<String>, Option<String>) {
    let mut detail = format!("it answered {code} {}", shown(reason));
    if let Some(location) = location {
        detail.push_str(&format!(", and points to {}", shown(location)));
    }
    let hint = match (code, tried) {
        (407, Tried::Nothing) => {
            "it wants to know who you are: --proxy-auth USER:PASSWORD, or NCAT_PROXY_AUTH".into()
        }
        (407, Tried::NotAsked) => {
            "it does not say how (Proxy-Authenticate), or not so that it can be understood".into()
        }
        (407, Tried::Scheme(scheme)) => format!("user name or password is wrong ({scheme})"),
        (300..400, _) => "a proxy that redirects is no proxy for this; nothing is followed".into(),
        (400 | 404 | 405 | 501, _) => "is it a proxy, or a web server without CONNECT?".into(),
        (403, _) => "its rules forbid this host or port; many allow port 443 only".into(),
        (500.., _) => "it could not reach the target; -v names every hop".into(),
        _ => return (format!("Proxy returned status code {code}."), Some(detail), None),
    };
    (format!("Proxy returned status code {code}."), Some(detail), Some(hint))
}

fn socks(failure: &Socks) -> (String, Option<String>, Option<String>) {
    use proto::socks::Error::{AddressType, Version};
    let (first, hint) = match failure {
        Socks::Garbage(Version { expected: 5, .. }) => (
            "Error: wrong SOCKS version in connect response.".into(),
            "is it another kind of proxy (--proxy-type)?",
        ),
        Socks::Garbage(AddressType(_)) => ("Error: invalid proxy bind address type.".into(), ""),
        Socks::Garbage(_) => ("Error: malformed request response from proxy.".into(), ""),
        // The second letter of "HTTP".
        Socks::Refused4(reply) if reply.code() == b'T' => {
            ("Proxy connection failed.".into(), "that looks like HTTP: --proxy-type http")
        }
        Socks::Refused4(_) => ("Proxy connection failed.".into(), ""),
        Socks::Refused5(reply) => (format!("Error: {}.", reply.words()), ""),
        Socks::NoMethod => (
            "Error: no acceptable authentication method proposed.".into(),
            "it may want --proxy-auth USER:PASSWORD, or a method that we do not have (GSSAPI)",
        ),
        Socks::OtherMethod(_) => {
            ("Error: proxy selected invalid authentication method.".into(), "")
        }
        Socks::WrongPassword => {
            ("Error: authentication failed.".into(), "user name or password is wrong")
        }
        other => (format!("Error: {other}."), ""),
    };
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    (first, Some(format!("it says: {failure}")), hint)
}

fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(SHOWN_MAX)];
    let dots = if cut.len() < bytes.len() { "..." } else { "" };
    format!("{}{dots}", escape::terminal(cut))
}

fn answered(said: &[u8]) -> String {
    if said.is_empty() { "it said nothing".into() } else { format!("it said \"{}\"", shown(said)) }
}

/// What the first byte of an answer betrays.
fn kind_hint(said: &[u8]) -> Option<String> {
    Some(match said {
        [5, ..] => "that looks like SOCKS5: --proxy-type socks5".into(),
        [0, 0x5a..=0x5d, ..] => "that looks like SOCKS4: --proxy-type socks4".into(),
        [0x15 | 0x16, 3, ..] => "that looks like TLS: --proxy https://HOST:PORT".into(),
        [b'H', b'T', b'T', b'P', ..] => "that looks like HTTP: --proxy-type http".into(),
        [b'S', b'S', b'H', b'-', ..] => {
            "that is an SSH server; ssh -D makes a SOCKS proxy of it".into()
        }
        _ => return None,
    })
}
