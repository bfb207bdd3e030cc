//! For the tests of stateful codecs: one input cut in pieces at any places.

use proptest::prelude::*;

/// Cuts `input` at the given places, taken modulo its length; empty pieces happen and must not matter.
pub(crate) fn pieces<'a>(input: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    places.sort_unstable();
    places.push(input.len());
    let mut from = 0;
    let mut pieces = Vec::with_capacity(places.len());
    for to in places {
        pieces.push(&input[from..to]);
        from = to;
    }
    pieces
}

/// Bytes in which those a codec cares about are common.
pub(crate) fn spiked(special: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => prop::sample::select(special), 1 => any::<u8>()];
    prop::collection::vec(byte, 0..200)
}

/// Places to cut at.
pub(crate) fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..40)
}

#[test]
fn pieces_make_the_whole() {
    let whole = b"abcdef";
    assert_eq!(pieces(whole, &[]), [whole]);
    assert_eq!(pieces(b"", &[]), [b""]);
}
