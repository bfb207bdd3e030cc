//! Digest (RFC 7616, and RFC 2069 for servers without `qop`): the password stays at home.

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Sha256, Sha512_256};

use super::{Auth, BadAuth, quoted};
use crate::secret::{Credentials, is_equal};

/// How hashes are made.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Hash {
    /// MD5; the default of the protocol, and what Ncat knows.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256 (FIPS 180-4), which is not SHA-512 cut short.
    Sha512_256,
}

impl Hash {
    /// The hash of these parts in a row, in lower-case hexadecimal.
    fn hex(self, parts: &[&[u8]]) -> String {
        fn run<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut hash = D::new();
            parts.iter().for_each(|part| hash.update(part));
            hash.finalize().to_vec()
        }
        hex(&match self {
            Self::Md5 => run::<Md5>(parts),
            Self::Sha256 => run::<Sha256>(parts),
            Self::Sha512_256 => run::<Sha512_256>(parts),
        })
    }
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// A hash, and whether the first half is bound to the first nonce (`-sess`).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Algorithm {
    /// The hash.
    pub hash: Hash,
    /// `-sess`.
    pub is_session: bool,
}

impl Algorithm {
    const ALL: [(&'static str, Hash, bool); 6] = [
        ("MD5", Hash::Md5, false),
        ("MD5-sess", Hash::Md5, true),
        ("SHA-256", Hash::Sha256, false),
        ("SHA-256-sess", Hash::Sha256, true),
        ("SHA-512-256", Hash::Sha512_256, false),
        ("SHA-512-256-sess", Hash::Sha512_256, true),
    ];

    /// MD5, which is meant when nothing is said.
    pub const MD5: Self = Self { hash: Hash::Md5, is_session: false };

    fn named(name: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.iter();
        let found = all.find(|(word, ..)| name.eq_ignore_ascii_case(word.as_bytes()));
        found.map(|&(_, hash, is_session)| Self { hash, is_session })
    }

    /// Its name in the registry.
    pub fn name(self) -> &'static str {
        let mut all = Self::ALL.iter();
        let found =
            all.find(|&&(_, hash, session)| hash == self.hash && session == self.is_session);
        found.map_or("", |(name, ..)| name)
    }
}

/// A server's challenge, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// What the password is for.
    pub realm: Vec<u8>,
    /// The server's number used once.
    pub nonce: Vec<u8>,
    /// To be given back as it is.
    pub opaque: Option<Vec<u8>>,
    /// How to hash; `None` when nothing was said, and then nothing is answered.
    pub algorithm: Option<Algorithm>,
    /// `qop=auth` is offered; without it there is neither nonce count nor our nonce.
    pub has_qop: bool,
    /// The password may be right: only the nonce was too old.
    pub is_stale: bool,
    /// The user name may be hashed.
    pub hashes_user: bool,
}

/// Why a challenge cannot be answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// Not well-formed: no realm or nonce, or something twice.
    #[error("its Digest challenge cannot be understood")]
    Bad,
    /// An algorithm that we do not know.
    #[error("its Digest algorithm is none of MD5, SHA-256 and SHA-512-256")]
    Algorithm,
    /// Only `auth-int`.
    #[error("it wants Digest over the content (qop auth-int)")]
    Quality,
    /// No password, or control characters in the user name.
    #[error("Digest needs USER:PASSWORD, without control characters")]
    Credentials,
}

impl From<BadAuth> for Unusable {
    fn from(_: BadAuth) -> Self {
        Self::Bad
    }
}

impl Challenge {
    /// Understands a challenge.
    ///
    /// # Errors
    /// [`Unusable`], but for the credentials.
    pub fn new(auth: &Auth) -> Result<Self, Unusable> {
        let is_true = |name| {
            Ok::<_, BadAuth>(auth.param(name)?.is_some_and(|v| v.eq_ignore_ascii_case(b"true")))
        };
        let algorithm = match auth.param("algorithm")? {
            None => None,
            Some(name) => Some(Algorithm::named(name).ok_or(Unusable::Algorithm)?),
        };
        let has_qop = match auth.param("qop")? {
            None => false,
            Some(list) => {
                let mut words = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                if !words.any(|word| word.eq_ignore_ascii_case(b"auth")) {
                    return Err(Unusable::Quality);
                }
                true
            }
        };
        Ok(Self {
            realm: auth.required("realm")?.to_vec(),
            nonce: auth.required("nonce")?.to_vec(),
            opaque: auth.param("opaque")?.map(<[u8]>::to_vec),
            algorithm,
            has_qop,
            is_stale: is_true("stale")?,
            hashes_user: is_true("userhash")?,
        })
    }

