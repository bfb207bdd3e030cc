//! Our own certificate and key: from files, or made for one run.

use std::ffi::CString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::SslContextBuilder;
use openssl::x509::extension::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use plan::{KeyType, TlsSpec};
use proto::escape;

use crate::error::{SetupError, read, reason_of};
use crate::facts::Certificate;
use crate::{ffi, trust};

/// How long a certificate made for one run is valid, in days.
const DAYS: u32 = 30;
/// Bits of its serial number: unique without a register (RFC 5280 allows 20 bytes).
const SERIAL_BITS: i32 = 127;
/// Bits of an RSA key.
const RSA_BITS: u32 = 2048;

/// A certificate's digests, as they are shown.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fingerprints {
    /// SHA-256, hexadecimal with colons.
    pub sha256: String,
    /// SHA-1, as Ncat shows it.
    pub sha1: String,
    /// SHA-256 of the key, as `--ssl-pin` takes it.
    pub pin: String,
    /// What it is for.
    pub names: Vec<String>,
}

fn fingerprints(certificate: &X509) -> Fingerprints {
    let Certificate { sha256, sha1, pin, names, .. } = Certificate::of(certificate);
    Fingerprints { sha256, sha1, pin, names }
}

/// Takes the certificate, its chain and the key from the files the plan names; `None` without any.
pub(crate) fn load(
    builder: &mut SslContextBuilder,
    spec: &TlsSpec,
    prompt: Prompt,
) -> Result<Option<Fingerprints>, SetupError> {
    let (Some(certificate), Some(key)) = (&spec.certificate, &spec.key) else { return Ok(None) };
    let chain = trust::certificates("--ssl-cert", certificate)?;
    let private = private_key(key, spec.passphrase_file.as_ref(), prompt)?;
    let fail =
        |stack: ErrorStack| SetupError::of_file("--ssl-cert", certificate, reason_of(&stack));
    let mut chain = chain.into_iter();
    let Some(own) = chain.next() else { return Ok(None) };
    let shown = fingerprints(&own);
    let is_pair = own.public_key().is_ok_and(|public| public.public_eq(&private));
    if !is_pair {
        let error = SetupError::of_file("--ssl-key", key, "it is not the key of the certificate");
        return Err(
            error.hint("the first certificate in --ssl-cert must be our own, its chain after it")
        );
    }
    builder.set_certificate(&own).map_err(|stack| {
        let weak =
            reason_of(&stack).contains("too small") || reason_of(&stack).contains("too weak");
        let error = fail(stack);
        if weak { error.hint("--ssl-ciphers ALL:@SECLEVEL=0 takes weak ones") } else { error }
    })?;
    for above in chain {
        builder.add_extra_chain_cert(above).map_err(fail)?;
    }
    builder
        .set_private_key(&private)
        .map_err(|stack| SetupError::of_file("--ssl-key", key, reason_of(&stack)))?;
    Ok(Some(shown))
}

fn private_key(
    path: &PathBuf,
    passphrase: Option<&PathBuf>,
    prompt: Prompt,
) -> Result<PKey<Private>, SetupError> {
    let pem = read("--ssl-key", path)?;
    let fail = |reason: String| SetupError::of_file("--ssl-key", path, reason);
    let is_encrypted = pem.windows(9).any(|window| window == b"ENCRYPTED");
    // OpenSSL's reason depends on where the wrong key stopped making sense.
    let undecrypted = |stack: &ErrorStack| {
        let reason = reason_of(stack);
        fail(if is_encrypted { format!("it cannot be decrypted ({reason})") } else { reason })
    };
    if let Some(file) = passphrase {
        let text = read("--ssl-passphrase-file", file)?;
        let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        return PKey::private_key_from_pem_passphrase(&pem, line).map_err(|stack| {
            undecrypted(&stack).hint("is its passphrase the first line of --ssl-passphrase-file?")
        });
    }
    // Without a terminal to ask on OpenSSL would take the passphrase from standard input.
    let is_asked = prompt == Prompt::Terminal && has_terminal();
    if is_encrypted && !is_asked {
        let error =
            fail("it is encrypted, and there is no terminal to ask for the passphrase".into());
        return Err(error.hint("--ssl-passphrase-file FILE has it in its first line"));
    }
    if !is_encrypted {
        return PKey::private_key_from_pem(&pem).map_err(|stack| {
            fail(reason_of(&stack)).hint("PEM is wanted: lines between BEGIN and END PRIVATE KEY")
        });
    }
    let mut typed = Typed::default();
    let key = PKey::private_key_from_pem_callback(&pem, |buf| typed.give(path, buf));
    key.map_err(|stack| match typed {
        Typed::Nothing => fail("it is encrypted, and no passphrase was given".into()),
        _ => undecrypted(&stack).hint("was it the right passphrase?"),
    })
}

/// What was answered to the question for a passphrase. The library asks for every form that a key may
/// have; a person is asked once.
#[derive(Default)]
enum Typed {
    #[default]
    NotAsked,
    Nothing,
    Words(Vec<u8>),
}

