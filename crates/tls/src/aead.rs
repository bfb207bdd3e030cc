//! Encryption of single messages that notices what was changed (RFC 5116), for whoever needs it without
//! TLS.

use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};

/// Bytes of a nonce, and of what is added to a message.
const NONCE: usize = 12;
const TAG: usize = 16;

/// A cipher with its key.
pub struct Aead {
    cipher: Cipher,
    key: Vec<u8>,
}

impl std::fmt::Debug for Aead {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aead")
    }
}

impl Aead {
    /// `chacha20-poly1305` or `aes-256-gcm`, with a key of 32 bytes.
    ///
    /// # Errors
    /// Which of these it is not, in words.
    pub fn new(algorithm: &str, key: &[u8]) -> Result<Self, String> {
        let cipher = match algorithm {
            "chacha20-poly1305" => Cipher::chacha20_poly1305(),
            "aes-256-gcm" => Cipher::aes_256_gcm(),
            other => {
                let text = "there are chacha20-poly1305 and aes-256-gcm";
                return Err(format!("{other:?} is no such cipher; {text}"));
            }
        };
        if key.len() != cipher.key_len() {
            let (wanted, got) = (cipher.key_len(), key.len());
            return Err(format!("a key must have {wanted} bytes (got {got})"));
        }
        Ok(Self { cipher, key: key.to_vec() })
    }

    /// The message encrypted, with a tag behind it that covers it and `also`. A nonce is for one message.
    ///
    /// # Errors
    /// The nonce has not 12 bytes.
    pub fn seal(&self, nonce: &[u8], message: &[u8], also: &[u8]) -> Result<Vec<u8>, String> {
        check(nonce)?;
        let mut tag = [0; TAG];
        let sealed = encrypt_aead(self.cipher, &self.key, Some(nonce), also, message, &mut tag);
        let mut sealed = sealed.map_err(|error| error.to_string())?;
        sealed.extend(tag);
        Ok(sealed)
    }

    /// The message; `None` when it is not what was sealed.
    ///
    /// # Errors
    /// The nonce has not 12 bytes.
    pub fn open(
        &self,
        nonce: &[u8],
        sealed: &[u8],
        also: &[u8],
    ) -> Result<Option<Vec<u8>>, String> {
        check(nonce)?;
        let Some((text, tag)) = sealed.split_last_chunk::<TAG>() else { return Ok(None) };
        Ok(decrypt_aead(self.cipher, &self.key, Some(nonce), also, text, tag).ok())
    }
}

fn check(nonce: &[u8]) -> Result<(), String> {
    if nonce.len() == NONCE {
        return Ok(());
    }
    Err(format!("a nonce must have {NONCE} bytes (got {})", nonce.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_not_opened() {
        for algorithm in ["chacha20-poly1305", "aes-256-gcm"] {
            let aead = Aead::new(algorithm, &[7; 32]).unwrap();
            let sealed = aead.seal(&[1; 12], b"message", b"also").unwrap();
            assert_eq!(sealed.len(), 7 + TAG);
            let open = |nonce: &[u8], sealed: &[u8], also: &[u8]| aead.open(nonce, sealed, also);
            assert_eq!(open(&[1; 12], &sealed, b"also"), Ok(Some(b"message".to_vec())));
            assert_eq!(open(&[2; 12], &sealed, b"also"), Ok(None));
            assert_eq!(open(&[1; 12], &sealed, b"else"), Ok(None));
            assert_eq!(open(&[1; 12], &sealed[..5], b"also"), Ok(None));
            for at in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert_eq!(open(&[1; 12], &changed, b"also"), Ok(None), "{at}");
            }
            assert!(open(&[1; 8], &sealed, b"also").is_err());
        }
        assert!(
            Aead::new("aes-256-gcm", &[0; 16]).is_err() && Aead::new("rot13", &[0; 32]).is_err()
        );
    }

    #[test]
    fn aes_gcm_is_that_of_the_standard() {
        // Test case 14 of the submission of GCM to NIST.
        let sealed = Aead::new("aes-256-gcm", &[0; 32]).unwrap().seal(&[0; 12], &[0; 16], b"");
        let hex: String = sealed.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    }
}
