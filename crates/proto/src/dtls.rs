//! The beginning of DTLS: a ClientHello and the HelloVerifyRequest that answers it (RFC 6347).
//!
//! Just enough to ask a stranger for a cookie without keeping anything about them: what the two say
//! after that is the library's business. A ClientHello may be in fragments (Ncat's always is): the
//! cookie is in the first, and [`Hello`] puts those of a client that has the cookie together, since
//! OpenSSL's listener wants it whole.

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
/// The longest ClientHello put together: far above any there is, and within a record.
const HELLO_MAX: usize = 8192;

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
    /// Reads the first record of a datagram; `None` when it is no ClientHello, or a later fragment.
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        let (first, _) = Fragment::read(datagram)?;
        if first.at != 0 {
            return None;
        }
        let mut rest = Reader(first.bytes);
        if rest.take(2)?[0] != DTLS_1_0[0] {
            return None;
        }
        let random = rest.take(32)?.try_into().ok()?;
        if rest.counted()?.len() > SESSION_ID_MAX {
            return None;
        }
        let cookie = rest.counted()?;
        Some(Self { sequence: first.sequence, random, cookie })
    }
}

/// Whether a datagram may be the beginning of a connection: an unprotected record with a ClientHello
/// or a fragment of one.
fn looks_like_one(datagram: &[u8]) -> bool {
    datagram.len() > RECORD_HEADER
        && datagram[0] == HANDSHAKE
        && datagram[1] == DTLS_1_0[0]
        && datagram[3..5] == [0, 0]
        && datagram[RECORD_HEADER] == CLIENT_HELLO
}

/// A record with a ClientHello or a part of one.
struct Fragment<'a> {
    version: [u8; 2],
    sequence: [u8; 6],
    /// The message's number: 0 without cookie, 1 with it.
    number: [u8; 2],
    /// Bytes of the whole message, and where in it these are.
    whole: usize,
    at: usize,
    bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads the first record, and gives what comes after it.
    fn read(datagram: &'a [u8]) -> Option<(Self, &'a [u8])> {
        if !looks_like_one(datagram) {
            return None;
        }
        let (header, rest) = datagram.split_at_checked(RECORD_HEADER)?;
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let (record, after) = rest.split_at_checked(length)?;
        let (version, sequence) = ([header[1], header[2]], header[5..11].try_into().ok()?);
        let (header, bytes) = record.split_at_checked(MESSAGE_HEADER)?;
        let number = |at: usize| {
            u32::from_be_bytes([0, header[at], header[at + 1], header[at + 2]]) as usize
        };
        let (whole, at) = (number(1), number(6));
        if number(9) != bytes.len() || at + bytes.len() > whole {
            return None;
        }
        Some((Self { version, sequence, number: [header[4], header[5]], whole, at, bytes }, after))
    }
}

/// A ClientHello that is being put together; of one client, who has shown a cookie.
#[derive(Debug, Default)]
pub struct Hello {
    /// The message's number and length: a fragment of another one is not mistaken for one of it.
    which: ([u8; 2], usize),
    /// It from its beginning on, as far as it is here.
    bytes: Vec<u8>,
}

impl Hello {
    /// Takes a datagram's fragments, in order; the whole in one record, once it is there. What comes out
    /// of order the client sends again.
    pub fn take(&mut self, mut datagram: &[u8]) -> Option<Vec<u8>> {
        while let Some((fragment, after)) = Fragment::read(datagram) {
            datagram = after;
            let which = (fragment.number, fragment.whole);
            if fragment.at == 0 {
                self.bytes.clear();
                self.which = which;
            }
            let is_next = fragment.at == self.bytes.len() && which == self.which;
            if !is_next || fragment.whole > HELLO_MAX {
                continue;
            }
            self.bytes.extend_from_slice(fragment.bytes);
            if self.bytes.len() == fragment.whole {
                let bytes = std::mem::take(&mut self.bytes);
                return Some(record(
                    fragment.version,
                    fragment.sequence,
                    CLIENT_HELLO,
                    fragment.number,
                    &bytes,
                ));
            }
        }
        None
    }
}

