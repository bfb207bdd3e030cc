//! Where OpenSSL takes datagrams from and puts them, one at a time.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use bytes::Bytes;

/// Datagrams that may wait to be sent. A flight of a handshake is far below it, a batch of records is
/// too; what is beyond it are answers to a peer that asks without end, and is lost as UDP may lose.
const OUTGOING_MAX: usize = 4096;

/// Datagrams on their way, both ways.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    /// Received, not yet taken by OpenSSL.
    pub(crate) incoming: VecDeque<Bytes>,
    /// Made by OpenSSL, not yet sent.
    pub(crate) outgoing: VecDeque<Bytes>,
}

impl Read for Packets {
    /// The next datagram. OpenSSL has room for the longest there can be; the rest of a longer one is
    /// no record.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(datagram) = self.incoming.pop_front() else {
                return Err(io::ErrorKind::WouldBlock.into());
            };
            // To OpenSSL no bytes are the end.
            if datagram.is_empty() {
                continue;
            }
            let n = datagram.len().min(buf.len());
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
        for piece in [&b"one"[..], b"", b"three"] {
            packets.incoming.push_back(Bytes::from_static(piece));
        }
        let mut buf = [0; 4];
        assert_eq!(packets.read(&mut buf).unwrap(), 3);
        assert_eq!(packets.read(&mut buf).unwrap(), 4);
        assert_eq!(&buf, b"thre");
        assert_eq!(packets.read(&mut buf).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        for _ in 0..2 * OUTGOING_MAX {
            assert_eq!(packets.write(b"record").unwrap(), 6);
        }
        assert_eq!(packets.outgoing.len(), OUTGOING_MAX);
    }
}
