//! What was agreed and who the peer is, in words.

use std::fmt::Write;

use openssl::asn1::Asn1TimeRef;
use openssl::base64::encode_block;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::ssl::SslRef;
use openssl::x509::{X509, X509NameRef, X509Ref};

use crate::ffi;

/// How far the peer is known to be who we want.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Its chain ends in a trusted root, and the name is in the certificate.
    NameAndChain,
    /// Its chain ends in a trusted root; it is a client, and clients have no name we know.
    Chain,
    /// Its key or certificate is one that was given.
    Pinned,
    /// Nobody asked.
    No,
}

impl Verdict {
    /// As messages have it.
    pub fn words(self) -> &'static str {
        match self {
            Self::NameAndChain => "verified: name+chain",
            Self::Chain => "verified: chain",
            Self::Pinned => "pinned",
            Self::No => "NOT VERIFIED",
        }
    }
}

/// Who makes, or who opens, the records of data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Worker {
    /// The kernel: the bytes may pass us by.
    Kernel,
    /// We do, and why.
    User(&'static str),
}

/// One certificate, in words. Text in it is the peer's: it is shown escaped, and never trusted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// Whose it is.
    pub subject: String,
    /// The subject's organisation, where it has one.
    pub organization: Option<String>,
    /// Who signed it.
    pub issuer: String,
    /// Names and addresses it is for.
    pub names: Vec<String>,
    /// From when it is valid, in OpenSSL's words (GMT).
    pub not_before: String,
    /// And until when.
    pub not_after: String,
    /// SHA-256 of the certificate, hexadecimal with colons.
    pub sha256: String,
    /// SHA-1 of the certificate, as Ncat shows it.
    pub sha1: String,
    /// SHA-256 of its key, as `--ssl-pin` takes it.
    pub pin: String,
    /// The certificate itself.
    pub pem: String,
}

/// What a handshake left.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    /// `TLSv1.3`.
    pub version: String,
    /// The cipher suite, by its standard name.
    pub cipher: String,
    /// The key exchange's group, where there was one.
    pub group: Option<String>,
    /// Whether that group withstands quantum computers.
    pub is_post_quantum: bool,
    /// The protocol chosen by ALPN.
    pub alpn: Option<String>,
    /// The server's name, as the client asked for it.
    pub server_name: Option<String>,
    /// The peer's certificates, its own first; empty when it has none.
    pub chain: Vec<Certificate>,
    /// How far it is known.
    pub verdict: Verdict,
    /// Who makes the records we send.
    pub send: Worker,
    /// Who opens the records that come.
    pub recv: Worker,
    /// An earlier session goes on: certificates were exchanged and checked then.
    pub is_resumed: bool,
}

impl Facts {
    pub(crate) fn of(ssl: &SslRef, verdict: Verdict) -> Self {
        let cipher = ssl.current_cipher();
        let group = ffi::group_name(ssl);
        let own = ssl.peer_certificate();
        let mut chain: Vec<Certificate> = own.iter().map(|own| Certificate::of(own)).collect();
        // A server is not told the client's own one again.
        let others = ssl.peer_cert_chain().into_iter().flatten().map(Certificate::of);
        chain.extend(others.skip(usize::from(!ssl.is_server())));
        Self {
            version: ssl.version_str().to_owned(),
            cipher: cipher.map_or_else(String::new, |cipher| {
                cipher.standard_name().unwrap_or(cipher.name()).to_owned()
            }),
            is_post_quantum: group.as_deref().is_some_and(|group| group.contains("MLKEM")),
            group,
            alpn: ssl.selected_alpn_protocol().map(text),
            server_name: ssl.servername(openssl::ssl::NameType::HOST_NAME).map(str::to_owned),
            chain,
            verdict,
            send: Worker::User("not asked yet"),
            recv: Worker::User("not asked yet"),
            is_resumed: ssl.session_reused(),
        }
    }
}

impl Certificate {
    /// Reads one in DER; `None` when it is none.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        X509::from_der(der).ok().map(|certificate| Self::of(&certificate))
    }

    pub(crate) fn of(certificate: &X509Ref) -> Self {
        let digest = |kind| certificate.digest(kind).map(|d| d.to_vec()).unwrap_or_default();
        Self {
            subject: name(certificate.subject_name()),
            organization: organization(certificate.subject_name()),
            issuer: name(certificate.issuer_name()),
            names: names(certificate),
            not_before: time(certificate.not_before()),
            not_after: time(certificate.not_after()),
            sha256: colons(&digest(MessageDigest::sha256())),
            sha1: groups(&digest(MessageDigest::sha1())),
            pin: key_digest(certificate)
                .map(|digest| format!("sha256/{}", encode_block(&digest)))
                .unwrap_or_default(),
            pem: certificate.to_pem().map(|pem| text(&pem)).unwrap_or_default(),
        }
    }
}

/// SHA-256 of the key with its algorithm (SubjectPublicKeyInfo), as RFC 7469 pins it.
pub(crate) fn key_digest(certificate: &X509Ref) -> Option<Vec<u8>> {
    let key = certificate.public_key().ok()?.public_key_to_der().ok()?;
    Some(hash(MessageDigest::sha256(), &key).ok()?.to_vec())
}

/// `CN=example, O=Example Ltd`.
fn name(name: &X509NameRef) -> String {
    let mut text = String::new();
    for entry in name.entries() {
        let kind = entry.object().nid().short_name().unwrap_or("?");
        // Also undoes the wide encodings; what is none of them is shown as it is.
        let value = entry.data().to_string();
        let value =
            value.unwrap_or_else(|_| String::from_utf8_lossy(entry.data().as_slice()).into_owned());
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{kind}={value}");
    }
    if text.is_empty() { "(no subject)".into() } else { text }
}

/// The subject's common names.
pub(crate) fn common_names(certificate: &X509Ref) -> Vec<String> {
    let entries = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    entries.filter_map(|entry| entry.data().to_string().ok()).collect()
}

fn organization(name: &X509NameRef) -> Option<String> {
    let entry = name.entries_by_nid(Nid::ORGANIZATIONNAME).next()?;
    entry.data().to_string().ok()
}

/// Names and addresses in subjectAltName.
pub(crate) fn names(certificate: &X509Ref) -> Vec<String> {
    let address = |bytes: &[u8]| match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|ip| std::net::Ipv6Addr::from(ip).to_string()),
        _ => None,
    };
    let all = certificate.subject_alt_names();
    let one = |name: &openssl::x509::GeneralNameRef| {
        let text = name.dnsname().or_else(|| name.email()).or_else(|| name.uri());
        text.map(str::to_owned).or_else(|| address(name.ipaddress()?))
    };
    all.iter().flat_map(|all| all.iter().filter_map(one)).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn time(time: &Asn1TimeRef) -> String {
    time.to_string()
}

/// `AB:CD:…`.
fn colons(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// Groups of four digits, as Ncat shows a SHA-1.
fn groups(digest: &[u8]) -> String {
    let pairs = digest
        .chunks(2)
        .map(|pair| pair.iter().map(|byte| format!("{byte:02X}")).collect::<String>());
    pairs.collect::<Vec<_>>().join(" ")
}
