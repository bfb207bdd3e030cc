//! The loops behind `bytes`, in shapes that compile to vector instructions of any processor; each writes
//! into room that is kept from call to call, so that a call allocates nothing but its result.

/// Room that is kept, in bytes at most.
const KEPT_MAX: usize = 1 << 20;

/// Where results are made. What it has only grows, so that nothing is cleared twice.
#[derive(Debug, Default)]
pub(super) struct Room {
    bytes: Vec<u8>,
    last: usize,
}

impl Room {
    /// This many bytes, whatever is in them.
    pub(super) fn of(&mut self, len: usize) -> &mut [u8] {
        self.last = len;
        if self.bytes.len() < len {
            self.bytes.resize(len, 0);
        } else if self.bytes.len() > KEPT_MAX && len <= KEPT_MAX {
            self.bytes.truncate(KEPT_MAX);
            self.bytes.shrink_to_fit();
        }
        &mut self.bytes[..len]
    }

    /// How much was asked for last.
    pub(super) fn last(&self) -> usize {
        self.last
    }
}

#[inline]
fn digit(nibble: u8) -> u8 {
    nibble + b'0' + if nibble > 9 { b'a' - b'0' - 10 } else { 0 }
}

/// Two letters for each byte.
pub(super) fn hex<'r>(data: &[u8], room: &'r mut Room) -> &'r [u8] {
    let out = room.of(data.len() * 2);
    for (byte, pair) in data.iter().zip(out.as_chunks_mut::<2>().0) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    out
}

/// A digit's value, and bits that are set if it is none.
#[inline]
fn value(letter: u8) -> (u8, u8) {
    let number = letter.wrapping_sub(b'0');
    let small = (letter | 0x20).wrapping_sub(b'a');
    let value = if number < 10 { number } else { small.wrapping_add(10) };
    let is_digit = (number < 10) | (small < 6);
    (value & 15, if is_digit { 0 } else { 0x80 })
}

/// The bytes that pairs of digits stand for; white space between digits is passed over.
pub(super) fn unhex<'r>(text: &[u8], room: &'r mut Room) -> Option<&'r [u8]> {
    const BLOCK: usize = 64;
    let out = room.of(text.len() / 2);
    let mut done = 0;
    // Blocks of nothing but digits.
    let (blocks, _) = text.as_chunks::<BLOCK>();
    for (block, bytes) in blocks.iter().zip(out.as_chunks_mut::<{ BLOCK / 2 }>().0) {
        let mut bad = 0;
        for (pair, byte) in block.as_chunks::<2>().0.iter().zip(bytes) {
            let ((high, not_high), (low, not_low)) = (value(pair[0]), value(pair[1]));
            bad |= not_high | not_low;
            *byte = high << 4 | low;
        }
        if bad != 0 {
            break;
        }
        done += BLOCK;
    }
    let mut at = done / 2;
    let mut digits = text[done..].iter().filter(|byte| !byte.is_ascii_whitespace());
    while let Some(high) = digits.next() {
        let ((high, not_high), (low, not_low)) = (value(*high), value(*digits.next()?));
        if not_high | not_low != 0 {
            return None;
        }
        out[at] = high << 4 | low;
        at += 1;
    }
    Some(&out[..at])
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The two letters of twelve bits: half the look-ups.
const fn letters(alphabet: &[u8; 64]) -> [[u8; 2]; 4096] {
    let mut pairs = [[0; 2]; 4096];
    let mut bits = 0;
    while bits < 4096 {
        pairs[bits] = [alphabet[bits >> 6], alphabet[bits & 63]];
        bits += 1;
    }
    pairs
}

static STANDARD_PAIRS: [[u8; 2]; 4096] = letters(STANDARD);
static URL_PAIRS: [[u8; 2]; 4096] = letters(URL);

/// Base64 with or without its padding.
pub(super) fn base64<'r>(data: &[u8], url: bool, pads: bool, room: &'r mut Room) -> &'r [u8] {
    let pairs = if url { &URL_PAIRS } else { &STANDARD_PAIRS };
    let pair = |bits: u64, shift: u32| pairs[(bits >> shift) as usize & 4095];
    let out = room.of(data.len().div_ceil(3) * 4);
    let (sixes, rest) = data.as_chunks::<6>();
    for (six, eight) in sixes.iter().zip(out.as_chunks_mut::<8>().0) {
        let [a, b, c, d, e, f] = *six;
        let bits = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let [[a, b], [c, d], [e, f], [g, h]] =
            [pair(bits, 36), pair(bits, 24), pair(bits, 12), pair(bits, 0)];
        *eight = [a, b, c, d, e, f, g, h];
    }
    let mut at = sixes.len() * 8;
    for unit in rest.chunks(3) {
        let byte = |at: usize| u64::from(unit.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let [[a, b], [c, d]] = [pair(bits, 12), pair(bits, 0)];
        let whole = match unit.len() {
            1 => [a, b, b'=', b'='],
            2 => [a, b, c, b'='],
            _ => [a, b, c, d],
        };
        let len = if pads { 4 } else { unit.len() + 1 };
        out[at..at + len].copy_from_slice(&whole[..len]);
        at += len;
    }
    &out[..at]
}

