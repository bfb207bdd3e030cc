//! `bytes`: what scripts would be slow at, on binary-safe strings.

use memchr::memmem;
use mlua::{Lua, LuaString, Table, Value};

/// Two letters for each byte.
pub(super) fn hex(data: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    data.iter().flat_map(digits).collect()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The bytes that pairs of digits stand for; white space between digits is passed over.
pub(super) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let mut digits = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    let mut out = Vec::with_capacity(text.len() / 2);
    while let Some(high) = digits.next() {
        out.push(digit(*high)? << 4 | digit(*digits.next()?)?);
    }
    Some(out)
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64(data: &[u8], url: bool, pads: bool) -> Vec<u8> {
    let letters = if url { URL } else { STANDARD };
    let letter = |bits: u32, shift: u32| letters[(bits >> shift & 63) as usize];
    let mut out = Vec::with_capacity(data.len().div_ceil(3) * 4);
    let (triples, rest) = data.as_chunks::<3>();
    for [a, b, c] in triples {
        let bits = u32::from(*a) << 16 | u32::from(*b) << 8 | u32::from(*c);
        out.extend([letter(bits, 18), letter(bits, 12), letter(bits, 6), letter(bits, 0)]);
    }
    match rest {
        [a] => {
            let bits = u32::from(*a) << 16;
            out.extend([letter(bits, 18), letter(bits, 12)]);
            out.extend(if pads { &b"=="[..] } else { b"" });
        }
        [a, b] => {
            let bits = u32::from(*a) << 16 | u32::from(*b) << 8;
            out.extend([letter(bits, 18), letter(bits, 12), letter(bits, 6)]);
            out.extend(if pads { &b"="[..] } else { b"" });
        }
        _ => {}
    }
    out
}

/// The value of a letter of either alphabet.
fn value(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

/// One unit after another, white space between letters passed over. Each unit is whole: padded, or with a
/// length that needs no padding, or the last.
pub(super) fn unbase64(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut pads) = (0u32, 0u32, 0u32);
    for byte in text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()) {
        if byte == b'=' {
            if count + pads < 2 || count + pads > 3 {
                return Err("padding where there is none");
            }
            pads += 1;
            if count + pads == 4 {
                take(&mut out, bits, count);
                (bits, count, pads) = (0, 0, 0);
            }
            continue;
        }
        if pads > 0 {
            return Err("a letter after padding");
        }
        bits = bits << 6 | value(byte).ok_or("a byte that is no letter of base64")?;
        count += 1;
        if count == 4 {
            take(&mut out, bits, 4);
            (bits, count) = (0, 0);
        }
    }
    if count == 1 || pads > 0 {
        return Err("truncated base64 input");
    }
    take(&mut out, bits, count);
    Ok(out)
}

/// The bytes of two, three or four letters.
fn take(out: &mut Vec<u8>, bits: u32, count: u32) {
    let [_, bytes @ ..] = (bits << (6 * (4 - count.clamp(1, 4)))).to_be_bytes();
    out.extend(&bytes[..(count as usize).saturating_sub(1)]);
}

fn rot13(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
        b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
        _ => byte,
    }
}

fn xor(data: &[u8], key: &[u8], offset: usize) -> Vec<u8> {
    let key = key.iter().cycle().skip(offset % key.len());
    data.iter().zip(key).map(|(byte, key)| byte ^ key).collect()
}

fn replace(data: &[u8], plain: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut from = 0;
    for at in memmem::find_iter(data, plain) {
        out.extend(&data[from..at]);
        out.extend(with);
        from = at + plain.len();
    }
    out.extend(&data[from..]);
    out
}

/// Equal, in a time that depends on the lengths alone.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
}

fn flag(options: &Option<Table>, name: &str, without: bool) -> bool {
    let given = options.as_ref().and_then(|options| options.raw_get::<Value>(name).ok());
    match given {
        None | Some(Value::Nil) => without,
        Some(value) => !matches!(value, Value::Boolean(false)),
    }
}

