//! `-x`: the hex transcript, one block of lines for each piece of data.
//!
//! ```text
//! 0000   30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef
//! 0010   0d 0a 20 ff                                       ....            
//! ```
//!
//! Ncat's format to the byte, padding and all: a space shows as a dot. Two things differ, both only
//! past 64 KiB in one piece: Ncat's offsets start over with `0001` after `fff0`, ours go on and take
//! as many digits as they need.

/// Bytes shown on one line.
pub const BYTES_PER_LINE: usize = 16;

/// From the first hex pair to the ASCII column: 16 pairs, a blank each, and two more blanks.
const HEX_WIDTH: usize = 3 * BYTES_PER_LINE + 2;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends `data` as lines to `out`, offsets beginning at 0; no line for no data.
///
/// Takes 74 bytes of `out` for each line, and one more for each offset digit past the fourth.
///
/// ```
/// let mut out = Vec::new();
/// proto::hexdump::write(b"hi you\n", &mut out);
/// let line = "0000   68 69 20 79 6f 75 0a                              hi.you.         \n";
/// assert_eq!(String::from_utf8_lossy(&out), line);
/// ```
pub fn write(data: &[u8], out: &mut Vec<u8>) {
    out.reserve(data.len().div_ceil(BYTES_PER_LINE) * 74);
    for (row, bytes) in data.chunks(BYTES_PER_LINE).enumerate() {
        write_offset(row * BYTES_PER_LINE, out);
        write_row(bytes, out);
    }
}

/// At least four digits, and three blanks.
fn write_offset(offset: usize, out: &mut Vec<u8>) {
    let digits = (usize::BITS - offset.leading_zeros()).div_ceil(4).max(4);
    for place in (0..digits).rev() {
        out.push(DIGITS[(offset >> (4 * place)) & 15]);
    }
    out.extend_from_slice(b"   ");
}

/// The pairs, the characters and the line's end for at most [`BYTES_PER_LINE`] bytes.
fn write_row(bytes: &[u8], out: &mut Vec<u8>) {
    let mut row = [b' '; HEX_WIDTH + BYTES_PER_LINE + 1];
    for (at, &byte) in bytes.iter().enumerate() {
        let pair = 3 * at + usize::from(at >= BYTES_PER_LINE / 2);
        row[pair] = DIGITS[usize::from(byte >> 4)];
        row[pair + 1] = DIGITS[usize::from(byte & 15)];
        row[HEX_WIDTH + at] = if byte.is_ascii_graphic() { byte } else { b'.' };
    }
    row[HEX_WIDTH + BYTES_PER_LINE] = b'\n';
    out.extend_from_slice(&row);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dump(data: &[u8]) -> String {
        let mut out = Vec::new();
        write(data, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_known_example() {
        assert_eq!(
            dump(b"0123456789abcdef\r\n \xff"),
            "0000   30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef\n\
             0010   0d 0a 20 ff                                       ....            \n"
        );
    }

    #[test]
    fn nothing_is_no_line() {
        assert_eq!(dump(b""), "");
    }

    #[test]
    fn offsets_go_on_past_64_kib() {
        let dump = dump(&vec![b'z'; 0x10_0021]);
        let offsets: Vec<&str> = dump.lines().map(|line| line.split_once(' ').unwrap().0).collect();
        assert_eq!(offsets[0xfff..=0x1001], ["fff0", "10000", "10010"]);
        assert_eq!(offsets.last(), Some(&"100020"));
    }

    proptest! {
        #[test]
        fn every_line_reads_back(data in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut read = Vec::new();
            for (row, line) in dump(&data).lines().enumerate() {
                prop_assert_eq!(line.len(), 73);
                prop_assert_eq!(usize::from_str_radix(&line[..4], 16), Ok(16 * row));
                let pairs = line[7..57].split_whitespace();
                read.extend(pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()));
            }
            prop_assert_eq!(read, data);
        }

        /// Whole lines may be handed over in any number of pieces, but for the offsets.
        #[test]
        fn lines_do_not_depend_on_each_other(
            data in prop::collection::vec(any::<u8>(), 0..600),
            cut in 0_usize..40,
        ) {
            let (one, two) = data.split_at((16 * cut).min(data.len()));
            let columns = |text: String| -> Vec<String> {
                text.lines().map(|line| line[4..].to_owned()).collect()
            };
            let mut split = columns(dump(one));
            split.extend(columns(dump(two)));
            prop_assert_eq!(split, columns(dump(&data)));
        }
    }
}