/// Of what is no letter.
const NONE: u32 = 1 << 31;

/// The six bits of each letter of either alphabet, moved to where they belong in a unit.
const fn sextets(shift: u32) -> [u32; 256] {
    let mut all = [NONE; 256];
    let mut bits = 0;
    while bits < 64 {
        all[STANDARD[bits] as usize] = (bits as u32) << shift;
        all[URL[bits] as usize] = (bits as u32) << shift;
        bits += 1;
    }
    all
}

static SEXTETS: [[u32; 256]; 4] = [sextets(18), sextets(12), sextets(6), sextets(0)];

#[inline]
fn unit([a, b, c, d]: [u8; 4]) -> u32 {
    let of = |place: usize, letter: u8| SEXTETS[place][usize::from(letter)];
    of(0, a) | of(1, b) | of(2, c) | of(3, d)
}

/// One unit after another, white space between letters passed over. Each unit is whole: padded, or with a
/// length that needs no padding, or the last.
pub(super) fn unbase64<'r>(text: &[u8], room: &'r mut Room) -> Result<&'r [u8], &'static str> {
    let out = room.of(text.len() / 4 * 3 + 3);
    let (mut read, mut at) = (0, 0);
    while read < text.len() {
        // Units of nothing but letters.
        let units = text[read..].as_chunks::<4>().0;
        let places = out[at..].as_chunks_mut::<3>().0;
        let mut count = 0;
        for (letters, place) in units.iter().zip(places) {
            let bits = unit(*letters);
            if bits >= NONE {
                break;
            }
            let [_, bytes @ ..] = bits.to_be_bytes();
            *place = bytes;
            count += 1;
        }
        (read, at) = (read + count * 4, at + count * 3);
        let (used, bits, letters) = odd_unit(&text[read..])?;
        let [_, bytes @ ..] = bits.to_be_bytes();
        let len = usize::from(letters).saturating_sub(1);
        out[at..at + len].copy_from_slice(&bytes[..len]);
        (read, at) = (read + used, at + len);
    }
    Ok(&out[..at])
}

/// A unit with white space or padding in it, or the last: the bytes it takes, its bits, its letters.
fn odd_unit(text: &[u8]) -> Result<(usize, u32, u8), &'static str> {
    let (mut bits, mut letters, mut pads) = (0, 0u8, 0u8);
    for (at, byte) in text.iter().enumerate() {
        if byte.is_ascii_whitespace() {
            continue;
        }
        if *byte == b'=' {
            if letters < 2 {
                return Err("padding where there is none");
            }
            pads += 1;
        } else if pads > 0 {
            return Err("a letter after padding");
        } else {
            let sextet = SEXTETS[usize::from(letters)][usize::from(*byte)];
            if sextet == NONE {
                return Err("a byte that is no letter of base64");
            }
            bits |= sextet;
            letters += 1;
        }
        if letters + pads == 4 {
            return Ok((at + 1, bits, letters));
        }
    }
    match (letters, pads) {
        (0, 0) | (2 | 3, 0) => Ok((text.len(), bits, letters)),
        _ => Err("truncated base64 input"),
    }
}

#[inline]
fn rotated(byte: u8) -> u8 {
    let place = (byte | 0x20).wrapping_sub(b'a');
    let by = if place < 13 { 13 } else { 13u8.wrapping_neg() };
    if place < 26 { byte.wrapping_add(by) } else { byte }
}

pub(super) fn rot13<'r>(data: &[u8], room: &'r mut Room) -> &'r [u8] {
    let out = room.of(data.len());
    for (byte, out) in data.iter().zip(&mut *out) {
        *out = rotated(*byte);
    }
    out
}

