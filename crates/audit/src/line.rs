//! The line that older tools read: an export of an event, not the record of it.

use std::fmt::Write as _;

/// One line, without its newline:
///
/// `2026-11-23T08:00:00+00:00 - TEST_START - ID:TEST-1 - TARGET:10.1.2.3:443 - USER:alice`
///
/// `at` is in microseconds since 1970-01-01 UTC; the line has whole seconds. In names and values, control
/// characters, backslashes and the separator are written `\xNN`, so that a value cannot begin another
/// field or another line.
pub fn document_line(at: i64, event: &str, fields: &[(&str, &str)]) -> String {
    let mut line = time(at);
    let _ = write!(line, " - {}", escaped(event));
    for (name, value) in fields {
        let _ = write!(line, " - {}:{}", escaped(name), escaped(value));
    }
    line
}

/// `host:port` as the line's `TARGET` has it: brackets around an IPv6 address.
pub fn document_target(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        // A separator is broken at its first blank; one that the field's own end would complete, too.
        let separates = c == ' ' && (tail.starts_with("- ") || tail == "-" || tail.is_empty());
        let leads = out.is_empty() && (rest.starts_with("- "));
        if c.is_control() || c == '\\' || c == '\u{2028}' || c == '\u{2029}' || separates || leads {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "\\x{byte:02x}");
            }
        } else {
            out.push(c);
        }
        rest = tail;
    }
    out
}

/// RFC 3339 in UTC with whole seconds.
fn time(at: i64) -> String {
    let seconds = at.div_euclid(1_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_in_the_document() {
        let fields = [
            ("ID", "TEST-20261123-080000-4711"),
            ("TARGET", "10.1.2.3:443"),
            ("TYPE", "tcp"),
            ("ENCRYPTION", "true"),
            ("USER", "alice"),
            ("PID", "4711"),
        ];
        assert_eq!(
            document_line(1_795_420_800_999_999, "TEST_START", &fields),
            "2026-11-23T08:00:00+00:00 - TEST_START - ID:TEST-20261123-080000-4711 - \
             TARGET:10.1.2.3:443 - TYPE:tcp - ENCRYPTION:true - USER:alice - PID:4711"
        );
        assert_eq!(document_target("::1", 443), "[::1]:443");
    }

    #[test]
    fn dates() {
        for (at, expected) in [
            (0, "1970-01-01T00:00:00"),
            (-1, "1969-12-31T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (4_107_542_399, "2100-02-28T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            let at = if at < 0 { at } else { at * 1_000_000 };
            assert_eq!(time(at), format!("{expected}+00:00"));
        }
    }

    proptest::proptest! {
        /// However the values read, the line is one line and splits into the fields it was made of.
        #[test]
        fn a_value_cannot_add_a_field(values in proptest::collection::vec("[ \\-a\\\\\n:\u{2028}\u{85}é]{0,8}", 0..4)) {
            let fields: Vec<(&str, &str)> = values.iter().map(|value| ("N", value.as_str())).collect();
            let line = document_line(0, "E", &fields);
            let splits = |c: char| c.is_control() || c == '\u{2028}';
            proptest::prop_assert!(!line.contains(splits));
            proptest::prop_assert_eq!(line.split(" - ").count(), 2 + values.len(), "{}", line);
        }
    }
}
