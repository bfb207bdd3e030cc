//! The master side of a program's terminal.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use conn::{Duplex, Port, Recv, advance};

/// Most bytes of one read, in bytes: more than the line discipline ever holds.
const READ: usize = 16 * 1024;
/// Most bytes of one write: a full line of a terminal in canonical mode.
const WRITE: usize = 4096;
const EIO: i32 = 5;

/// A terminal whose other side is a program.
pub(crate) struct Pty {
    read: Port,
    write: Port,
    /// What was sent last: decides how an end of input is typed.
    last: u8,
    /// The end of input, still to be typed.
    ending: Option<Vec<u8>>,
}

impl Pty {
    pub(crate) fn new(master: OwnedFd) -> io::Result<Self> {
        let copy = sys::fd::duplicate(&master)?;
        let (read, write) = (Port::pipe(master, false)?, Port::pipe(copy, true)?);
        Ok(Self { read, write, last: b'\n', ending: None })
    }

    fn write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let bytes = &bytes[..bytes.len().min(WRITE)];
        self.write.poll_write(cx, |fd| sys::fd::write(fd, &[IoSlice::new(bytes)])).map_err(hung_up)
    }
}

/// Nobody has the terminal open any more: to a writer that is a broken pipe.
fn hung_up(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(EIO) { io::ErrorKind::BrokenPipe.into() } else { error }
}

impl Duplex for Pty {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let mut buf = BytesMut::new();
        let read = ready!(
            self.read
                .poll_read(cx, |fd| { Ok((sys::fd::read(fd, &mut buf, READ.min(max))?, false)) })
        );
        match read {
            // The last one who had the terminal open has closed it.
            Err(error) if error.raw_os_error() == Some(EIO) => Poll::Ready(Ok(Recv::End)),
            Err(error) => Poll::Ready(Err(error)),
            Ok(0) => Poll::Ready(Ok(Recv::End)),
            Ok(_) => {
                out.push_back(buf.freeze());
                Poll::Ready(Ok(Recv::Data))
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let piece = queue.front().cloned().unwrap_or_default();
        let n = ready!(self.write(cx, &piece))?;
        if let Some(last) = n.checked_sub(1).and_then(|at| piece.get(at)) {
            self.last = *last;
        }
        advance(queue, n);
        Poll::Ready(Ok(n))
    }

    /// Types the end-of-file character, as a person would: once on an empty line, and once more
    /// before that when there is an unfinished one to hand in.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ending.is_none() {
            let key = sys::pty::end_of_file(&self.write).unwrap_or(4);
            let is_empty_line = self.last == b'\n' || self.last == b'\r';
            self.ending = Some(vec![key; if is_empty_line { 1 } else { 2 }]);
        }
        while let Some(left) = self.ending.take_if(|left| !left.is_empty()) {
            match self.write(cx, &left) {
                Poll::Pending => {
                    self.ending = Some(left);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(n)) => self.ending = Some(left[n..].to_vec()),
                Poll::Ready(Err(error)) => {
                    self.ending = Some(Vec::new());
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
