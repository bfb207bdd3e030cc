//! Certificates, as they are shown.

use proto::escape;
use tls::Certificate;

/// Any bytes as a certificate: what can be read can be shown, and is safe for terminals then.
pub fn certificate(data: &[u8]) {
    let Some(read) = Certificate::from_der(data) else { return };
    let texts = [&read.subject, &read.issuer, &read.not_before, &read.not_after];
    let texts = texts.into_iter().chain(&read.names).chain(&read.organization);
    for text in texts {
        let shown = escape::terminal(text.as_bytes());
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert!(text.len() <= 4 * data.len() + 64, "{text:?}");
    }
    // Digests have a form of their own, whatever is digested.
    let is_hex =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || b": ".contains(&byte));
    assert!(read.sha256.len() == 95 && is_hex(&read.sha256), "{}", read.sha256);
    assert!(read.sha1.len() == 49 && is_hex(&read.sha1), "{}", read.sha1);
    let has_key = read.pin.is_empty() || (read.pin.starts_with("sha256/") && read.pin.len() == 51);
    assert!(has_key, "{}", read.pin);
}
