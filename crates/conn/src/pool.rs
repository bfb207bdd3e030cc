//! Read buffers that idle conns do not hold.

use std::cell::RefCell;

use bytes::BytesMut;

/// Buffers kept per thread for the next reader.
const KEPT: usize = 4;
/// First size of a read, in bytes; doubled whenever a read fills it.
const FIRST: usize = 64 * 1024;

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
        (buf, self.size.min(max))
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