    /// Writes the challenge as a server does.
    pub fn write(&self) -> Vec<u8> {
        let mut out = b"Digest realm=".to_vec();
        let quote = |text: &[u8]| quoted(text).unwrap_or_else(|| b"\"\"".to_vec());
        out.extend(quote(&self.realm));
        out.extend(b", nonce=");
        out.extend(quote(&self.nonce));
        if let Some(opaque) = &self.opaque {
            out.extend(b", opaque=");
            out.extend(quote(opaque));
        }
        if let Some(algorithm) = self.algorithm {
            out.extend(b", algorithm=");
            out.extend(algorithm.name().bytes());
        }
        let flags = [
            (self.has_qop, ", qop=\"auth\""),
            (self.hashes_user, ", userhash=true"),
            (self.is_stale, ", stale=true"),
        ];
        for (_, text) in flags.iter().filter(|(is_set, _)| *is_set) {
            out.extend(text.bytes());
        }
        out
    }
}

/// A client's side: one challenge, answered as often as needed.
#[derive(Clone, Debug)]
pub struct Client {
    challenge: Challenge,
    cnonce: String,
    count: u32,
}

impl Client {
    /// For answers to `challenge`; `random` makes our own nonce.
    pub fn new(challenge: Challenge, random: [u8; 16]) -> Self {
        Self { challenge, cnonce: hex(&random), count: 0 }
    }

    /// The value of `Proxy-Authorization` for one more request, `uri` being exactly what stands in its
    /// first line.
    ///
    /// # Errors
    /// [`Unusable::Credentials`].
    pub fn answer(
        &mut self,
        credentials: &Credentials,
        method: &[u8],
        uri: &[u8],
    ) -> Result<Vec<u8>, Unusable> {
        let challenge = &self.challenge;
        let password = credentials.password.as_deref().ok_or(Unusable::Credentials)?;
        let algorithm = challenge.algorithm.unwrap_or(Algorithm::MD5);
        self.count = self.count.saturating_add(1);
        let count = format!("{:08x}", self.count);
        let proof = Proof {
            algorithm,
            user: &credentials.user,
            realm: &challenge.realm,
            nonce: &challenge.nonce,
            quality: challenge.has_qop.then_some((count.as_bytes(), self.cnonce.as_bytes())),
            cnonce: self.cnonce.as_bytes(),
            method,
            uri,
        };
        let response = proof.response(password);
        let user = match challenge.hashes_user {
            true => algorithm.hash.hex(&[&credentials.user, b":", &challenge.realm]).into_bytes(),
            false => credentials.user.clone(),
        };
        // In Ncat's order.
        let mut out = b"Digest username=".to_vec();
        let quote = |text: &[u8]| quoted(text).ok_or(Unusable::Credentials);
        out.extend(quote(&user)?);
        for (name, value) in
            [("realm", &challenge.realm[..]), ("nonce", &challenge.nonce), ("uri", uri)]
        {
            out.extend(format!(", {name}=").bytes());
            out.extend(quote(value)?);
        }
        if let Some(algorithm) = challenge.algorithm {
            out.extend(format!(", algorithm={}", algorithm.name()).bytes());
        }
        if challenge.has_qop {
            out.extend(format!(", qop=auth, cnonce=\"{}\", nc={count}", self.cnonce).bytes());
        } else if algorithm.is_session {
            out.extend(format!(", cnonce=\"{}\"", self.cnonce).bytes());
        }
        out.extend(format!(", response=\"{response}\"").bytes());
        if let Some(opaque) = &challenge.opaque {
            out.extend(b", opaque=");
            out.extend(quote(opaque)?);
        }
        if challenge.hashes_user {
            out.extend(b", userhash=true");
        }
        Ok(out)
    }
}

/// A client's answer, as a server reads it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The user's name, or its hash.
    pub user: Vec<u8>,
    /// Of the challenge, to be compared by the caller.
    pub realm: Vec<u8>,
    /// Of the challenge, for [`super::Nonces::check`].
    pub nonce: Vec<u8>,
    /// What was asked for, to be compared with the request by the caller.
    pub uri: Vec<u8>,
    /// How often the nonce has been used, this time included; `None` without `qop`.
    pub count: Option<u32>,
    /// How it was hashed.
    pub algorithm: Algorithm,
    /// The name is hashed.
    pub hashes_user: bool,
    response: Vec<u8>,
    count_text: Vec<u8>,
    cnonce: Vec<u8>,
}