/// With `key` over and over, from its byte `offset` on. The key is not empty.
pub(super) fn xor<'r>(data: &[u8], key: &[u8], offset: usize, room: &'r mut Room) -> &'r [u8] {
    const BLOCK: usize = 1024;
    // The key, turned to where it begins, often enough for long strides.
    let whole =
        if key.len() < BLOCK.min(data.len()) { BLOCK / key.len() * key.len() } else { key.len() };
    let turned = key.iter().cycle().skip(offset % key.len());
    let block: Vec<u8> = turned.take(whole.min(data.len().max(1))).copied().collect();
    let out = room.of(data.len());
    for (data, out) in data.chunks(block.len()).zip(out.chunks_mut(block.len())) {
        for ((byte, key), out) in data.iter().zip(&block).zip(out) {
            *out = byte ^ key;
        }
    }
    out
}

pub(super) fn translate<'r>(data: &[u8], map: &[u8; 256], room: &'r mut Room) -> &'r [u8] {
    let out = room.of(data.len());
    let (eights, rest) = data.as_chunks::<8>();
    let (places, last) = out.as_chunks_mut::<8>();
    for (eight, place) in eights.iter().zip(places) {
        *place = eight.map(|byte| map[usize::from(byte)]);
    }
    for (byte, out) in rest.iter().zip(last) {
        *out = map[usize::from(*byte)];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_back() {
        let room = &mut Room::default();
        assert_eq!(hex(b"HELLO\n", room), b"48454c4c4f0a");
        assert_eq!(unhex(b"4 8\n45", room), Some(&b"HE"[..]));
        assert_eq!(unhex(b"4A4b", room), Some(&b"JK"[..]));
        assert!(unhex(b"4", room).is_none() && unhex(b"4g", room).is_none());
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("HELLO\n", "SEVMTE8K")]
        {
            assert_eq!(base64(plain.as_bytes(), false, true, room), coded.as_bytes());
            assert_eq!(unbase64(coded.as_bytes(), room), Ok(plain.as_bytes()));
            let bare = base64(plain.as_bytes(), true, false, room).to_vec();
            assert_eq!(unbase64(&bare, room), Ok(plain.as_bytes()));
        }
        assert_eq!(base64(b"\xff\xfe\xfd", true, true, room), b"__79");
        assert_eq!(unbase64(b"SEVMTE8=SEk=", room), Ok(&b"HELLOHI"[..]));
        assert_eq!(unbase64(b" SEVM\nTE 8 =\tSEk=\n", room), Ok(&b"HELLOHI"[..]));
        for bad in ["S", "SEV=X", "S===", "=", "SE=", "S*VM", "SEVMS", "SEVM="] {
            assert!(unbase64(bad.as_bytes(), room).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_length_and_every_byte() {
        let room = &mut Room::default();
        for len in 0..400usize {
            let data: Vec<u8> = (0..len).map(|n| (n * 77 + n / 256) as u8).collect();
            let text = hex(&data, room).to_vec();
            assert_eq!(unhex(&text, room), Some(&data[..]));
            let spaced: Vec<u8> = text.iter().flat_map(|byte| [*byte, b' ']).collect();
            assert_eq!(unhex(&spaced, room), Some(&data[..]));
            for (url, pads) in [(false, true), (false, false), (true, true), (true, false)] {
                let text = base64(&data, url, pads, room).to_vec();
                assert_eq!(unbase64(&text, room), Ok(&data[..]));
                let lines: Vec<u8> =
                    text.chunks(7).flat_map(|line| [line, b"\r\n"].concat()).collect();
                assert_eq!(unbase64(&lines, room), Ok(&data[..]));
            }
            for (key, offset) in [(&b"k"[..], 0), (b"key", 5), (&[7; 1500], 3)] {
                let coded = xor(&data, key, offset, room).to_vec();
                let plain = |at: usize| key[(at + offset) % key.len()] ^ data[at];
                assert!(coded.iter().enumerate().all(|(at, byte)| *byte == plain(at)));
                assert_eq!(xor(&coded, key, offset, room), data);
            }
            let mut map = [0; 256];
            (0..=255).zip(&mut map).for_each(|(byte, to): (u8, &mut u8)| *to = !byte);
            let inverse: Vec<u8> = data.iter().map(|byte| !byte).collect();
            assert_eq!(translate(&data, &map, room), inverse);
        }
        for byte in 0..=255u8 {
            let text = [byte, b'0'];
            assert_eq!(unhex(&text, room).is_some(), byte.is_ascii_hexdigit(), "{byte}");
            let expected = match byte {
                b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
                b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
                _ => byte,
            };
            assert_eq!(rot13(&[byte], room), [expected]);
        }
    }

    #[test]
    fn room_does_not_stay_large() {
        let mut room = Room::default();
        assert_eq!(room.of(KEPT_MAX * 4).len(), KEPT_MAX * 4);
        assert_eq!(room.of(10).len(), 10);
        assert!(room.bytes.capacity() <= KEPT_MAX * 2);
    }
}
