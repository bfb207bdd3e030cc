//! TLS in the kernel.

use plan::KernelTls;

use super::super::item::{Group, Item};
use super::tls::{bad_word, brought};

const MODES: &[&str] = &["auto", "on", "off"];

/// The options of this theme.
pub(super) const ITEMS: &[Item] = &[brought(Item::with_value("mode", |raw, given| {
    raw.tls.kernel = Some(match given.text()? {
        "auto" => KernelTls::Auto,
        "on" => KernelTls::On,
        "off" => KernelTls::Off,
        _ => return Err(bad_word(given, "one of auto, on, off")),
    });
    Ok(())
}))
.long("ssl-ktls")
.words(MODES)
.doc(Group::Tls, "Encryption by the kernel: auto, on or off")
.more(
    "Where Linux has TLS for a TCP socket, it encrypts what is sent and decrypts what comes, so that files \
     and pipes need not pass through the program; -vv says what it does, and why not more. TLS 1.2 and 1.3 \
     with AES-GCM or ChaCha20-Poly1305. auto (the default) leaves receiving by TLS 1.3 to the program, for \
     a peer may change its keys in the middle and the kernel would not follow; on gives it to the kernel \
     all the same, and then such a peer ends the connection with an error. A wish to renegotiate is \
     refused while the kernel encrypts. off gives it nothing.",
)
.ours("ktls_both_ways")];
