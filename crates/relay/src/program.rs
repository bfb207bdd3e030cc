//! The local side is a program: what its end means, and what to do when it reads no more.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use conn::{Conn, ConnInfo, Duplex, Recv, Shape};

/// The program behind the local conn.
///
/// Its output has a life of its own: whoever it left behind may go on writing, so the end of its
/// output ends our direction, not its exit. Its exit says that after that end nobody is left to
/// receive for.
pub(crate) struct Program {
    gone: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Takes what is received once the program has closed its input or is gone. Discarded rather
    /// than left to wait: a peer that must be rid of its bytes before it reads would wait for ever,
    /// and bytes left unread would turn our close into a reset.
    spill: Option<Conn>,
}

impl Program {
    pub(crate) fn new(gone: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { gone: Some(Box::pin(gone)), spill: None }
    }

    /// Whether it has exited; tells so once.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> bool {
        let is_gone = self.gone.as_mut().is_some_and(|gone| gone.as_mut().poll(cx).is_ready());
        if is_gone {
            self.gone = None;
        }
        is_gone
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.is_none()
    }

    /// Whether this failure only says that it reads no more; from then on what comes is discarded.
    pub(crate) fn takes(&mut self, error: &io::Error) -> bool {
        let is_closed = error.kind() == io::ErrorKind::BrokenPipe && self.spill.is_none();
        if is_closed {
            self.discard();
        }
        is_closed
    }

    /// From now on what is received is discarded.
    pub(crate) fn discard(&mut self) {
        let spill = || Conn::from_duplex(ConnInfo::default(), Shape::Stream, Box::new(Spill));
        self.spill.get_or_insert_with(spill);
    }

    /// Where received bytes go when not to the program.
    pub(crate) fn spill(&mut self) -> Option<&mut Conn> {
        self.spill.as_mut()
    }
}

/// Takes everything, gives nothing.
struct Spill;

impl Duplex for Spill {
    fn poll_recv(
        &mut self,
        _cx: &mut Context<'_>,
        _max: usize,
        _out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        Poll::Ready(Ok(Recv::End))
    }

    fn poll_send(
        &mut self,
        _cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(queue.drain(..).map(|piece| piece.len()).sum()))
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
