//! Stages whose work the kernel does: TLS records on a TCP socket.
//!
//! Such a stage is still there, for everything that is not data (its own messages, the end, what went
//! wrong). The data may pass it by: [`Conn::source`] and [`Conn::sink`] are where.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::{Body, Conn, Plain, Recv};

/// What whoever moves bytes past a stage has to ask it.
pub trait Lowered: Send {
    /// Called when the kernel, moving bytes out of [`Conn::source`], stopped: with an error, or with
    /// no bytes (`None`), which may be the end, or something that is for the stage alone. Receives as
    /// [`Duplex::poll_recv`](crate::Duplex::poll_recv) does, but [`Recv::Data`] may add nothing to
    /// `out`: then the stage has had its own, and the kernel may go on.
    ///
    /// # Errors
    /// What broke the receiving direction; `stopped` itself when the stage knows no better.
    fn poll_stopped(
        &mut self,
        cx: &mut Context<'_>,
        stopped: Option<io::Error>,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>>;

    /// Why the kernel could not move bytes into [`Conn::sink`].
    fn why_not_sent(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Error;

    /// Has the kernel send what it keeps for more to come; `has_sent`: it was given some.
    ///
    /// # Errors
    /// What broke the sending direction.
    fn poll_push(&mut self, cx: &mut Context<'_>, has_sent: bool) -> Poll<io::Result<()>>;
}

/// What was taken out of records that the kernel opens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Record {
    /// Data; empty when the peer sent a record without any.
    Data(Bytes),
    /// Another record, or a part of it, and its type.
    Other(u8, Bytes),
    /// The connection has ended; was it in the middle of a record?
    End {
        /// Bytes of a record that is not complete were seen.
        is_cut: bool,
    },
}

impl Conn {
    /// The descriptors bytes may be moved out of by the kernel.
    pub fn source(&self) -> Option<&Plain> {
        match &self.body {
            Body::Wrapped(duplex) if self.lead.is_empty() => duplex.lowered_source(),
            _ => self.plain(),
        }
    }

    /// The descriptors bytes may be moved into by the kernel.
    pub fn sink(&self) -> Option<&Plain> {
        match &self.body {
            Body::Wrapped(duplex) => duplex.lowered_sink(),
            Body::Plain(_) => self.plain(),
        }
    }

    /// The stage that must be asked about what the kernel moved past it.
    pub fn lowered(&mut self) -> Option<&mut dyn Lowered> {
        match &mut self.body {
            Body::Wrapped(duplex) => duplex.lowered(),
            Body::Plain(_) => None,
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod records {
    use std::io;
    use std::os::fd::AsFd;
    use std::task::{Context, Poll, ready};

    use sys::ktls::{self, Keys, Way};

    use super::Record;
    use crate::pool::Scratch;
    use crate::port::Port;
    use crate::{Body, Conn};

    fn no_socket() -> io::Error {
        io::ErrorKind::Unsupported.into()
    }

    impl Conn {
        fn tcp_mut(&mut self) -> io::Result<(&mut Port, &mut Scratch)> {
            match &mut self.body {
                Body::Plain(plain) if self.lead.is_empty() => plain.tcp_mut().ok_or_else(no_socket),
                _ => Err(no_socket()),
            }
        }

        /// Prepares a TCP socket for [`Conn::set_record_keys`].
        ///
        /// # Errors
        /// As [`ktls::prepare`]; `Unsupported` when this is no plain TCP socket.
        pub fn prepare_records(&mut self) -> io::Result<()> {
            ktls::prepare(self.tcp_mut()?.0.as_fd())
        }

        /// Whether a cut record would be noticed.
        pub fn keeps_unfinished_records(&mut self) -> bool {
            self.tcp_mut().is_ok_and(|(port, _)| ktls::keeps_unfinished_records(port.as_fd()))
        }

        /// Has the kernel make or open TLS records from now on.
        ///
        /// # Errors
        /// As [`ktls::set_keys`].
        pub fn set_record_keys(&mut self, way: Way, keys: &Keys<'_>) -> io::Result<()> {
            let (port, _) = self.tcp_mut()?;
            ktls::set_keys(port.as_fd(), way, keys)?;
            match way {
                Way::Send => port.set_makes_records(),
                Way::Recv => port.set_opens_records(),
            }
            Ok(())
        }

        /// Takes a failure that is known off the socket, which would otherwise keep an alert from being
        /// sent.
        pub fn forget_failure(&mut self) {
            if let Ok((port, _)) = self.tcp_mut() {
                let _ = sys::socket::take_error(port.as_fd());
            }
        }

        /// Sends one record of a type of its own, after everything that was sent before.
        ///
        /// # Errors
        /// As [`ktls::send_record`].
        pub fn poll_send_record(
            &mut self,
            cx: &mut Context<'_>,
            kind: u8,
            content: &[u8],
        ) -> Poll<io::Result<()>> {
            let (port, _) = self.tcp_mut()?;
            port.poll_write(cx, |fd| ktls::send_record(fd, kind, content))
        }

        /// Has a record sent that the kernel keeps open for more.
        ///
        /// # Errors
        /// As [`ktls::close_record`].
        pub fn poll_close_record(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let (port, _) = self.tcp_mut()?;
            port.poll_write(cx, |fd| {
                ktls::close_record(fd)?;
                // A record that was full is with TCP, which may still wait for more.
                ktls::push(fd);
                Ok(())
            })
        }

        /// Takes at most `max` bytes out of records of one type.
        ///
        /// # Errors
        /// As [`ktls::recv_record`].
        pub fn poll_recv_record(
            &mut self,
            cx: &mut Context<'_>,
            max: usize,
        ) -> Poll<io::Result<Record>> {
            let (port, scratch) = self.tcp_mut()?;
            let (mut buf, size) = scratch.take(max);
            let read = port.poll_read(cx, |fd| {
                ktls::recv_record(fd, &mut buf, size).map(|read| (read, false))
            });
            let Poll::Ready(Ok((n, kind))) = read else {
                scratch.give_back(buf);
                ready!(read)?;
                return Poll::Pending;
            };
            let content = buf.split().freeze();
            scratch.keep(buf, n == size);
            Poll::Ready(Ok(match kind {
                Some(ktls::DATA) => Record::Data(content),
                Some(kind) => Record::Other(kind, content),
                None => {
                    let left = sys::fd::bytes_waiting(port.as_fd());
                    Record::End { is_cut: left.is_ok_and(|bytes| bytes > 0) }
                }
            }))
        }
    }
}
