//! Test data: reproducible bytes, and comparing them without printing megabytes.

/// `len` bytes that look random and do not repeat within any buffer's length. The same for the same
/// `seed`.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Fails, naming the first difference, when `got` is not `want`.
///
/// # Panics
/// When they differ.
pub fn assert_same(what: &str, got: &[u8], want: &[u8]) {
    if got == want {
        return;
    }
    let at = got.iter().zip(want).take_while(|(a, b)| a == b).count();
    panic!("{what}: {} bytes instead of {}, first difference at {at}", got.len(), want.len());
}
