//! A handshake under way, and what comes of it.

use std::future::poll_fn;
use std::sync::Arc;

use conn::{Conn, Shape};
use openssl::hash::MessageDigest;
use openssl::ssl::SslRef;
use openssl::x509::X509Ref;
use plan::{KernelTls, PeerRule, Pin};

use crate::dtls::Dtls;
use crate::error::Error;
use crate::facts::{self, Facts, Verdict};
use crate::stage::{CHUNK, Tls};
use crate::trust::Finding;

/// What the peer must be besides what the library has checked.
pub(crate) enum Expect {
    Server { verified: bool, pins: Arc<[Pin]> },
    Client { verified: bool, allow: Arc<[PeerRule]> },
}

impl Expect {
    fn is_verified(&self) -> bool {
        match self {
            Self::Server { verified, .. } | Self::Client { verified, .. } => *verified,
        }
    }
}

/// What the handshake is made by.
pub(crate) enum Link {
    Stream(Box<Tls>),
    Datagrams(Box<Dtls>),
}

impl Link {
    fn ssl(&self) -> &SslRef {
        match self {
            Self::Stream(tls) => tls.ssl(),
            Self::Datagrams(dtls) => dtls.ssl(),
        }
    }

    fn inner(&self) -> &Conn {
        match self {
            Self::Stream(tls) => tls.inner(),
            Self::Datagrams(dtls) => dtls.inner(),
        }
    }

    async fn shake(&mut self) -> Result<(), Error> {
        match self {
            Self::Stream(tls) => poll_fn(|cx| tls.poll_handshake(cx)).await,
            Self::Datagrams(dtls) => poll_fn(|cx| dtls.poll_handshake(cx)).await,
        }
    }

    /// The plaintext's side.
    fn into_conn(self) -> Conn {
        let (info, chunk_max) = (self.inner().info.clone(), self.inner().chunk_max);
        match self {
            Self::Stream(tls) => {
                let mut conn = Conn::from_duplex(info, Shape::Stream, tls);
                conn.chunk_max = chunk_max.min(CHUNK);
                conn
            }
            Self::Datagrams(dtls) => Conn::from_duplex(info, Shape::Message, dtls),
        }
    }
}

/// A handshake that has begun. Dropping it ends the connection.
pub struct Waiting {
    link: Link,
    finding: Finding,
    expect: Expect,
    require_pq: bool,
    kernel: KernelTls,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Waiting({:?})", self.link.inner())
    }
}

/// A connection that is secure.
#[derive(Debug)]
pub struct Secured {
    /// The plaintext.
    pub conn: Conn,
    /// What was agreed.
    pub facts: Facts,
}

impl Waiting {
    pub(crate) fn new(
        link: Link,
        finding: Finding,
        expect: Expect,
        require_pq: bool,
        kernel: KernelTls,
    ) -> Self {
        Self { link, finding, expect, require_pq, kernel }
    }

    /// Runs the handshake to its end. There is no limit of time here: the caller has one.
    ///
    /// # Errors
    /// Why the peer is not talked to.
    pub async fn finish(mut self) -> Result<Secured, Error> {
        if let Err(error) = self.link.shake().await {
            // What was found wrong and did not matter is not why.
            let finding = self.expect.is_verified().then(|| self.finding.error()).flatten();
            return Err(finding.unwrap_or(error));
        }
        let verdict = self.judge()?;
        let mut facts = Facts::of(self.link.ssl(), verdict);
        if self.require_pq && !facts.is_post_quantum {
            let group = facts.group.unwrap_or_else(|| "no group".into());
            return Err(Error::NotPostQuantum { group });
        }
        if let Link::Stream(tls) = &mut self.link {
            (facts.send, facts.recv) = tls.lower(self.kernel);
        }
        Ok(Secured { conn: self.link.into_conn(), facts })
    }

    fn judge(&self) -> Result<Verdict, Error> {
        let certificate = self.link.ssl().peer_certificate();
        let certificate = certificate.as_deref();
        match &self.expect {
            Expect::Server { verified, pins } => {
                if !pins.is_empty() && !certificate.is_some_and(|c| is_pinned(c, pins)) {
                    let key = certificate.map(|c| facts::Certificate::of(c).pin);
                    return Err(Error::Pin { key: key.unwrap_or_else(|| "missing".into()) });
                }
                Ok(match (verified, pins.is_empty()) {
                    (true, _) => Verdict::NameAndChain,
                    (false, false) => Verdict::Pinned,
                    (false, true) => Verdict::No,
                })
            }
            Expect::Client { verified, allow } => {
                if !allow.is_empty() && !certificate.is_some_and(|c| is_allowed(c, allow)) {
                    let subject = certificate.map(|c| facts::Certificate::of(c).subject);
                    return Err(Error::NotAllowed { subject: subject.unwrap_or_default() });
                }
                Ok(match (verified, allow.is_empty()) {
                    (true, _) => Verdict::Chain,
                    (false, false) => Verdict::Pinned,
                    (false, true) => Verdict::No,
                })
            }
        }
    }
}

/// Whether the certificate or its key has one of these digests.
fn is_pinned(certificate: &X509Ref, pins: &[Pin]) -> bool {
    let whole = certificate.digest(MessageDigest::sha256()).map(|digest| digest.to_vec()).ok();
    let digests = [whole, facts::key_digest(certificate)];
    let mut digests = digests.into_iter().flatten();
    digests.any(|digest| pins.iter().any(|pin| pin.0[..] == digest[..]))
}

fn is_allowed(certificate: &X509Ref, rules: &[PeerRule]) -> bool {
    rules.iter().any(|rule| match rule {
        PeerRule::CommonName(name) => facts::common_names(certificate).contains(name),
        PeerRule::Name(name) => {
            facts::names(certificate).iter().any(|own| own.eq_ignore_ascii_case(name))
        }
        PeerRule::Digest(pin) => is_pinned(certificate, std::slice::from_ref(pin)),
    })
}
