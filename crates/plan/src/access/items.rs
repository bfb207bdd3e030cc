//! Taking option values and files apart into specs.

use super::octets;

/// The specs of one `--allow` or `--deny` value.
///
/// Commas separate. A number or range that directly follows an IPv4 spec without a prefix continues its last octet;
/// `*` does not, because who writes `--deny 10.0.0.1,*` may mean everybody and must be told.
pub(super) fn of_option(value: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let mut open = false;
    for item in value.split(',') {
        if item.is_empty() {
            open = false;
            continue;
        }
        match items.last_mut() {
            Some(last) if open && is_octet_item(item) => {
                last.push(',');
                last.push_str(item);
            }
            _ => items.push(item.to_owned()),
        }
        open = items.last().is_some_and(|last| octets::looks_whole(last));
    }
    items
}

/// `7`, `7-9`, `7-` or `-9`, with or without the prefix bits that end an octet form.
fn is_octet_item(item: &str) -> bool {
    let (octet, _bits) = item.split_once('/').unwrap_or((item, ""));
    octet.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        && octet.bytes().any(|byte| byte.is_ascii_digit())
}

/// The specs of a file, each with the number of its line, from 1.
pub(super) fn of_file(text: &str) -> impl Iterator<Item = (usize, &str)> {
    // A byte-order mark is what some editors put first, not part of a spec.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().zip(1..).flat_map(|(line, number)| {
        let (specs, _comment) = line.split_once('#').unwrap_or((line, ""));
        specs.split_ascii_whitespace().map(move |spec| (number, spec))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        for (value, expected) in [
            ("", &[][..]),
            (",,", &[]),
            ("a,b", &["a", "b"]),
            ("10.0.0.1,10.0.0.2,", &["10.0.0.1", "10.0.0.2"]),
            ("10.0.0.1,2,7-9,::1", &["10.0.0.1,2,7-9", "::1"]),
            ("10.0.0.1,2/24,3", &["10.0.0.1,2/24", "3"]),
            ("10.0.0.0/8,2", &["10.0.0.0/8", "2"]),
            ("10.0.0.*,-7,a", &["10.0.0.*,-7", "a"]),
            ("10.0.0.1,,2", &["10.0.0.1", "2"]),
            ("10.0.0.1,*", &["10.0.0.1", "*"]),
            ("10.0.0,2", &["10.0.0", "2"]),
            ("a,2", &["a", "2"]),
            ("::1,2", &["::1", "2"]),
        ] {
            assert_eq!(of_option(value), expected, "{value}");
        }
    }

    #[test]
    fn files() {
        let text = "\u{feff}a b\r\n# all\n\n\t10.0.0.1,2 ::1/64# note # more\n#\nc";
        let specs: Vec<_> = of_file(text).collect();
        assert_eq!(specs, [(1, "a"), (1, "b"), (4, "10.0.0.1,2"), (4, "::1/64"), (6, "c")]);
    }
}
