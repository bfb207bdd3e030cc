//! The beginning of DTLS: a ClientHello and the HelloVerifyRequest that answers it (RFC 6347).
//!
//! Just enough to ask a stranger for a cookie without keeping anything about them: what the two say
//! after that is the library's business. A ClientHello must be whole in one record, as OpenSSL's own
//! listener wants it.

/// A record's type, version, epoch, sequence number and length (section 4.1).
const RECORD_HEADER: usize = 13;
/// A message's type, length, number and fragment (section 4.2.2).
const MESSAGE_HEADER: usize = 12;
/// Record type of handshake messages.
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;
/// DTLS 1.0, which a HelloVerifyRequest says whatever is agreed on later (section 4.2.1).
const DTLS_1_0: [u8; 2] = [254, 255];
/// The longest a session's identifier may be (RFC 5246, section 7.4.1.2).
const SESSION_ID_MAX: usize = 32;

/// What a ClientHello says that matters here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientHello<'a> {
    /// Number of its record, which the answer's record must have too.
    pub sequence: [u8; 6],
    /// The client's random, the same with and without cookie; another one is another connection.
    pub random: &'a [u8; 32],
    /// Empty in the first one.
    pub cookie: &'a [u8],
}

impl<'a> ClientHello<'a> {
    /// Reads the first record of a datagram; `None` when it is no whole ClientHello.
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        if !looks_like_one(datagram) {
            return None;
        }
        let (header, rest) = datagram.split_at_checked(RECORD_HEADER)?;
        let sequence = header[5..11].try_into().ok()?;
        let record = rest.get(..usize::from(u16::from_be_bytes([header[11], header[12]])))?;
        let (header, body) = record.split_at_checked(MESSAGE_HEADER)?;
        let length = |at: usize| {
            u32::from_be_bytes([0, header[at], header[at + 1], header[at + 2]]) as usize
        };
        let (whole, fragment_at, fragment) = (length(1), length(6), length(9));
        if fragment_at != 0 || fragment != whole || body.len() != whole {
            return None;
        }
        let mut rest = Reader(body);
        if rest.take(2)?[0] != DTLS_1_0[0] {
            return None;
        }
        let random = rest.take(32)?.try_into().ok()?;
        if rest.counted()?.len() > SESSION_ID_MAX {
            return None;
        }
        let cookie = rest.counted()?;
        Some(Self { sequence, random, cookie })
    }
}

/// Whether a datagram may be the beginning of a connection: an unprotected record with a ClientHello.
pub fn looks_like_one(datagram: &[u8]) -> bool {
    datagram.len() > RECORD_HEADER
        && datagram[0] == HANDSHAKE
        && datagram[1] == DTLS_1_0[0]
        && datagram[3..5] == [0, 0]
        && datagram[RECORD_HEADER] == CLIENT_HELLO
}

/// The datagram that asks for `cookie`, of which the first 255 bytes are taken. It is shorter than any
/// ClientHello with the same cookie.
pub fn hello_verify_request(sequence: [u8; 6], cookie: &[u8]) -> Vec<u8> {
    let cookie = &cookie[..cookie.len().min(255)];
    let length = (2 + 1 + cookie.len()) as u16;
    let mut datagram = Vec::with_capacity(RECORD_HEADER + MESSAGE_HEADER + usize::from(length));
    datagram.push(HANDSHAKE);
    datagram.extend(DTLS_1_0);
    datagram.extend([0, 0]);
    datagram.extend(sequence);
    datagram.extend((length + MESSAGE_HEADER as u16).to_be_bytes());
    datagram.push(HELLO_VERIFY_REQUEST);
    let [high, low] = length.to_be_bytes();
    // Its length, its number 0, and all of it in one piece.
    datagram.extend([0, high, low, 0, 0, 0, 0, 0, 0, high, low]);
    datagram.extend(DTLS_1_0);
    datagram.push(cookie.len() as u8);
    datagram.extend(cookie);
    datagram
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes after a byte that says how many.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let n = self.take(1)?[0];
        self.take(usize::from(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As small as one can be: no session, one cipher, one compression, no extensions.
    fn hello(cookie: &[u8]) -> Vec<u8> {
        let mut body = vec![254, 253];
        body.extend([7; 32]);
        body.push(0);
        body.push(cookie.len() as u8);
        body.extend(cookie);
        body.extend([0, 2, 0xc0, 0x2b, 1, 0]);
        let length = (body.len() as u16).to_be_bytes();
        let mut message = vec![1, 0, length[0], length[1], 0, 0, 0, 0, 0, 0, length[0], length[1]];
        message.extend(body);
        let length = (message.len() as u16).to_be_bytes();
        let mut record = vec![22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 9, length[0], length[1]];
        record.extend(message);
        record
    }

    #[test]
    fn a_hello_is_read_and_its_beginnings_are_not() {
        let with = hello(b"cookie");
        let read = ClientHello::read(&with).unwrap();
        assert_eq!(read.cookie, b"cookie");
        assert_eq!(read.random, &[7; 32]);
        assert_eq!(read.sequence, [0, 0, 0, 0, 0, 9]);
        for len in 0..with.len() {
            assert_eq!(ClientHello::read(&with[..len]), None, "{len}");
        }
        // More records may follow in the same datagram.
        assert!(ClientHello::read(&[&with[..], b"more"].concat()).is_some());
    }

    #[test]
    fn what_is_something_else_is_refused() {
        let good = hello(b"");
        for (at, byte) in [(0, 23), (1, 3), (4, 1), (13, 2), (21, 1), (24, 9), (25, 3), (59, 33)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(ClientHello::read(&bad), None, "byte {at}");
        }
        assert_eq!(ClientHello::read(b"GET / HTTP/1.1\r\n\r\n"), None);
    }

    #[test]
    fn a_request_is_as_openssl_makes_it_and_amplifies_nothing() {
        let request = hello_verify_request([0, 0, 0, 0, 0, 5], b"abcd");
        let wanted = [
            &[22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 5, 0, 19][..],
            &[3, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 7],
            &[254, 255, 4],
            b"abcd",
        ];
        assert_eq!(request, wanted.concat());
        assert!(hello_verify_request([0; 6], &[1; 20]).len() <= hello(b"").len());
        assert_eq!(hello_verify_request([0; 6], &[1; 300]).len(), 13 + 12 + 3 + 255);
    }
}
