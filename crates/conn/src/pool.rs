//! Read buffers that idle conns do not hold.

use std::cell::RefCell;

use bytes::{Buf, BytesMut};

/// Buffers kept per thread for the next reader.
const KEPT: usize = 4;
/// First size of a read, in bytes; doubled whenever a read fills it.
const FIRST: usize = 64 * 1024;

/// A page, of the smallest size there is.
const PAGE: usize = 4096;
/// Bytes at a page's beginning where no buffer begins. What is copied by the kernel mostly begins a
/// page, and processors copy to an address just above that of the source, pages apart or not, three
/// times slower than to any other: they take the two for one. Large allocations begin 16 bytes into a
/// page.
const AVOIDED: usize = 64;

thread_local! {
    static FREE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// A read buffer that grows with the traffic and is given back while nothing arrives.
///
/// Ten thousand idle clients hold none.
#[derive(Debug, Default)]
pub struct Scratch {
    buf: Option<BytesMut>,
    size: usize,
}

impl Scratch {
    /// The buffer, empty, and how many bytes to ask for, at most `max`.
    pub fn take(&mut self, max: usize) -> (BytesMut, usize) {
        if self.size == 0 {
            self.size = FIRST;
        }
        let buf = self.buf.take().or_else(|| FREE.with_borrow_mut(Vec::pop)).unwrap_or_default();
        let size = self.size.min(max);
        (placed(buf, size), size)
    }

    /// Keeps the buffer after a read that gave data; `full` when it gave all that was asked for.
    pub fn keep(&mut self, buf: BytesMut, full: bool) {
        if full {
            self.size = (self.size * 2).min(crate::CHUNK_MAX);
        }
        self.buf = Some(buf);
    }

    /// Hands the buffer back after a read that found nothing.
    pub fn give_back(&mut self, buf: BytesMut) {
        FREE.with_borrow_mut(|free| {
            if free.len() < KEPT {
                free.push(buf);
            }
        });
    }
}

/// The empty buffer with room for `size` bytes, at an address that is good to copy to.
fn placed(mut buf: BytesMut, size: usize) -> BytesMut {
    buf.reserve(size + AVOIDED);
    if buf.as_ptr().addr() % PAGE < AVOIDED {
        buf.resize(AVOIDED, 0);
        buf.advance(AVOIDED);
    }
    buf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_buffer_begins_where_copying_is_slow() {
        let mut scratch = Scratch::default();
        for max in [1, 100, 8192, 1 << 17, 1 << 20] {
            for _ in 0..4 {
                let (mut buf, size) = scratch.take(max);
                assert!(buf.is_empty() && buf.capacity() >= size && size <= max);
                assert!(buf.as_ptr().addr() % PAGE >= AVOIDED);
                let at = buf.as_ptr();
                buf.resize(size, 7);
                assert_eq!(buf.as_ptr(), at, "there was room");
                drop(buf.split().freeze());
                scratch.keep(buf, true);
            }
        }
    }
}
