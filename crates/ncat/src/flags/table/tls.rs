//! TLS. In a build without it the options are known, and refused.

use plan::{KeyType, TlsVersion};

use super::super::item::{Given, Group, Item, Update};
use super::super::usage::UsageError;

/// The option as the build has it.
pub(super) const fn brought(item: Item) -> Item {
    if cfg!(feature = "tls-options") {
        return item;
    }
    Item { update: Update::Absent(|_| {}), ..item }
}

const VERSIONS: &[&str] = &["tls1.0", "tls1.1", "tls1.2", "tls1.3"];
const KEY_TYPES: &[&str] = &["ecdsa", "rsa"];

pub(super) fn bad_word(given: &Given<'_>, words: &'static str) -> UsageError {
    let value = given.value.to_string_lossy().into_owned();
    UsageError::Word { option: given.written.to_owned(), value, words }
}

fn version(given: &Given<'_>) -> Result<TlsVersion, UsageError> {
    let word = given.text()?;
    let found = TlsVersion::WORDS.iter().find(|(name, _)| *name == word);
    found
        .map(|(_, version)| *version)
        .ok_or_else(|| bad_word(given, "one of tls1.0, tls1.1, tls1.2, tls1.3"))
}

fn key_type(given: &Given<'_>) -> Result<KeyType, UsageError> {
    match given.text()? {
        "ecdsa" => Ok(KeyType::Ecdsa),
        "rsa" => Ok(KeyType::Rsa),
        _ => Err(bad_word(given, "one of ecdsa, rsa")),
    }
}

/// A name that can be in a certificate. OpenSSL takes an empty one for a wish not to compare names,
/// and one that begins with a dot for everything below it.
fn server_name(given: &Given<'_>) -> Result<String, UsageError> {
    match given.text()? {
        name if name.is_empty() || name.starts_with('.') => {
            Err(bad_word(given, "a name or an address, as db.example.com"))
        }
        name => Ok(name.to_owned()),
    }
}

fn parsed<T: std::str::FromStr>(given: &Given<'_>, words: &'static str) -> Result<T, UsageError> {
    given.text()?.parse().map_err(|_| bad_word(given, words))
}

