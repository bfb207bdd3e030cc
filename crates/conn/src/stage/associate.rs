//! Datagrams through a SOCKS 5 proxy: each with a header that says where to, as long as the connection
//! that asked for it is open (RFC 1928, section 7).

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use proto::socks::udp;
use proto::target::Target;

use crate::{Conn, Duplex, Recv};

/// Read at a time from the connection that keeps the association; nothing is said on it.
const CONTROL_READ: usize = 1024;

/// The stage: a conn of datagrams to the proxy, made one to the target.
#[derive(Debug)]
pub struct Associate {
    inner: Conn,
    control: Conn,
    target: Target,
    header: Vec<u8>,
    /// What came from elsewhere, or is no datagram of a proxy.
    dropped: u64,
}

impl Associate {
    /// Around `inner`, which goes to the proxy; `control` asked for the association.
    pub fn wrap(inner: Conn, control: Conn, target: Target) -> Conn {
        let mut header = Vec::with_capacity(udp::HEADER_MAX);
        udp::write_header(&target, &mut header);
        inner.wrap(|inner| Self { inner, control, target, header, dropped: 0 })
    }

    /// Whether a datagram is from whom we talk to. A proxy tells addresses, so of a name only the port
    /// can be compared.
    fn is_ours(&self, from: &Target) -> bool {
        from.port == self.target.port
            && (self.target.addr().is_none() || from.addr() == self.target.addr())
    }

    /// Ready with the error once the proxy has ended the association.
    fn poll_control(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let mut said = VecDeque::new();
        loop {
            said.clear();
            match ready!(self.control.poll_recv(cx, CONTROL_READ, &mut said)) {
                Ok(Recv::Data) => {}
                Ok(Recv::End) => {
                    let kind = io::ErrorKind::ConnectionAborted;
                    return Poll::Ready(io::Error::new(
                        kind,
                        "the proxy has ended the association",
                    ));
                }
                Err(error) => return Poll::Ready(error),
            }
        }
    }
}

impl Duplex for Associate {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let mut came = VecDeque::new();
        loop {
            match self.inner.poll_recv(cx, max, &mut came) {
                Poll::Pending => {
                    let error = ready!(self.poll_control(cx));
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(result) => {
                    if result? == Recv::End {
                        return Poll::Ready(Ok(Recv::End));
                    }
                }
            }
            let before = out.len();
            for datagram in came.drain(..) {
                match udp::parse(&datagram) {
                    // Nobody sends fragments; who cannot join them drops them.
                    Ok(parsed) if parsed.fragment == 0 && self.is_ours(&parsed.target) => {
                        out.push_back(datagram.slice_ref(parsed.payload));
                    }
                    _ => self.dropped += 1,
                }
            }
            if out.len() > before {
                return Poll::Ready(Ok(Recv::Data));
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let payload = queue.front().cloned().unwrap_or_default();
        let datagram = [&self.header[..], &payload].concat();
        let mut one = VecDeque::from([Bytes::from(datagram)]);
        ready!(self.inner.poll_send(cx, &mut one))?;
        queue.pop_front();
        Poll::Ready(Ok(payload.len()))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_finish(cx)
    }

    fn linger(&self) -> Duration {
        self.inner.linger()
    }

    fn is_readable(&self) -> bool {
        self.inner.is_readable()
    }

    fn losses(&self) -> Option<String> {
        match self.dropped {
            0 => self.inner.losses(),
            n => Some(format!(
                "{n} datagrams from the proxy were not from the target, and were dropped"
            )),
        }
    }

    fn stop_recv(&mut self) {
        self.inner.stop_recv();
    }
}
