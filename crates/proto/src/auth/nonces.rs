//! A server's nonces: made by us, for one client, for a while, and each count used once.

use std::collections::HashMap;
use std::time::Duration;

use sha2::{Digest as _, Sha512_256};

use super::digest::hex;
use crate::secret::is_equal;

/// Nonces remembered at once. One more client than that is asked to begin again, which it does by
/// itself (`stale`).
const REMEMBERED_MAX: usize = 16 * 1024;

/// Counts below the highest that may still come: requests of one client on several connections
/// overtake each other.
const WINDOW: u32 = 64;

/// Makes nonces and remembers what they were used for.
///
/// A nonce is its time, a number and a keyed hash over both and the client; those that were handed out
/// and never used cost nothing. Times are since any moment that stays the same.
pub struct Nonces {
    secret: [u8; 32],
    life: Duration,
    next: u64,
    used: HashMap<u64, Used>,
}

struct Used {
    made: Duration,
    highest: u32,
    /// Bit n: the count `highest - n` was used.
    seen: u64,
}

/// What a nonce is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Ours, young enough, and its count is new.
    Fresh,
    /// Ours once: a new one with `stale=true` lets the client answer again by itself.
    Stale,
    /// This count was used before.
    Replayed,
    /// Not ours, or not this client's.
    Foreign,
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Nonces({} in use)", self.used.len())
    }
}

impl Nonces {
    /// With a secret of 32 random bytes; each nonce is good for `life`.
    pub fn new(secret: [u8; 32], life: Duration) -> Self {
        Self { secret, life, next: 0, used: HashMap::new() }
    }

    /// A nonce for `client` (its address), made `now`.
    pub fn mint(&mut self, now: Duration, client: &[u8]) -> String {
        let id = self.next;
        self.next += 1;
        self.write(millis(now), id, client)
    }

    fn write(&self, made: u64, id: u64, client: &[u8]) -> String {
        let mut hash = Sha512_256::new();
        hash.update(self.secret);
        hash.update(made.to_be_bytes());
        hash.update(id.to_be_bytes());
        hash.update(client);
        format!("{made:016x}{id:016x}{}", hex(&hash.finalize()[..16]))
    }

    /// Whether `nonce` may be used by `client` for the time of this `count`, and notes that it was.
    /// Without a count a nonce is good once. Ask only when the response is right: a wrong one must not
    /// use up somebody's count.
    pub fn check(
        &mut self,
        nonce: &[u8],
        count: Option<u32>,
        now: Duration,
        client: &[u8],
    ) -> Verdict {
        let Some((made, id)) = parts(nonce) else { return Verdict::Foreign };
        if !is_equal(self.write(made, id, client).as_bytes(), nonce) {
            return Verdict::Foreign;
        }
        let made = Duration::from_millis(made);
        if now >= made + self.life {
            return Verdict::Stale;
        }
        let count = count.unwrap_or(1);
        if count == 0 {
            return Verdict::Replayed;
        }
        if let Some(used) = self.used.get_mut(&id) {
            return if used.note(count) { Verdict::Fresh } else { Verdict::Replayed };
        }
        if self.used.len() >= REMEMBERED_MAX {
            let life = self.life;
            self.used.retain(|_, used| now < used.made + life);
            if self.used.len() >= REMEMBERED_MAX {
                return Verdict::Stale;
            }
        }
        self.used.insert(id, Used { made, highest: count, seen: 1 });
        Verdict::Fresh
    }
}

impl Used {
    /// Whether this count is new.
    fn note(&mut self, count: u32) -> bool {
        if count > self.highest {
            let shift = count - self.highest;
            self.seen = if shift < WINDOW { self.seen << shift | 1 } else { 1 };
            self.highest = count;
            return true;
        }
        let back = self.highest - count;
        let is_new = back < WINDOW && self.seen & (1 << back) == 0;
        if is_new {
            self.seen |= 1 << back;
        }
        is_new
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn parts(nonce: &[u8]) -> Option<(u64, u64)> {
    let text =
        std::str::from_utf8(nonce).ok().filter(|text| text.len() == 64 && text.is_ascii())?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    Some((number(&text[..16])?, number(&text[16..32])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(10);
    const NOW: Duration = Duration::from_secs(100);

    fn nonces() -> Nonces {
        Nonces::new([7; 32], LIFE)
    }

    #[test]
    fn each_count_is_good_once() {
        let mut nonces = nonces();
        let nonce = nonces.mint(NOW, b"a");
        let mut check = |count| nonces.check(nonce.as_bytes(), Some(count), NOW, b"a");
        for count in [1, 2, 5, 3, 4, 70, 69, 7, 1000] {
            assert_eq!(check(count), Verdict::Fresh, "{count}");
            assert_eq!(check(count), Verdict::Replayed, "{count}");
        }
        // Too long ago to know.
        assert_eq!(check(6), Verdict::Replayed);
        assert_eq!(check(0), Verdict::Replayed);
    }

    #[test]
    fn a_nonce_is_for_one_client_and_one_time() {
        let mut nonces = nonces();
        let nonce = nonces.mint(NOW, b"a");
        let check = |nonces: &mut Nonces, nonce: &str, now, client: &[u8]| {
            nonces.check(nonce.as_bytes(), None, now, client)
        };
        assert_eq!(check(&mut nonces, &nonce, NOW, b"b"), Verdict::Foreign);
        assert_eq!(check(&mut nonces, &nonce, NOW + LIFE, b"a"), Verdict::Stale);
        assert_eq!(check(&mut nonces, &nonce, NOW, b"a"), Verdict::Fresh);
        assert_eq!(check(&mut nonces, &nonce, NOW, b"a"), Verdict::Replayed);
        for n in 0..nonce.len() {
            let mut other = nonce.clone();
            let digit = if &other[n..=n] == "0" { "1" } else { "0" };
            other.replace_range(n..=n, digit);
            assert_eq!(check(&mut nonces, &other, NOW, b"a"), Verdict::Foreign, "{n}");
        }
        for bad in ["", "x", &nonce[1..], &format!("{nonce}0"), &"\u{e9}".repeat(32)] {
            assert_eq!(check(&mut nonces, bad, NOW, b"a"), Verdict::Foreign);
        }
        assert_ne!(nonces.mint(NOW, b"a"), nonces.mint(NOW, b"a"));
    }

    #[test]
    fn memory_is_bounded_and_comes_back() {
        let mut nonces = nonces();
        let fresh = |nonces: &mut Nonces, now| {
            let nonce = nonces.mint(now, b"a");
            nonces.check(nonce.as_bytes(), None, now, b"a")
        };
        for _ in 0..REMEMBERED_MAX {
            assert_eq!(fresh(&mut nonces, NOW), Verdict::Fresh);
        }
        assert_eq!(fresh(&mut nonces, NOW), Verdict::Stale);
        assert_eq!(fresh(&mut nonces, NOW + LIFE), Verdict::Fresh);
        assert_eq!(nonces.used.len(), 1);
    }
}
