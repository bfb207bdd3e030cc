//! Where OpenSSL takes datagrams from and puts them, one at a time.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use bytes::Bytes;

/// Datagrams that may wait to be sent. A flight of a handshake is far below it, a batch of records is
/// too; what is beyond it are answers to a peer that asks without end, and is lost as UDP may lose.
const OUTGOING_MAX: usize = 4096;

/// A record's type, version, epoch, sequence number and length (RFC 6347, section 4.1).
const HEADER: usize = 13;

/// Datagrams on their way, both ways.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    /// Bytes that a protected record has at least. OpenSSL from 3.2 on takes a shorter one for the end of
    /// the connection, which anybody who knows two addresses could bring about.
    pub(crate) floor: usize,
    /// Received, not yet taken by OpenSSL.
    pub(crate) incoming: VecDeque<Bytes>,
    /// Made by OpenSSL, not yet sent.
    pub(crate) outgoing: VecDeque<Bytes>,
}

/// How much of a datagram is records that can be: those before the first one that is too short for its
/// protection, or cut off.
fn sound(datagram: &[u8], floor: usize) -> usize {
    let mut at = 0;
    while let Some(header) = datagram.get(at..at + HEADER) {
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let is_protected = header[3..5] != [0, 0];
        let end = at + HEADER + length;
        if end > datagram.len() || (is_protected && length < floor) {
            break;
        }
        at = end;
    }
    at
}

impl Read for Packets {
    /// The next datagram. OpenSSL has room for the longest there can be; the rest of a longer one is
    /// no record.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(datagram) = self.incoming.pop_front() else {
                return Err(io::ErrorKind::WouldBlock.into());
            };
            let n = sound(&datagram, self.floor).min(buf.len());
            // To OpenSSL no bytes are the end.
            if n == 0 {
                continue;
            }
            buf[..n].copy_from_slice(&datagram[..n]);
            return Ok(n);
        }
    }
}

impl Write for Packets {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.outgoing.len() < OUTGOING_MAX {
            self.outgoing.push_back(Bytes::copy_from_slice(buf));
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_stay_what_they_are() {
        let mut packets = Packets::default();
        let record = |epoch: u8, len: u8| {
            let header = [23, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 1, 0, len];
            [&header[..], &vec![7; usize::from(len)]].concat()
        };
        packets.floor = 24;
        for datagram in [
            record(1, 30),
            Vec::new(),
            b"GET / HTTP/1.1".to_vec(),
            record(1, 23),
            record(0, 2),
            [record(1, 24), record(1, 30)].concat(),
            [record(1, 24), record(1, 2), record(1, 30)].concat(),
            [record(1, 24), vec![23]].concat(),
        ] {
            packets.incoming.push_back(Bytes::from(datagram));
        }
        let mut buf = [0; 200];
        for len in [43, 15, 37 + 43, 37, 37] {
            assert_eq!(packets.read(&mut buf).unwrap(), len);
        }
        assert_eq!(packets.read(&mut buf).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        for _ in 0..2 * OUTGOING_MAX {
            assert_eq!(packets.write(b"record").unwrap(), 6);
        }
        assert_eq!(packets.outgoing.len(), OUTGOING_MAX);
    }
}
