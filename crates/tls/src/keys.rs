//! The keys of one direction, and records sealed and opened with them outside OpenSSL.
//!
//! The kernel needs the keys; OpenSSL does not give them out, but logs the secrets they are made of.
//! Once the kernel does the data, what is not data still goes to OpenSSL and comes from it in records,
//! and those are sealed and opened here.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::ssl::SslRef;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};

use crate::wire::HEADER;

/// Length of a record's authentication tag; all ciphers here have the same.
const TAG: usize = 16;
/// Length of a nonce.
const NONCE: usize = 12;
/// What TLS 1.2 with AES-GCM sends of the nonce in each record (RFC 5288, section 3).
const EXPLICIT: usize = 8;
/// Types of records (RFC 8446, section 5.1).
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
/// The type of every sealed record of TLS 1.3.
const DATA: u8 = 23;
/// The type of a handshake message (RFC 8446, section 4).
const KEY_UPDATE: u8 = 24;

/// A cipher that the kernel has too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

/// What was agreed on, as far as records are concerned.
#[derive(Clone, Copy)]
pub(crate) struct Suite {
    pub(crate) kind: Kind,
    pub(crate) is_13: bool,
    digest: MessageDigest,
}

impl Suite {
    /// What this connection has; `None` when the kernel would not know it.
    pub(crate) fn of(ssl: &SslRef) -> Option<Self> {
        let is_13 = match ssl.version_str() {
            "TLSv1.3" => true,
            "TLSv1.2" => false,
            _ => return None,
        };
        Self::named(ssl.current_cipher()?.standard_name()?, is_13)
    }

    fn named(name: &str, is_13: bool) -> Option<Self> {
        let (rest, digest) = match name.rsplit_once('_')? {
            (rest, "SHA256") => (rest, MessageDigest::sha256()),
            (rest, "SHA384") => (rest, MessageDigest::sha384()),
            _ => return None,
        };
        let kinds = [
            ("_AES_128_GCM", Kind::Aes128Gcm),
            ("_AES_256_GCM", Kind::Aes256Gcm),
            ("_CHACHA20_POLY1305", Kind::ChaCha20Poly1305),
        ];
        let (_, kind) = kinds.into_iter().find(|(name, _)| rest.ends_with(name))?;
        Some(Self { kind, is_13, digest })
    }

    fn cipher(self) -> Cipher {
        match self.kind {
            Kind::Aes128Gcm => Cipher::aes_128_gcm(),
            Kind::Aes256Gcm => Cipher::aes_256_gcm(),
            Kind::ChaCha20Poly1305 => Cipher::chacha20_poly1305(),
        }
    }

    /// Whether a part of the nonce is in each record.
    fn has_explicit(self) -> bool {
        !self.is_13 && self.kind != Kind::ChaCha20Poly1305
    }

    fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Result<Vec<u8>, ErrorStack> {
        let key = PKey::hmac(key)?;
        let mut signer = Signer::new(self.digest, &key)?;
        for part in parts {
            signer.update(part)?;
        }
        signer.sign_to_vec()
    }

    /// HKDF-Expand-Label of RFC 8446, section 7.1, without a context, for at most one digest's length.
    fn expand(self, secret: &[u8], label: &str, len: usize) -> Result<Vec<u8>, ErrorStack> {
        let len = len.min(self.digest.size());
        let mut info = vec![0, len as u8, (6 + label.len()) as u8];
        info.extend(b"tls13 ");
        info.extend(label.as_bytes());
        info.extend([0, 1]);
        let mut out = self.hmac(secret, &[&info])?;
        out.truncate(len);
        Ok(out)
    }

    /// The PRF of RFC 5246, section 5.
    fn prf(self, secret: &[u8], seed: &[u8], len: usize) -> Result<Vec<u8>, ErrorStack> {
        let (mut out, mut a) = (Vec::new(), seed.to_vec());
        while out.len() < len {
            a = self.hmac(secret, &[&a])?;
            out.extend(self.hmac(secret, &[&a, seed])?);
        }
        out.truncate(len);
        Ok(out)
    }
}

/// The keys of one direction.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) suite: Suite,
    /// What the next keys are made of (TLS 1.3).
    secret: Vec<u8>,
    pub(crate) key: Vec<u8>,
    /// All of the nonce, or what of it is not in the records.
    fixed: Vec<u8>,
    /// The next record's number.
    pub(crate) sequence: u64,
    /// The part of the next record's nonce that is sent in it.
    explicit: u64,
}