/// The table of all of them.
pub(super) fn make(lua: &Lua) -> mlua::Result<Table> {
    type Text = LuaString;
    let table = lua.create_table()?;
    macro_rules! function {
        ($name:literal, $lua:ident, $args:tt : $types:ty, $body:expr) => {
            table.raw_set($name, lua.create_function(move |$lua, $args: $types| $body)?)?;
        };
    }
    function!("rot13", lua, s: Text, {
        let out: Vec<u8> = s.as_bytes().iter().map(|byte| rot13(*byte)).collect();
        lua.create_string(out)
    });
    function!("xor", lua, (s, key, offset): (Text, Text, Option<usize>), {
        if key.as_bytes().is_empty() {
            return Err(mlua::Error::runtime("xor was given an empty key"));
        }
        lua.create_string(xor(&s.as_bytes(), &key.as_bytes(), offset.unwrap_or(0)))
    });
    function!("reverse", lua, s: Text, {
        lua.create_string(s.as_bytes().iter().rev().copied().collect::<Vec<u8>>())
    });
    function!("translate", lua, (s, map): (Text, Text), {
        let map = map.as_bytes();
        let map: &[u8; 256] = (*map).try_into().map_err(|_| {
            mlua::Error::runtime("translate was given a map that has not 256 bytes")
        })?;
        let out: Vec<u8> = s.as_bytes().iter().map(|byte| map[usize::from(*byte)]).collect();
        lua.create_string(out)
    });
    function!("count", _lua, (s, byte): (Text, Text), {
        let byte = byte.as_bytes();
        let [byte] = *byte else {
            return Err(mlua::Error::runtime("count was given something else than one byte"));
        };
        Ok(memchr::memchr_iter(byte, &s.as_bytes()).count())
    });
    function!("split", lua, (s, separator): (Text, Text), {
        let (s, separator) = (s.as_bytes(), separator.as_bytes());
        if separator.is_empty() {
            return Err(mlua::Error::runtime("split was given an empty separator"));
        }
        let parts = lua.create_table()?;
        let mut from = 0;
        for at in memmem::find_iter(&s, &*separator) {
            parts.raw_push(lua.create_string(&s[from..at])?)?;
            from = at + separator.len();
        }
        parts.raw_push(lua.create_string(&s[from..])?)?;
        Ok(parts)
    });
    function!("replace", lua, (s, plain, with): (Text, Text, Text), {
        if plain.as_bytes().is_empty() {
            return Err(mlua::Error::runtime("replace was given nothing to look for"));
        }
        lua.create_string(replace(&s.as_bytes(), &plain.as_bytes(), &with.as_bytes()))
    });
    function!("equal", _lua, (a, b): (Text, Text), Ok(equal(&a.as_bytes(), &b.as_bytes())));
    function!("hex", lua, s: Text, lua.create_string(hex(&s.as_bytes())));
    function!("unhex", lua, s: Text, Ok(match unhex(&s.as_bytes()) {
        Some(bytes) => (Some(lua.create_string(bytes)?), None, None),
        None => (None, Some("ERROR"), Some("this is no hexadecimal text")),
    }));
    function!("base64", lua, (s, options): (Text, Option<Table>), {
        let (url, pads) = (flag(&options, "url", false), flag(&options, "pad", true));
        lua.create_string(base64(&s.as_bytes(), url, pads))
    });
    function!("unbase64", lua, s: Text, Ok(match unbase64(&s.as_bytes()) {
        Ok(bytes) => (Some(lua.create_string(bytes)?), None, None),
        Err(why) => (None, Some("ERROR"), Some(why)),
    }));
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_back() {
        assert_eq!(hex(b"HELLO\n"), b"48454c4c4f0a");
        assert_eq!(unhex(b"4 8\n45").as_deref(), Some(&b"HE"[..]));
        assert_eq!((unhex(b"4"), unhex(b"4g")), (None, None));
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("HELLO\n", "SEVMTE8K")]
        {
            assert_eq!(base64(plain.as_bytes(), false, true), coded.as_bytes());
            assert_eq!(unbase64(coded.as_bytes()).as_deref(), Ok(plain.as_bytes()));
            let bare = base64(plain.as_bytes(), true, false);
            assert_eq!(unbase64(&bare).as_deref(), Ok(plain.as_bytes()));
        }
        assert_eq!(unbase64(b"SEVMTE8=SEk=").as_deref(), Ok(&b"HELLOHI"[..]));
        for bad in ["S", "SEV=X", "S===", "=", "SE=", "S*VM"] {
            assert!(unbase64(bad.as_bytes()).is_err(), "{bad}");
        }
        for len in 0..70 {
            let data: Vec<u8> = (0..len).map(|n: u8| n.wrapping_mul(77)).collect();
            assert_eq!(unhex(&hex(&data)).as_deref(), Some(&data[..]));
            assert_eq!(unbase64(&base64(&data, false, true)).as_deref(), Ok(&data[..]));
            assert_eq!(xor(&xor(&data, b"key", 5), b"key", 5), data);
        }
    }

    #[test]
    fn the_rest() {
        assert_eq!(xor(b"HELLO\n", b"secret", 0), b"\x3b\x20\x2f\x3e\x2a\x7e");
        assert_eq!(replace(b"xfoofoy", b"foo", b"bar"), b"xbarfoy");
        assert_eq!(b"HELLO, uryyb".map(rot13), *b"URYYB, hello");
        assert!(equal(b"a", b"a") && !equal(b"a", b"b") && !equal(b"a", b"aa"));
    }
}
