//! Hex and base64, both strict: one spelling for every value.

const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(HEX[usize::from(value & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// From lower-case hex.
pub(crate) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect()
}

/// Base64 of RFC 4648 section 4, padded.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let word = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            let value = (word >> (18 - 6 * place)) & 63;
            let digit = if place <= chunk.len() { BASE64[value as usize] } else { b'=' };
            out.push(char::from(digit));
        }
    }
    out
}

/// From base64; refuses missing padding and bits that say nothing.
pub(crate) fn from_base64(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (fours, rest) = digits.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(fours.len() * 3);
    for (number, four) in fours.iter().enumerate() {
        let padding = four.iter().rev().take_while(|digit| **digit == b'=').count();
        if padding > 2 || padding > 0 && number + 1 < fours.len() {
            return None;
        }
        let mut word = 0;
        for digit in &four[..4 - padding] {
            word = word << 6 | u32::from(value(*digit)?);
        }
        word <<= 6 * padding;
        let three = &word.to_be_bytes()[1..];
        if three[3 - padding..].iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend_from_slice(&three[..3 - padding]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 section 10.
    #[test]
    fn base64_vectors() {
        let pairs =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in pairs {
            assert_eq!(base64(plain.as_bytes()), coded);
            assert_eq!(from_base64(coded).as_deref(), Some(plain.as_bytes()));
        }
        for wrong in ["Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n", "====", "Z==="] {
            assert_eq!(from_base64(wrong), None, "{wrong}");
        }
        assert_eq!(from_hex("00ff"), Some(vec![0, 255]));
        for wrong in ["0", "0F", "g0", "é"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn one_spelling(bytes: Vec<u8>) {
            assert_eq!(from_base64(&base64(&bytes)), Some(bytes.clone()));
            assert_eq!(from_hex(&hex(&bytes)), Some(bytes));
        }

        #[test]
        fn whatever_is_read_is_what_would_be_written(text in "[A-Za-z0-9+/=]{0,12}") {
            if let Some(bytes) = from_base64(&text) {
                assert_eq!(base64(&bytes), text);
            }
        }
    }
}
