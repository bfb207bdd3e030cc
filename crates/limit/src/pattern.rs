//! Content that names its own position, so a lost, doubled or moved byte is found where it is.
//! Stronger than a hash: a failed check says at which offset the stream first went wrong.

/// Fills `buffer` with the content of the stream from `offset` on; `offset` may be any byte.
pub(crate) fn fill(buffer: &mut [u8], offset: u64) {
    let mut at = offset;
    let mut rest = buffer;
    while !rest.is_empty() {
        let word = word(at / 8).to_le_bytes();
        let from = usize::try_from(at % 8).expect("a remainder of 8 fits");
        let count = (8 - from).min(rest.len());
        rest[..count].copy_from_slice(&word[from..from + count]);
        rest = &mut rest[count..];
        at += u64::try_from(count).expect("at most 8");
    }
}

/// The first offset at which `data`, seen at `offset` of the stream, is not the pattern.
pub(crate) fn first_difference(data: &[u8], offset: u64, scratch: &mut Vec<u8>) -> Option<u64> {
    scratch.resize(data.len(), 0);
    fill(scratch, offset);
    let at = data.iter().zip(scratch.iter()).position(|(a, b)| a != b)?;
    Some(offset + u64::try_from(at).expect("an index fits in 64 bits"))
}

/// splitmix64's finisher: every word of the stream differs from its neighbours in about half its
/// bits, and no two words are equal.
fn word(index: u64) -> u64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_gives_the_same_stream() {
        let mut whole = vec![0; 1000];
        fill(&mut whole, 0);
        for split in 0..=64 {
            let mut tail = vec![0; 1000 - split];
            fill(&mut tail, split as u64);
            assert_eq!(tail, whole[split..]);
        }
    }

    #[test]
    fn a_changed_byte_is_found_where_it_is() {
        let mut data = vec![0; 100];
        fill(&mut data, 7);
        let mut scratch = Vec::new();
        assert_eq!(first_difference(&data, 7, &mut scratch), None);
        data[41] ^= 1;
        assert_eq!(first_difference(&data, 7, &mut scratch), Some(48));
        assert_eq!(first_difference(&data, 8, &mut scratch), Some(8));
    }
}
