//! The codecs of `proto`: the same result for any split, and back again.

use bytes::BytesMut;
use proto::chat::{Manner, Speaker};
use proto::crlf::Crlf;
use proto::telnet::Telnet;

/// The first byte says how to cut the rest: its low half is the size of odd pieces, its high half of
/// even ones; 0 stands for all that is left.
pub(crate) fn split(data: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let Some((&sizes, input)) = data.split_first() else { return (data, Vec::new()) };
    let mut pieces = Vec::new();
    let mut rest = input;
    let mut size = [usize::from(sizes & 15), usize::from(sizes >> 4)].into_iter().cycle();
    while !rest.is_empty() {
        let size = size.next().filter(|size| *size > 0).unwrap_or(rest.len()).min(rest.len());
        let (piece, after) = rest.split_at(size);
        pieces.push(piece);
        rest = after;
    }
    (input, pieces)
}

/// Telnet: split or whole, bounded output, and what we send is what the other end receives.
pub fn telnet(data: &[u8]) {
    let recv = |pieces: &[&[u8]]| {
        let mut telnet = Telnet::default();
        let (mut data, mut reply) = (BytesMut::new(), BytesMut::new());
        pieces.iter().for_each(|piece| telnet.recv(piece, &mut data, &mut reply));
        (data, reply, telnet.finish())
    };
    let (input, pieces) = split(data);
    let whole = recv(&[input]);
    assert_eq!(recv(&pieces), whole);
    assert!(whole.0.len() + whole.1.len() <= input.len());
    // Our replies are no reason for the peer to reply, if it is one of us.
    assert_eq!(recv(&[&whole.1]), (BytesMut::new(), BytesMut::new(), true));

    let mut wire = BytesMut::new();
    pieces.iter().for_each(|piece| Telnet::send(piece, &mut wire));
    assert_eq!(recv(&[&wire]), (BytesMut::from(input), BytesMut::new(), true));
}

/// Line ends: split or whole, no lone LF left, nothing else changed.
pub fn crlf(data: &[u8]) {
    let send = |pieces: &[&[u8]]| {
        let mut crlf = Crlf::default();
        let mut out = BytesMut::new();
        pieces.iter().for_each(|piece| crlf.send(piece, &mut out));
        out
    };
    let (input, pieces) = split(data);
    let whole = send(&[input]);
    assert_eq!(send(&pieces), whole);
    assert_eq!(send(&[&whole]), whole);
    let mut before = 0;
    for &byte in &whole {
        assert!(byte != b'\n' || before == b'\r');
        before = byte;
    }
    let plain =
        |bytes: &[u8]| bytes.iter().copied().filter(|byte| *byte != b'\r').collect::<Vec<_>>();
    assert_eq!(plain(&whole), plain(input));
}

/// Hex dump: what is dumped can be read back.
pub fn hexdump(data: &[u8]) {
    let mut out = Vec::new();
    proto::hexdump::write(data, &mut out);
    let text = String::from_utf8(out).expect("a dump is ASCII");
    let mut read = Vec::new();
    for (row, line) in text.lines().enumerate() {
        let (offset, rest) = line.split_once(' ').expect("an offset and a blank");
        assert_eq!(usize::from_str_radix(offset, 16), Ok(16 * row));
        assert_eq!(rest.len(), 68);
        let pairs = rest[2..52].split_whitespace();
        read.extend(pairs.map(|pair| u8::from_str_radix(pair, 16).expect("a pair")));
    }
    assert_eq!(read, data);
}

/// Chat: split or whole, every line marked, nothing that could move a cursor, bounded output.
pub fn chat(data: &[u8]) {
    let said = |manner, pieces: &[&[u8]]| {
        let (mut speaker, mut out) = (Speaker::new(7, manner), BytesMut::new());
        pieces.iter().for_each(|piece| speaker.say(piece, &mut out));
        speaker.finish(&mut out);
        out
    };
    let (input, pieces) = split(data);
    let whole = said(Manner::Lines, &[input]);
    assert_eq!(said(Manner::Lines, &pieces), whole);
    let text = std::str::from_utf8(&whole).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'));
    for line in text.split_terminator('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = line.strip_prefix("<user7> ").expect("a prefix");
        assert!(!line.contains(|c: char| c.is_control() && c != '\t'), "{line:?}");
    }
    let lines = text.matches('\n').count();
    assert!(whole.len() <= 4 * input.len() + lines * "<user7> \n".len());
    let reads = said(Manner::Reads, &pieces);
    assert!(reads.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t')));
    assert!(reads.len() <= 4 * input.len() + pieces.len() * "<user7> ".len());
}
