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
     with AES-GCM or ChaCha20-Poly1305. auto (the default) gives it what no peer can notice: it leaves to the \
     program receiving by TLS 1.3, whose peers may change their keys in the middle, which the kernel would \
     not follow, and clients of TLS 1.2, whose servers may renegotiate. on gives it those too: then a peer \
     that changes its keys ends the connection with an error, and a wish to renegotiate is refused. off \
     gives it nothing.",
)
.ours("ktls_both_ways")];
