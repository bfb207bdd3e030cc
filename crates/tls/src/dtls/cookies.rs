//! Cookies for strangers (RFC 6347, section 4.2.1): whoever can send one back receives what is sent to
//! the address it claims to have.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use conn::{Look, Mark, Screen};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::pkey::{PKey, Private};
use openssl::rand::rand_bytes;
use openssl::sign::Signer;
use proto::dtls::{ClientHello, hello_verify_request};
use tokio::time::Instant;

use crate::error::{Error, internal};

/// Bytes of a cookie: as many as the oldest clients take with ease, more than can be guessed.
const COOKIE: usize = 20;
/// How long a key makes cookies; it accepts them as long again. A client answers within a second, or
/// some more if its answer is lost.
const KEY_LIFE: Duration = Duration::from_secs(60);

type Key = PKey<Private>;

/// Asks each stranger for a cookie that only its address can have been given. Keeps two keys, and
/// nothing about anybody.
pub struct Cookies {
    /// In use, and the one before it.
    keys: [Key; 2],
    since: Instant,
}

impl std::fmt::Debug for Cookies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cookies")
    }
}

fn fresh() -> Result<Key, ErrorStack> {
    let mut secret = [0; 32];
    rand_bytes(&mut secret)?;
    PKey::hmac(&secret)
}

/// What only somebody with the key can make for this address and port.
fn cookie(key: &Key, from: SocketAddr) -> Result<[u8; COOKIE], ErrorStack> {
    let mut signer = Signer::new(MessageDigest::sha256(), key)?;
    match from.ip() {
        IpAddr::V4(ip) => signer.update(&ip.octets())?,
        IpAddr::V6(ip) => signer.update(&ip.octets())?,
    }
    signer.update(&from.port().to_be_bytes())?;
    let mut digest = [0; 32];
    signer.sign(&mut digest)?;
    let mut cookie = [0; COOKIE];
    cookie.copy_from_slice(&digest[..COOKIE]);
    Ok(cookie)
}

impl Cookies {
    /// With keys that nobody else has.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new() -> Result<Self, Error> {
        let keys = [fresh().map_err(internal)?, fresh().map_err(internal)?];
        Ok(Self { keys, since: Instant::now() })
    }

    fn rotate(&mut self) {
        let age = self.since.elapsed();
        if age < KEY_LIFE {
            return;
        }
        // Without randomness the old ones must do a little longer.
        let Ok(key) = fresh() else { return };
        self.keys.swap(0, 1);
        self.keys[0] = key;
        if age >= 2 * KEY_LIFE
            && let Ok(key) = fresh()
        {
            self.keys[1] = key;
        }
        self.since = Instant::now();
    }

    fn is_good(&self, from: SocketAddr, given: &[u8]) -> bool {
        given.len() == COOKIE
            && self
                .keys
                .iter()
                .any(|key| cookie(key, from).is_ok_and(|own| memcmp::eq(&own, given)))
    }

    fn request(&self, from: SocketAddr, hello: &ClientHello<'_>) -> Look {
        match cookie(&self.keys[0], from) {
            Ok(cookie) => Look::Answer(Bytes::from(hello_verify_request(hello.sequence, &cookie))),
            Err(_) => Look::Drop,
        }
    }
}

impl Screen for Cookies {
    fn look(&mut self, from: SocketAddr, datagram: &[u8], current: Option<&Mark>) -> Look {
        // A later fragment, and whatever comes after it, is for the connection to look at.
        let Some(hello) = ClientHello::read(datagram) else {
            return if current.is_some() { Look::Pass } else { Look::Drop };
        };
        let mark = Mark(*hello.random);
        if current == Some(&mark) {
            // Sent again, which the connection knows what to do about. One without a cookie is older
            // than the connection.
            return if hello.cookie.is_empty() { Look::Drop } else { Look::Pass };
        }
        self.rotate();
        // A client that has begun anew on its old port is a stranger until it has the cookie; only
        // then is its old connection given up (RFC 6347, section 4.2.8).
        if self.is_good(from, hello.cookie) {
            Look::Begin(mark)
        } else {
            self.request(from, &hello)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "192.0.2.7:4433";

    fn hello(random: u8, cookie: &[u8]) -> Vec<u8> {
        let body = [&[254, 253][..], &[random; 32], &[0, cookie.len() as u8], cookie].concat();
        let len = body.len() as u8;
        let message = [&[1, 0, 0, len, 0, 0, 0, 0, 0, 0, 0, len][..], &body].concat();
        let record = [22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, message.len() as u8];
        [&record[..], &message].concat()
    }

    fn asked(look: Look) -> Vec<u8> {
        let Look::Answer(answer) = look else { panic!("{look:?}") };
        answer[28..].to_vec()
    }

    #[tokio::test(start_paused = true)]
    async fn a_cookie_is_good_for_its_address_and_its_time() {
        let mut cookies = Cookies::new().unwrap();
        let from: SocketAddr = HERE.parse().unwrap();
        let cookie = asked(cookies.look(from, &hello(1, b""), None));
        assert_eq!(cookies.look(from, &hello(1, &cookie), None), Look::Begin(Mark([1; 32])));
        for other in ["192.0.2.7:4434", "192.0.2.8:4433", "[::ffff:192.0.2.7]:4433"] {
            asked(cookies.look(other.parse().unwrap(), &hello(1, &cookie), None));
        }
        asked(cookies.look(from, &hello(1, &cookie[1..]), None));
        tokio::time::advance(KEY_LIFE).await;
        assert_eq!(cookies.look(from, &hello(2, &cookie), None), Look::Begin(Mark([2; 32])));
        tokio::time::advance(KEY_LIFE).await;
        assert_ne!(asked(cookies.look(from, &hello(2, &cookie), None)), cookie);
        tokio::time::advance(10 * KEY_LIFE).await;
        let late = asked(cookies.look(from, &hello(3, b""), None));
        assert_eq!(cookies.look(from, &hello(3, &late), None), Look::Begin(Mark([3; 32])));
    }

    #[tokio::test]
    async fn strangers_get_nothing_else_and_friends_everything() {
        let mut cookies = Cookies::new().unwrap();
        let from: SocketAddr = HERE.parse().unwrap();
        let mark = Mark([1; 32]);
        for data in [&b""[..], b"x", b"GET / HTTP/1.1\r\n", &[23, 254, 253, 0, 1, 0, 0, 0, 0]] {
            assert_eq!(cookies.look(from, data, None), Look::Drop);
            assert_eq!(cookies.look(from, data, Some(&mark)), Look::Pass);
        }
        assert_eq!(cookies.look(from, &hello(1, b"x"), Some(&mark)), Look::Pass);
        assert_eq!(cookies.look(from, &hello(1, b""), Some(&mark)), Look::Drop);
        // A new beginning has to show its cookie first.
        let cookie = asked(cookies.look(from, &hello(2, b"x"), Some(&mark)));
        assert_eq!(cookies.look(from, &hello(2, &cookie), Some(&mark)), Look::Begin(Mark([2; 32])));
    }
}
