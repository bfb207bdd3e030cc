//! Where OpenSSL takes records from and puts them: memory, moved to and from the conn below in
//! large pieces.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use conn::Scratch;

use crate::keys;

/// Bytes of records that may wait to be sent before OpenSSL is told to wait. More than a batch of
/// [`crate::stage`] makes; what is beyond it are answers to a peer that asks without reading.
const OUTGOING_MAX: usize = 512 * 1024;
/// A record's type, version and length (RFC 8446, section 5.1).
pub(crate) const HEADER: usize = 5;

/// Kept of a record: its header and what it has of its nonce.
const LAST_KEPT: usize = HEADER + 8;

/// Records on their way, both ways.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Received, not yet taken by OpenSSL.
    pub(crate) incoming: VecDeque<Bytes>,
    /// Made by OpenSSL, not yet sent.
    outgoing: BytesMut,
    pool: Scratch,
    /// The conn below has ended.
    pub(crate) ended: bool,
    /// The beginning of the last record that was sent while there was a handshake.
    pub(crate) last_sent: Vec<u8>,
    /// Records that were sent behind the last one that came while there was a handshake.
    pub(crate) sent_last: u64,
    header: [u8; HEADER],
    /// Bytes of the record's header seen, and bytes left of its body.
    seen: usize,
    left: usize,
}

impl Wire {
    /// Takes note of what is about to be sent; `is_done`: the handshake needs no more.
    pub(crate) fn note_sending(&mut self, is_done: bool) {
        for record in keys::records(&self.outgoing) {
            self.last_sent = record[..record.len().min(LAST_KEPT)].to_vec();
            self.sent_last += u64::from(is_done);
        }
    }

    /// Bytes of the record begun, or of a header, that OpenSSL has not taken yet.
    pub(crate) fn missing(&self) -> usize {
        if self.left > 0 { self.left } else { HEADER - self.seen }
    }

    /// What is to be sent; nothing is left.
    pub(crate) fn take_outgoing(&mut self) -> Option<Bytes> {
        (!self.outgoing.is_empty()).then(|| self.outgoing.split().freeze())
    }

    /// Hands the buffer back when all of it has been sent: an idle conn holds none.
    pub(crate) fn release(&mut self) {
        if self.outgoing.is_empty() && self.outgoing.capacity() > 0 {
            self.pool.give_back(std::mem::take(&mut self.outgoing));
        }
    }

    /// Forgets what could not be sent.
    pub(crate) fn discard_outgoing(&mut self) {
        self.outgoing.clear();
    }

    /// Bytes made and not yet taken to be sent.
    pub(crate) fn outgoing_len(&self) -> usize {
        self.outgoing.len()
    }

    /// Whether what OpenSSL has taken ends where a record does. It asks for a header and then for
    /// exactly its body, so nothing else is in between.
    pub(crate) fn is_between_records(&self) -> bool {
        self.seen == 0 && self.left == 0
    }

    fn follow(&mut self, mut taken: &[u8]) {
        while !taken.is_empty() {
            if self.left > 0 {
                let body = taken.len().min(self.left);
                self.left -= body;
                taken = &taken[body..];
                continue;
            }
            let head = taken.len().min(HEADER - self.seen);
            self.header[self.seen..self.seen + head].copy_from_slice(&taken[..head]);
            self.seen += head;
            taken = &taken[head..];
            if self.seen == HEADER {
                self.seen = 0;
                self.left = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
            }
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(front) = self.incoming.front_mut() {
            let n = front.len().min(buf.len());
            if n == 0 && front.is_empty() {
                self.incoming.pop_front();
                continue;
            }
            buf[..n].copy_from_slice(&front[..n]);
            front.advance(n);
            if front.is_empty() {
                self.incoming.pop_front();
            }
            self.follow(&buf[..n]);
            return Ok(n);
        }
        if self.ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.outgoing.len() >= OUTGOING_MAX {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.outgoing.capacity() == 0 {
            self.outgoing = self.pool.take(0).0;
        }
        self.outgoing.extend_from_slice(buf);
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
    fn records_are_followed_however_they_are_split() {
        let mut records = vec![22, 3, 1, 0, 3, 1, 2, 3];
        records.extend([23, 3, 3, 1, 0]);
        records.extend([7; 256]);
        for size in 1..records.len() {
            let mut wire = Wire::default();
            wire.incoming.extend(records.chunks(size).map(Bytes::copy_from_slice));
            let mut at = 0;
            let mut byte = [0];
            while wire.read(&mut byte).is_ok() {
                at += 1;
                assert_eq!(wire.is_between_records(), at == 8 || at == records.len(), "{at}");
            }
            assert_eq!(at, records.len());
        }
    }

    #[test]
    fn an_end_is_told_only_after_what_came_before_it() {
        let mut wire = Wire { ended: true, ..Wire::default() };
        wire.incoming.push_back(Bytes::from_static(b"ab"));
        let mut buf = [0; 8];
        assert_eq!(wire.read(&mut buf).unwrap(), 2);
        assert_eq!(wire.read(&mut buf).unwrap(), 0);
        wire.ended = false;
        assert_eq!(wire.read(&mut buf).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