/// The options of this theme.
pub(super) static ITEMS: &[Item] = &[
    brought(Item::flag(|raw| raw.tls.wanted = true))
        .long("ssl")
        .doc(Group::Tls, "Connect or listen with SSL")
        .more(
            "Over TCP, SCTP, Unix and vsock streams; with -u it is DTLS 1.2 over UDP. The end of input is told by close_notify, and the \
             other direction goes on. -v shows version, cipher, group, the peer's certificates, and how \
             far the peer is known: verified: name+chain, pinned, or NOT VERIFIED. The handshake has the \
             time of -w. A listener without --ssl-cert makes a certificate for the run and shows its \
             fingerprints; one with files reads them again at SIGHUP, and keeps what it has when they \
             cannot be used. Commands find NCAT_TLS_VERSION, NCAT_TLS_CIPHER, NCAT_TLS_GROUP, \
             NCAT_TLS_ALPN, NCAT_TLS_SERVER_NAME, NCAT_TLS_PEER_SUBJECT, NCAT_TLS_PEER_SHA256 and \
             NCAT_TLS_PEER.",
        )
        .better(
            "records split between packets lose nothing, silent clients are dropped, a missing \
             close_notify is a warning at -v and not exit code 1, errors say what failed, Unix and vsock \
             sockets too; with -u cookies keep forged addresses out, what is lost of a handshake is sent \
             again, and listeners have DTLS on one socket",
            "a_record_may_arrive_byte_by_byte",
        ),
    brought(Item::with_value("file", |raw, given| {
        raw.tls.certificate = Some(given.path());
        Ok(())
    }))
    .long("ssl-cert")
    .doc(Group::Tls, "Specify SSL certificate file (PEM)")
    .more("Our certificate, then those between it and the root. For listening, or for a server that asks.")
    .better("a client sends its chain too", "a_client_certificate_is_wanted_and_checked"),
    brought(Item::with_value("file", |raw, given| {
        raw.tls.key = Some(given.path());
        Ok(())
    }))
    .long("ssl-key")
    .doc(Group::Tls, "Specify SSL private key (PEM)")
    .more("May be the same file as --ssl-cert.")
    .same("a_client_certificate_is_wanted_and_checked"),
    brought(Item::with_value("file", |raw, given| {
        raw.tls.passphrase_file = Some(given.path());
        Ok(())
    }))
    .long("ssl-passphrase-file")
    .doc(Group::Tls, "File with the key's passphrase")
    .more("Its first line. Without it the terminal is asked.")
    .ours("an_encrypted_key_needs_its_passphrase"),
    brought(Item::with_value("type", |raw, given| {
        raw.tls.key_type = Some(key_type(given)?);
        Ok(())
    }))
    .long("ssl-keytype")
    .words(KEY_TYPES)
    .doc(Group::Tls, "Key of a temporary certificate")
    .more("ecdsa (P-256, the default) or rsa (2,048 bits). The certificate is valid for 30 days.")
    .ours("a_temporary_certificate_is_for_the_host_listened_on"),
    brought(Item::flag(|raw| raw.tls.verify = true))
        .long("ssl-verify")
        .doc(Group::Tls, "Verify trust and domain name of certificates")
        .more(
            "Names as RFC 9525 has it: those in subjectAltName, addresses too, never the common name. \
             When listening: clients must send a certificate, whose chain is checked.",
        )
        .better(
            "addresses in certificates count, case does not, the common name never; a failure is told \
             with the certificate and what to do, and no other address is tried; a listener asks its \
             clients for certificates",
            "names_are_matched_as_rfc_9525_has_it",
        ),
    brought(Item::with_value("file", |raw, given| {
        raw.tls.trust_files.push(given.path());
        Ok(())
    }))
    .long("ssl-trustfile")
    .doc(Group::Tls, "PEM file containing trusted SSL certificates")
    .more("Or a directory of them, hashed as OpenSSL wants it. Implies --ssl-verify. The system's otherwise.")
    .better("a directory will do", "trust_is_a_file_or_a_directory"),
    brought(Item::with_value("file", |raw, given| {
        raw.tls.client_ca = Some(given.path());
        Ok(())
    }))
    .long("ssl-client-ca")
    .doc(Group::Tls, "Who may have signed clients' certificates")
    .more("With -l; PEM. Implies --ssl-verify.")
    .ours("a_client_certificate_is_wanted_and_checked"),
    brought(Item::with_value("rule", |raw, given| {
        let words = "CN=NAME, SAN=NAME or sha256/DIGEST";
        raw.tls.allow.push(parsed(given, words)?);
        Ok(())
    }))
    .long("ssl-allow")
    .doc(Group::Tls, "Let in only clients with this certificate")
    .more(
        "With -l; as often as wanted. CN=NAME, SAN=NAME (with --ssl-verify or --ssl-client-ca), or \
         sha256/DIGEST of the certificate or its key, which needs nobody's signature.",
    )
    .ours("clients_are_let_in_by_name_or_key"),
    brought(Item::with_value("pin", |raw, given| {
        raw.tls.pins.push(parsed(given, "sha256/ and a SHA-256 in base64 or hexadecimal")?);
        Ok(())
    }))
    .long("ssl-pin")
    .doc(Group::Tls, "Accept only this certificate or key")
    .more("sha256/DIGEST in base64 (as -v shows it) or hexadecimal; as often as wanted, one must fit.")
    .ours("a_pinned_server_is_known_by_its_key"),
    brought(Item::with_value("list", |raw, given| {
        raw.tls.ciphers = Some(given.text()?.to_owned());
        Ok(())
    }))
    .long("ssl-ciphers")
    .doc(Group::Tls, "Cipherlist containing SSL ciphers to use")
    .more("OpenSSL's list, for TLS 1.2 and older. @SECLEVEL=0 in it admits what is weak.")
    .better("says nothing on standard output", "versions_ciphers_and_groups_are_chosen"),
    brought(Item::with_value("list", |raw, given| {
        raw.tls.ciphersuites = Some(given.text()?.to_owned());
        Ok(())
    }))
    .long("ssl-ciphersuites")
    .doc(Group::Tls, "The same for TLS 1.3")
    .more("Not with -u: DTLS 1.2 is the newest.")
    .ours("versions_ciphers_and_groups_are_chosen"),
    brought(Item::with_value("list", |raw, given| {
        raw.tls.groups = Some(given.text()?.to_owned());
        Ok(())
    }))
    .long("ssl-groups")
    .doc(Group::Tls, "Key exchange groups, the preferred first")
    .ours("versions_ciphers_and_groups_are_chosen"),
    brought(Item::flag(|raw| raw.tls.require_pq = true))
        .long("ssl-require-pq")
        .doc(Group::Tls, "Refuse a key exchange that is not post-quantum")
        .more("Needs OpenSSL 3.5 or newer at both ends; X25519MLKEM768 is then agreed on by itself. Not with -u.")
        .ours("a_key_exchange_that_is_not_post_quantum_can_be_refused"),
    brought(Item::with_value("version", |raw, given| {
        raw.tls.min = Some(version(given)?);
        Ok(())
    }))
    .long("ssl-min")
    .words(VERSIONS)
    .doc(Group::Tls, "Oldest version: tls1.0 to tls1.3")
    .more("With -u the same of DTLS: 1.0 for tls1.0 and tls1.1, and 1.2.")
    .ours("versions_ciphers_and_groups_are_chosen"),
    brought(Item::with_value("version", |raw, given| {
        raw.tls.max = Some(version(given)?);
        Ok(())
    }))
    .long("ssl-max")
    .words(VERSIONS)
    .doc(Group::Tls, "Newest version")
    .ours("versions_ciphers_and_groups_are_chosen"),
    brought(Item::with_value("name", |raw, given| {
        raw.tls.server_name = Some(server_name(given)?);
        Ok(())
    }))
    .long("ssl-servername")
    .doc(Group::Tls, "Request distinct server name (SNI)")
    .more("And the name to expect in its certificate. Without it the host is both.")
    .better("an address is never sent as a name", "the_server_is_asked_for_by_name"),
    brought(Item::with_value("list", |raw, given| {
        raw.tls.alpn = Some(given.text()?.split(',').map(str::to_owned).collect());
        Ok(())
    }))
    .long("ssl-alpn")
    .doc(Group::Tls, "ALPN protocol list to use")
    .more("With commas, the preferred first. A listener chooses from it in its own order.")
    .better("listeners too; -v shows what was chosen", "a_protocol_is_agreed_on"),
    brought(Item::with_value("file", |raw, given| {
        raw.tls.keylog = Some(given.path());
        Ok(())
    }))
    .long("ssl-keylog")
    .doc(Group::Tls, "Append session secrets to this file")
    .more("In the format Wireshark reads. Whoever has the file can read the sessions.")
    .ours("secrets_are_written_only_on_demand"),
    brought(Item::with_value("file", |raw, given| {
        raw.tls.session = Some(given.path());
        Ok(())
    }))
    .long("ssl-session")
    .doc(Group::Tls, "Keep the session in this file for the next run")
    .more(
        "The next run with the same server, and the same rules about whom to trust, goes on with the          session, which spares both ends the certificates. Whoever has the file can do so. Servers give          a session when they like; a listener of ours with -k before the first data it sends. -v says          whether one was resumed.",
    )
    .ours("a_session_is_resumed_by_the_next_run"),
    brought(Item::flag(|raw| raw.tls.strict_end = true))
        .long("ssl-strict-eof")
        .doc(Group::Tls, "An end without close_notify is an error")
        .more("Otherwise a warning at -v. An end in the middle of a record is always an error.")
        .ours("an_end_without_close_notify_is_told"),
];
