//! Basic: the password, readable by everybody on the way.

use super::{Auth, BadAuth};
use crate::base64;
use crate::secret::{Credentials, is_equal};

/// A server's challenge.
pub fn challenge(realm: &[u8]) -> Vec<u8> {
    [b"Basic realm=", &quoted_realm(realm)[..], b", charset=\"UTF-8\""].concat()
}

fn quoted_realm(realm: &[u8]) -> Vec<u8> {
    super::quoted(realm).unwrap_or_else(|| b"\"\"".to_vec())
}

/// A client's answer. A user name alone is sent alone, as by Ncat.
pub fn answer(credentials: &Credentials) -> Vec<u8> {
    format!("Basic {}", base64::encode(&credentials.joined())).into_bytes()
}

/// Whether an answer has these credentials.
///
/// # Errors
/// [`BadAuth`] when there is no base64 in it.
pub fn is_right(answer: &Auth, credentials: &Credentials) -> Result<bool, BadAuth> {
    let text = answer.token68.as_deref().and_then(base64::decode).ok_or(BadAuth)?;
    Ok(is_equal(&text, &credentials.joined()))
}
