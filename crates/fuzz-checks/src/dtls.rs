//! The beginning of DTLS.

use proto::dtls::{ClientHello, Hello, hello_verify_request};

/// Bytes of the cookie that a listener asks for.
const COOKIE: [u8; 20] = [7; 20];

/// A datagram of a stranger's: what is answered is answered with no more than it has, and what is put
/// together of its fragments is a whole ClientHello or none.
pub fn dtls(data: &[u8]) {
    if let Some(hello) = ClientHello::read(data) {
        let answer = hello_verify_request(hello.sequence, &COOKIE);
        assert!(answer.len() <= data.len(), "{} bytes for {}", answer.len(), data.len());
        assert!(hello.cookie.len() < data.len());
    }
    let mut whole = Hello::default();
    // Twice: what is left of the first datagram must not spoil the second.
    for _ in 0..2 {
        if let Some(record) = whole.take(data) {
            assert!(record.len() <= data.len() + 25);
            assert_eq!(Hello::default().take(&record).as_ref(), Some(&record));
        }
    }
    for piece in data.chunks(64) {
        whole.take(piece);
    }
}
