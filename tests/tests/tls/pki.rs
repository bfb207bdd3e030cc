//! Certificates of every kind, good and bad.

use std::path::{Path, PathBuf};

use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::symm::Cipher;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Extension, X509NameBuilder};
use tempfile::TempDir;

pub(crate) struct Wanted<'a> {
    pub(crate) common_name: &'a str,
    pub(crate) dns: &'a [&'a str],
    pub(crate) ips: &'a [&'a str],
    /// Days from now.
    pub(crate) valid: (i64, i64),
    pub(crate) is_authority: bool,
}

impl<'a> Wanted<'a> {
    pub(crate) fn name(dns: &'a [&'a str]) -> Self {
        let common_name = dns.first().copied().unwrap_or("nobody");
        Self { common_name, dns, ips: &[], valid: (-1, 30), is_authority: false }
    }

    pub(crate) fn authority(common_name: &'a str) -> Self {
        Self { common_name, dns: &[], ips: &[], valid: (-1, 30), is_authority: true }
    }
}

#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
    /// Those between it and its root.
    pub(crate) chain: Vec<X509>,
}

fn key() -> PKey<Private> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap()
}

fn day(offset: i64) -> Asn1Time {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Asn1Time::from_unix(now.as_secs() as i64 + offset * 86_400).unwrap()
}

/// What a certificate is made with, where it is to be a weak one or a broken one.
#[derive(Clone)]
pub(crate) struct Making {
    pub(crate) key: PKey<Private>,
    pub(crate) digest: MessageDigest,
    /// The content of subjectAltName in DER, in the place of the names.
    pub(crate) names: Option<Vec<u8>>,
}

impl Making {
    pub(crate) fn usual() -> Self {
        Self { key: key(), digest: MessageDigest::sha256(), names: None }
    }

    pub(crate) fn rsa(bits: u32) -> Self {
        let key = openssl::rsa::Rsa::generate(bits).unwrap();
        Self { key: PKey::from_rsa(key).unwrap(), ..Self::usual() }
    }
}

fn build(wanted: &Wanted<'_>, making: &Making, by: Option<&Identity>) -> X509 {
    let key = &making.key;
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, wanted.common_name).unwrap();
    name.append_entry_by_nid(Nid::ORGANIZATIONNAME, "Example Ltd").unwrap();
    let name = name.build();
    let mut serial = BigNum::new().unwrap();
    serial.rand(100, MsbOption::ONE, false).unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(by.map_or(&name, |by| by.certificate.subject_name())).unwrap();
    builder.set_not_before(&day(wanted.valid.0)).unwrap();
    builder.set_not_after(&day(wanted.valid.1)).unwrap();
    builder.set_pubkey(key).unwrap();
    if wanted.is_authority {
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    }
    if let Some(names) = &making.names {
        let object = Asn1Object::from_str("2.5.29.17").unwrap();
        let names = Asn1OctetString::new_from_bytes(names).unwrap();
        builder
            .append_extension(X509Extension::new_from_der(&object, false, &names).unwrap())
            .unwrap();
    } else if !wanted.dns.is_empty() || !wanted.ips.is_empty() {
        let mut names = SubjectAlternativeName::new();
        wanted.dns.iter().for_each(|dns| _ = names.dns(dns));
        wanted.ips.iter().for_each(|ip| _ = names.ip(ip));
        let names = names.build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(names).unwrap();
    }
    builder.sign(by.map_or(key, |by| &by.key), making.digest).unwrap();
    builder.build()
}

impl Identity {
    /// One that nobody else signed.
    pub(crate) fn alone(wanted: &Wanted<'_>) -> Self {
        let making = Making::usual();
        Self { certificate: build(wanted, &making, None), key: making.key, chain: Vec::new() }
    }

    /// A root.
    pub(crate) fn root() -> Self {
        Self::alone(&Wanted::authority("Root of Test"))
    }

    /// Signs another.
    pub(crate) fn issue(&self, wanted: &Wanted<'_>) -> Self {
        self.issue_as(wanted, Making::usual())
    }

    /// As [`Identity::issue`], made in a way of its own.
    pub(crate) fn issue_as(&self, wanted: &Wanted<'_>, making: Making) -> Self {
        let certificate = build(wanted, &making, Some(self));
        let is_root = self.certificate.issuer_name().to_der().unwrap()
            == self.certificate.subject_name().to_der().unwrap();
        let mut chain = self.chain.clone();
        if !is_root {
            chain.insert(0, self.certificate.clone());
        }
        Self { certificate, key: making.key, chain }
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        let all = std::iter::once(&self.certificate).chain(&self.chain);
        all.flat_map(|one| one.to_pem().unwrap()).collect()
    }

    /// The certificate with its chain, and the key, as files.
    pub(crate) fn files(&self, dir: &TempDir, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) =
            (dir.path().join(format!("{name}.pem")), dir.path().join(format!("{name}.key")));
        std::fs::write(&certificate, self.pem()).unwrap();
        std::fs::write(&key, self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        (certificate, key)
    }

    pub(crate) fn encrypt_key(&self, path: &Path, passphrase: &[u8]) {
        let cipher = Cipher::aes_128_cbc();
        let pem = self.key.private_key_to_pem_pkcs8_passphrase(cipher, passphrase).unwrap();
        std::fs::write(path, pem).unwrap();
    }

    /// `sha256/` and its key's digest in base64.
    pub(crate) fn pin(&self) -> String {
        let key = self.key.public_key_to_der().unwrap();
        let digest = openssl::hash::hash(MessageDigest::sha256(), &key).unwrap();
        format!("sha256/{}", openssl::base64::encode_block(&digest))
    }

    /// `sha256/` and the certificate's digest in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        let digest = self.certificate.digest(MessageDigest::sha256()).unwrap();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256/{hex}")
    }
}