impl Answer {
    /// Understands an answer.
    ///
    /// # Errors
    /// [`BadAuth`] when something is missing, twice, or of no use.
    pub fn new(auth: &Auth) -> Result<Self, BadAuth> {
        let algorithm = match auth.param("algorithm")? {
            None => Algorithm::MD5,
            Some(name) => Algorithm::named(name).ok_or(BadAuth)?,
        };
        let (count_text, count) = match auth.param("qop")? {
            None => (Vec::new(), None),
            Some(word) if word.eq_ignore_ascii_case(b"auth") => {
                let text = auth.required("nc")?;
                let is_count = text.len() == 8 && text.iter().all(u8::is_ascii_hexdigit);
                let text = std::str::from_utf8(text).ok().filter(|_| is_count).ok_or(BadAuth)?;
                let count = u32::from_str_radix(text, 16).map_err(|_| BadAuth)?;
                (text.as_bytes().to_vec(), Some(count))
            }
            Some(_) => return Err(BadAuth),
        };
        let needs_cnonce = count.is_some() || algorithm.is_session;
        let cnonce = match auth.param("cnonce")? {
            Some(cnonce) => cnonce.to_vec(),
            None if needs_cnonce => return Err(BadAuth),
            None => Vec::new(),
        };
        let hashes_user = auth.param("userhash")?.is_some_and(|v| v.eq_ignore_ascii_case(b"true"));
        let required = |name| auth.required(name).map(<[u8]>::to_vec);
        Ok(Self {
            user: required("username")?,
            realm: required("realm")?,
            nonce: required("nonce")?,
            uri: required("uri")?,
            response: required("response")?,
            algorithm,
            count,
            count_text,
            cnonce,
            hashes_user,
        })
    }

    /// Whether whoever wrote it knows these credentials. The nonce, the realm, the URI and the
    /// algorithm are the caller's to look at.
    pub fn is_right(&self, credentials: &Credentials, method: &[u8]) -> bool {
        let Some(password) = credentials.password.as_deref() else { return false };
        let hash = self.algorithm.hash;
        let user = match self.hashes_user {
            true => hash.hex(&[&credentials.user, b":", &self.realm]).into_bytes(),
            false => credentials.user.clone(),
        };
        let proof = Proof {
            algorithm: self.algorithm,
            user: &credentials.user,
            realm: &self.realm,
            nonce: &self.nonce,
            quality: self.count.is_some().then_some((&self.count_text, &self.cnonce)),
            cnonce: &self.cnonce,
            method,
            uri: &self.uri,
        };
        // Both are compared whatever the first says.
        let is_response = is_equal(proof.response(password).as_bytes(), &self.response);
        is_equal(&user, &self.user) & is_response
    }
}

/// Everything a response is made of but the password.
struct Proof<'a> {
    algorithm: Algorithm,
    user: &'a [u8],
    realm: &'a [u8],
    nonce: &'a [u8],
    /// Nonce count, as written, and the client's nonce; `None` without `qop`.
    quality: Option<(&'a [u8], &'a [u8])>,
    cnonce: &'a [u8],
    method: &'a [u8],
    uri: &'a [u8],
}

impl Proof<'_> {
    /// RFC 7616, section 3.4.1 to 3.4.3; RFC 2069 without `qop`.
    fn response(&self, password: &[u8]) -> String {
        let hash = self.algorithm.hash;
        let mut secret = hash.hex(&[self.user, b":", self.realm, b":", password]);
        if self.algorithm.is_session {
            secret = hash.hex(&[secret.as_bytes(), b":", self.nonce, b":", self.cnonce]);
        }
        let request = hash.hex(&[self.method, b":", self.uri]);
        let (secret, request) = (secret.as_bytes(), request.as_bytes());
        match self.quality {
            None => hash.hex(&[secret, b":", self.nonce, b":", request]),
            Some((count, cnonce)) => {
                let nonce = self.nonce;
                hash.hex(&[secret, b":", nonce, b":", count, b":", cnonce, b":auth:", request])
            }
        }
    }
}
