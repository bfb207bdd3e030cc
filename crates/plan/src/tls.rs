//! TLS: what the options said, and what is decided from it.

use std::path::PathBuf;
use std::str::FromStr;

use crate::StartTls;

/// What the `--ssl...` options said. Any of them asks for TLS.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RawTls {
    /// `--ssl`.
    pub wanted: bool,
    /// `--ssl-verify`.
    pub verify: bool,
    /// `--ssl-cert`.
    pub certificate: Option<PathBuf>,
    /// `--ssl-key`.
    pub key: Option<PathBuf>,
    /// `--ssl-passphrase-file`.
    pub passphrase_file: Option<PathBuf>,
    /// `--ssl-keytype`.
    pub key_type: Option<KeyType>,
    /// `--ssl-trustfile`, every time it was given.
    pub trust_files: Vec<PathBuf>,
    /// `--ssl-client-ca`.
    pub client_ca: Option<PathBuf>,
    /// `--ssl-allow`.
    pub allow: Vec<PeerRule>,
    /// `--ssl-pin`.
    pub pins: Vec<Pin>,
    /// `--ssl-ciphers`.
    pub ciphers: Option<String>,
    /// `--ssl-ciphersuites`.
    pub ciphersuites: Option<String>,
    /// `--ssl-groups`.
    pub groups: Option<String>,
    /// `--ssl-servername`.
    pub server_name: Option<String>,
    /// `--ssl-alpn`.
    pub alpn: Option<Vec<String>>,
    /// `--ssl-min`.
    pub min: Option<TlsVersion>,
    /// `--ssl-max`.
    pub max: Option<TlsVersion>,
    /// `--ssl-require-pq`.
    pub require_pq: bool,
    /// `--ssl-keylog`.
    pub keylog: Option<PathBuf>,
    /// `--ssl-session`.
    pub session: Option<PathBuf>,
    /// `--ssl-strict-eof`.
    pub strict_end: bool,
    /// `--starttls`.
    pub starttls: Option<StartTls>,
    /// `--ssl-ktls`.
    pub kernel: Option<KernelTls>,
}

/// How connections are secured.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsSpec {
    /// The peer's chain, and a server's name, are checked.
    pub verify: bool,
    /// Our certificate and its chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// A file whose first line is the key's passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// The key of a certificate made for the run.
    pub key_type: KeyType,
    /// Certificates to trust: a file or a directory; the system's when `None`.
    pub trust_file: Option<PathBuf>,
    /// Certificates that may have signed clients'; `trust_file` when `None`.
    pub client_ca: Option<PathBuf>,
    /// Clients let in; all that pass the check when empty.
    pub allow: Vec<PeerRule>,
    /// Servers talked to; all that pass the check when empty.
    pub pins: Vec<Pin>,
    /// OpenSSL's list for TLS 1.2 and older; Ncat's when `None`.
    pub ciphers: Option<String>,
    /// OpenSSL's list for TLS 1.3.
    pub ciphersuites: Option<String>,
    /// OpenSSL's list of groups.
    pub groups: Option<String>,
    /// Whom to ask for and whose certificate to expect, in place of the host.
    pub server_name: Option<String>,
    /// Protocols offered or served, the preferred first.
    pub alpn: Vec<String>,
    /// The oldest version.
    pub min: Option<TlsVersion>,
    /// The newest version.
    pub max: Option<TlsVersion>,
    /// Only a key exchange that withstands quantum computers will do.
    pub require_pq: bool,
    /// Where the secrets are written, for programs that look into captures.
    pub keylog: Option<PathBuf>,
    /// Where the session is kept from one run to the next.
    pub session: Option<PathBuf>,
    /// An end without close_notify is an error.
    pub strict_end: bool,
    /// The protocol in which TLS begins; with the first byte when `None`.
    pub starttls: Option<StartTls>,
    /// It is DTLS: what is secured keeps messages.
    pub datagrams: bool,
    /// What of the work the kernel is given.
    pub kernel: KernelTls,
}

/// The largest datagram of DTLS: the plaintext of one record (RFC 5246, section 6.2.1).
pub const DTLS_DATAGRAM_MAX: usize = 16_384;

impl RawTls {
    /// Whether TLS is asked for: any of the options does that.
    pub fn is_wanted(&self) -> bool {
        *self != Self::default()
    }

