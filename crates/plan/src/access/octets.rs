//! Octet forms: `10.0-3.*.1,5,9-`.

use std::net::Ipv4Addr;

/// The values one octet may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Octet([u64; 4]);

impl Octet {
    const NONE: Self = Self([0; 4]);
    const ALL: Self = Self([u64::MAX; 4]);

    fn has(self, value: u8) -> bool {
        self.0[usize::from(value >> 6)] >> (value & 63) & 1 == 1
    }

    fn insert(&mut self, value: u8) {
        self.0[usize::from(value >> 6)] |= 1 << (value & 63);
    }

    /// The runs of neighbouring values.
    fn runs(self) -> Vec<(u8, u8)> {
        let mut runs: Vec<(u8, u8)> = Vec::new();
        for value in (0..=255).filter(|value| self.has(*value)) {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == value => *last = value,
                _ => runs.push((value, value)),
            }
        }
        runs
    }

    /// Every value that agrees with one of these in the bits of `mask`.
    fn masked(self, mask: u8) -> Self {
        let mut heads = Self::NONE;
        (0..=255).filter(|value| self.has(*value)).for_each(|value| heads.insert(value & mask));
        let mut wide = Self::NONE;
        (0..=255).filter(|value| heads.has(value & mask)).for_each(|value| wide.insert(value));
        wide
    }
}

/// A set of IPv4 addresses, said octet by octet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Octets([Octet; 4]);

impl Octets {
    /// Reads the form, without prefix bits.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut octets = [Octet::NONE; 4];
        let mut parts = text.split('.');
        for octet in &mut octets {
            let part = parts.next().ok_or("an IPv4 address has four octets")?;
            for item in part.split(',') {
                let (first, last) = item_range(item)?;
                (first..=last).for_each(|value| octet.insert(value));
            }
        }
        match parts.next() {
            None => Ok(Self(octets)),
            Some(_) => Err("an IPv4 address has four octets"),
        }
    }

    /// Widens each combination to its network of `bits` prefix bits, at most 32.
    pub(super) fn widen(mut self, bits: u8) -> Self {
        for (octet, before) in self.0.iter_mut().zip([0_u8, 8, 16, 24]) {
            *octet = match bits.saturating_sub(before) {
                0 => Octet::ALL,
                kept @ 1..8 => octet.masked(u8::MAX << (8 - kept)),
                _ => *octet,
            };
        }
        self
    }

    /// Whether the address is in the set.
    pub fn contains(&self, addr: Ipv4Addr) -> bool {
        self.0.iter().zip(addr.octets()).all(|(octet, value)| octet.has(value))
    }

    /// The set as ranges of addresses, unless that takes more than `max` of them.
    pub(super) fn ranges(&self, max: usize) -> Option<Vec<(u32, u32)>> {
        // From the last octet: as long as all behind it is free, an octet's runs are ranges;
        // from then on each value stands alone before them.
        let mut ranges = vec![(0, 0)];
        let mut span = 0; // every bit behind the current octet
        for (octet, shift) in self.0.iter().rev().zip([0_u32, 8, 16, 24]) {
            let whole = ranges == [(0, span)];
            let steps: Vec<(u8, u8)> = if whole {
                octet.runs()
            } else {
                (0..=255).filter(|value| octet.has(*value)).map(|value| (value, value)).collect()
            };
            if steps.len() * ranges.len() > max {
                return None;
            }
            let place = |(first, last): (u8, u8)| {
                let (first, last) = (u32::from(first) << shift, u32::from(last) << shift);
                ranges.iter().map(move |range| (first | range.0, last | range.1))
            };
            ranges = steps.into_iter().flat_map(place).collect();
            span |= 255 << shift;
        }
        Some(ranges)
    }
}

/// `*`, `N`, `A-B`, `A-`, `-B` or `-`.
fn item_range(item: &str) -> Result<(u8, u8), &'static str> {
    if item == "*" {
        return Ok((0, 255));
    }
    let Some((first, last)) = item.split_once('-') else {
        return number(item).map(|value| (value, value));
    };
    let first = if first.is_empty() { 0 } else { number(first)? };
    let last = if last.is_empty() { 255 } else { number(last)? };
    if first > last {
        Err("a range goes from the lower number to the higher")
    } else {
        Ok((first, last))
    }
}

/// Decimal without leading zeros.
fn number(text: &str) -> Result<u8, &'static str> {
    if text.is_empty() {
        return Err("an octet is empty");
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("not an IPv4 address");
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err("leading zeros read as octal in some programs and as decimal in others");
    }
    text.parse().map_err(|_| "an octet is at most 255")
}

/// Whether this could be nothing but an octet form or address with all its octets and no prefix bits.
pub(super) fn looks_whole(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || b".,-*".contains(&byte))
        && text.bytes().filter(|byte| *byte == b'.').count() == 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(text: &str) -> Option<Vec<(u32, u32)>> {
        Octets::parse(text).unwrap().ranges(300)
    }

    #[test]
    fn refused() {
        for text in [
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.",
            "1.2.3.4,",
            "1.2.3.256",
            "1.2.3.9-3",
            "01.2.3.4",
            "1.2.3.+4",
        ] {
            assert!(Octets::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn as_ranges() {
        assert_eq!(ranges("*.*.*.*"), Some(vec![(0, u32::MAX)]));
        assert_eq!(ranges("1.2.3.4"), Some(vec![(0x0102_0304, 0x0102_0304)]));
        assert_eq!(ranges("1.2-3.-.*"), Some(vec![(0x0102_0000, 0x0103_ffff)]));
        assert_eq!(
            ranges("1-2.0.0.-1"),
            Some(vec![(0x0100_0000, 0x0100_0001), (0x0200_0000, 0x0200_0001)])
        );
        assert_eq!(ranges("1.1-255.3-,1.7").map(|all| all.len()), None);
    }

    #[test]
    fn widened() {
        let octets = Octets::parse("10.1.2.3,200").unwrap();
        assert_eq!(octets.clone().widen(32), octets);
        assert_eq!(octets.clone().widen(25).ranges(9), ranges("10.1.2.*"));
        assert_eq!(octets.clone().widen(26).ranges(9), ranges("10.1.2.0-63,192-255"));
        assert_eq!(octets.clone().widen(15).ranges(9), ranges("10.0-1.*.*"));
        assert_eq!(octets.widen(0).ranges(9), ranges("*.*.*.*"));
    }
}
