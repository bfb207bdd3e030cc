//! Who says it is who: a user name and a password that do not show themselves.

use std::fmt;

/// A user name and a password. Neither `Debug` nor anything else shows the password.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Credentials {
    /// The user name; SOCKS 4 sends it alone.
    pub user: Vec<u8>,
    /// The password; `None` when there was no colon, which Basic and SOCKS 4 do without.
    pub password: Option<Vec<u8>>,
}

impl Credentials {
    /// `user:password`, divided at the first colon.
    pub fn new(text: &[u8]) -> Self {
        match memchr::memchr(b':', text) {
            Some(n) => Self { user: text[..n].to_vec(), password: Some(text[n + 1..].to_vec()) },
            None => Self { user: text.to_vec(), password: None },
        }
    }

    /// As it was given: `user:password`, or `user` alone.
    pub fn joined(&self) -> Vec<u8> {
        let mut all = self.user.clone();
        if let Some(password) = &self.password {
            all.push(b':');
            all.extend(password);
        }
        all
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// Compares without telling by its time where they differ, or that they do; lengths are no secret.
pub fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let differs = one.iter().zip(other).fold(0, |bits, (a, b)| bits | (a ^ b));
    // Without the hint a compiler may stop at the first difference.
    one.len() == other.len() && std::hint::black_box(differs) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_colon_divides() {
        let both = Credentials::new(b"user:pass:word");
        assert_eq!(both.user, b"user");
        assert_eq!(both.password.as_deref(), Some(&b"pass:word"[..]));
        assert_eq!(both.joined(), b"user:pass:word");
        assert_eq!(Credentials::new(b"user").password, None);
        assert!(!format!("{both:?}").contains("pass"));
    }

    #[test]
    fn equal_is_equal() {
        assert!(is_equal(b"", b"") && is_equal(b"abc", b"abc"));
        for other in [&b"abd"[..], b"ab", b"abcd", b""] {
            assert!(!is_equal(b"abc", other));
        }
    }
}