/// Both directions of TLS 1.2, the client's first, after their `Finished`.
pub(crate) fn both_of_12(ssl: &SslRef, suite: Suite) -> Result<(Keys, Keys), ErrorStack> {
    let mut master = [0; 48];
    let len = ssl.session().map_or(0, |session| session.master_key(&mut master));
    let mut randoms = [0; 64];
    ssl.server_random(&mut randoms[..32]);
    ssl.client_random(&mut randoms[32..]);
    let seed = [&b"key expansion"[..], &randoms].concat();
    let key = suite.cipher().key_len();
    let fixed = if suite.has_explicit() { NONCE - EXPLICIT } else { NONCE };
    let block = suite.prf(&master[..len], &seed, 2 * (key + fixed))?;
    let (keys, nonces) = block.split_at(2 * key);
    let one = |key: &[u8], fixed: &[u8]| Keys {
        suite,
        secret: Vec::new(),
        key: key.to_vec(),
        fixed: fixed.to_vec(),
        sequence: 1,
        explicit: 1,
    };
    let client = one(&keys[..key], &nonces[..fixed]);
    Ok((client, one(&keys[key..], &nonces[fixed..])))
}

impl Keys {
    /// The keys that follow from a secret of TLS 1.3.
    pub(crate) fn of_13(suite: Suite, secret: Vec<u8>) -> Result<Self, ErrorStack> {
        let key = suite.expand(&secret, "key", suite.cipher().key_len())?;
        let fixed = suite.expand(&secret, "iv", NONCE)?;
        Ok(Self { suite, secret, key, fixed, sequence: 0, explicit: 0 })
    }

    /// The keys after a KeyUpdate (RFC 8446, section 7.2).
    pub(crate) fn next(&self) -> Result<Self, ErrorStack> {
        let secret = self.suite.expand(&self.secret, "traffic upd", self.suite.digest.size())?;
        Self::of_13(self.suite, secret)
    }

    /// Begins the sent parts of nonces behind the one in `last`, the last record that was sealed with
    /// these keys: none may come twice.
    pub(crate) fn follow(&mut self, last: &[u8]) {
        let explicit = last.get(HEADER..HEADER + EXPLICIT).and_then(|part| part.try_into().ok());
        if let (true, Some(explicit)) = (self.suite.has_explicit(), explicit) {
            self.explicit = u64::from_be_bytes(explicit).wrapping_add(1);
        }
    }

    /// The next record's nonce as the kernel wants it.
    pub(crate) fn nonce_for_kernel(&self) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        nonce[..self.fixed.len()].copy_from_slice(&self.fixed);
        if self.suite.has_explicit() {
            nonce[NONCE - EXPLICIT..].copy_from_slice(&self.explicit.to_be_bytes());
        }
        nonce
    }

    fn nonce(&self, explicit: &[u8]) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        nonce[..self.fixed.len()].copy_from_slice(&self.fixed);
        if self.suite.has_explicit() {
            nonce[NONCE - EXPLICIT..].copy_from_slice(explicit);
            return nonce;
        }
        for (byte, number) in nonce[NONCE - 8..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= number;
        }
        nonce
    }

    /// What is authenticated besides the content, of this length and type.
    fn extra(&self, kind: u8, len: usize) -> Vec<u8> {
        let len = (len as u16).to_be_bytes();
        let header = [kind, 3, 3, len[0], len[1]];
        if self.suite.is_13 {
            return header.to_vec();
        }
        [&self.sequence.to_be_bytes()[..], &header].concat()
    }

    /// A record; `content` has at most 16 KiB.
    pub(crate) fn seal(&mut self, kind: u8, content: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let (suite, explicit) = (self.suite, self.explicit.to_be_bytes());
        let explicit = if suite.has_explicit() { &explicit[..] } else { &[] };
        let mut inner = content.to_vec();
        if suite.is_13 {
            inner.push(kind);
        }
        let outer = if suite.is_13 { DATA } else { kind };
        let authenticated = if suite.is_13 { inner.len() + TAG } else { inner.len() };
        let extra = self.extra(outer, authenticated);
        let nonce = self.nonce(explicit);
        let mut tag = [0; TAG];
        let sealed =
            encrypt_aead(suite.cipher(), &self.key, Some(&nonce), &extra, &inner, &mut tag)?;
        let len = ((explicit.len() + sealed.len() + TAG) as u16).to_be_bytes();
        self.sequence += 1;
        self.explicit = self.explicit.wrapping_add(1);
        Ok([&[outer, 3, 3, len[0], len[1]][..], explicit, &sealed, &tag].concat())
    }

    /// The type and the content of a record, which is whole.
    pub(crate) fn open(&mut self, record: &[u8]) -> Result<(u8, Vec<u8>), ErrorStack> {
        let suite = self.suite;
        let explicit = if suite.has_explicit() { EXPLICIT } else { 0 };
        let (head, body) = record.split_at(HEADER.min(record.len()));
        let (explicit, body) = body.split_at(explicit.min(body.len()));
        let (sealed, tag) = body.split_at(body.len().saturating_sub(TAG));
        let kind = head.first().copied().unwrap_or_default();
        let authenticated = if suite.is_13 { sealed.len() + TAG } else { sealed.len() };
        let extra = self.extra(kind, authenticated);
        if explicit.len() < EXPLICIT && suite.has_explicit() {
            return Err(ErrorStack::get());
        }
        let nonce = self.nonce(explicit);
        let mut content =
            decrypt_aead(suite.cipher(), &self.key, Some(&nonce), &extra, sealed, tag)?;
        self.sequence += 1;
        if !suite.is_13 {
            return Ok((kind, content));
        }
        // The type is behind the content, and zeros may be behind the type.
        while content.last() == Some(&0) {
            content.pop();
        }
        let kind = content.pop().unwrap_or_default();
        Ok((kind, content))
    }
}

