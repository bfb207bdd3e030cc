//! More of `bytes`: base32, check sums, the printable form.

use mlua::{Lua, LuaString, Table};

/// RFC 4648, section 6.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len().div_ceil(5) * 8);
    for chunk in data.chunks(5) {
        let mut group = [0; 8];
        group[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(group);
        let letters = (chunk.len() * 8).div_ceil(5);
        for at in 0..8 {
            let value = (bits >> (35 - 5 * at) & 31) as usize;
            out.push(if at < letters { LETTERS[value] } else { b'=' });
        }
    }
    out
}

/// Letters of either case, white space passed over; padding may be missing.
fn unbase32(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let letters = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    // Padding fills up a group of eight or is not there, and no group ends after 1, 3 or 6 letters.
    let pads = text.len() - letters;
    if matches!(letters % 8, 1 | 3 | 6) || pads > 0 && !(text.len().is_multiple_of(8) && pads < 8) {
        return None;
    }
    let mut out = Vec::with_capacity(letters * 5 / 8);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in &text[..letters] {
        let value = match byte.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 255) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

/// RFC 1950, section 8.2.
fn adler32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (mut a, mut b) = (1u32, 0u32);
    // So many bytes cannot overflow the sums.
    for chunk in data.chunks(5552) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        a %= MODULUS;
        b %= MODULUS;
    }
    b << 16 | a
}

/// What a reader sees and a terminal does not act on: printable ASCII as it is, the rest as Lua writes it.
fn escape(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    for byte in data {
        match byte {
            b'\\' => out.extend(b"\\\\"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            b' '..=b'~' => out.push(*byte),
            _ => out.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    out
}

/// Adds them to the table of `bytes`.
pub(super) fn add(lua: &Lua, table: &Table) -> mlua::Result<()> {
    type Text = LuaString;
    let text = |s: Text| s.as_bytes().to_vec();
    let coded = move |lua: &Lua, s: Text| lua.create_string(base32(&text(s)));
    table.raw_set("base32", lua.create_function(coded)?)?;
    let decoded = move |lua: &Lua, s: Text| {
        Ok(match unbase32(&text(s)) {
            Some(bytes) => (Some(lua.create_string(bytes)?), None, None),
            None => (None, Some("ERROR"), Some("this is no base32")),
        })
    };
    table.raw_set("unbase32", lua.create_function(decoded)?)?;
    let escaped = move |lua: &Lua, s: Text| lua.create_string(escape(&text(s)));
    table.raw_set("escape", lua.create_function(escaped)?)?;
    let sum = |_: &Lua, s: Text| Ok(adler32(&s.as_bytes()));
    table.raw_set("adler32", lua.create_function(sum)?)?;
    let sum = |_: &Lua, s: Text| Ok(crc32fast::hash(&s.as_bytes()));
    table.raw_set("crc32", lua.create_function(sum)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_and_back() {
        // RFC 4648, section 10.
        for (plain, coded) in [
            ("", ""),
            ("f", "MY======"),
            ("fo", "MZXQ===="),
            ("foo", "MZXW6==="),
            ("foob", "MZXW6YQ="),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI======"),
        ] {
            assert_eq!(base32(plain.as_bytes()), coded.as_bytes());
            assert_eq!(unbase32(coded.as_bytes()).as_deref(), Some(plain.as_bytes()));
            let bare = coded.trim_end_matches('=').to_lowercase();
            assert_eq!(unbase32(bare.as_bytes()).as_deref(), Some(plain.as_bytes()));
        }
        for bad in ["M", "MY=", "MY=====", "1AAAAAAA", "========", "MZX", "MY======A"] {
            assert_eq!(unbase32(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn sums_and_printable_forms() {
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(adler32(&[255; 1 << 20]), {
            let (a, b) = (0..1u64 << 20).fold((1u64, 0u64), |(a, b), _| {
                let a = (a + 255) % 65_521;
                (a, (b + a) % 65_521)
            });
            u32::try_from(b << 16 | a).unwrap()
        });
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        assert_eq!(escape(b"a\\\n\x1b[\xff"), b"a\\\\\\n\\x1b[\\xff");
    }
}
