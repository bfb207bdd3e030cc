//! The secrets of one connection, as OpenSSL logs them: the only way it gives them out.

use std::sync::{Mutex, OnceLock, PoisonError};

use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslRef};

/// The secrets the first keys for data follow from (RFC 8446, section 7.1); empty where there are none.
#[derive(Default)]
pub(crate) struct Secrets {
    pub(crate) client: Vec<u8>,
    pub(crate) server: Vec<u8>,
}

type Slot = Mutex<Secrets>;

fn index() -> Option<Index<Ssl, Slot>> {
    static INDEX: OnceLock<Option<Index<Ssl, Slot>>> = OnceLock::new();
    *INDEX.get_or_init(|| Ssl::new_ex_index().ok())
}

/// Has this connection's secrets kept.
pub(crate) fn keep(ssl: &mut SslRef) {
    if let Some(index) = index() {
        ssl.set_ex_data(index, Slot::default());
    }
}

/// Takes out what was kept.
pub(crate) fn take(ssl: &SslRef) -> Secrets {
    let slot = index().and_then(|index| ssl.ex_data(index));
    let take =
        |slot: &Slot| std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner));
    slot.map(take).unwrap_or_default()
}

/// Keeps the secret in a line of the log, if it is one of those that are wanted.
pub(crate) fn note(ssl: &SslRef, line: &str) {
    let Some(slot) = index().and_then(|index| ssl.ex_data(index)) else { return };
    let Some((label, rest)) = line.split_once(' ') else { return };
    let Some(secret) = rest.split_once(' ').and_then(|(_random, secret)| bytes(secret)) else {
        return;
    };
    let mut kept = slot.lock().unwrap_or_else(PoisonError::into_inner);
    match label {
        "CLIENT_TRAFFIC_SECRET_0" => kept.client = secret,
        "SERVER_TRAFFIC_SECRET_0" => kept.server = secret,
        _ => {}
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |two: &[u8]| match *two {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    hex.as_bytes().chunks(2).map(pair).collect()
}