/// The records that follow one another in `bytes`; what is behind the last whole one is left out.
pub(crate) fn records(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let len = usize::from(u16::from_be_bytes(bytes.get(3..HEADER)?.try_into().ok()?));
        let (record, rest) = bytes.split_at_checked(HEADER + len)?;
        bytes = rest;
        Some(record)
    })
}

/// Whether one of the handshake messages in a record's content says that new keys follow.
pub(crate) fn has_key_update(mut content: &[u8]) -> bool {
    while let Some([kind, len @ ..]) = content.first_chunk::<4>() {
        if *kind == KEY_UPDATE {
            return true;
        }
        let len = u32::from_be_bytes([0, len[0], len[1], len[2]]);
        content = content.get(4 + len as usize..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITES: [(&str, bool); 6] = [
        ("TLS_AES_128_GCM_SHA256", true),
        ("TLS_AES_256_GCM_SHA384", true),
        ("TLS_CHACHA20_POLY1305_SHA256", true),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", false),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", false),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", false),
    ];

    fn keys(name: &str, is_13: bool) -> Keys {
        let suite = Suite::named(name, is_13).unwrap();
        let secret = vec![9; suite.digest.size()];
        let mut keys = Keys::of_13(suite, secret).unwrap();
        if suite.has_explicit() {
            keys.fixed.truncate(NONCE - EXPLICIT);
        }
        keys
    }

    #[test]
    fn what_is_sealed_can_be_opened_once_and_in_order() {
        for (name, is_13) in SUITES {
            let (mut writer, mut reader) = (keys(name, is_13), keys(name, is_13));
            let (one, two) = (writer.seal(ALERT, &[1, 0]).unwrap(), writer.seal(22, b"").unwrap());
            let both = [&one[..], &two, &[23, 3, 3, 0]].concat();
            assert_eq!(records(&both).collect::<Vec<_>>(), [&one[..], &two]);
            assert!(is_13 || reader.clone().open(&two).is_err(), "{name}");
            assert_eq!(reader.open(&one).unwrap(), (ALERT, vec![1, 0]), "{name}");
            assert!(reader.open(&one).is_err(), "{name}");
            assert_eq!(reader.open(&two).unwrap(), (HANDSHAKE, vec![]), "{name}");
            for cut in 0..one.len() {
                assert!(keys(name, is_13).open(&one[..cut]).is_err());
            }
        }
        for other in ["TLS_AES_128_CCM_SHA256", "TLS_RSA_WITH_AES_128_CBC_SHA", "", "SHA256"] {
            assert!(Suite::named(other, false).is_none(), "{other}");
        }
    }

    /// RFC 8448, section 3: the server's application traffic, and its IV and key.
    #[test]
    fn keys_are_made_as_rfc_8448_shows() {
        let hex = |text: &str| -> Vec<u8> {
            let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
            let pair = |two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
            digits.chunks(2).map(pair).collect()
        };
        let secret = "a1 1a f9 f0 55 31 f8 56 ad 47 11 6b 45 a9 50 32 82 04 b4 f4 4b fb 6b 3a 4b 4f \
                      1f 3f cb 63 16 43";
        let suite = Suite::named("TLS_AES_128_GCM_SHA256", true).unwrap();
        let keys = Keys::of_13(suite, hex(secret)).unwrap();
        assert_eq!(keys.key, hex("9f 02 28 3b 6c 9c 07 ef c2 6b b9 f2 ac 92 e3 56"));
        assert_eq!(keys.fixed, hex("cf 78 2b 88 dd 83 54 9a ad f1 e9 84"));
    }

    #[test]
    fn key_updates_are_found_behind_other_messages() {
        assert!(has_key_update(&[24, 0, 0, 1, 0]));
        assert!(has_key_update(&[4, 0, 0, 2, 24, 24, 24, 0, 0, 1, 1]));
        assert!(!has_key_update(&[4, 0, 0, 5, 24, 0, 0, 1, 0]));
        assert!(!has_key_update(&[4, 255, 255, 255, 0]));
        assert!(!has_key_update(&[]));
    }
}
