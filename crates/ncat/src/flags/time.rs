//! Time values: a C number and perhaps a unit (spec section 1.3).

use std::time::Duration;

/// The largest time, in milliseconds (596 hours): what Ncat can hold.
const MILLIS_MAX: f64 = 2_147_483_647.0;
/// From this many seconds on, a number without a unit is refused: it was milliseconds once.
const UNITLESS_SECONDS: f64 = 100.0;

/// Why a word is not a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum BadTime {
    /// No number, another unit, nothing, negative or too much.
    Invalid,
    /// A bare number of at least a hundred; how many minutes that would be.
    NeedsUnit(f64),
}

/// Reads a time; the result is a whole number of milliseconds, at least one.
pub(super) fn parse(word: &str) -> Result<Duration, BadTime> {
    let (number, unit) = strtod(word).ok_or(BadTime::Invalid)?;
    let millis_per_unit = match unit.to_ascii_lowercase().as_str() {
        "" | "s" => 1000.0,
        "ms" => 1.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return Err(BadTime::Invalid),
    };
    let millis = (number * millis_per_unit).trunc();
    if !(1.0..=MILLIS_MAX).contains(&millis) {
        return Err(BadTime::Invalid);
    }
    if unit.is_empty() && number >= UNITLESS_SECONDS {
        return Err(BadTime::NeedsUnit(number / 60.0));
    }
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "checked above")]
    let millis = millis as u64;
    Ok(Duration::from_millis(millis))
}

/// C's `strtod` in the C locale: the number a word begins with, and what follows it.
fn strtod(word: &str) -> Option<(f64, &str)> {
    let blank = [' ', '\t', '\n', '\x0b', '\x0c', '\r'];
    let unsigned = word.trim_start_matches(blank);
    let (sign, unsigned) = match unsigned.as_bytes().first() {
        Some(b'-') => (-1.0, &unsigned[1..]),
        Some(b'+') => (1.0, &unsigned[1..]),
        _ => (1.0, unsigned),
    };
    // "inf" and "nan" are numbers to strtod, but no times; refused here, which comes to the same.
    let (number, used) = hex(unsigned).or_else(|| decimal(unsigned))?;
    Some((sign * number, &unsigned[used..]))
}

/// A decimal number at the start: its value and length.
fn decimal(word: &str) -> Option<(f64, usize)> {
    let bytes = word.as_bytes();
    let (whole, fraction, mut used) = digits_and_point(bytes, u8::is_ascii_digit);
    if whole + fraction == 0 {
        return None;
    }
    used += exponent(&bytes[used..], b'e').map_or(0, |(_, length)| length);
    word[..used].parse().ok().map(|number| (number, used))
}

/// A hexadecimal number at the start: its value and length. `0x` without digits is the number 0
/// followed by an `x`, which [`decimal`] finds.
fn hex(word: &str) -> Option<(f64, usize)> {
    let bytes = word.as_bytes();
    if bytes.len() < 3 || bytes[0] != b'0' || !bytes[1].eq_ignore_ascii_case(&b'x') {
        return None;
    }
    let body = &word[2..];
    let (whole, fraction, length) = digits_and_point(body.as_bytes(), u8::is_ascii_hexdigit);
    if whole + fraction == 0 {
        return None;
    }
    let mantissa = body[..length].chars().filter_map(|digit| digit.to_digit(16));
    let mantissa = mantissa.fold(0.0_f64, |sum, digit| sum * 16.0 + f64::from(digit));
    let (power, power_length) = exponent(&body.as_bytes()[length..], b'p').unwrap_or((0, 0));
    let fraction_bits = i32::try_from(fraction).ok()?.checked_mul(4)?;
    Some((mantissa * 2.0_f64.powi(power.saturating_sub(fraction_bits)), 2 + length + power_length))
}

/// How many digits stand before and after the point, and how long both are with it.
fn digits_and_point(bytes: &[u8], is_digit: fn(&u8) -> bool) -> (usize, usize, usize) {
    let run = |bytes: &[u8]| bytes.iter().take_while(|byte| is_digit(byte)).count();
    let whole = run(bytes);
    match bytes.get(whole) {
        Some(b'.') => {
            let fraction = run(&bytes[whole + 1..]);
            (whole, fraction, whole + 1 + fraction)
        }
        _ => (whole, 0, whole),
    }
}

/// An exponent: its value, kept within what matters to a double, and its length.
fn exponent(bytes: &[u8], mark: u8) -> Option<(i32, usize)> {
    if !bytes.first()?.eq_ignore_ascii_case(&mark) {
        return None;
    }
    let (negative, signs) = match bytes.get(1) {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };
    let digits = bytes[1 + signs..].iter().take_while(|byte| byte.is_ascii_digit());
    let (value, count) = digits.fold((0_i32, 0), |(value, count), digit| {
        (value.saturating_mul(10).saturating_add(i32::from(digit - b'0')).min(100_000), count + 1)
    });
    (count > 0).then_some((if negative { -value } else { value }, 1 + signs + count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_ncat_reads_them() {
        let good = [
            ("5", 5000),
            ("5s", 5000),
            ("5S", 5000),
            ("5ms", 5),
            ("5mS", 5),
            ("2m", 120_000),
            ("2h", 7_200_000),
            ("1.h", 3_600_000),
            (".5", 500),
            ("+5", 5000),
            (" 5", 5000),
            ("\t5", 5000),
            ("0x10", 16_000),
            ("0X10", 16_000),
            ("0x1p3", 8000),
            ("0x1P-3s", 125),
            ("0x.8", 500),
            ("0x1.8p1", 3000),
            ("1e3ms", 1000),
            ("1e-3s", 1),
            ("99.9999", 99_999),
            ("100s", 100_000),
            ("100m", 6_000_000),
            ("2147483647ms", 2_147_483_647),
            ("0.0019", 1),
        ];
        for (word, millis) in good {
            assert_eq!(parse(word), Ok(Duration::from_millis(millis)), "{word:?}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let bad = [
            "",
            "0",
            "-0",
            "-5",
            "inf",
            "infinity",
            "nan",
            "nan(3)",
            "5 s",
            "5d",
            "abc",
            ".",
            "s",
            "ms",
            "1e",
            "1e+",
            "0x",
            "0xg",
            "0x.",
            "5ss",
            ".0001",
            "1e400",
            "1e400ms",
            "2147483648ms",
            "596.6h",
            "100000000",
            "2147483.648",
            "5é",
            "é",
            "e5",
            "0x1p99999",
            "5 ",
            "--5",
            "1_000",
        ];
        for word in bad {
            assert_eq!(parse(word), Err(BadTime::Invalid), "{word:?}");
        }
    }

    #[test]
    fn a_hundred_and_more_needs_a_unit() {
        let bare = [
            ("100", 1.7),
            ("100.", 1.7),
            ("1e2", 1.7),
            ("0x64", 1.7),
            ("0xff", 4.25),
            ("99.99999999999999999", 1.7),
            ("2147483.647", 35791.4),
        ];
        for (word, expected) in bare {
            match parse(word) {
                Err(BadTime::NeedsUnit(minutes)) => {
                    assert!((minutes - expected).abs() < 0.05, "{word:?}: {minutes}");
                }
                other => panic!("{word:?}: {other:?}"),
            }
        }
    }
}