impl Typed {
    fn give(&mut self, path: &Path, buf: &mut [u8]) -> Result<usize, ErrorStack> {
        if matches!(self, Self::NotAsked) {
            let path = path.as_os_str().as_encoded_bytes();
            let prompt = format!("Enter the pass phrase of {}: ", escape::terminal(path));
            let words = CString::new(prompt).ok().and_then(|prompt| {
                let len = ffi::ask(&prompt, buf)?;
                Some(buf[..len].to_vec())
            });
            *self = words.map_or(Self::Nothing, Self::Words);
        }
        let Self::Words(words) = self else { return Err(ErrorStack::get()) };
        buf.get_mut(..words.len()).ok_or_else(ErrorStack::get)?.copy_from_slice(words);
        Ok(words.len())
    }
}

fn has_terminal() -> bool {
    cfg!(unix) && std::fs::File::open(Path::new("/dev/tty")).is_ok()
}

/// Whether a passphrase may be asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Prompt {
    /// On the terminal, where there is one.
    Terminal,
    /// Clients are being served, and would wait.
    Nobody,
}

/// A certificate made for one run, with its key.
#[derive(Clone)]
pub(crate) struct Temporary {
    certificate: X509,
    key: PKey<Private>,
}

impl Temporary {
    /// For `host`, or for this machine; it signs itself.
    pub(crate) fn generate(host: Option<&str>, kind: KeyType) -> Result<Self, SetupError> {
        let (certificate, key) = make(host, kind).map_err(unusable)?;
        Ok(Self { certificate, key })
    }

    pub(crate) fn install(
        &self,
        builder: &mut SslContextBuilder,
    ) -> Result<Fingerprints, SetupError> {
        builder.set_certificate(&self.certificate).map_err(unusable)?;
        builder.set_private_key(&self.key).map_err(unusable)?;
        Ok(fingerprints(&self.certificate))
    }
}

fn unusable(stack: ErrorStack) -> SetupError {
    SetupError::new("temporary certificate", reason_of(&stack))
}

fn make(host: Option<&str>, kind: KeyType) -> Result<(X509, PKey<Private>), ErrorStack> {
    let key = match kind {
        KeyType::Ecdsa => {
            let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            PKey::from_ec_key(EcKey::generate(&curve)?)?
        }
        KeyType::Rsa => PKey::from_rsa(Rsa::generate(RSA_BITS)?)?,
    };
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, &common_name(host.unwrap_or("localhost")))?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(SERIAL_BITS, MsbOption::ONE, false)?;
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    builder.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    builder.set_not_after(Asn1Time::days_from_now(DAYS)?.as_ref())?;
    builder.set_pubkey(&key)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    let mut usage = KeyUsage::new();
    usage.critical().digital_signature();
    if kind == KeyType::Rsa {
        usage.key_encipherment();
    }
    builder.append_extension(usage.build()?)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().client_auth().build()?)?;
    let mut names = SubjectAlternativeName::new();
    for wanted in wanted_names(host) {
        match wanted {
            Name::Ip(ip) => names.ip(&ip.to_string()),
            Name::Dns(dns) => names.dns(&dns),
        };
    }
    let names = names.build(&builder.x509v3_context(None, None))?;
    builder.append_extension(names)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((builder.build(), key))
}

/// What fits a common name: 64 characters (RFC 5280, appendix A).
fn common_name(host: &str) -> String {
    host.chars().take(64).collect()
}

#[derive(Debug, Eq, PartialEq)]
enum Name {
    Dns(String),
    Ip(IpAddr),
}

/// The host it listens on, by name or address; of a wildcard or a path what clients on this machine
/// say.
fn wanted_names(host: Option<&str>) -> Vec<Name> {
    let here = || {
        let loopbacks = [IpAddr::from([127, 0, 0, 1]), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)];
        let names = std::iter::once(Name::Dns("localhost".into()));
        names.chain(loopbacks.map(Name::Ip)).collect()
    };
    match host {
        None => here(),
        Some(host) => match trust::literal(host) {
            Some(ip) if ip.is_unspecified() => here(),
            Some(ip) => vec![Name::Ip(ip)],
            None if trust::sni(host).is_some() && !host.contains('/') => {
                vec![Name::Dns(host.trim_end_matches('.').to_owned())]
            }
            None => here(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_what_clients_say() {
        let dns = |name: &str| Name::Dns(name.into());
        assert_eq!(wanted_names(Some("db.example")), [dns("db.example")]);
        assert_eq!(wanted_names(Some("192.0.2.1")), [Name::Ip([192, 0, 2, 1].into())]);
        assert_eq!(wanted_names(Some("::"))[0], dns("localhost"));
        assert_eq!(wanted_names(Some("/run/a.sock"))[0], dns("localhost"));
        assert_eq!(wanted_names(None).len(), 3);
    }

    #[test]
    fn what_is_made_is_good_for_thirty_days() {
        for kind in [KeyType::Ecdsa, KeyType::Rsa] {
            let (certificate, key) = make(Some("db.example"), kind).unwrap();
            assert!(certificate.verify(&key).unwrap());
            let now = Asn1Time::days_from_now(0).unwrap();
            let left = now.diff(certificate.not_after()).unwrap();
            assert!((DAYS as i32 - 1..=DAYS as i32).contains(&left.days), "{left:?}");
            assert_eq!(crate::facts::names(&certificate), ["db.example"]);
        }
    }
}
