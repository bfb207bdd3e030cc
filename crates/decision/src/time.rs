//! Moments: microseconds since 1970-01-01 UTC, written as RFC 3339.

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// As RFC 3339 in UTC with six decimals.
///
/// ```
/// assert_eq!(decision::time::format(951_782_400_000_001), "2000-02-29T00:00:00.000001Z");
/// ```
pub fn format(at: i64) -> String {
    let (days, within) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    let (year, month, day) = date(days);
    let (seconds, micros) = (within / SECOND, within % SECOND);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// Reads RFC 3339 with `Z` or an offset, or a date alone, which is its first moment in UTC.
///
/// # Errors
/// How it has to be written.
pub fn parse(text: &str) -> Result<i64, String> {
    read(text).ok_or_else(|| {
        format!(
            "{text:?} is not a time: 2026-11-23, 2026-11-23T08:00:00Z or with an offset, +01:00"
        )
    })
}

fn read(text: &str) -> Option<i64> {
    let digits = |text: &str| {
        let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (day, rest) = (text.get(..10)?, text.get(10..)?);
    let mut parts = day.split('-');
    let (year, month, dom) = (parts.next()?, parts.next()?, parts.next()?);
    if [year.len(), month.len(), dom.len()] != [4, 2, 2] {
        return None;
    }
    let (year, month, dom) = (digits(year)?, digits(month)?, digits(dom)?);
    let days = days(year, month, dom);
    if date(days) != (year, month, dom) {
        return None;
    }
    if rest.is_empty() {
        return Some(days * DAY);
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = (rest.get(..8)?, rest.get(8..)?);
    let two = |text: &str| digits(text).filter(|_| text.len() == 2);
    let mut parts = clock.split(':').map(two);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-'])?);
    let micros = match fraction.strip_prefix('.') {
        None if fraction.is_empty() => 0,
        None => return None,
        Some(given) if given.len() > 9 => return None,
        Some(given) => digits(given).and_then(|_| digits(format!("{given:0<6}").get(..6)?))?,
    };
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let (hours, minutes) = (digits(hours)?, digits(minutes)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if zone.starts_with('-') { -1 } else { 1 }
        }
    };
    let seconds = hour * 3600 + minute * 60 + second - offset * 60;
    Some(days * DAY + seconds * SECOND + micros)
}

/// The end of a day that [`parse`] gave the beginning of.
pub fn next_day(at: i64) -> i64 {
    at + DAY
}

/// The Gregorian date of a day since 1970-01-01. Years begin in March here, so that the leap day is their last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carry, month, day)
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (text, at) in [
            ("1970-01-01", 0),
            ("2000-02-29T00:00:00Z", 951_782_400_000_000),
            ("2000-02-29T01:00:00.5+01:00", 951_782_400_500_000),
            ("2000-02-28T23:00:00.000001-01:00", 951_782_400_000_001),
            ("2000-02-29 00:00:00.123456789Z", 951_782_400_123_456),
        ] {
            assert_eq!(parse(text), Ok(at), "{text}");
        }
        for wrong in [
            "",
            "now",
            "2026-2-3",
            "2026-02-30",
            "2026-13-01",
            "2026-01-01T00:00:00",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.+5Z",
            "2026-01-01T0:00:000Z",
            "2026-01-01T00:00:00+1:0x",
            "é026-01-01",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn written_and_read(at in 0..4_107_542_400_000_000_i64) {
            proptest::prop_assert_eq!(parse(&format(at)), Ok(at));
        }

        #[test]
        fn any_text(text: String) {
            let _ = parse(&text);
        }
    }
}