    pub(crate) fn spec(&self, datagrams: bool) -> Option<TlsSpec> {
        self.is_wanted().then(|| TlsSpec {
            verify: self.verify || !self.trust_files.is_empty() || self.client_ca.is_some(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            passphrase_file: self.passphrase_file.clone(),
            key_type: self.key_type.unwrap_or_default(),
            trust_file: self.trust_files.last().cloned(),
            client_ca: self.client_ca.clone(),
            allow: self.allow.clone(),
            pins: self.pins.clone(),
            ciphers: self.ciphers.clone(),
            ciphersuites: self.ciphersuites.clone(),
            groups: self.groups.clone(),
            server_name: self.server_name.clone(),
            alpn: self.alpn.clone().unwrap_or_default(),
            min: self.min,
            max: self.max,
            require_pq: self.require_pq,
            keylog: self.keylog.clone(),
            session: self.session.clone(),
            strict_end: self.strict_end,
            starttls: self.starttls,
            datagrams,
            kernel: self.kernel.unwrap_or_default(),
        })
    }
}

/// What of the encryption the kernel is given, where it can (Linux).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum KernelTls {
    /// What no peer can notice.
    #[default]
    Auto,
    /// All of it, though it follows no peer that changes its keys or renegotiates.
    On,
    /// Nothing.
    Off,
}

/// The key of a certificate made for the run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum KeyType {
    /// ECDSA with P-256.
    #[default]
    Ecdsa,
    /// RSA with 2,048 bits.
    Rsa,
}

/// A version of TLS, oldest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum TlsVersion {
    /// TLS 1.0 (RFC 2246).
    Tls10,
    /// TLS 1.1 (RFC 4346).
    Tls11,
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl TlsVersion {
    /// The words of `--ssl-min` and `--ssl-max`.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("tls1.0", Self::Tls10),
        ("tls1.1", Self::Tls11),
        ("tls1.2", Self::Tls12),
        ("tls1.3", Self::Tls13),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, version)| *version == self);
        found.map_or("", |(word, _)| word)
    }
}

/// SHA-256 of a certificate or of its key (SubjectPublicKeyInfo).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pin(pub [u8; 32]);

/// `sha256/` and the digest in base64 (as RFC 7469 and curl have it) or hexadecimal, colons or not.
impl FromStr for Pin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digest = text.strip_prefix("sha256/").ok_or(())?;
        let read = |text| {
            let bytes = hexadecimal(text).or_else(|| base64(text))?;
            bytes.try_into().ok().map(Self)
        };
        // curl has a second slash, which in base64 may also be the first digit.
        read(digest).or_else(|| read(digest.strip_prefix('/')?)).ok_or(())
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    if digits.len() != 64 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits.chunks(2).map(|two| u8::try_from(digit(two[0])? * 16 + digit(two[1])?).ok()).collect()
}

/// Base64 (RFC 4648, section 4), padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0).then_some(bytes)
}

/// A client that is let in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PeerRule {
    /// `CN=`: a common name of its subject.
    CommonName(String),
    /// `SAN=`: a name or address in its subjectAltName.
    Name(String),
    /// `sha256/`: its certificate or key.
    Digest(Pin),
}

impl FromStr for PeerRule {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once('=') {
            Some(("CN", name)) if !name.is_empty() => Ok(Self::CommonName(name.to_owned())),
            Some(("SAN", name)) if !name.is_empty() => Ok(Self::Name(name.to_owned())),
            _ => text.parse().map(Self::Digest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_digests_in_either_writing() {
        let zeros = Pin([0; 32]);
        let hex = "00:".repeat(31) + "00";
        assert_eq!(format!("sha256/{hex}").parse(), Ok(zeros));
        assert_eq!(format!("sha256/{}", "00".repeat(32)).parse(), Ok(zeros));
        let base64 = "A".repeat(43);
        assert_eq!(format!("sha256/{base64}=").parse(), Ok(zeros));
        assert_eq!(format!("sha256//{base64}=").parse(), Ok(zeros));
        let ones = format!("sha256/{}8=", "/".repeat(42));
        assert_eq!(ones.parse(), Ok(Pin([0xff; 32])));
        assert_eq!(ones.replacen('/', "//", 1).parse(), Ok(Pin([0xff; 32])));
        for bad in ["", "sha256/", "sha1/AAAA", &base64, "sha256/AAAA", "sha256/****"] {
            assert_eq!(bad.parse::<Pin>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn rules_name_what_they_look_at() {
        assert_eq!("CN=a=b".parse(), Ok(PeerRule::CommonName("a=b".into())));
        assert_eq!("SAN=db.example".parse(), Ok(PeerRule::Name("db.example".into())));
        for bad in ["CN=", "SAN=", "O=x", "db.example"] {
            assert_eq!(bad.parse::<PeerRule>(), Err(()), "{bad}");
        }
    }
}
