//! The bytes of a segment.
//!
//! A segment is a header and frames. All integers are big-endian.
//!
//! ```text
//! header  magic "NGJ1"  u64 first sequence number  32 bytes hash of the record before  u32 CRC
//! frame   magic "NGJR"  u8 kind  u32 length of body  body  u32 CRC over all before it
//!   kind 1, record      u32 length of leaf  leaf  u8 0, or 1 and 16 bytes salt and payload
//!   kind 2, mark        u64 last sequence number that is durable
//! ```
//!
//! A mark is written after a sync has succeeded and before anybody is answered. It is what tells a torn
//! tail (records without a mark behind them: nobody was answered, they may be cut) from damage to
//! records that had been acknowledged (nothing is cut, the journal refuses).

use crate::Hash;
use crate::crc::crc32c;
use crate::event::{Entry, LEAF_BYTES_MAX, PAYLOAD_BYTES_MAX, Payload, SALT_BYTES};

const SEGMENT: &[u8; 4] = b"NGJ1";
const FRAME: &[u8; 4] = b"NGJR";
const RECORD: u8 = 1;
const MARK: u8 = 2;
/// Bytes of a segment's header.
pub(super) const HEADER_BYTES: usize = 4 + 8 + 32 + 4;
/// Bytes of a frame that are not its body.
const FRAME_BYTES: usize = 4 + 1 + 4 + 4;
const BODY_BYTES_MAX: usize = 4 + LEAF_BYTES_MAX + 1 + SALT_BYTES + PAYLOAD_BYTES_MAX;

/// What stands in a segment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Frame {
    Record(Entry),
    Mark(u64),
}

pub(super) fn header(first: u64, prev: Hash) -> Vec<u8> {
    let mut out = [&SEGMENT[..], &first.to_be_bytes(), &prev.0].concat();
    seal(&mut out, 0);
    out
}

pub(super) fn parse_header(bytes: &[u8]) -> Option<(u64, Hash)> {
    let rest = checked(bytes.get(..HEADER_BYTES)?)?.strip_prefix(SEGMENT)?;
    let (first, prev) = rest.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*first), Hash(prev.try_into().ok()?)))
}

pub(super) fn push_record(out: &mut Vec<u8>, entry: &Entry) {
    let payload = entry.payload.as_ref().map_or(0, |payload| SALT_BYTES + payload.json.len());
    let start = begin(out, RECORD, 4 + entry.leaf.len() + 1 + payload);
    out.extend_from_slice(&(entry.leaf.len() as u32).to_be_bytes());
    out.extend_from_slice(&entry.leaf);
    match &entry.payload {
        None => out.push(0),
        Some(Payload { salt, json }) => {
            out.push(1);
            out.extend_from_slice(salt);
            out.extend_from_slice(json);
        }
    }
    seal(out, start);
}

pub(super) fn push_mark(out: &mut Vec<u8>, seq: u64) {
    let start = begin(out, MARK, 8);
    out.extend_from_slice(&seq.to_be_bytes());
    seal(out, start);
}

fn begin(out: &mut Vec<u8>, kind: u8, body: usize) -> usize {
    let start = out.len();
    out.extend_from_slice(FRAME);
    out.push(kind);
    out.extend_from_slice(&(body as u32).to_be_bytes());
    start
}

fn seal(out: &mut Vec<u8>, start: usize) {
    let crc = crc32c(&out[start..]);
    out.extend_from_slice(&crc.to_be_bytes());
}

/// What is before the CRC, if that is right.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    (crc32c(body) == u32::from_be_bytes(*crc)).then_some(body)
}

/// The frame at the beginning of these bytes, and its length.
pub(super) fn parse_frame(bytes: &[u8]) -> Option<(Frame, usize)> {
    let rest = bytes.strip_prefix(FRAME)?;
    let (&kind, rest) = rest.split_first()?;
    let length = usize::try_from(u32::from_be_bytes(*rest.first_chunk::<4>()?)).ok()?;
    if length > BODY_BYTES_MAX {
        return None;
    }
    let whole = bytes.get(..FRAME_BYTES + length)?;
    let body = &checked(whole)?[9..];
    let frame = match kind {
        RECORD => Frame::Record(parse_record(body)?),
        MARK => Frame::Mark(u64::from_be_bytes(body.try_into().ok()?)),
        _ => return None,
    };
    Some((frame, whole.len()))
}

fn parse_record(body: &[u8]) -> Option<Entry> {
    let (length, rest) = body.split_first_chunk::<4>()?;
    let (leaf, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let payload = match rest.split_first()? {
        (0, []) => None,
        (1, rest) => {
            let (salt, json) = rest.split_first_chunk::<SALT_BYTES>()?;
            Some(Payload { salt: *salt, json: json.to_vec() })
        }
        _ => return None,
    };
    Some(Entry { leaf: leaf.to_vec(), payload })
}

/// Where the next frame that can be read begins, in bytes that begin with something else.
pub(super) fn next_frame(bytes: &[u8]) -> Option<usize> {
    let starts = bytes.windows(FRAME.len()).enumerate().filter(|(_, window)| window == FRAME);
    let mut starts = starts.map(|(at, _)| at);
    starts.find(|at| parse_frame(&bytes[*at..]).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(payload: Option<&str>) -> Entry {
        let payload = payload.map(|json| Payload { salt: [7; 16], json: json.into() });
        Entry { leaf: b"{}".to_vec(), payload }
    }

    /// Golden: segments written by older versions are read.
    #[test]
    fn version_1_never_changes() {
        let mut out = header(3, Hash([9; 32]));
        assert_eq!(crate::text::hex(&out[..4]), "4e474a31");
        assert_eq!(out.len(), HEADER_BYTES);
        assert_eq!(parse_header(&out), Some((3, Hash([9; 32]))));
        out.clear();
        push_mark(&mut out, 5);
        assert_eq!(crate::text::hex(&out[..17]), "4e474a5202000000080000000000000005");
        out.clear();
        push_record(&mut out, &entry(Some("{}")));
        let body = format!("4e474a520100000019000000027b7d01{}7b7d", "07".repeat(16));
        assert_eq!(crate::text::hex(&out[..out.len() - 4]), body);
    }

    #[test]
    fn every_cut_and_every_flip_is_seen() {
        let mut out = Vec::new();
        push_record(&mut out, &entry(Some("{\"a\":1}")));
        assert_eq!(parse_frame(&out), Some((Frame::Record(entry(Some("{\"a\":1}"))), out.len())));
        for end in 0..out.len() {
            assert_eq!(parse_frame(&out[..end]), None, "cut at {end}");
        }
        for bit in 0..out.len() * 8 {
            let mut other = out.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse_frame(&other), None, "bit {bit}");
        }
        let mut more = b"NGJR junk".to_vec();
        push_mark(&mut more, 1);
        assert_eq!(next_frame(&more), Some(9));
    }
}