/// One message in one record; it must fit.
fn record(version: [u8; 2], sequence: [u8; 6], kind: u8, number: [u8; 2], body: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = (body.len() as u32).to_be_bytes();
    let mut datagram = Vec::with_capacity(RECORD_HEADER + MESSAGE_HEADER + body.len());
    datagram.push(HANDSHAKE);
    datagram.extend(version);
    datagram.extend([0, 0]);
    datagram.extend(sequence);
    datagram.extend(((body.len() + MESSAGE_HEADER) as u16).to_be_bytes());
    datagram.extend([kind, high, middle, low]);
    datagram.extend(number);
    // All of it in one piece.
    datagram.extend([0, 0, 0, high, middle, low]);
    datagram.extend(body);
    datagram
}

/// The datagram that asks for `cookie`, of which the first 255 bytes are taken. It is shorter than any
/// ClientHello with the same cookie.
pub fn hello_verify_request(sequence: [u8; 6], cookie: &[u8]) -> Vec<u8> {
    let cookie = &cookie[..cookie.len().min(255)];
    let body = [&DTLS_1_0[..], &[cookie.len() as u8], cookie].concat();
    record(DTLS_1_0, sequence, HELLO_VERIFY_REQUEST, [0, 0], &body)
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

    fn body(cookie: &[u8]) -> Vec<u8> {
        // As small as one can be: no session, one cipher, one compression, no extensions.
        let head = [&[254, 253][..], &[7; 32], &[0, cookie.len() as u8]].concat();
        [&head, cookie, &[0, 2, 0xc0, 0x2b, 1, 0]].concat()
    }

    fn hello(cookie: &[u8]) -> Vec<u8> {
        record(DTLS_1_0, [0, 0, 0, 0, 0, 9], CLIENT_HELLO, [0, 0], &body(cookie))
    }

    /// The same in fragments of `size` bytes, each in a record of its own.
    fn fragments(cookie: &[u8], size: usize) -> Vec<Vec<u8>> {
        let whole = hello(cookie);
        let pieces = whole[25..].chunks(size).enumerate();
        let fragment = |(i, piece): (usize, &[u8])| {
            let mut fragment = whole[..25].to_vec();
            fragment[10] = 9 + i as u8;
            fragment[12] = 12 + piece.len() as u8;
            (fragment[21], fragment[24]) = ((i * size) as u8, piece.len() as u8);
            fragment.extend(piece);
            fragment
        };
        pieces.map(fragment).collect()
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
    fn fragments_become_whole_and_the_first_shows_the_cookie() {
        let whole = hello(b"cookie");
        for size in 1..80 {
            let fragments = fragments(b"cookie", size);
            let first = ClientHello::read(&fragments[0]);
            assert_eq!(first.map(|hello| hello.cookie), (size >= 42).then_some(&b"cookie"[..]));
            let (mut hello, mut made) = (Hello::default(), None);
            for fragment in &fragments {
                assert_eq!(made, None);
                made = hello.take(fragment);
            }
            let made = made.unwrap();
            // Its record has the number of the last.
            assert_eq!((&made[..10], &made[11..]), (&whole[..10], &whole[11..]));
            assert!(ClientHello::read(fragments.last().unwrap()).is_none() || fragments.len() == 1);
            assert_eq!(Hello::default().take(&fragments.concat()), Some(made), "in one datagram");
        }
        let fragments = fragments(b"", 20);
        let mut hello = Hello::default();
        for i in [1, 0, 2, 0, 0, 1] {
            assert_eq!(hello.take(&fragments[i]), None);
        }
        assert!(hello.take(&fragments[2]).is_some());
        // The same place in another message.
        let mut other = fragments[1].clone();
        other[18] = 1;
        assert_eq!(hello.take(&fragments[0]), None);
        for fragment in [&other, &fragments[1]] {
            assert_eq!(hello.take(fragment), None);
        }
        assert!(hello.take(&fragments[2]).is_some());
        let mut long = fragments[0].clone();
        long[15] = 0x20;
        assert_eq!(hello.take(&long), None);
        assert!(hello.bytes.is_empty());
    }

    #[test]
    fn what_is_something_else_is_refused() {
        let good = hello(b"");
        for (at, byte) in
            [(0, 23), (1, 3), (4, 1), (13, 2), (21, 1), (24, 9), (24, 99), (25, 3), (59, 33)]
        {
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
